/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "burst_detector_cc_impl.h"
#include "lifecycle.h"

#include <gnuradio/block_detail.h>
#include <gnuradio/buffer_reader.h>
#include <gnuradio/io_signature.h>
#include <gnuradio/semcom/pdu.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace gr {
namespace semcom {

burst_detector_cc::sptr burst_detector_cc::make(const ofdm_params& params,
                                                double sample_rate)
{
    return gnuradio::make_block_sptr<burst_detector_cc_impl>(params, sample_rate);
}

burst_detector_cc_impl::burst_detector_cc_impl(const ofdm_params& params,
                                               double sample_rate)
    : gr::block("semcom_burst_detector_cc",
                gr::io_signature::make(1, 1, sizeof(gr_complex)),
                gr::io_signature::make(1, 1, sizeof(gr_complex))),
      d_sync(std::in_place, ofdm_frame(params)),
      d_estimator(d_sync->frame())
{
    set_sample_rate(sample_rate);
    message_port_register_out(pmt::mp("bursts"));
    message_port_register_out(pmt::mp("status"));
}

void burst_detector_cc_impl::set_sample_rate(double sample_rate)
{
    if (!(sample_rate > 0 && std::isfinite(sample_rate))) {
        throw std::invalid_argument("sample_rate must be above 0 and finite, got " +
                                    std::to_string(sample_rate));
    }
    d_sample_rate = sample_rate;
}

// Held samples on which no tag can lie any more.
std::int64_t burst_detector_cc_impl::releasable() const
{
    const auto held = static_cast<std::int64_t>(d_held.size());
    return d_ended ? held
                   : std::clamp<std::int64_t>(d_sync->horizon() - d_given, 0, held);
}

bool burst_detector_cc_impl::start()
{
    forget_earlier_end(*this);
    if (nitems_read(0) == 0) {
        // another stream, whose samples are counted from 0 again
        const auto frame = d_sync->frame();
        d_sync.emplace(frame);
        d_held.clear();
        d_given = 0;
        d_next = std::numeric_limits<std::int64_t>::min();
    }
    return gr::block::start();
}

void burst_detector_cc_impl::forecast(int, gr_vector_int& ninput_items_required)
{
    // Held samples leave without new ones; when the input has ended, the scheduler must
    // still call, or they are lost. Otherwise it waits for input.
    ninput_items_required[0] =
        releasable() > 0 || (detail() && detail()->input(0)->done()) ? 0 : 1;
}

void burst_detector_cc_impl::detect()
{
    auto& candidates = d_sync->candidates();
    while (!candidates.empty() && d_sync->ready(candidates.front())) {
        const auto lock = d_sync->synchronize(candidates.front());
        if (lock && lock->position >= d_next) {
            mark(*lock);
        }
        candidates.pop_front();
    }
}

void burst_detector_cc_impl::mark(const burst_lock& lock)
{
    const int preamble = d_sync->frame().preamble_len();
    const int length = d_sync->frame().symbol_samples();
    d_sync->rows(lock, 0, preamble);
    const auto estimate =
        d_estimator.fit(d_sync->cells(), d_sync->known(), preamble, preamble);
    if (!std::isfinite(estimate.snr)) {
        return;
    }
    const double turn = (estimate.phase.back() - estimate.phase.front()) /
                        (static_cast<double>(preamble - 1) * length);
    const auto sample = std::max(lock.position + lock.delay, d_given);

    auto value = pmt::make_dict();
    const auto put = [&value](const char* key, const pmt::pmt_t& item) {
        value = pmt::dict_add(value, pmt::mp(key), item);
    };
    put("sample", pmt::from_uint64(sample));
    put("cfo_hz", pmt::from_double((lock.carrier + turn) / (2 * M_PI) * d_sample_rate));
    put("snr_db", pmt::from_double(10 * std::log10(estimate.snr)));
    put("metric", pmt::from_double(lock.metric));
    put("timing", pmt::from_long(lock.position - sample));
    add_item_tag(0, sample, pmt::mp("burst"), value, alias_pmt());
    message_port_pub(pmt::mp("bursts"), value);
    d_bursts++;
    // no burst is shorter than its preamble, and the next may be seen a little early
    d_next = lock.position + preamble * length - length / 2;
}

int burst_detector_cc_impl::general_work(int noutput_items,
                                         gr_vector_int& ninput_items,
                                         gr_vector_const_void_star& input_items,
                                         gr_vector_void_star& output_items)
{
    const auto* in = static_cast<const gr_complex*>(input_items[0]);
    auto* out = static_cast<gr_complex*>(output_items[0]);
    {
        const auto reader = detail()->input(0);
        gr::thread::scoped_lock guard(*reader->mutex());
        d_ended = reader->done() && reader->items_available() <= ninput_items[0];
    }
    // With enough held to fill the output, input waits: so the memory stays bounded.
    if (d_ended || releasable() < noutput_items) {
        constexpr int piece = 16384;
        for (int at = 0; at < ninput_items[0]; at += piece) {
            const int n = std::min(piece, ninput_items[0] - at);
            d_sync->append(in + at, n);
            d_held.insert(d_held.end(), in + at, in + at + n);
            detect();
            d_sync->trim();
        }
        consume_each(ninput_items[0]);
    }
    const auto n = static_cast<int>(std::min<std::int64_t>(releasable(), noutput_items));
    std::copy_n(d_held.begin(), n, out);
    d_held.erase(d_held.begin(), d_held.begin() + n);
    d_given += n;
    return d_ended && n == 0 ? WORK_DONE : n;
}

} // namespace semcom
} // namespace gr
