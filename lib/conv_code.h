/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_CONV_CODE_H
#define INCLUDED_SEMCOM_CONV_CODE_H

#include <gnuradio/semcom/api.h>

#include <cstdint>
#include <memory>

namespace gr {
namespace semcom {

/*!
 * \brief Convolutional code of 802.11 (K = 7, generators 133 and 171 octal), punctured
 * and terminated. \ingroup semcom
 *
 * \details
 * IEEE Std 802.11-2020, sections 17.3.5.3 (6 zero tail bits) and 17.3.5.6 (puncturing to
 * 2/3 and 3/4). Coder and Viterbi decoder are GNU Radio's fec::code::cc_encoder and
 * cc_decoder. Not for several threads at once.
 */
class SEMCOM_API conv_code
{
public:
    /*!
     * \param info_bits bits in, a multiple of 8
     * \param coded_bits bits out, at least what the code makes; what is more is zeros
     * \param puncturing 2, 3 or 4 for rates 1/2, 2/3 or 3/4
     * \throws std::invalid_argument with a sentence when that cannot be
     */
    conv_code(int info_bits, int coded_bits, int puncturing);
    ~conv_code();

    int info_bits() const { return d_info; }
    int coded_bits() const { return d_coded; }

    /*!
     * \param info info_bits() bytes of one bit each
     * \param coded receives coded_bits() bytes of one bit each
     */
    void encode(const std::uint8_t* info, std::uint8_t* coded);

    /*!
     * \param llr coded_bits() log-likelihood ratios, positive means bit 1
     * \param info receives info_bits() bytes of one bit each
     */
    void decode(const float* llr, std::uint8_t* info);

    //! Bits that the code makes of \p info_bits with tail and puncturing.
    static int bits_made(int info_bits, int puncturing);

private:
    struct coders;
    int d_info, d_coded, d_puncturing;
    std::unique_ptr<coders> d_coders;
};

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_CONV_CODE_H */
