/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_BURST_DETECTOR_CC_IMPL_H
#define INCLUDED_SEMCOM_BURST_DETECTOR_CC_IMPL_H

#include "burst_estimator.h"
#include "burst_synchronizer.h"

#include <gnuradio/semcom/burst_detector_cc.h>

#include <atomic>
#include <deque>
#include <limits>
#include <optional>

namespace gr {
namespace semcom {

class burst_detector_cc_impl : public burst_detector_cc
{
public:
    burst_detector_cc_impl(const ofdm_params& params, double sample_rate);

    void set_sample_rate(double sample_rate) override;
    std::uint64_t bursts() const override { return d_bursts; }

    bool start() override;
    void forecast(int noutput_items, gr_vector_int& ninput_items_required) override;
    int general_work(int noutput_items,
                     gr_vector_int& ninput_items,
                     gr_vector_const_void_star& input_items,
                     gr_vector_void_star& output_items) override;

private:
    void detect();
    void mark(const burst_lock& lock);
    std::int64_t releasable() const;

    std::optional<burst_synchronizer> d_sync; // made anew for each stream
    burst_estimator d_estimator;
    std::atomic<double> d_sample_rate;
    std::deque<gr_complex> d_held; // samples taken and not yet given out
    std::int64_t d_given = 0;      // samples given out
    // no other burst begins before this sample; windows may start before the first
    std::int64_t d_next = std::numeric_limits<std::int64_t>::min();
    bool d_ended = false; // the input has ended, and all of it was taken
    std::atomic<std::uint64_t> d_bursts{ 0 };
};

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_BURST_DETECTOR_CC_IMPL_H */
