/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "pseudo_random.h"

#include <gnuradio/semcom/burst_header.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <tuple>

namespace gr {
namespace semcom {

namespace {

constexpr int crc_bits = 24;
constexpr int payload_bytes = burst_header::bytes - crc_bits / 8;

std::uint32_t crc24(const std::uint8_t* data, int length)
{
    std::uint32_t crc = 0xB704CE;
    for (int i = 0; i < length; i++) {
        crc ^= static_cast<std::uint32_t>(data[i]) << 16;
        for (int bit = 0; bit < 8; bit++) {
            crc <<= 1;
            if (crc & 0x1000000) {
                crc ^= 0x1864CFB;
            }
        }
    }
    return crc;
}

class bit_writer
{
public:
    explicit bit_writer(std::uint8_t* out) : d_out(out) {}
    void put(std::uint32_t value, int bits)
    {
        for (int i = bits - 1; i >= 0; i--, d_at++) {
            d_out[d_at / 8] |= ((value >> i) & 1) << (7 - d_at % 8);
        }
    }

private:
    std::uint8_t* d_out;
    int d_at = 0;
};

class bit_reader
{
public:
    explicit bit_reader(const std::uint8_t* in) : d_in(in) {}
    std::uint32_t get(int bits)
    {
        std::uint32_t value = 0;
        for (int i = 0; i < bits; i++, d_at++) {
            value = (value << 1) | ((d_in[d_at / 8] >> (7 - d_at % 8)) & 1);
        }
        return value;
    }

private:
    const std::uint8_t* d_in;
    int d_at = 0;
};

auto fields(const burst_header& h)
{
    return std::make_tuple(h.transmission,
                           h.image_id,
                           h.part,
                           h.parts,
                           h.fragment,
                           h.fragments,
                           h.scheme,
                           h.height,
                           h.width,
                           h.rate,
                           h.scale,
                           h.snr_enc,
                           h.mcs,
                           h.weights_id,
                           h.n_symbols,
                           h.sealed);
}

constexpr int states = 64;
constexpr int steps = burst_header::bits + burst_header_codec::tail_bits;
constexpr int generators[4] = { 0135, 0135, 0147, 0163 };
constexpr std::uint32_t order_seed = 0x48454144;
constexpr std::uint32_t white_seed = 0x57484954;

// The register holds the newest bit on top: bit 6 is the input, bits 5..0 the state
// before it.
int coded_bit(int reg, int generator)
{
    return __builtin_parity(static_cast<unsigned>(reg & generators[generator]));
}

} // namespace

const char* burst_header::problem() const
{
    if (parts < 1 || parts > 8) {
        return "The header carries 1 to 8 parts.";
    }
    if (part >= parts) {
        return "The part number is under the number of parts.";
    }
    if (fragments < 1 || fragments > 4095) {
        return "The header carries 1 to 4095 fragments.";
    }
    if (fragment >= fragments) {
        return "The fragment number is under the number of fragments.";
    }
    if (height > 32767 || width > 32767) {
        return "The header carries a height and a width of at most 32767.";
    }
    if (mcs > 63) {
        return "The header carries an mcs of at most 63.";
    }
    if (sealed > 1) {
        return "A burst is sealed (1) or not (0).";
    }
    if (!sealed && (n_symbols < 1 || n_symbols > max_symbols)) {
        return "A burst carries 1 to 4096 symbols.";
    }
    if (sealed && (n_symbols <= seal_symbols || n_symbols > longest)) {
        return "A sealed burst carries 129 to 4224 symbols.";
    }
    return "";
}

std::array<std::uint8_t, burst_header::bytes> burst_header::pack() const
{
    if (*problem()) {
        throw std::invalid_argument(problem());
    }
    std::array<std::uint8_t, bytes> packed{};
    bit_writer writer(packed.data());
    writer.put(transmission, 8);
    writer.put(image_id, 16);
    writer.put(part, 3);
    writer.put(parts - 1, 3);
    writer.put(fragment, 12);
    writer.put(fragments, 12);
    writer.put(scheme, 8);
    writer.put(height, 15);
    writer.put(width, 15);
    writer.put(rate, 8);
    writer.put(scale, 16);
    writer.put(static_cast<std::uint8_t>(snr_enc), 8);
    writer.put(mcs, 6);
    writer.put(weights_id, 8);
    writer.put(n_symbols, 13);
    writer.put(sealed, 1);
    writer.put(crc24(packed.data(), payload_bytes), crc_bits);
    return packed;
}

std::optional<burst_header>
burst_header::unpack(const std::array<std::uint8_t, bytes>& packed)
{
    bit_reader reader(packed.data());
    burst_header h;
    h.transmission = reader.get(8);
    h.image_id = reader.get(16);
    h.part = reader.get(3);
    h.parts = reader.get(3) + 1;
    h.fragment = reader.get(12);
    h.fragments = reader.get(12);
    h.scheme = reader.get(8);
    h.height = reader.get(15);
    h.width = reader.get(15);
    h.rate = reader.get(8);
    h.scale = reader.get(16);
    h.snr_enc = static_cast<std::int8_t>(reader.get(8));
    h.mcs = reader.get(6);
    h.weights_id = reader.get(8);
    h.n_symbols = reader.get(13);
    h.sealed = reader.get(1);
    const bool crc = reader.get(crc_bits) == crc24(packed.data(), payload_bytes);
    if (!crc || *h.problem()) {
        return std::nullopt;
    }
    return h;
}

bool burst_header::operator==(const burst_header& other) const
{
    return fields(*this) == fields(other);
}

burst_header_codec::burst_header_codec(int n_cells)
    : d_order(permutation(coded_bits, order_seed))
{
    if (n_cells < coded_bits) {
        throw std::invalid_argument("The header needs at least " +
                                    std::to_string(coded_bits) + " cells.");
    }
    xorshift32 random(white_seed);
    d_sign.resize(n_cells);
    for (auto& sign : d_sign) {
        sign = random.sign();
    }
}

std::vector<float> burst_header_codec::encode(const burst_header& header) const
{
    const auto packed = header.pack();
    std::array<float, coded_bits> coded;
    int reg = 0;
    for (int t = 0; t < steps; t++) {
        const int bit = t < burst_header::bits ? (packed[t / 8] >> (7 - t % 8)) & 1 : 0;
        reg = (reg >> 1) | (bit << 6);
        for (int g = 0; g < 4; g++) {
            coded[4 * t + g] = coded_bit(reg, g) ? -1.0f : 1.0f;
        }
    }
    std::vector<float> cells(d_sign.size());
    for (std::size_t i = 0; i < cells.size(); i++) {
        cells[i] = d_sign[i] * coded[d_order[i % coded_bits]];
    }
    return cells;
}

std::optional<burst_header>
burst_header_codec::decode(const std::vector<float>& soft) const
{
    if (soft.size() != d_sign.size()) {
        throw std::invalid_argument("The header decoder needs " +
                                    std::to_string(d_sign.size()) + " soft values.");
    }
    std::array<float, coded_bits> coded{};
    for (std::size_t i = 0; i < soft.size(); i++) {
        coded[d_order[i % coded_bits]] +=
            std::isfinite(soft[i]) ? d_sign[i] * soft[i] : 0;
    }

    // Branch outputs as four sign bits; the metric of each of the 16 outputs is made once
    // a step.
    static const auto outputs = [] {
        std::array<std::uint8_t, 2 * states> table{};
        for (int reg = 0; reg < 2 * states; reg++) {
            for (int g = 0; g < 4; g++) {
                table[reg] |= coded_bit(reg, g) << g;
            }
        }
        return table;
    }();

    std::array<float, states> metric, next;
    metric.fill(-1e30f);
    metric[0] = 0;
    std::array<std::uint64_t, steps> survivor{};
    for (int t = 0; t < steps; t++) {
        float branch[16];
        for (int word = 0; word < 16; word++) {
            branch[word] = 0;
            for (int g = 0; g < 4; g++) {
                branch[word] += (word >> g) & 1 ? -coded[4 * t + g] : coded[4 * t + g];
            }
        }
        std::uint64_t decisions = 0;
        // a register r = (input, state) leads to state r >> 1; its predecessors differ in
        // bit 0
        for (int to = 0; to < states; to++) {
            const int from = 2 * to % states;
            const int reg = 2 * to;
            const float a = metric[from] + branch[outputs[reg]];
            const float b = metric[from + 1] + branch[outputs[reg + 1]];
            decisions |= static_cast<std::uint64_t>(b > a) << to;
            next[to] = std::max(a, b);
        }
        survivor[t] = decisions;
        metric = next;
    }

    std::array<std::uint8_t, burst_header::bytes> packed{};
    int state = 0;
    for (int t = steps - 1; t >= 0; t--) {
        if (t < burst_header::bits) {
            packed[t / 8] |= (state >> 5) << (7 - t % 8);
        }
        state = (2 * state % states) | ((survivor[t] >> state) & 1);
    }
    return burst_header::unpack(packed);
}

} // namespace semcom
} // namespace gr
