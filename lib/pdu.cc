/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <gnuradio/semcom/pdu.h>
#include <stdexcept>

namespace gr {
namespace semcom {
namespace pdu {

const std::vector<key>& keys()
{
    static const std::vector<key> list = {
        { "transmission",
          value_type::integer,
          "random number of the sender's run, 0..255; tells two senders apart" },
        { "image_id", value_type::integer, "number of the image, 0..65535" },
        { "part", value_type::integer, "index of this part of the image, 0..7" },
        { "parts", value_type::integer, "parts of the image, 1..8" },
        { "fragment",
          value_type::integer,
          "index of this fragment within its part, 0..4094" },
        { "fragments", value_type::integer, "fragments of the part, 1..4095" },
        { "scheme", value_type::integer, "number in the scheme registry, 0..255" },
        { "height", value_type::integer, "pixels, 1..32767" },
        { "width", value_type::integer, "pixels, 1..32767" },
        { "rate",
          value_type::integer,
          "latent channels sent, less one, 0..255; of bytes: bursts of the "
          "group, less one" },
        { "scale",
          value_type::integer,
          "logarithmic code of the power scale, 0..65535; of bytes: the "
          "fragment that the group begins with" },
        { "snr_enc", value_type::integer, "Es/N0 the encoder assumed, dB, -128..127" },
        { "mcs",
          value_type::integer,
          "modulation and coding scheme, 0..63; 63: symbols of a joint coder, not bits" },
        { "weights_id",
          value_type::integer,
          "identifier of the coder's weights, 0..255; 0: none, or not said" },
        { "n_symbols",
          value_type::integer,
          "symbols of this fragment, 1..4096; with those of a seal, 129..4224" },
        { "sealed", value_type::integer, "1 when the symbols are sealed with a key" },
        { "channels", value_type::integer, "values per pixel, 1 or 3" },
        { "classes", value_type::integer, "number of classes of a label map" },
        { "name", value_type::text, "file stem of the image" },
        { "snr_db", value_type::real, "measured Es/N0, dB" },
        { "cfo_hz", value_type::real, "measured carrier offset, Hz" },
        { "level_db", value_type::real, "mean power of the samples, dB over 1" },
        { "clipped",
          value_type::real,
          "share of I and Q values at the limits of the converter" },
        { "noise_var", value_type::f32, "noise variance of each symbol" },
        { "signal_energy", value_type::real, "sum of |h x|^2 over the fragment" },
        { "noise_energy", value_type::real, "sum of |n|^2 over the fragment" },
        { "pilots",
          value_type::integer,
          "channel uses spent on pilots for the fragment" },
        { "lost", value_type::integer, "fragments that never arrived" },
        { "error", value_type::text, "why the image was given up, one sentence" },
        { "budget", value_type::integer, "bytes that the image may take, 1 or more" },
        { "bytes", value_type::integer, "bytes that the image takes, 1 or more" },
        { "plan",
          value_type::text,
          "how a message is shared out in parts: BYTES@MCSxBURSTS, separated by commas" },
        { "bursts", value_type::integer, "bursts that the image is sent in" },
        { "groups",
          value_type::text,
          "number and symbols of the bursts of an image, such as 4x1032,2x3800" },
        { "intact", value_type::integer, "leading bytes that are sound; absent: all" },
        { "blocks", value_type::integer, "code blocks of the message" },
        { "blocks_lost", value_type::integer, "code blocks whose CRC was wrong" },
        { "complete",
          value_type::integer,
          "1 when all bytes of the image were decoded, 0 when a part" },
    };
    return list;
}

#define SEMCOM_KEY(NAME)                                 \
    const pmt::pmt_t& NAME()                             \
    {                                                    \
        static const pmt::pmt_t symbol = pmt::mp(#NAME); \
        return symbol;                                   \
    }

SEMCOM_KEY(transmission)
SEMCOM_KEY(image_id)
SEMCOM_KEY(part)
SEMCOM_KEY(parts)
SEMCOM_KEY(fragment)
SEMCOM_KEY(fragments)
SEMCOM_KEY(scheme)
SEMCOM_KEY(rate)
SEMCOM_KEY(scale)
SEMCOM_KEY(snr_enc)
SEMCOM_KEY(mcs)
SEMCOM_KEY(weights_id)
SEMCOM_KEY(n_symbols)
SEMCOM_KEY(sealed)
SEMCOM_KEY(cfo_hz)
SEMCOM_KEY(level_db)
SEMCOM_KEY(clipped)
SEMCOM_KEY(height)
SEMCOM_KEY(width)
SEMCOM_KEY(channels)
SEMCOM_KEY(noise_var)
SEMCOM_KEY(snr_db)
SEMCOM_KEY(signal_energy)
SEMCOM_KEY(noise_energy)
SEMCOM_KEY(pilots)
SEMCOM_KEY(error)
SEMCOM_KEY(bytes)
SEMCOM_KEY(budget)
SEMCOM_KEY(intact)
SEMCOM_KEY(complete)

#undef SEMCOM_KEY

namespace {

size_t side(const pmt::pmt_t& meta, const pmt::pmt_t& name, long largest)
{
    const pmt::pmt_t value = pmt::dict_ref(meta, name, pmt::PMT_NIL);
    if (!pmt::is_integer(value))
        throw std::invalid_argument("an image PDU needs the integer key " +
                                    pmt::symbol_to_string(name));
    const long number = pmt::to_long(value);
    if (number < 1 || number > largest)
        throw std::invalid_argument("an image PDU says " + pmt::symbol_to_string(name) +
                                    " " + std::to_string(number) + "; it must be 1 to " +
                                    std::to_string(largest));
    return static_cast<size_t>(number);
}

} // namespace

image_shape shape_of_image(const pmt::pmt_t& pdu)
{
    if (!pmt::is_pair(pdu) || !pmt::is_dict(pmt::car(pdu)) ||
        !pmt::is_u8vector(pmt::cdr(pdu)))
        throw std::invalid_argument(
            "an image PDU must be a pair of a metadata dictionary and a u8vector");
    const pmt::pmt_t meta = pmt::car(pdu);
    const image_shape shape = { side(meta, height(), 32767),
                                side(meta, width(), 32767),
                                side(meta, channels(), 4) };
    const size_t expected = shape.height * shape.width * shape.channels;
    const size_t there = pmt::length(pmt::cdr(pdu));
    if (there != expected)
        throw std::invalid_argument("an image PDU says " + std::to_string(shape.width) +
                                    "x" + std::to_string(shape.height) + "x" +
                                    std::to_string(shape.channels) + " but brings " +
                                    std::to_string(there) + " bytes");
    return shape;
}

} // namespace pdu
} // namespace semcom
} // namespace gr
