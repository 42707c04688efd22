/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_CHANNEL_MOTION_H
#define INCLUDED_SEMCOM_CHANNEL_MOTION_H

#include "delay_fit.h"

#include <gnuradio/gr_complex.h>
#include <gnuradio/semcom/api.h>

#include <complex>
#include <vector>

namespace gr {
namespace semcom {

/*! \brief A channel that changes within a burst. \ingroup semcom */
struct SEMCOM_API moving_channel {
    std::vector<gr_complex> channel; //!< H, row-major [OFDM symbol][carrier]
    std::vector<float> variance;     //!< squared error expected of each
    double used = 0;                 //!< degrees of freedom that the fit took
    double cycles = 0;               //!< largest Doppler shift, in cycles per burst
    double spread = 0;               //!< share of the power alike on all delays
};

/*!
 * \brief Follows a channel in time and frequency from training and pilots.
 * \ingroup semcom
 *
 * \details
 * The strongest delays of the channel at rest, each a random process of Clarke's Doppler
 * spectrum (R. H. Clarke, Bell Syst. Tech. J. 47(6), 1968), written as a Fourier series
 * of twice the burst's length: H is linear in delays times harmonics, and the LMMSE
 * estimate (P. Hoeher, S. Kaiser and P. Robertson, Proc. ICASSP 1997: pilots in two
 * dimensions) is one small system. Of a few largest Doppler shifts the most likely one is
 * taken. What the other delays add is taken as at rest.
 */
class SEMCOM_API channel_motion
{
public:
    /*!
     * \param delays the delays of the waveform
     * \param pilots positions of the pilots among the carriers
     * \param carriers number of carriers
     */
    channel_motion(const delay_fit& delays, const std::vector<int>& pilots, int carriers);

    /*!
     * Slow changes at the pilots that noise does not explain: the energy of the residuals
     * in the five lowest harmonics of a cosine transform along time, which is 5 in noise.
     * \param residual what a channel at rest leaves, [rows][pilots]
     * \param rows number of OFDM symbols
     * \param noise_var variance of the noise at each pilot
     * \returns energy over noise, one value per pilot
     */
    std::vector<double> slow_changes(const std::vector<gr_complex>& residual,
                                     int rows,
                                     const std::vector<double>& noise_var) const;
    /*!
     * Whether the channel may have moved: the energy of \p changes is four deviations
     * above its mean in noise, and still is without the loudest pilot, for a spur shows
     * on one pilot alone.
     */
    static bool suspected(const std::vector<double>& changes);

    /*!
     * \param seen H and noise of every known cell: all carriers of the first \p training
     * rows, then the pilots of each row
     * \param rows number of OFDM symbols
     * \param training rows known entirely
     * \param rest the channel in the training rows, one value per carrier
     * \param weight noise_var over the noise variance of each carrier
     * \param noise_var E|n|^2 where the weight is 1
     * \param like an earlier fit, whose Doppler shift and spread are taken; if it has
     * none, the most likely ones of a few are
     */
    moving_channel fit(const std::vector<gr_complex>& seen,
                       int rows,
                       int training,
                       const std::vector<gr_complex>& rest,
                       const std::vector<float>& weight,
                       double noise_var,
                       const moving_channel& like = {}) const;

private:
    struct problem;
    struct solution;
    problem pose(const std::vector<gr_complex>& seen,
                 int rows,
                 int training,
                 const std::vector<gr_complex>& rest,
                 const std::vector<float>& weight,
                 double noise_var) const;
    solution solve(const problem& p, double cycles, double spread) const;
    solution likeliest(const problem& p) const;
    void expand(const problem& p, const solution& s, moving_channel& out) const;
    void expect_errors(const problem& p, const solution& s, moving_channel& out) const;

    const delay_fit* d_delays;
    std::vector<int> d_pilots, d_every;
    int d_carriers;
};

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_CHANNEL_MOTION_H */
