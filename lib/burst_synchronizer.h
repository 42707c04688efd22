/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_BURST_SYNCHRONIZER_H
#define INCLUDED_SEMCOM_BURST_SYNCHRONIZER_H

#include "burst_detector.h"
#include "line_canceller.h"

#include <gnuradio/fft/fft.h>
#include <gnuradio/semcom/api.h>
#include <gnuradio/semcom/ofdm_params.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace gr {
namespace semcom {

/*! \brief A preamble believed. \ingroup semcom */
struct SEMCOM_API burst_lock {
    std::int64_t position; //!< start of the receive windows, prefix included
    double carrier;        //!< carrier offset in radians per sample
    int delay;    //!< samples from position to the burst's arrival on the strongest path
    float metric; //!< share of the preamble's energy that is coherent, 0 to 1
};

/*! \brief What the converter delivered of a burst. \ingroup semcom */
struct SEMCOM_API sample_levels {
    float power = 0;   //!< mean |x|^2, a DC offset included
    float clipped = 0; //!< share of I and Q values within 0.1 % of the largest one; less
                       //!< than 0.1 % of them are there by chance, and count as none
};

/*!
 * \brief Finds bursts in a stream and cuts them into cells: the receiver up to the
 * channel estimate.
 * \ingroup semcom
 *
 * \details
 * line_canceller takes carriers out of the stream, a DC offset among them;
 * burst_detector proposes preambles; synchronize() finds carrier offset (the ambiguity of
 * the delay correlation by trial of every multiple) and timing (the window of one prefix
 * that holds the most energy of the impulse response), and tells noise from a preamble;
 * rows() turns samples into cells. Who owns it decides how long samples stay in its
 * buffer: until the front candidate is dropped.
 */
class SEMCOM_API burst_synchronizer
{
public:
    /*!
     * \param frame the waveform
     */
    explicit burst_synchronizer(const ofdm_frame& frame);

    //! Takes \p n samples, at most a few 10,000; returns the number of new candidates.
    std::size_t append(const gr_complex* in, std::size_t n);
    //! Forgets samples that neither a candidate nor the detector can need any more.
    void trim();

    //! Proposals of the detector, in order; the owner pops those it is done with.
    std::deque<burst_candidate>& candidates() { return d_candidates; }
    //! Number of samples that can be read so far: all but the first ones of the stream,
    //! which wait in line_canceller.
    std::int64_t end() const
    {
        return d_first + static_cast<std::int64_t>(d_buffer.size());
    }
    //! No lock on a later candidate lies before this sample.
    std::int64_t horizon() const;
    //! Whether the samples that synchronize() needs have arrived.
    bool ready(const burst_candidate& candidate) const;
    //! The preamble at \p candidate, or nothing where there is none.
    std::optional<burst_lock> synchronize(const burst_candidate& candidate);

    /*!
     * Fills cells() and known() for \p count OFDM symbols from symbol \p first of the
     * burst on, whose samples have arrived.
     */
    void rows(const burst_lock& lock, int first, int count);
    //! Received cells, row-major [symbol][occupied carrier].
    const std::vector<gr_complex>& cells() const { return d_cells; }
    //! Values sent, same shape: the whole preamble and later pilots; the rest is open.
    std::vector<gr_complex>& known() { return d_known; }

    /*!
     * Whether \p candidate is a preamble whose I and Q are swapped: one that stands out
     * when each sample is conjugated, beside the \p metric of what synchronize() found.
     */
    bool is_swapped(const burst_candidate& candidate, float metric);
    //! Levels of \p n samples from \p position on, as received.
    sample_levels levels(std::int64_t position, std::int64_t n) const;
    //! The carriers that are taken out of the stream at present.
    std::vector<spectral_line> lines() const { return d_canceller.lines(); }
    const ofdm_frame& frame() const { return d_frame; }

private:
    const gr_complex* at(std::int64_t position) const
    {
        return d_buffer.data() + (position - d_first);
    }
    void average(std::int64_t position, double carrier);
    void impulse(std::vector<float>& power);

    ofdm_frame d_frame;
    line_canceller d_canceller;
    burst_detector d_detector;
    fft::fft_complex_fwd d_fft;
    fft::fft_complex_rev d_delay_fft;
    float d_preamble_threshold;

    std::vector<gr_complex> d_buffer; // without the carriers that are taken out
    std::vector<gr_complex> d_raw;    // as received, from the same position on
    std::int64_t d_first = 0;         // position of d_buffer[0]
    std::vector<burst_candidate> d_found;
    std::deque<burst_candidate> d_candidates;
    std::vector<gr_complex> d_average, d_cells, d_known;
};

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_BURST_SYNCHRONIZER_H */
