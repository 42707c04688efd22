/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_BURST_ESTIMATOR_H
#define INCLUDED_SEMCOM_BURST_ESTIMATOR_H

#include "carrier_noise.h"
#include "channel_motion.h"
#include "delay_fit.h"

#include <gnuradio/gr_complex.h>
#include <gnuradio/semcom/api.h>
#include <gnuradio/semcom/ofdm_params.h>

#include <vector>

namespace gr {
namespace semcom {

/*!
 * \brief What a burst went through: cell (symbol i, carrier k) is Y = H_k X e^{j(phase_i
 * + slope (i - origin) k)} + N. \ingroup semcom
 */
struct SEMCOM_API burst_estimate {
    std::vector<gr_complex> channel; //!< H_k, one per occupied carrier
    std::vector<float> phase;        //!< radians, one per OFDM symbol
    std::vector<float> phase_var;    //!< squared error expected of each phase
    float slope = 0;                 //!< timing drift, radians per symbol and carrier
    float origin = 0;                //!< symbol at which the slope is zero
    float noise_var = 0;             //!< E|N|^2 per cell, on carriers of weight 1
    std::vector<float> row_noise;    //!< the same of each OFDM symbol
    std::vector<float> weight;       //!< noise_var over that of each carrier
    float channel_var = 0;           //!< mean squared error expected of H_k
    float signal = 0;                //!< mean |H_k|^2, its own noise removed
    float snr = 0;                   //!< mean over the cells of |H_k|^2 / E|N|^2

    std::vector<gr_complex> path; //!< H_k of each OFDM symbol, [symbol][carrier], where
                                  //!< the channel moves; empty where it is at rest
    std::vector<float> path_var;  //!< squared error expected of each
    bool moving() const { return !path.empty(); }
    //! H_k of an OFDM symbol; \p rest where the channel is at rest
    const gr_complex* channel_in(int row, const std::vector<gr_complex>& rest) const
    {
        return moving() ? &path[row * rest.size()] : rest.data();
    }

    int sound_rows = 0; //!< OFDM symbols before the burst breaks off; all, mostly
};

/*!
 * \brief Estimates channel, noise, phase and timing drift of a burst jointly from all its
 * known cells. \ingroup semcom
 *
 * \details
 * Three rounds of: (1) channel from the training rows, by delay_fit; (2) phase of every
 * symbol by an extended Kalman filter and Rauch-Tung-Striebel smoother over phase and
 * residual frequency, the phase-noise power chosen by likelihood, so that a clean
 * oscillator costs nothing and a poor one is followed; (3) timing drift by least squares;
 * (4) noise variance from the residual, with the degrees of freedom that the fit took,
 * and by carrier_noise the carriers that are disturbed; they count by their weight in all
 * steps. Where the pilots are left with slow changes, the channel is fitted by
 * channel_motion as well, and the better of the two by Akaike's criterion is taken.
 *
 * Others who send for a moment disturb a few OFDM symbols: carrier_noise tells them by
 * their pilots as it tells carriers, they get a variance of their own, and the fit is
 * made of the others. Where samples were dropped within a burst, or its gain stepped, the
 * rest of it is not what the training tells of. A row from which on the residual has
 * another variance, and a fit of the rows before it alone, are taken if they are far
 * likelier; the rows from there on get that variance, and a phase each.
 */
class SEMCOM_API burst_estimator
{
public:
    explicit burst_estimator(const ofdm_frame& frame);

    /*!
     * \param cells received cells, row-major [rows][occupied], starting at the first
     * preamble symbol \param known transmitted values, same shape; read in the first \p
     * training rows at every carrier and in the rest at the pilots \param rows number of
     * OFDM symbols \param training rows known entirely, at least the preamble
     */
    burst_estimate fit(const std::vector<gr_complex>& cells,
                       const std::vector<gr_complex>& known,
                       int rows,
                       int training) const;

    /*!
     * Undoes phase, timing drift and channel for row \p row: the MMSE estimate divided by
     * its bias, |H|^2 / (|H|^2 + N0), which is Y / H; its noise variance N0 / |H|^2 tells
     * a decoder what the bias hid. Faded carriers (|H|^2 under 1e-6 of the mean) leave
     * as zeros of variance 1e6. \param cells row-major received cells of the burst
     * \param[out] symbols occupied values
     * \param[out] noise_var occupied values, relative to E|X|^2 = 1
     */
    void equalize(const burst_estimate& estimate,
                  const std::vector<gr_complex>& cells,
                  int row,
                  gr_complex* symbols,
                  float* noise_var) const;

private:
    struct observations;
    struct state;
    struct price;
    struct explanation;
    void hear(observations& seen, std::vector<char> heard) const;
    const std::vector<int>& carriers(const observations& seen, int row) const;
    observations observe(const std::vector<gr_complex>& cells,
                         const std::vector<gr_complex>& known,
                         int rows,
                         int training) const;
    void guess(const observations& seen, state& s, burst_estimate& out) const;
    std::vector<gr_complex> denoised(const std::vector<gr_complex>& channel,
                                     const state& s) const;
    double follow_phase(const observations& seen,
                        state& s,
                        burst_estimate& out,
                        bool choose_walk) const;
    void
    follow_timing(const observations& seen, state& s, const burst_estimate& out) const;
    void undo(float phase, float slope, std::vector<gr_complex>& turn) const;
    void straighten(observations& seen, double slope, const burst_estimate& out) const;
    void average(const observations& seen, state& s, burst_estimate& out) const;
    void measure_noise(const observations& seen, state& s) const;
    std::vector<gr_complex> at_pilots(const observations& seen, const state& s) const;
    std::vector<double> residuals(const observations& seen,
                                  const burst_estimate& out) const;
    void fill_in(observations& seen, const state& s, const burst_estimate& moved) const;
    bool follow_motion(observations& seen, const state& rest, burst_estimate& out) const;
    burst_estimate follow(observations& seen) const;
    std::vector<double> left_in_rows(observations& seen, const burst_estimate& out) const;
    void undisturbed(observations& seen, explanation& best) const;
    burst_estimate broken_off(const observations& seen, int from, double& late) const;
    void unbroken(observations& seen, explanation& best) const;

    int d_carriers, d_preamble;
    std::vector<float> d_number; // carrier numbers
    std::vector<int> d_every, d_pilots;
    delay_fit d_delays;
    channel_motion d_motion;
    double d_slope_var; // prior
};

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_BURST_ESTIMATOR_H */
