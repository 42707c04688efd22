/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "burst_pdu.h"

#include <gnuradio/semcom/burst_header_format.h>
#include <gnuradio/semcom/pdu.h>

#include <algorithm>
#include <stdexcept>

namespace gr {
namespace semcom {

namespace {

// Cells that header_len items hold, checked before the codec and the base class see them.
int cells_of(long header_len, int bits_per_byte)
{
    if (bits_per_byte < 1 || bits_per_byte > 8) {
        throw std::invalid_argument("A header item holds 1 to 8 bits, not " +
                                    std::to_string(bits_per_byte) + ".");
    }
    if (header_len < 1 || header_len > 65536) {
        throw std::invalid_argument("The header has 1 to 65536 items, not " +
                                    std::to_string(header_len) + ".");
    }
    return static_cast<int>(header_len) * bits_per_byte;
}

} // namespace

burst_header_format::sptr burst_header_format::make(long header_len,
                                                    const std::string& len_tag_key,
                                                    int bits_per_byte,
                                                    const std::string& frame_len_tag_key,
                                                    int carriers,
                                                    int bits_per_carrier)
{
    return std::make_shared<burst_header_format>(header_len,
                                                 len_tag_key,
                                                 bits_per_byte,
                                                 frame_len_tag_key,
                                                 carriers,
                                                 bits_per_carrier);
}

burst_header_format::burst_header_format(long header_len,
                                         const std::string& len_tag_key,
                                         int bits_per_byte,
                                         const std::string& frame_len_tag_key,
                                         int carriers,
                                         int bits_per_carrier)
    : digital::packet_header_default(
          header_len, len_tag_key, "packet_num", std::clamp(bits_per_byte, 1, 8)),
      d_codec(cells_of(header_len, bits_per_byte)),
      d_frame_len_tag_key(frame_len_tag_key.empty() ? pmt::PMT_NIL
                                                    : pmt::mp(frame_len_tag_key)),
      d_carriers(carriers),
      d_bits_per_carrier(bits_per_carrier)
{
    if (carriers < 1 || bits_per_carrier < 1) {
        throw std::invalid_argument("A payload OFDM symbol has at least one data carrier "
                                    "of at least one bit.");
    }
    gr::configure_default_loggers(d_logger, d_debug_logger, "burst_header_format");
}

bool burst_header_format::header_formatter(long packet_len,
                                           unsigned char* out,
                                           const std::vector<tag_t>& tags)
{
    auto metadata = pmt::make_dict();
    for (const auto& tag : tags) {
        metadata = pmt::dict_add(metadata, tag.key, tag.value);
    }
    burst_header header;
    const auto problem =
        header_of_metadata(metadata, static_cast<std::size_t>(packet_len), header);
    std::fill_n(out, d_header_len, 0);
    if (!problem.empty()) {
        d_logger->error("a packet of {:d} items is sent without a valid header: {:s}",
                        packet_len,
                        problem);
        return true;
    }
    const auto cells = d_codec.encode(header);
    for (std::size_t i = 0; i < cells.size(); i++) {
        out[i / d_bits_per_byte] |= (cells[i] < 0) << (i % d_bits_per_byte);
    }
    return true;
}

bool burst_header_format::header_parser(const unsigned char* header,
                                        std::vector<tag_t>& tags)
{
    std::vector<float> soft(d_codec.n_cells());
    for (std::size_t i = 0; i < soft.size(); i++) {
        soft[i] = header[i / d_bits_per_byte] >> (i % d_bits_per_byte) & 1 ? -1.0f : 1.0f;
    }
    const auto found = d_codec.decode(soft);
    if (!found) {
        return false;
    }
    const auto put = [&tags](const pmt::pmt_t& key, const pmt::pmt_t& value) {
        tag_t tag;
        tag.key = key;
        tag.value = value;
        tags.push_back(tag);
    };
    const auto items = pmt::dict_items(metadata_of_header(*found));
    for (std::size_t i = 0; i < pmt::length(items); i++) {
        const auto item = pmt::nth(i, items);
        if (!pmt::eq(pmt::car(item), pdu::n_symbols())) {
            put(pmt::car(item), pmt::cdr(item));
        }
    }
    put(d_len_tag_key, pmt::from_long(found->n_symbols));
    if (!pmt::is_null(d_frame_len_tag_key)) {
        const long cells =
            (8L * found->n_symbols + d_bits_per_carrier - 1) / d_bits_per_carrier;
        put(d_frame_len_tag_key, pmt::from_long((cells + d_carriers - 1) / d_carriers));
    }
    return true;
}

} // namespace semcom
} // namespace gr
