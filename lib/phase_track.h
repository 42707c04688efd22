/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_PHASE_TRACK_H
#define INCLUDED_SEMCOM_PHASE_TRACK_H

#include <gnuradio/gr_complex.h>

#include <array>
#include <cstddef>
#include <vector>

namespace gr {
namespace semcom {

/*!
 * \brief Phase of a row of OFDM symbols from their pilots: extended Kalman filter over
 * (phase, frequency), then the Rauch-Tung-Striebel smoother.
 */
class phase_track
{
public:
    //! The walk of an oscillator without phase noise.
    static constexpr double least_walk = 1e-7;

    /*!
     * \param rows number of OFDM symbols
     * \param frequency_var prior variance of the phase advance, radians^2 per symbol^2
     */
    phase_track(std::size_t rows, double frequency_var);

    /*!
     * \param pilot one value per row, whose argument is the phase observed
     * \param variance of that phase, radians^2
     * \param walk variance of the phase step from row to row
     * \returns log-likelihood of the innovations
     */
    double filter(const std::vector<gr_complex>& pilot,
                  const std::vector<double>& variance,
                  double walk);
    //! The walk of highest likelihood; filters in passing.
    double likeliest_walk(const std::vector<gr_complex>& pilot,
                          const std::vector<double>& variance);
    //! Lets later rows speak for earlier ones; after filter().
    void smooth();

    double phase(std::size_t row) const { return d_filtered[row][0]; }
    double phase_var(std::size_t row) const { return d_filtered_var[row][0]; }

private:
    double d_frequency_var;
    // states (phase, frequency) and their covariances (pp, pf, ff)
    std::vector<std::array<double, 2>> d_filtered, d_predicted;
    std::vector<std::array<double, 3>> d_filtered_var, d_predicted_var;
};

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_PHASE_TRACK_H */
