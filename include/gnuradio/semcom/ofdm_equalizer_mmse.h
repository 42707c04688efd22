/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_OFDM_EQUALIZER_MMSE_H
#define INCLUDED_SEMCOM_OFDM_EQUALIZER_MMSE_H

#include <gnuradio/digital/constellation.h>
#include <gnuradio/digital/ofdm_equalizer_base.h>
#include <gnuradio/semcom/api.h>

#include <atomic>
#include <memory>
#include <vector>

namespace gr {
namespace semcom {

class delay_fit;

/*!
 * \brief OFDM equaliser that estimates channel, noise, phase and timing drift of a frame
 * jointly.
 * \ingroup semcom
 *
 * \details
 * Not a block but an equaliser object for digital::ofdm_frame_equalizer_vcvc, with
 * nothing assumed about the data: analogue symbols pass as well as QAM. Cell (symbol i,
 * carrier k) is Y = H_k X e^{j(phase_i + slope (i+1) k)} + N. Three rounds of: phase of
 * every symbol from its pilots (phase_track: Kalman filter and smoother); timing drift by
 * least squares; H from the initial taps and all pilots, as few delays instead of many
 * carriers (delay_fit); E|N|^2 from the residual, less the degrees of freedom that the
 * fit took. With a constellation, the data then train as well: three more rounds with
 * the posterior mean and power of every data cell (expectation maximisation; Dempster,
 * Laird and Rubin, J. R. Stat. Soc. B 39(1), 1977).
 *
 * Initial taps are those of digital::ofdm_chanest_vcvc, or the channel state that another
 * equaliser propagated. Occupied and pilot carriers leave equalised, others untouched.
 */
class SEMCOM_API ofdm_equalizer_mmse : public digital::ofdm_equalizer_1d_pilots
{
public:
    typedef std::shared_ptr<ofdm_equalizer_mmse> sptr;

    /*!
     * \param fft_len FFT length
     * \param cp_len cyclic prefix in samples, the longest delay expected
     * \param occupied_carriers carriers of data, as in digital::ofdm_carrier_allocator;
     * empty: all
     * \param pilot_carriers carriers of pilots, likewise
     * \param pilot_symbols their values, likewise
     * \param symbols_skipped OFDM symbols of the frame before the first that arrives here
     * \param constellation of the data, one complex value per symbol, in the amplitude
     * they have beside the pilots (digital::constellation_qpsk has points of power 4);
     * null: anything
     * \param unbiased true: Y / H, which slicers and decoders want; false: H^* Y / (|H|^2
     * + E|N|^2), of least squared error for data of mean power 1
     * \param training how many OFDM symbols of training the initial taps are worth: 1
     * behind ofdm_chanest_vcvc; more where an equaliser has propagated them
     * \param input_is_shifted whether carrier 0 is in the middle
     * \throws std::invalid_argument with one sentence, for parameters out of range
     */
    ofdm_equalizer_mmse(int fft_len,
                        int cp_len,
                        const std::vector<std::vector<int>>& occupied_carriers =
                            std::vector<std::vector<int>>(),
                        const std::vector<std::vector<int>>& pilot_carriers =
                            std::vector<std::vector<int>>(),
                        const std::vector<std::vector<gr_complex>>& pilot_symbols =
                            std::vector<std::vector<gr_complex>>(),
                        int symbols_skipped = 0,
                        const digital::constellation_sptr& constellation = nullptr,
                        bool unbiased = true,
                        double training = 1,
                        bool input_is_shifted = true);
    ~ofdm_equalizer_mmse() override;

    /*!
     * \param[in,out] frame row-major [n_sym][fft_len]
     * \param n_sym OFDM symbols
     * \param initial_taps fft_len values, zero where unknown; empty: the channel state
     * \param tags not used
     */
    void equalize(gr_complex* frame,
                  int n_sym,
                  const std::vector<gr_complex>& initial_taps = std::vector<gr_complex>(),
                  const std::vector<tag_t>& tags = std::vector<tag_t>()) override;

    //! E|N|^2 per cell of the last frame.
    double noise_var() const { return d_noise_var; }
    //! Es/N0 over the carriers of the last frame in dB, bias removed; data of power 1.
    double snr_db() const { return d_snr_db; }

    //! As the constructor.
    static sptr make(int fft_len,
                     int cp_len,
                     const std::vector<std::vector<int>>& occupied_carriers =
                         std::vector<std::vector<int>>(),
                     const std::vector<std::vector<int>>& pilot_carriers =
                         std::vector<std::vector<int>>(),
                     const std::vector<std::vector<gr_complex>>& pilot_symbols =
                         std::vector<std::vector<gr_complex>>(),
                     int symbols_skipped = 0,
                     const digital::constellation_sptr& constellation = nullptr,
                     bool unbiased = true,
                     double training = 1,
                     bool input_is_shifted = true);

private:
    struct estimate;
    void refine(estimate& e) const;
    void decide(estimate& e) const;

    std::vector<int> d_bins;   // positions in a symbol that are used, ascending
    std::vector<int> d_number; // their carrier numbers
    std::unique_ptr<const delay_fit> d_delays;
    std::vector<gr_complex> d_points; // of the constellation; empty: none
    bool d_unbiased;
    double d_training, d_slope_var;
    std::atomic<double> d_noise_var{ 0 }, d_snr_db{ 0 };
};

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_OFDM_EQUALIZER_MMSE_H */
