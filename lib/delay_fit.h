/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_DELAY_FIT_H
#define INCLUDED_SEMCOM_DELAY_FIT_H

#include <gnuradio/gr_complex.h>
#include <gnuradio/semcom/api.h>

#include <vector>

namespace gr {
namespace semcom {

/*!
 * \brief The channel of many carriers as few delays.
 * \ingroup semcom
 *
 * \details
 * Ridge regression on the delays within the cyclic prefix, and on each side what a delay
 * between two samples spills: the LMMSE estimate for a flat power-delay profile.
 */
class SEMCOM_API delay_fit
{
public:
    /*!
     * \param carriers carrier numbers, -fft_len/2 to fft_len/2 - 1
     * \param fft_len FFT length
     * \param cp_len cyclic prefix in samples
     */
    delay_fit(const std::vector<int>& carriers, int fft_len, int cp_len);

    //! Number of delays.
    int taps() const { return d_taps; }
    //! What delay \p tap does to each carrier, for a tap of 1.
    const gr_complex* carriers_of(int tap) const { return &d_basis[tap * d_carriers]; }

    /*!
     * The taps behind observations of equal quality; for carriers symmetric about 0.
     * \param channel one value per carrier
     * \param noise_var variance of its error
     */
    std::vector<std::complex<double>> delays(const std::vector<gr_complex>& channel,
                                             double noise_var) const;

    /*!
     * Smooths observations of equal quality; for carriers symmetric about 0.
     * \param[in,out] channel one value per carrier
     * \param noise_var variance of its error
     */
    void denoise(std::vector<gr_complex>& channel, double noise_var) const;

    /*!
     * Fits H to any observations y = H x + n, summed up by carrier.
     * \param sums sum of y x^* on each carrier
     * \param weights sum of |x|^2 on each carrier; 0 where nothing was observed
     * \param noise_var E|n|^2
     * \param[out] channel H on each carrier
     * \returns the degrees of freedom that the fit took, at most taps()
     */
    double fit(const std::vector<gr_complex>& sums,
               const std::vector<float>& weights,
               double noise_var,
               std::vector<gr_complex>& channel) const;

private:
    void project(const std::vector<gr_complex>& sums,
                 std::vector<std::complex<double>>& tap) const;
    void expand(const std::vector<std::complex<double>>& tap,
                std::vector<gr_complex>& channel) const;

    int d_carriers, d_taps;
    std::vector<int> d_number;       // carrier numbers
    std::vector<gr_complex> d_basis; // [tap][carrier]
    std::vector<std::complex<double>>
        d_roots; // of one: in single precision the Gram matrix of close delays is none
    std::vector<double> d_gram; // [tap][tap] for equal weights, its real part
};

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_DELAY_FIT_H */
