/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_BURST_DEMODULATOR_IMPL_H
#define INCLUDED_SEMCOM_BURST_DEMODULATOR_IMPL_H

#include "burst_receiver.h"

#include <gnuradio/semcom/burst_demodulator.h>

#include <condition_variable>
#include <atomic>
#include <mutex>
#include <optional>
#include <vector>

namespace gr {
namespace semcom {

class burst_demodulator_impl : public burst_demodulator
{
public:
    burst_demodulator_impl(const ofdm_params& params,
                           double sample_rate,
                           std::uint64_t idle_samples,
                           std::uint64_t most_waiting,
                           bool swap_iq);

    void set_sample_rate(double sample_rate) override;
    void taken(std::uint64_t n) override;
    void put(std::uint64_t n) override;
    std::uint64_t waiting() override;
    std::uint64_t samples() const override { return d_seen; }
    std::uint64_t preambles() const override { return d_preambles; }
    std::uint64_t bursts() const override { return d_bursts; }

    bool start() override;
    int work(int noutput_items,
             gr_vector_const_void_star& input_items,
             gr_vector_void_star& output_items) override;

private:
    bool has_room();
    void report_silence(std::uint64_t until);
    void report_swapped();

    std::optional<burst_receiver> d_receiver; // made anew for each stream
    std::atomic<double> d_sample_rate;
    std::vector<received_burst> d_received;
    const std::uint64_t d_idle_samples;
    const std::uint64_t d_most_waiting;
    const bool d_swap_iq;
    std::vector<gr_complex> d_swapped_back; // samples, where I and Q are swapped
    std::uint64_t d_swapped_said = 0; // preambles with I and Q swapped, when last told of
    const std::uint64_t d_longest_burst;
    std::atomic<std::uint64_t> d_seen{ 0 }; // samples taken
    std::uint64_t d_published = 0;          // bursts
    std::uint64_t d_active = 0; // end of the last burst, or of the last silence reported
    std::mutex d_mutex;
    std::condition_variable d_room;
    // PDUs at the consumer, guarded by the mutex; below 0 while a taken() has overtaken
    // its put(), for two threads call them
    std::int64_t d_waiting = 0;
    std::atomic<std::uint64_t> d_preambles{ 0 }, d_bursts{ 0 };
    std::uint64_t d_earlier_preambles = 0, d_earlier_bursts = 0; // of earlier streams
};

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_BURST_DEMODULATOR_IMPL_H */
