/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_NR_LDPC_ENCODER_H
#define INCLUDED_SEMCOM_NR_LDPC_ENCODER_H

#include <gnuradio/fec/generic_encoder.h>
#include <gnuradio/semcom/api.h>

namespace gr {
namespace semcom {

/*!
 * \brief LDPC coder of 5G NR for GNU Radio's FEC encoder blocks. \ingroup semcom
 *
 * \details
 * One frame is one code block of semcom::nr_ldpc (3GPP TS 38.212), with rate matching and
 * bit interleaving. For fec.extended_encoder, extended_tagged_encoder, async_encoder and
 * the plain ones.
 *
 * - Input: info_bits items of one bit per byte a frame.
 * - Output: coded_bits items of one bit per byte a frame.
 */
class SEMCOM_API nr_ldpc_encoder : public fec::generic_encoder
{
public:
    typedef std::shared_ptr<nr_ldpc_encoder> sptr;

    /*!
     * \param info_bits bits in, 1 to 8448; to 3840 at code rates of 1/4 and less
     * \param coded_bits bits out, a multiple of bits_per_symbol, at least info_bits
     * \param bits_per_symbol of the modulation that the bit interleaver is made for; 1:
     * no bit interleaving
     * \throws std::invalid_argument with a sentence when no such code exists
     */
    static sptr make(int info_bits, int coded_bits, int bits_per_symbol = 1);

protected:
    nr_ldpc_encoder() : fec::generic_encoder("nr_ldpc_encoder") {}
};

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_NR_LDPC_ENCODER_H */
