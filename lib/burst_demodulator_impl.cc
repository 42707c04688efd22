/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "burst_demodulator_impl.h"
#include "burst_pdu.h"
#include "lifecycle.h"

#include <gnuradio/io_signature.h>
#include <volk/volk.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <stdexcept>

namespace gr {
namespace semcom {

burst_demodulator::sptr burst_demodulator::make(const ofdm_params& params,
                                                double sample_rate,
                                                std::uint64_t idle_samples,
                                                std::uint64_t most_waiting,
                                                bool swap_iq)
{
    return gnuradio::make_block_sptr<burst_demodulator_impl>(
        params, sample_rate, idle_samples, most_waiting, swap_iq);
}

burst_demodulator_impl::burst_demodulator_impl(const ofdm_params& params,
                                               double sample_rate,
                                               std::uint64_t idle_samples,
                                               std::uint64_t most_waiting,
                                               bool swap_iq)
    : gr::sync_block("semcom_burst_demodulator",
                     gr::io_signature::make(1, 1, sizeof(gr_complex)),
                     gr::io_signature::make(0, 0, 0)),
      d_receiver(std::in_place, ofdm_frame(params)),
      d_idle_samples(idle_samples),
      d_most_waiting(most_waiting),
      d_swap_iq(swap_iq),
      d_longest_burst(d_receiver->frame().burst_samples(burst_header::longest))
{
    set_sample_rate(sample_rate);
    message_port_register_out(pmt::mp("symbols"));
    message_port_register_out(pmt::mp("idle"));
    message_port_register_out(pmt::mp("status"));
}

void burst_demodulator_impl::put(std::uint64_t n)
{
    const std::lock_guard<std::mutex> lock(d_mutex);
    d_waiting += static_cast<std::int64_t>(n);
}

void burst_demodulator_impl::taken(std::uint64_t n)
{
    {
        const std::lock_guard<std::mutex> lock(d_mutex);
        d_waiting -= static_cast<std::int64_t>(n);
    }
    d_room.notify_one();
}

std::uint64_t burst_demodulator_impl::waiting()
{
    const std::lock_guard<std::mutex> lock(d_mutex);
    return std::max<std::int64_t>(d_waiting, 0);
}

// Waits a little for the consumer when it has enough; without the wait the scheduler
// would call again at once, and without an end to it the flowgraph could not stop.
bool burst_demodulator_impl::has_room()
{
    if (!d_most_waiting) {
        return true;
    }
    std::unique_lock<std::mutex> lock(d_mutex);
    return d_room.wait_for(lock, std::chrono::milliseconds(100), [this] {
        return d_waiting < static_cast<std::int64_t>(d_most_waiting);
    });
}

void burst_demodulator_impl::report_silence(std::uint64_t until)
{
    while (d_idle_samples && d_active + d_idle_samples <= until) {
        d_active += d_idle_samples;
        auto message = pmt::dict_add(
            pmt::make_dict(), pmt::mp("samples"), pmt::from_uint64(d_active));
        message =
            pmt::dict_add(message, pmt::mp("bursts"), pmt::from_uint64(d_published));
        message_port_pub(pmt::mp("idle"), message);
    }
}

// Says it the 1st, 2nd, 4th, 8th, ... time, while it holds for most bursts.
void burst_demodulator_impl::report_swapped()
{
    const auto swapped = d_receiver->counters().swapped;
    if (swapped < std::max<std::uint64_t>(2 * d_swapped_said, 1) ||
        swapped <= d_receiver->counters().bursts) {
        return;
    }
    d_swapped_said = swapped;
    const std::string sentence =
        d_swap_iq
            ? "bursts arrive with I and Q as they should be; do not swap them"
            : "bursts arrive with I and Q swapped; swap them (swap_iq, rx --swap-iq)";
    d_logger->warn("{}", sentence);
    auto message = pmt::dict_add(pmt::make_dict(), pmt::mp("block"), pmt::mp(name()));
    message = pmt::dict_add(message, pmt::mp("status"), pmt::mp(sentence));
    message = pmt::dict_add(message, pmt::mp("swapped"), pmt::from_uint64(swapped));
    message_port_pub(pmt::mp("status"), message);
}

void burst_demodulator_impl::set_sample_rate(double sample_rate)
{
    if (!(sample_rate > 0 && std::isfinite(sample_rate))) {
        throw std::invalid_argument("sample_rate must be above 0 and finite, got " +
                                    std::to_string(sample_rate));
    }
    d_sample_rate = sample_rate;
}

bool burst_demodulator_impl::start()
{
    forget_earlier_end(*this);
    if (nitems_read(0) == 0) {
        // another stream: no burst goes on in it that began in the one before
        const auto frame = d_receiver->frame();
        d_receiver.emplace(frame);
        d_earlier_preambles = d_preambles;
        d_earlier_bursts = d_bursts;
        d_seen = d_active = 0;
        d_swapped_said = 0;
    }
    return gr::sync_block::start();
}

int burst_demodulator_impl::work(int noutput_items,
                                 gr_vector_const_void_star& input_items,
                                 gr_vector_void_star&)
{
    if (!has_room()) {
        return 0;
    }
    d_received.clear();
    const auto* in = static_cast<const gr_complex*>(input_items[0]);
    if (d_swap_iq) {
        // i + j q of swapped I and Q is j times the conjugate, and a burst of any phase
        // is received
        d_swapped_back.resize(noutput_items);
        volk_32fc_conjugate_32fc(d_swapped_back.data(), in, noutput_items);
        in = d_swapped_back.data();
    }
    d_receiver->work(in, noutput_items, d_received);
    report_swapped();
    for (const auto& burst : d_received) {
        const auto start =
            static_cast<std::uint64_t>(std::max<std::int64_t>(burst.position, 0));
        report_silence(start);
        d_active = std::max(
            d_active, start + d_receiver->frame().burst_samples(burst.header.n_symbols));
        // counted only where it is limited, for nobody else takes them away again; and
        // counted first, for the consumer may be quicker than the next line
        if (d_most_waiting) {
            const std::lock_guard<std::mutex> lock(d_mutex);
            d_waiting++;
        }
        message_port_pub(pmt::mp("symbols"), pdu_of_burst(burst, d_sample_rate));
        d_published++;
    }
    // A burst that began before the silence ran out may still be on its way: waiting for
    // the longest keeps the order of messages independent of how the stream was cut.
    d_seen += noutput_items;
    if (d_seen > 2 * d_longest_burst) {
        report_silence(d_seen - 2 * d_longest_burst);
    }
    d_preambles = d_earlier_preambles + d_receiver->counters().preambles;
    d_bursts = d_earlier_bursts + d_receiver->counters().bursts;
    return noutput_items;
}

} // namespace semcom
} // namespace gr
