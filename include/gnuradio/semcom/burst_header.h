/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_BURST_HEADER_H
#define INCLUDED_SEMCOM_BURST_HEADER_H

#include <gnuradio/semcom/api.h>

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace gr {
namespace semcom {

/*!
 * \brief What crosses the air beside the symbols of a burst: 129 bits of fields in 160
 * with the CRC. \ingroup semcom
 *
 * \details
 * Packed most significant bit first in the order of the members, then 7 zero bits, then a
 * CRC-24 (polynomial 0x864CFB, initial value 0xB704CE, RFC 9580 section 6.1) over the 17
 * bytes before it.
 */
struct SEMCOM_API burst_header {
    static constexpr int bits = 160;
    static constexpr int bytes = bits / 8;

    std::uint16_t image_id = 0;  //!< 16 bits
    std::uint16_t fragment = 0;  //!< 12 bits, under fragments
    std::uint16_t fragments = 1; //!< 12 bits, at least 1
    std::uint8_t scheme = 0;     //!< 8 bits, from the registry of schemes
    std::uint16_t height = 0;    //!< 15 bits, rows of the image
    std::uint16_t width = 0;     //!< 15 bits, columns of the image
    //! 8 bits, rate prefix; of bursts that carry bytes: bursts of the group, less one
    std::uint8_t rate = 0;
    //! 16 bits, logarithmic power scale; of bytes: the fragment that the group begins
    //! with
    std::uint16_t scale = 0;
    std::int8_t snr_enc = 0;     //!< 8 bits, SNR in dB that the encoder assumed
    std::uint8_t mcs = 0;        //!< 6 bits, modulation and coding scheme
    std::uint16_t n_symbols = 1; //!< 13 bits, payload symbols, 1 to 4096

    //! Why the fields cannot travel, in one sentence; empty when they can.
    const char* problem() const;
    /*! \throws std::invalid_argument when problem() finds one. */
    std::array<std::uint8_t, bytes> pack() const;
    //! The header in \p packed, or nothing when the CRC or a field is wrong.
    static std::optional<burst_header>
    unpack(const std::array<std::uint8_t, bytes>& packed);

    bool operator==(const burst_header& other) const;
};

/*!
 * \brief Protects a burst_header for the air: scrambling, convolutional code,
 * interleaving, repetition. \ingroup semcom
 *
 * \details
 * The 160 bits and 6 zero tail bits pass the K = 7, rate 1/4 code with generators 135,
 * 135, 147, 163 (octal; Larsen, IEEE Trans. Inf. Theory 19(3), 1973: free distance 20).
 * The 664 coded bits are permuted, repeated cyclically until all cells are filled, and
 * whitened by a PN sign per cell.
 */
class SEMCOM_API burst_header_codec
{
public:
    static constexpr int tail_bits = 6;
    static constexpr int coded_bits = (burst_header::bits + tail_bits) * 4;

    //! \param n_cells BPSK cells that carry the header, at least coded_bits
    explicit burst_header_codec(int n_cells = coded_bits);

    //! BPSK values, +1 or -1, one per cell; bit 1 is -1 before whitening.
    std::vector<float> encode(const burst_header& header) const;
    /*!
     * Soft Viterbi decoding.
     * \param soft one value per cell, in proportion to its log-likelihood ratio, positive
     * for +1 \returns the header, or nothing when it is not a valid one
     */
    std::optional<burst_header> decode(const std::vector<float>& soft) const;
    int n_cells() const { return static_cast<int>(d_sign.size()); }

private:
    std::vector<int> d_order; // coded bit of each position before repetition
    std::vector<float> d_sign;
};

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_BURST_HEADER_H */
