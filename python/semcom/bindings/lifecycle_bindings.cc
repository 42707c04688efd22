/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "lifecycle.h"

#include <gnuradio/block.h>
#include <pybind11/pybind11.h>

#include <memory>

namespace py = pybind11;

void bind_lifecycle(py::module& m)
{
    m.def(
        "forget_earlier_end",
        [](const std::shared_ptr<gr::basic_block>& block) {
            gr::semcom::forget_earlier_end(*block);
        },
        py::arg("block"),
        "Makes a block and its message neighbours ready for another run; to be called "
        "from start().");
    m.def(
        "has_run",
        [](const std::shared_ptr<gr::basic_block>& block) {
            // a flowgraph gives its blocks their details as it starts, and leaves them
            const auto runs = std::dynamic_pointer_cast<gr::block>(block);
            return runs && runs->detail();
        },
        py::arg("block"),
        "Whether a flowgraph with this block was ever started.");
    m.def(
        "holders",
        [](const std::shared_ptr<gr::basic_block>& block) { return block.use_count(); },
        py::arg("block"),
        "How many shared pointers hold a block, those of flowgraphs among them.");
}
