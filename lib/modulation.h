/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_MODULATION_H
#define INCLUDED_SEMCOM_MODULATION_H

#include <gnuradio/semcom/api.h>

#include <complex>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace gr {
namespace semcom {

/*!
 * \brief Modulation mapper of 5G NR and its soft demapper. \ingroup semcom
 *
 * \details
 * 3GPP TS 38.211 section 5.1: BPSK, QPSK, 16-QAM, 64-QAM, 256-QAM, Gray labelled, average
 * power 1. The demapper gives exact max-log ratios for noise of the variance stated for
 * each symbol.
 */
class SEMCOM_API modulation
{
public:
    /*!
     * \param bits_per_symbol 1, 2, 4, 6 or 8
     * \throws std::invalid_argument for any other
     */
    explicit modulation(int bits_per_symbol);

    int bits_per_symbol() const { return d_bits; }

    /*!
     * \param bits n times bits_per_symbol() bytes of one bit each
     * \param symbols receives n symbols
     */
    void map(const std::uint8_t* bits, std::complex<float>* symbols, std::size_t n) const;

    /*!
     * \param symbols n of them, equalised
     * \param noise_var n variances of complex noise, E|n|^2; infinite where lost
     * \param llr receives n times bits_per_symbol() log-likelihood ratios, positive means
     * bit 1; 0 for symbols or variances that are no numbers
     */
    void demap(const std::complex<float>* symbols,
               const float* noise_var,
               float* llr,
               std::size_t n) const;

private:
    int d_bits;
    int d_per_axis;             // bits that each of the two axes carries
    std::vector<float> d_level; // by the bits of one axis, first bit on top
};

/*!
 * \brief XORs bits with the pseudo-random sequence of 3GPP TS 38.211 section 5.2.1.
 * \ingroup semcom
 *
 * \details Applied twice it changes nothing.
 */
class SEMCOM_API gold_sequence
{
public:
    //! \param seed c_init, 31 bits
    explicit gold_sequence(std::uint32_t seed);
    //! The next bit of the sequence.
    std::uint8_t next();

private:
    std::uint32_t d_x1 = 1, d_x2;
};

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_MODULATION_H */
