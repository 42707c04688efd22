/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_OFDM_PARAMS_H
#define INCLUDED_SEMCOM_OFDM_PARAMS_H

#include <gnuradio/gr_complex.h>
#include <gnuradio/semcom/api.h>

#include <cstddef>
#include <vector>

namespace gr {
namespace semcom {

/*!
 * \brief What a transmitter and a receiver of OFDM bursts must agree on.
 * \ingroup semcom
 *
 * A zero stands for the default that follows from the FFT length.
 */
struct SEMCOM_API ofdm_params {
    /*! FFT length in carriers: 64, 128, 256 or 512. */
    int fft_len = 64;
    /*! Cyclic prefix in samples at the critical rate; 0: fft_len / 8. A multiple of 4,
     * under fft_len / 2. */
    int cp_len = 0;
    /*! Carriers in use, half on each side of the unused centre; 0: 7/8 of fft_len. Even.
     */
    int occupied = 0;
    /*! One carrier out of so many is a pilot: 2 to occupied / 2. */
    int pilot_spacing = 14;
    /*! Samples per critical sample: 1, 2, 4 or 8 (zero-padding of the IFFT). */
    int oversampling = 1;
    /*! Preamble length in OFDM symbols: 3, 4, 6, 8, 12 or 14; 0: 8, 6, 4, 3 for 64, 128,
     * 256, 512. */
    int preamble_len = 0;
    /*! Largest carrier offset searched, in carrier spacings: 0 to fft_len / 8. */
    double max_cfo = 4.0;
};

/*!
 * \brief The tables that follow from ofdm_params: carriers, preamble, pilots, lengths.
 * \ingroup semcom
 *
 * \details
 * Burst: preamble_len() training symbols (one random QPSK symbol, its sign following a
 * Barker code differentially), header_len() header symbols, then the payload; every
 * symbol carries its cyclic prefix. All pseudo-random tables are drawn by Marsaglia's
 * xorshift32 (J. Stat. Softw. 8(14), 2003), so that a second implementation needs ten
 * lines.
 */
class SEMCOM_API ofdm_frame
{
public:
    /*! \throws std::invalid_argument with one sentence, for parameters out of range. */
    explicit ofdm_frame(const ofdm_params& params = ofdm_params());

    //! The parameters with every default filled in.
    const ofdm_params& params() const { return d_params; }
    //! As ofdm_params::fft_len.
    int fft_len() const { return d_params.fft_len; }
    //! As ofdm_params::cp_len, in samples at the critical rate.
    int cp_len() const { return d_params.cp_len; }
    //! As ofdm_params::oversampling.
    int oversampling() const { return d_params.oversampling; }
    //! Carriers in use.
    int occupied() const { return d_params.occupied; }
    //! OFDM symbols of the preamble.
    int preamble_len() const { return d_params.preamble_len; }
    //! OFDM symbols of the header.
    int header_len() const { return d_header_len; }
    //! Payload OFDM symbols of a burst of \p n_symbols complex symbols.
    int payload_len(int n_symbols) const;
    //! Samples of one OFDM symbol with its prefix, at the oversampled rate.
    int symbol_samples() const { return (fft_len() + cp_len()) * oversampling(); }
    //! Samples of a burst of \p n_symbols complex symbols, at the oversampled rate.
    std::size_t burst_samples(int n_symbols) const;
    //! Channel uses on the air: burst duration times occupied bandwidth (DESIGN 4).
    double air_uses(int n_symbols) const;
    /*!
     * Standard deviation of the whole complex noise per sample that makes Es/N0 \p
     * esn0_db on every carrier when the mean power of the burst is \p power.
     */
    double noise_voltage(double esn0_db, double power = 1.0) const;

    //! Carrier numbers in use, ascending, in -fft_len/2 .. fft_len/2 - 1.
    const std::vector<int>& carriers() const { return d_carriers; }
    //! Positions in carriers() that carry pilots.
    const std::vector<int>& pilots() const { return d_pilots; }
    //! Positions in carriers() that carry data.
    const std::vector<int>& data() const { return d_data; }
    //! Training symbol, one value per entry of carriers().
    const std::vector<gr_complex>& training() const { return d_training; }
    //! Sign of each preamble symbol.
    const std::vector<float>& cover() const { return d_cover; }
    //! Sign of pilot \p pilot in OFDM symbol \p symbol, counted from the start of the
    //! header.
    float pilot(int symbol, int pilot) const
    {
        return d_pilot_signs[(symbol * d_pilots.size() + pilot) % d_pilot_signs.size()];
    }

private:
    ofdm_params d_params;
    int d_header_len;
    std::vector<int> d_carriers, d_pilots, d_data;
    std::vector<gr_complex> d_training;
    std::vector<float> d_cover, d_pilot_signs;
};

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_OFDM_PARAMS_H */
