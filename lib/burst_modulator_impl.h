/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_BURST_MODULATOR_IMPL_H
#define INCLUDED_SEMCOM_BURST_MODULATOR_IMPL_H

#include "burst_transmitter.h"

#include <gnuradio/semcom/burst_modulator.h>

#include <atomic>
#include <deque>
#include <vector>

namespace gr {
namespace semcom {

class burst_modulator_impl : public burst_modulator
{
public:
    burst_modulator_impl(const ofdm_params& params,
                         float amplitude,
                         int gap,
                         bool continuous,
                         int trailer);

    void set_amplitude(float amplitude) override;
    void set_gap(int gap) override;
    std::uint64_t sent() const override { return d_sent; }
    std::uint64_t dropped() const override { return d_dropped; }

    bool start() override;
    void forecast(int noutput_items, gr_vector_int& ninput_items_required) override;
    int general_work(int noutput_items,
                     gr_vector_int& ninput_items,
                     gr_vector_const_void_star& input_items,
                     gr_vector_void_star& output_items) override;

private:
    void receive(const pmt::pmt_t& pdu);
    bool next_burst();
    void report_sent();

    burst_transmitter d_transmitter;
    std::atomic<float> d_amplitude;
    std::atomic<int> d_gap;
    const bool d_continuous;
    const int d_trailer;
    std::deque<pmt::pmt_t> d_waiting;
    std::vector<gr_complex> d_burst; // being sent, from d_at on
    std::size_t d_at = 0;
    std::size_t d_first = 0;   // sample of the burst itself, after half a gap
    std::size_t d_silence = 0; // samples of silence that were asked for
    pmt::pmt_t d_header;       // of the burst being sent
    pmt::pmt_t d_last;         // metadata of an image whose last samples are being sent
    std::atomic<std::uint64_t> d_sent{ 0 }, d_dropped{ 0 };
};

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_BURST_MODULATOR_IMPL_H */
