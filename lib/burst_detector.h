/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_BURST_DETECTOR_H
#define INCLUDED_SEMCOM_BURST_DETECTOR_H

#include <gnuradio/gr_complex.h>
#include <gnuradio/semcom/api.h>
#include <gnuradio/semcom/ofdm_params.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace gr {
namespace semcom {

/*! \brief Where a preamble may begin. \ingroup semcom */
struct SEMCOM_API burst_candidate {
    std::int64_t position; //!< first sample of the preamble, within a few of the truth
    float metric;          //!< squared normalised correlation, 0 to 1
    float phase; //!< carrier phase advance over one OFDM symbol, modulo 2 pi, in radians
};

/*!
 * \brief Finds preambles in a stream: the cheap first stage of the receiver.
 * \ingroup semcom
 *
 * \details
 * The K preamble symbols are equal up to signs whose products c_i follow a Barker code.
 * With \f$A(n) = \sum_{k<L} x^*[n+k]\,x[n+k+L]\f$ over one symbol of L samples, the
 * metric is \f[ \rho^2(n) = \frac{|\sum_i c_i A(n+iL)|^2}{E_0 E_1} \f] with the energies
 * of the first and the last K-1 symbols: the delay correlation of Schmidl and Cox (IEEE
 * Trans. Commun. 45(12), 1997) made single-peaked by the code and averaged over K-1
 * symbols. It does not see the carrier offset. In noise alone \f$P(\rho^2 > t) \approx
 * e^{-t(K-1)L}\f$, and at low SNR \f$\rho \approx S/(S+N)\f$, so the threshold follows
 * from the false alarms that the second stage (the coherent correlation of
 * burst_receiver) can afford. The Barker code makes a carrier or any other periodic
 * signal a poor imitation.
 *
 * Sums are taken over fixed blocks of samples counted from the start of the stream: what
 * is found does not depend on how the stream is cut into calls. Oversampled streams are
 * decimated first.
 */
class SEMCOM_API burst_detector
{
public:
    /*!
     * \param frame the waveform
     * \param false_alarms probability that one evaluation of the metric in noise alone is
     * a candidate
     */
    explicit burst_detector(const ofdm_frame& frame, double false_alarms = 1e-6);

    //! Takes \p n samples and appends to \p found, in order, the preambles that are now
    //! certain.
    void work(const gr_complex* in, std::size_t n, std::vector<burst_candidate>& found);
    //! No later candidate begins before this sample.
    std::int64_t horizon() const;
    //! Threshold of the metric.
    float threshold() const { return d_threshold; }

private:
    void decimate(const gr_complex* in, std::size_t n);
    void evaluate(std::vector<burst_candidate>& found);

    int d_oversampling, d_symbol, d_block, d_window, d_preamble;
    float d_threshold;
    std::vector<float> d_code, d_taps;

    std::vector<gr_complex> d_tail; // input not yet used up by the decimator
    std::vector<gr_complex>
        d_samples; // critically sampled, not yet used up by the block sums
    std::vector<float> d_re, d_im, d_e0, d_e1; // block sums of x* x', |x|^2, |x'|^2
    std::int64_t d_first = 0;                  // block number of d_re[0]

    bool d_rising = false; // a peak is held, waiting for a larger one
    burst_candidate d_peak{};
    std::int64_t d_peak_block = 0, d_ignore = 0;
};

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_BURST_DETECTOR_H */
