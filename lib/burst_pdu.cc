/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "burst_pdu.h"

#include <gnuradio/semcom/pdu.h>

#include <limits>

namespace gr {
namespace semcom {

namespace {

// The field behind the key, where it is there; false when it does not fit.
template <typename T>
bool read(const pmt::pmt_t& metadata, const pmt::pmt_t& key, T& field)
{
    const auto value = pmt::dict_ref(metadata, key, pmt::PMT_NIL);
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

std::string header_of_metadata(const pmt::pmt_t& metadata,
                               std::size_t n_symbols,
                               burst_header& header)
{
    if (n_symbols < 1 || n_symbols > static_cast<std::size_t>(burst_header::longest)) {
        return "a burst carries 1 to 4096 symbols, not " + std::to_string(n_symbols) +
               ".";
    }
    header = burst_header();
    if (pmt::is_dict(metadata)) {
        const char* wrong =
            !read(metadata, pdu::transmission(), header.transmission) ? "transmission"
            : !read(metadata, pdu::image_id(), header.image_id)       ? "image_id"
            : !read(metadata, pdu::part(), header.part)               ? "part"
            : !read(metadata, pdu::parts(), header.parts)             ? "parts"
            : !read(metadata, pdu::fragment(), header.fragment)       ? "fragment"
            : !read(metadata, pdu::fragments(), header.fragments)     ? "fragments"
            : !read(metadata, pdu::scheme(), header.scheme)           ? "scheme"
            : !read(metadata, pdu::height(), header.height)           ? "height"
            : !read(metadata, pdu::width(), header.width)             ? "width"
            : !read(metadata, pdu::rate(), header.rate)               ? "rate"
            : !read(metadata, pdu::scale(), header.scale)             ? "scale"
            : !read(metadata, pdu::snr_enc(), header.snr_enc)         ? "snr_enc"
            : !read(metadata, pdu::mcs(), header.mcs)                 ? "mcs"
            : !read(metadata, pdu::weights_id(), header.weights_id)   ? "weights_id"
            : !read(metadata, pdu::sealed(), header.sealed)           ? "sealed"
                                                                      : nullptr;
        if (wrong) {
            return std::string("its ") + wrong +
                   " is not an integer that the header holds.";
        }
    }
    header.n_symbols = static_cast<std::uint16_t>(n_symbols);
    return header.problem();
}

pmt::pmt_t metadata_of_header(const burst_header& h)
{
    auto metadata = pmt::make_dict();
    const auto put = [&metadata](const pmt::pmt_t& key, long value) {
        metadata = pmt::dict_add(metadata, key, pmt::from_long(value));
    };
    put(pdu::transmission(), h.transmission);
    put(pdu::image_id(), h.image_id);
    put(pdu::part(), h.part);
    put(pdu::parts(), h.parts);
    put(pdu::fragment(), h.fragment);
    put(pdu::fragments(), h.fragments);
    put(pdu::scheme(), h.scheme);
    put(pdu::height(), h.height);
    put(pdu::width(), h.width);
    put(pdu::rate(), h.rate);
    put(pdu::scale(), h.scale);
    put(pdu::snr_enc(), h.snr_enc);
    put(pdu::mcs(), h.mcs);
    put(pdu::weights_id(), h.weights_id);
    put(pdu::n_symbols(), h.n_symbols);
    put(pdu::sealed(), h.sealed);
    return metadata;
}

std::string header_of_pdu(const pmt::pmt_t& pdu, burst_header& header)
{
    if (!pmt::is_pair(pdu) || !pmt::is_c32vector(pmt::cdr(pdu))) {
        return "the modulator takes PDUs of complex symbols (c32vector).";
    }
    return header_of_metadata(pmt::car(pdu), pmt::length(pmt::cdr(pdu)), header);
}

pmt::pmt_t pdu_of_burst(const received_burst& burst, double sample_rate)
{
    auto metadata = metadata_of_header(burst.header);
    const auto put = [&metadata](const pmt::pmt_t& key, const pmt::pmt_t& value) {
        metadata = pmt::dict_add(metadata, key, value);
    };
    put(pdu::snr_db(), pmt::from_double(burst.snr_db));
    put(pdu::cfo_hz(), pmt::from_double(burst.cfo * sample_rate));
    put(pdu::level_db(), pmt::from_double(burst.level_db));
    put(pdu::clipped(), pmt::from_double(burst.clipped));
    put(pdu::noise_var(), pmt::init_f32vector(burst.noise_var.size(), burst.noise_var));
    return pmt::cons(metadata, pmt::init_c32vector(burst.symbols.size(), burst.symbols));
}

} // namespace semcom
} // namespace gr
