/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "lifecycle.h"

#include <gnuradio/block_registry.h>

namespace gr {
namespace semcom {

namespace {

void forget(gr::basic_block& block)
{
    static const pmt::pmt_t system = pmt::mp("system");
    if (!block.has_msg_port(system)) {
        return;
    }
    while (block.delete_head_nowait(system)) {
    }
}

} // namespace

void forget_earlier_end(gr::basic_block& block)
{
    forget(block);
    // GNU Radio's own blocks do not do it for themselves
    const auto ports = block.message_ports_out();
    for (std::size_t i = 0; i < pmt::length(ports); i++) {
        auto targets = block.message_subscribers(pmt::vector_ref(ports, i));
        for (; pmt::is_pair(targets); targets = pmt::cdr(targets)) {
            const auto neighbour =
                global_block_registry.block_lookup(pmt::car(pmt::car(targets)));
            if (neighbour) {
                forget(*neighbour);
            }
        }
    }
}

} // namespace semcom
} // namespace gr
