/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "burst_pdu.h"

#include <limits>

namespace gr {
namespace semcom {

namespace {

// The field "name" of the metadata, where it is there; false when it does not fit.
template <typename T>
bool read(const pmt::pmt_t& metadata, const char* name, T& field)
{
    const auto value = pmt::dict_ref(metadata, pmt::mp(name), pmt::PMT_NIL);
    if (pmt::is_null(value)) {
        return true;
    }
    if (!pmt::is_integer(value)) {
        return false;
    }
    const long number = pmt::to_long(value);
    if (number < std::numeric_limits<T>::min() ||
        number > std::numeric_limits<T>::max()) {
        return false;
    }
    field = static_cast<T>(number);
    return true;
}

} // namespace

std::string header_of_pdu(const pmt::pmt_t& pdu, burst_header& header)
{
    if (!pmt::is_pair(pdu) || !pmt::is_c32vector(pmt::cdr(pdu))) {
        return "the modulator takes PDUs of complex symbols (c32vector).";
    }
    const auto length = pmt::length(pmt::cdr(pdu));
    if (length < 1 || length > static_cast<std::size_t>(ofdm_params::max_symbols)) {
        return "a burst carries 1 to 4096 symbols, not " + std::to_string(length) + ".";
    }
    const auto metadata = pmt::car(pdu);
    header = burst_header();
    if (pmt::is_dict(metadata)) {
        const char* wrong = !read(metadata, "image_id", header.image_id)     ? "image_id"
                            : !read(metadata, "fragment", header.fragment)   ? "fragment"
                            : !read(metadata, "fragments", header.fragments) ? "fragments"
                            : !read(metadata, "scheme", header.scheme)       ? "scheme"
                            : !read(metadata, "height", header.height)       ? "height"
                            : !read(metadata, "width", header.width)         ? "width"
                            : !read(metadata, "rate", header.rate)           ? "rate"
                            : !read(metadata, "scale", header.scale)         ? "scale"
                            : !read(metadata, "snr_enc", header.snr_enc)     ? "snr_enc"
                            : !read(metadata, "mcs", header.mcs)             ? "mcs"
                                                                             : nullptr;
        if (wrong) {
            return std::string("its ") + wrong +
                   " is not an integer that the header holds.";
        }
    }
    header.n_symbols = static_cast<std::uint16_t>(length);
    return header.problem();
}

pmt::pmt_t pdu_of_burst(const received_burst& burst, double sample_rate)
{
    const auto& h = burst.header;
    auto metadata = pmt::make_dict();
    const auto put = [&metadata](const char* name, const pmt::pmt_t& value) {
        metadata = pmt::dict_add(metadata, pmt::mp(name), value);
    };
    put("image_id", pmt::from_long(h.image_id));
    put("fragment", pmt::from_long(h.fragment));
    put("fragments", pmt::from_long(h.fragments));
    put("scheme", pmt::from_long(h.scheme));
    put("height", pmt::from_long(h.height));
    put("width", pmt::from_long(h.width));
    put("rate", pmt::from_long(h.rate));
    put("scale", pmt::from_long(h.scale));
    put("snr_enc", pmt::from_long(h.snr_enc));
    put("mcs", pmt::from_long(h.mcs));
    put("n_symbols", pmt::from_long(h.n_symbols));
    put("snr_db", pmt::from_double(burst.snr_db));
    put("cfo_hz", pmt::from_double(burst.cfo * sample_rate));
    put("noise_var", pmt::init_f32vector(burst.noise_var.size(), burst.noise_var));
    return pmt::cons(metadata, pmt::init_c32vector(burst.symbols.size(), burst.symbols));
}

} // namespace semcom
} // namespace gr
