/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "targets.h"

#include "air.h"
#include "burst_pdu.h"

#include "burst_receiver.h"

#include <gnuradio/semcom/pdu.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>

using namespace gr::semcom;

namespace fuzz {

thread_local bool watching = false;

watch::watch() { watching = true; }
watch::~watch() { watching = false; }

void broken(const char* property)
{
    std::fprintf(stderr, "fuzz: %s\n", property);
    std::abort();
}

float reader::any_float()
{
    static constexpr float breaking[] = { 0.0f,
                                          -0.0f,
                                          1.0f,
                                          std::numeric_limits<float>::quiet_NaN(),
                                          std::numeric_limits<float>::infinity(),
                                          -std::numeric_limits<float>::infinity(),
                                          std::numeric_limits<float>::max(),
                                          std::numeric_limits<float>::lowest(),
                                          std::numeric_limits<float>::denorm_min(),
                                          1e15f,
                                          1e19f,
                                          1e-19f,
                                          1e-30f };
    const unsigned choice = byte() % 16;
    if (choice < std::size(breaking)) {
        return breaking[choice];
    }
    const std::uint32_t bits = number(4);
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

float reader::small_float(float range)
{
    return range * (static_cast<float>(number(2)) / 32768.0f - 1.0f);
}

namespace {

burst_header any_header(reader& in)
{
    burst_header h;
    h.transmission = in.byte();
    h.image_id = in.number(2);
    h.parts = 1 + in.below(8);
    h.part = in.below(h.parts);
    h.fragments = 1 + in.below(4095);
    h.fragment = in.below(h.fragments);
    h.scheme = in.byte();
    h.height = in.number(2) & 0x7fff;
    h.width = in.number(2) & 0x7fff;
    h.rate = in.byte();
    h.scale = in.number(2);
    h.snr_enc = static_cast<std::int8_t>(in.byte());
    h.mcs = in.byte() & 63;
    h.weights_id = in.byte();
    // mostly short bursts, so that an input holds several
    const unsigned longest = in.byte() % 8 ? 200 : burst_header::max_symbols;
    h.sealed = in.byte() % 2;
    h.n_symbols = 1 + in.below(longest) + h.sealed * burst_header::seal_symbols;
    return h;
}

// A header that pack() makes or refuses, bit errors or not, its CRC right or not.
packed_header any_packed(reader& in)
{
    const unsigned kind = in.byte() % 4;
    packed_header packed;
    if (kind == 0) {
        for (auto& byte : packed) {
            byte = in.byte();
        }
    } else {
        packed = any_header(in).pack();
        for (unsigned flips = in.byte() % 8; flips > 0; flips--) {
            const unsigned bit = in.below(burst_header::bits);
            packed[bit / 8] ^= 1 << bit % 8;
        }
    }
    return kind >= 2 ? with_crc(packed) : packed;
}

} // namespace

verdict header_bits(reader& in)
{
    const auto packed = any_packed(in);
    const watch watching;
    const auto header = burst_header::unpack(packed);
    if (!header) {
        return verdict::rejected;
    }
    require(!*header->problem(), "a header that was accepted has a problem");
    require(header->pack() == packed, "a header that was accepted packs differently");
    return verdict::accepted;
}

verdict header_soft(reader& in)
{
    constexpr int min_cells = burst_header_codec::coded_bits;
    const int sizes[] = { 0,   1, min_cells - 1, min_cells, min_cells + 1, min_cells + 36,
                          2048 };
    const int n_cells = sizes[in.byte() % std::size(sizes)];
    if (n_cells < min_cells) {
        try {
            const burst_header_codec refused(n_cells);
        } catch (const std::invalid_argument&) {
            return verdict::rejected;
        }
        broken("a codec of too few cells was made");
    }
    const burst_header_codec codec(n_cells);
    const auto packed = any_packed(in);
    auto soft = coded(packed, n_cells);
    const float gain = in.byte() % 4 ? 1.0f : in.any_float();
    for (auto& value : soft) {
        value *= gain;
    }
    if (in.byte() % 16 == 0) {
        soft.resize(in.below(2 * n_cells));
    }
    const unsigned kind = in.byte() % 3;
    while (!in.empty() && !soft.empty()) {
        // errors here and there, or everywhere
        float& value = soft[in.below(soft.size())];
        value = kind == 0 ? -value : kind == 1 ? in.any_float() : in.small_float(4);
    }
    const watch watching;
    try {
        const auto header = codec.decode(soft);
        require(soft.size() == static_cast<std::size_t>(n_cells),
                "soft values of a wrong number were decoded");
        if (!header) {
            return verdict::rejected;
        }
        require(!*header->problem(), "a header that was decoded has a problem");
        require(codec.encode(*header) == coded(header->pack(), n_cells),
                "the two implementations of the header's code differ");
        return verdict::accepted;
    } catch (const std::invalid_argument&) {
        require(soft.size() != static_cast<std::size_t>(n_cells),
                "soft values of the right number were refused");
        return verdict::rejected;
    }
}

namespace {

constexpr std::size_t longest_stream = 60000;

// Transmitters of frames that differ in every parameter; planning their transforms takes
// longer than an input.
burst_transmitter& any_transmitter(reader& in)
{
    static std::vector<std::unique_ptr<burst_transmitter>> made;
    if (made.empty()) {
        for (const auto& params : { ofdm_params{ 64, 0, 0, 14, 1, 0, 4.0 },
                                    ofdm_params{ 64, 4, 32, 2, 1, 14, 8.0 },
                                    ofdm_params{ 64, 0, 0, 14, 2, 3, 0.0 },
                                    ofdm_params{ 128, 60, 126, 63, 1, 0, 16.0 },
                                    ofdm_params{ 256, 0, 0, 14, 4, 12, 4.0 },
                                    ofdm_params{ 512, 0, 0, 14, 1, 0, 4.0 } }) {
            made.push_back(std::make_unique<burst_transmitter>(ofdm_frame(params)));
        }
    }
    // mostly the default one, which is quick
    const unsigned choice = in.byte() % 12;
    return *made[choice < made.size() ? choice : 0];
}

class stream
{
public:
    stream(burst_transmitter& transmitter, reader& in)
        : d_frame(transmitter.frame()),
          d_transmitter(transmitter),
          d_in(in),
          d_random(in.number(4))
    {
        for (int step = 0; step < 16 && !in.empty() && d_samples.size() < longest_stream;
             step++) {
            one_step();
        }
        if (in.byte() % 2) {
            const float deviation = std::abs(in.small_float(0.5f));
            for (auto& sample : d_samples) {
                sample += deviation * gaussian();
            }
        }
        d_samples.resize(std::min(d_samples.size(), longest_stream));
    }
    const std::vector<gr_complex>& samples() const { return d_samples; }

private:
    gr_complex gaussian()
    {
        std::normal_distribution<float> normal(0, static_cast<float>(M_SQRT1_2));
        const float re = normal(d_random);
        return { re, normal(d_random) };
    }

    std::vector<gr_complex> burst()
    {
        const auto header = any_header(d_in);
        std::vector<gr_complex> symbols(header.n_symbols);
        std::generate(symbols.begin(), symbols.end(), [this] { return gaussian(); });
        const float amplitude = d_in.byte() % 4 ? 1.0f : std::abs(d_in.any_float());
        d_transmitter.set_amplitude(amplitude);
        std::vector<gr_complex> out;
        d_transmitter.modulate(header, symbols.data(), out);
        if (d_in.byte() % 2) {
            replace_header(d_frame, any_packed(d_in), amplitude, out.data());
        }
        if (d_in.byte() % 4 == 0) {
            const double step = d_in.small_float(10) * 2 * M_PI / d_frame.fft_len() /
                                d_frame.oversampling();
            for (std::size_t i = 0; i < out.size(); i++) {
                out[i] *= std::polar(1.0f, static_cast<float>(step * i));
            }
        }
        return out;
    }

    void one_step()
    {
        const std::size_t n = d_in.below(2000);
        const std::size_t at = d_samples.empty() ? 0 : d_in.below(d_samples.size());
        switch (d_in.byte() % 10) {
        case 0: // cut short
        {
            const auto whole = burst();
            d_samples.insert(
                d_samples.end(), whole.begin(), whole.begin() + d_in.below(whole.size()));
            break;
        }
        case 1: // the end of one only
        {
            const auto whole = burst();
            d_samples.insert(
                d_samples.end(), whole.begin() + d_in.below(whole.size()), whole.end());
            break;
        }
        case 2: // on top of what is there
        {
            const auto other = burst();
            d_samples.resize(std::max(d_samples.size(), at + other.size()));
            for (std::size_t i = 0; i < other.size(); i++) {
                d_samples[at + i] += other[i];
            }
            break;
        }
        case 3:
            d_samples.resize(d_samples.size() + n);
            break;
        case 4: {
            const float deviation = d_in.any_float();
            for (std::size_t i = 0; i < n; i++) {
                d_samples.push_back(deviation * gaussian());
            }
            break;
        }
        case 5: // a few samples that no radio delivers
            for (unsigned k = d_in.byte() % 8; k > 0 && !d_samples.empty(); k--) {
                const float re = d_in.any_float();
                d_samples[d_in.below(d_samples.size())] = { re, d_in.any_float() };
            }
            break;
        case 6: // the level jumps
        {
            const float gain = d_in.any_float();
            for (std::size_t i = at; i < std::min(at + n, d_samples.size()); i++) {
                d_samples[i] *= gain;
            }
            break;
        }
        case 7: // samples lost
            d_samples.erase(d_samples.begin() + at,
                            d_samples.begin() + std::min(at + n, d_samples.size()));
            break;
        case 8: // a carrier
        {
            const float step = d_in.small_float(4);
            for (std::size_t i = 0; i < n; i++) {
                d_samples.push_back(std::polar(1.0f, step * i));
            }
            break;
        }
        default: {
            const auto whole = burst();
            d_samples.insert(d_samples.end(), whole.begin(), whole.end());
        }
        }
    }

    const ofdm_frame& d_frame;
    burst_transmitter& d_transmitter;
    reader& d_in;
    std::mt19937 d_random;
    std::vector<gr_complex> d_samples;
};

void check(const received_burst& burst, const ofdm_frame& frame, std::size_t samples)
{
    const auto length = static_cast<std::int64_t>(samples);
    require(!*burst.header.problem(), "a burst was delivered whose header has a problem");
    require(burst.symbols.size() == burst.header.n_symbols &&
                burst.noise_var.size() == burst.header.n_symbols,
            "a burst was delivered without the symbols its header announces");
    require(burst.position >= -4 * frame.symbol_samples() &&
                burst.position + static_cast<std::int64_t>(
                                     frame.burst_samples(burst.header.n_symbols)) <=
                    length,
            "a burst was delivered that lies outside of the stream");
    require(std::isfinite(burst.snr_db) && std::isfinite(burst.cfo),
            "a burst was delivered whose SNR or carrier offset is no number");
    for (int i = 0; i < burst.header.n_symbols; i++) {
        require(std::isfinite(std::norm(burst.symbols[i])),
                "a symbol was delivered that is no finite number");
        require(burst.noise_var[i] >= 0, "a noise variance was delivered that is none");
    }
}

} // namespace

verdict receiver(reader& in)
{
    auto& transmitter = any_transmitter(in);
    const auto& frame = transmitter.frame();
    const unsigned longest_piece = 1 + in.below(20000);
    const bool again = in.byte() % 4 == 0;
    const auto samples = stream(transmitter, in).samples();
    std::mt19937 cuts(longest_piece);

    std::vector<received_burst> out;
    {
        const watch watching;
        burst_receiver under_test(frame);
        for (std::size_t at = 0; at < samples.size();) {
            const std::size_t n =
                std::min<std::size_t>(1 + cuts() % longest_piece, samples.size() - at);
            under_test.work(samples.data() + at, n, out);
            at += n;
        }
        const auto& counts = under_test.counters();
        require(counts.bursts == out.size() && counts.bursts <= counts.headers &&
                    counts.headers <= counts.preambles &&
                    counts.preambles <= counts.candidates,
                "the receiver has miscounted");
        require(counts.candidates <= 1 + samples.size() / (2 * frame.symbol_samples()),
                "more preambles were proposed than fit into the stream");
        for (const auto& burst : out) {
            check(burst, frame, samples.size());
            const auto pdu = pdu_of_burst(burst, 1e6);
            burst_header header;
            require(header_of_pdu(pdu, header).empty() && header == burst.header,
                    "a burst's PDU does not say what its header said");
        }
    }
    if (again) {
        burst_receiver in_one_go(frame);
        std::vector<received_burst> same;
        in_one_go.work(samples.data(), samples.size(), same);
        require(same.size() == out.size(),
                "cutting the stream changed what was received");
        for (std::size_t i = 0; i < out.size(); i++) {
            require(same[i].header == out[i].header &&
                        same[i].position == out[i].position &&
                        same[i].symbols == out[i].symbols,
                    "cutting the stream changed a burst");
        }
    }
    return out.empty() ? verdict::rejected : verdict::accepted;
}

namespace {

pmt::pmt_t any_pmt(reader& in, int depth);

std::int64_t any_integer(reader& in)
{
    static constexpr std::int64_t interesting[] = {
        -1,    0,         1,         2,         63,        64,        127,   128,
        255,   256,       4095,      4096,      4097,      32767,     32768, 65535,
        65536, 1LL << 31, 1LL << 32, 1LL << 62, INT64_MAX, INT64_MIN, -128,  -129
    };
    const unsigned choice = in.byte() % 32;
    if (choice < std::size(interesting)) {
        return interesting[choice];
    }
    const auto high = static_cast<std::uint64_t>(in.number(4)) << 32;
    return choice % 2 ? in.byte() : static_cast<std::int64_t>(high | in.number(4));
}

pmt::pmt_t any_key(reader& in)
{
    const auto& keys = pdu::keys();
    const unsigned choice = in.byte() % (keys.size() + 1);
    // symbols are never freed, so only a few come that are no keys
    return pmt::mp(choice < keys.size() ? keys[choice].name
                                        : std::string(1, static_cast<char>(in.byte())));
}

pmt::pmt_t any_vector(reader& in)
{
    static constexpr std::size_t lengths[] = { 0, 1, 2, 3, 60, 4096, 4097, 4224, 4225 };
    const unsigned choice = in.byte() % 12;
    const std::size_t n = choice < std::size(lengths) ? lengths[choice] : in.below(5000);
    switch (in.byte() % 6) {
    case 0:
        return pmt::make_f32vector(n, in.any_float());
    case 1:
        return pmt::make_c64vector(n, 1.0);
    case 2:
        return pmt::make_s8vector(n, 1);
    case 3:
        return pmt::make_u8vector(n, 1);
    default:
        return pmt::make_c32vector(n, gr_complex(in.any_float(), 1));
    }
}

pmt::pmt_t any_dict(reader& in, int depth)
{
    auto dict = pmt::make_dict();
    for (unsigned n = in.byte() % 16; n > 0; n--) {
        const auto key = any_key(in);
        const auto value =
            in.byte() % 4 ? pmt::from_long(any_integer(in)) : any_pmt(in, depth - 1);
        dict = pmt::dict_add(dict, key, value);
    }
    return dict;
}

pmt::pmt_t any_pmt(reader& in, int depth)
{
    switch (in.byte() % (depth > 0 ? 12 : 7)) {
    case 0:
        return pmt::PMT_NIL;
    case 1:
        return pmt::from_bool(in.byte() % 2);
    case 2:
        return pmt::from_long(any_integer(in));
    case 3:
        return pmt::from_uint64(any_integer(in));
    case 4:
        return pmt::from_double(in.any_float());
    case 5:
        return any_key(in);
    case 6:
        return any_vector(in);
    case 7: {
        const auto first = any_pmt(in, depth - 1);
        return pmt::cons(first, any_pmt(in, depth - 1));
    }
    case 8: {
        // what a serialised dictionary may turn into: keys that are no symbols
        const auto key = any_pmt(in, depth - 1);
        const auto item = pmt::cons(key, any_pmt(in, depth - 1));
        return pmt::dcons(item, any_dict(in, depth - 1));
    }
    case 9:
        return pmt::make_tuple(any_pmt(in, depth - 1));
    case 10:
        return pmt::make_vector(in.byte() % 8, any_pmt(in, depth - 1));
    default:
        return any_dict(in, depth);
    }
}

// An image whose sides are true, or very nearly.
pmt::pmt_t any_image(reader& in)
{
    const long height = 1 + in.byte() % 64, width = 1 + in.byte() % 64,
               channels = 1 + in.byte() % 4;
    auto dict = any_dict(in, 1);
    const pmt::pmt_t names[] = { pdu::height(), pdu::width(), pdu::channels() };
    const long sides[] = { height, width, channels };
    const unsigned lie = in.byte() % 6;
    for (unsigned i = 0; i < 3; i++) {
        const long side = i == lie ? any_integer(in) : sides[i];
        dict = pmt::dict_add(dict, names[i], pmt::from_long(side));
    }
    return pmt::cons(dict, pmt::make_u8vector(height * width * channels, 7));
}

} // namespace

verdict pdus(reader& in)
{
    pmt::pmt_t message;
    switch (in.byte() % 4) {
    case 0:
        message = any_pmt(in, 4);
        break;
    case 1:
        message = any_image(in);
        break;
    case 2: {
        const auto meta = any_pmt(in, 4);
        message = pmt::cons(meta, any_vector(in));
        break;
    }
    default: {
        const auto meta = any_dict(in, 2);
        message = pmt::cons(meta, any_vector(in));
    }
    }
    static burst_transmitter transmitter{ ofdm_frame() };
    bool accepted = false;
    const watch watching;
    try {
        const auto shape = pdu::shape_of_image(message);
        require(shape.height * shape.width * shape.channels ==
                    pmt::length(pmt::cdr(message)),
                "an image was accepted whose size is another");
        accepted = true;
    } catch (const std::invalid_argument&) {
    }
    // the modulator calls this on the scheduler's thread, which an exception would end
    burst_header header;
    if (header_of_pdu(message, header).empty()) {
        std::size_t length = 0;
        const auto* symbols = pmt::c32vector_elements(pmt::cdr(message), length);
        require(length == header.n_symbols, "a PDU's header counts other symbols");
        std::vector<gr_complex> samples;
        transmitter.modulate(header, symbols, samples);
        accepted = true;
    }
    return accepted ? verdict::accepted : verdict::rejected;
}

} // namespace fuzz
