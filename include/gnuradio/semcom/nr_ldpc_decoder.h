/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_NR_LDPC_DECODER_H
#define INCLUDED_SEMCOM_NR_LDPC_DECODER_H

#include <gnuradio/fec/generic_decoder.h>
#include <gnuradio/semcom/api.h>

#include <cstdint>

namespace gr {
namespace semcom {

/*!
 * \brief LDPC decoder of 5G NR for GNU Radio's FEC decoder blocks. \ingroup semcom
 *
 * \details
 * One frame is one code block of semcom::nr_ldpc (3GPP TS 38.212), decoded by layered
 * normalised min-sum. For fec.extended_decoder, extended_tagged_decoder, async_decoder
 * and the plain ones.
 *
 * - Input: coded_bits floats a frame, positive means bit 1. Log-likelihood ratios of any
 *   scale: min-sum does not depend on it.
 * - Output: info_bits items of one bit per byte a frame, the best guess also where no
 *   codeword was found.
 */
class SEMCOM_API nr_ldpc_decoder : public fec::generic_decoder
{
public:
    typedef std::shared_ptr<nr_ldpc_decoder> sptr;

    /*!
     * \param info_bits bits out, 1 to 8448; to 3840 at code rates of 1/4 and less
     * \param coded_bits bits in, a multiple of bits_per_symbol, at least info_bits
     * \param bits_per_symbol of the modulation that the bit interleaver is made for; 1:
     * no bit interleaving
     * \param max_iterations at most, from 1; decoding stops at the first codeword
     * \throws std::invalid_argument with a sentence when no such code exists
     */
    static sptr
    make(int info_bits, int coded_bits, int bits_per_symbol = 1, int max_iterations = 25);

    //! Frames decoded so far.
    virtual std::uint64_t frames() const = 0;
    //! Those of them in which no codeword was found.
    virtual std::uint64_t failures() const = 0;

protected:
    nr_ldpc_decoder() : fec::generic_decoder("nr_ldpc_decoder") {}
};

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_NR_LDPC_DECODER_H */
