/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_BURST_HEADER_FORMAT_H
#define INCLUDED_SEMCOM_BURST_HEADER_FORMAT_H

#include <gnuradio/digital/packet_header_default.h>
#include <gnuradio/logger.h>
#include <gnuradio/semcom/api.h>
#include <gnuradio/semcom/burst_header.h>

#include <memory>
#include <string>
#include <vector>

namespace gr {
namespace semcom {

/*!
 * \brief The coded header of the burst modem for GNU Radio's own packet blocks.
 * \ingroup semcom
 *
 * \details
 * Not a block but a formatter: hand it to digital::packet_headergenerator_bb at the
 * transmitter and to digital::packet_headerparser_b at the receiver. The header is that
 * of burst_header_codec: 176 bits with a CRC-24, convolutional code of rate 1/4,
 * interleaved, repeated until header_len is filled, whitened. The parser sees hard
 * decisions, which cost some 2 dB against the soft decoder of burst_receiver.
 *
 * - header_formatter() reads the integer tags \p transmission, \p image_id, \p part, \p
 *   parts, \p fragment, \p fragments, \p scheme, \p height, \p width, \p rate, \p scale,
 *   \p snr_enc, \p mcs, \p weights_id and \p sealed; of several tags of one key the last
 *   counts, and one that is missing travels as burst_header's default. The packet length,
 *   1 to 4096 items, takes the place of n_symbols.
 * - header_parser() appends these tags, the packet length under len_tag_key and, if
 *   frame_len_tag_key is not empty, the packet's length in OFDM symbols under that key.
 */
class SEMCOM_API burst_header_format : public digital::packet_header_default
{
public:
    typedef std::shared_ptr<burst_header_format> sptr;

    /*!
     * \param header_len header items; at least 728 bits must fit
     * \param len_tag_key key of the packet length in items
     * \param bits_per_byte header bits in each item, least significant first, 1 to 8
     * \param frame_len_tag_key key of the payload's length in OFDM symbols, as
     * header_payload_demux and the blocks behind it want it; empty: no such tag
     * \param carriers data carriers of a payload OFDM symbol, for that tag
     * \param bits_per_carrier payload bits on each of them; an item of the packet is a
     * byte of 8 bits
     * \throws std::invalid_argument with one sentence, for parameters out of range
     */
    burst_header_format(long header_len = burst_header_codec::coded_bits,
                        const std::string& len_tag_key = "packet_len",
                        int bits_per_byte = 1,
                        const std::string& frame_len_tag_key = "",
                        int carriers = 48,
                        int bits_per_carrier = 1);

    /*!
     * \param packet_len items of the packet
     * \param[out] out header_len() items
     * \param tags of the packet
     * \returns true. What the header cannot hold is logged as an error, and zeros go out
     * that no parser accepts: the packet is lost, the stream stays whole. (On false the
     * stock generator throws, and the flowgraph hangs.)
     */
    bool header_formatter(long packet_len,
                          unsigned char* out,
                          const std::vector<tag_t>& tags = std::vector<tag_t>()) override;
    /*!
     * \param header header_len() items
     * \param[out] tags what was read is appended, at offset 0
     * \returns whether it is a valid header; \p tags is untouched when it is not
     */
    bool header_parser(const unsigned char* header, std::vector<tag_t>& tags) override;

    //! As the constructor.
    static sptr make(long header_len = burst_header_codec::coded_bits,
                     const std::string& len_tag_key = "packet_len",
                     int bits_per_byte = 1,
                     const std::string& frame_len_tag_key = "",
                     int carriers = 48,
                     int bits_per_carrier = 1);

private:
    burst_header_codec d_codec;
    pmt::pmt_t d_frame_len_tag_key; // PMT_NIL: none
    int d_carriers, d_bits_per_carrier;
    gr::logger_ptr d_logger, d_debug_logger;
};

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_BURST_HEADER_FORMAT_H */
