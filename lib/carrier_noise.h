/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_CARRIER_NOISE_H
#define INCLUDED_SEMCOM_CARRIER_NOISE_H

#include <gnuradio/semcom/api.h>

#include <vector>

namespace gr {
namespace semcom {

/*!
 * \brief Noise variance of many carriers, or OFDM symbols, of which a few may be
 * disturbed. \ingroup semcom
 *
 * \details
 * Carrier k left the mean residual e_k in n observations. All carriers have one variance
 * m, the mean over those that agree with it; a carrier has its own where the residuals
 * speak for it: \f$n (e_k/m - 1 - \ln(e_k/m)) > 7\f$ with e_k above m, a log-likelihood
 * ratio that noise alone exceeds on one carrier of some 5,000. So white noise costs
 * nothing, and a spur takes the carriers that it is on. The search for m begins at the
 * median, which half of the carriers cannot move.
 */
struct SEMCOM_API carrier_noise {
    static constexpr double evidence = 7; //!< nats that speak for a variance of its own
    double common = 0;                    //!< variance m of the carriers that agree
    std::vector<float> weight;            //!< m over the variance of each carrier, 0 to 1
    bool white = true;                    //!< every weight is 1

    /*!
     * \param energy mean squared residual of each carrier
     * \param observations that each mean was taken over, less what a fit took
     * \param floor least variance
     */
    void estimate(const std::vector<double>& energy, double observations, double floor);
    //! Mean of the weights: 1 over it is what disturbed carriers take of the mean SNR.
    double mean_weight() const;
};

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_CARRIER_NOISE_H */
