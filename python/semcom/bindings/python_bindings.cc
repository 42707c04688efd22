/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <pybind11/pybind11.h>

namespace py = pybind11;

void bind_fec(py::module& m);
void bind_lifecycle(py::module& m);
void bind_modem(py::module& m);
void bind_parts(py::module& m);
void bind_pdu(py::module& m);
void bind_symbol_channel(py::module& m);

PYBIND11_MODULE(semcom_python, m)
{
    // The base classes of the blocks and the PMT type are registered by these.
    py::module::import("gnuradio.gr");
    py::module::import("pmt");
    py::module::import("gnuradio.digital");
    py::module::import("gnuradio.fec");

    bind_pdu(m);
    bind_lifecycle(m);
    bind_symbol_channel(m);
    bind_modem(m);
    bind_parts(m);
    bind_fec(m);
}
