/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_NR_LDPC_H
#define INCLUDED_SEMCOM_NR_LDPC_H

#include <gnuradio/semcom/api.h>

#include <cstdint>
#include <vector>

namespace gr {
namespace semcom {

/*!
 * \brief LDPC code of 5G NR for one code block, with rate matching and bit interleaving.
 * \ingroup semcom
 *
 * \details
 * 3GPP TS 38.212: base graph by section 7.2.2, lifting and filler bits by 5.2.2, encoding
 * by 5.3.2, rate matching with redundancy version 0 and no limited buffer by 5.4.2.1, bit
 * interleaving by 5.4.2.2. No CRC is attached and nothing is segmented.
 *
 * The decoder is layered normalised min-sum (Chen et al., IEEE Trans. Commun. 53(8),
 * 2005; layers: Hocevar, SiPS 2004), normalised by the code rate for BPSK and QPSK. It
 * stops as soon as the hard decisions are a codeword.
 *
 * Objects hold no state that changes: one may be used by several threads.
 */
class SEMCOM_API nr_ldpc
{
public:
    static constexpr int max_info_bits = 8448; //!< of base graph 1

    /*!
     * \param info_bits bits in, 1 to max_info_bits; to 3840 at code rates of 1/4 and less
     * \param coded_bits bits out, a multiple of bits_per_symbol, at least info_bits
     * \param bits_per_symbol of the modulation that the bit interleaver is made for; 1:
     * no bit interleaving \throws std::invalid_argument with a sentence when no such code
     * exists
     */
    nr_ldpc(int info_bits, int coded_bits, int bits_per_symbol = 1);

    int info_bits() const { return d_info; }
    int coded_bits() const { return static_cast<int>(d_source.size()); }
    //! 1 or 2, TS 38.212 section 7.2.2
    int base_graph() const { return d_graph; }
    //! Zc, TS 38.212 Table 5.3.2-1
    int lifting_size() const { return d_z; }

    /*!
     * \param info info_bits() bytes of one bit each
     * \param coded receives coded_bits() bytes of one bit each
     */
    void encode(const std::uint8_t* info, std::uint8_t* coded) const;

    /*!
     * \param llr coded_bits() log-likelihood ratios, positive means bit 1; what is not
     * finite counts as unknown
     * \param info receives info_bits() bytes of one bit each, the best guess also on
     * failure \param max_iterations at most \returns whether a codeword was found
     */
    bool decode(const float* llr, std::uint8_t* info, int max_iterations = 25) const;

private:
    struct edge {
        int column;
        int shift;
    };

    int d_info, d_graph, d_z;
    int d_systematic; // columns of information bits
    std::vector<std::vector<edge>> d_rows;
    float d_normalisation;     // of min-sum
    int d_rows_used;           // rows whose parity bits are sent
    std::vector<int> d_source; // of each coded bit: where it is in the codeword
};

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_NR_LDPC_H */
