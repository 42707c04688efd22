/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "lifecycle.h"

#include <gnuradio/block_registry.h>

#include <mutex>
#include <set>

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

/* Whether a block is started for the first time: whoever posts "done" before that means
   the run that is about to begin. */
bool is_first_start(const gr::basic_block& block)
{
    static std::mutex guard;
    static std::set<long> started;
    const std::lock_guard<std::mutex> lock(guard);
    return started.insert(block.unique_id()).second;
}

} // namespace

void forget_earlier_end(gr::basic_block& block)
{
    if (is_first_start(block)) {
        return;
    }
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
