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
 * \brief What crosses the air beside the symbols of a burst: 152 bits of fields in 176
 * with the CRC. \ingroup semcom
 *
 * \details
 * Packed most significant bit first in the order of the members, then a CRC-24
 * (polynomial 0x864CFB, initial value 0xB704CE, RFC 9580 section 6.1) over the 19 bytes
 * before it. \p parts travels as parts - 1.
 *
 * An image is sent in one or several parts, each of them in one or several fragments, and
 * every fragment is a burst.
 */
struct SEMCOM_API burst_header {
    static constexpr int bits = 176;
    static constexpr int bytes = bits / 8;
    static constexpr int max_symbols = 4096; //!< payload symbols of a burst
    static constexpr int seal_symbols = 128; //!< symbols of a seal, beside them
    static constexpr int longest = max_symbols + seal_symbols; //!< of any burst

    //! 8 bits, random for each run of a sender: it tells two senders apart
    std::uint8_t transmission = 0;
    std::uint16_t image_id = 0;  //!< 16 bits
    std::uint8_t part = 0;       //!< 3 bits, under parts
    std::uint8_t parts = 1;      //!< 3 bits, 1 to 8 parts of the image
    std::uint16_t fragment = 0;  //!< 12 bits, index within the part, under fragments
    std::uint16_t fragments = 1; //!< 12 bits, 1 to 4095 fragments of the part
    std::uint8_t scheme = 0;     //!< 8 bits, from the registry of schemes
    std::uint16_t height = 0;    //!< 15 bits, rows of the image
    std::uint16_t width = 0;     //!< 15 bits, columns of the image
    //! 8 bits, rate prefix; of bursts that carry bytes: bursts of the group, less one
    std::uint8_t rate = 0;
    //! 16 bits, logarithmic power scale; of bytes: the fragment that the group begins
    //! with
    std::uint16_t scale = 0;
    std::int8_t snr_enc = 0; //!< 8 bits, SNR in dB that the encoder assumed
    //! 6 bits, modulation and coding scheme; 63: symbols of a joint coder, not bits
    std::uint8_t mcs = 0;
    std::uint8_t weights_id = 0; //!< 8 bits, of the coder's weights; 0: none, or not said
    //! 13 bits, symbols of the burst with those of its seal: 1 to 4096, or 129 to 4224
    std::uint16_t n_symbols = 1;
    //! 1 bit: whether the payload is sealed with a key, see python/semcom/burst/seal.py
    std::uint8_t sealed = 0;

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
 * The 176 bits and 6 zero tail bits pass the K = 7, rate 1/4 code with generators 135,
 * 135, 147, 163 (octal; Larsen, IEEE Trans. Inf. Theory 19(3), 1973: free distance 20).
 * The 728 coded bits are permuted, repeated cyclically until all cells are filled, and
 * whitened by a PN sign per cell.
 */
class SEMCOM_API burst_header_codec
{
public:
    //! Zeros that end the convolutional code.
    static constexpr int tail_bits = 6;
    //! Bits that leave the code, the least cells of a header.
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
    //! BPSK cells of a header.
    int n_cells() const { return static_cast<int>(d_sign.size()); }

private:
    std::vector<int> d_order; // coded bit of each position before repetition
    std::vector<float> d_sign;
};

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_BURST_HEADER_H */
