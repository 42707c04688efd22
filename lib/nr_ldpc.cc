/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "nr_ldpc.h"

#include "nr_base_graphs.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>

namespace gr {
namespace semcom {

namespace {

constexpr int core_rows = 4; // of the dual-diagonal part, both base graphs
constexpr int max_degree = 19;
constexpr float known = 1e4f; // log-likelihood ratio of a filler bit
constexpr float largest_llr = 1e3f;
constexpr std::uint32_t sign_bit = 0x80000000;

// Smallest lifting size of TS 38.212 Table 5.3.2-1 that is at least \p least, and its
// set.
std::pair<int, int> lifting(int least)
{
    constexpr int first[] = { 2, 3, 5, 7, 9, 11, 13, 15 };
    int best = 0, set = 0;
    for (int i = 0; i < 8; i++) {
        int z = first[i];
        while (z < least) {
            z *= 2;
        }
        if (z <= 384 && (!best || z < best)) {
            best = z;
            set = i;
        }
    }
    return { best, set };
}

int information_columns(int graph, int info_bits)
{
    if (graph == 1) {
        return 22;
    }
    return info_bits > 640 ? 10 : info_bits > 560 ? 9 : info_bits > 192 ? 8 : 6;
}

// to[i] ^= from[(i + shift) mod z]
void add_rotated(std::uint8_t* to, const std::uint8_t* from, int shift, int z)
{
    for (int i = 0; i < z - shift; i++) {
        to[i] ^= from[i + shift];
    }
    for (int i = z - shift; i < z; i++) {
        to[i] ^= from[i + shift - z];
    }
}

// What one row of the base graph keeps between its two passes, z values each.
struct row_state {
    explicit row_state(int z) : extrinsic(max_degree * z), least(z), second(z), sign(z) {}
    std::vector<float> extrinsic; // of each edge
    std::vector<float> least, second;
    std::vector<std::uint32_t> sign;
};

// First pass over \p n checks of one edge. Adds the signs before the update to parity.
__attribute__((target_clones("avx2", "default"))) void
gather(const float* __restrict posterior,
       const float* __restrict message,
       float* __restrict extrinsic,
       float* __restrict least,
       float* __restrict second,
       std::uint32_t* __restrict sign,
       std::uint32_t* __restrict parity,
       int n)
{
    for (int i = 0; i < n; i++) {
        const float before = posterior[i];
        const float t = before - message[i];
        extrinsic[i] = t;
        std::uint32_t before_bits, bits;
        std::memcpy(&before_bits, &before, 4);
        std::memcpy(&bits, &t, 4);
        parity[i] ^= before_bits;
        sign[i] ^= bits;
        const float magnitude = std::fabs(t);
        const float larger = magnitude > least[i] ? magnitude : least[i];
        second[i] = larger < second[i] ? larger : second[i];
        least[i] = magnitude < least[i] ? magnitude : least[i];
    }
}

// Second pass; returns a word whose top bit says that a hard decision changed.
__attribute__((target_clones("avx2", "default"))) std::uint32_t
scatter(float* __restrict posterior,
        float* __restrict message,
        const float* __restrict extrinsic,
        const float* __restrict least,
        const float* __restrict second,
        const std::uint32_t* __restrict sign,
        float normalisation,
        int n)
{
    std::uint32_t changed = 0;
    for (int i = 0; i < n; i++) {
        const float t = extrinsic[i];
        // where several are the least, the second is as small
        const float magnitude =
            normalisation * (std::fabs(t) == least[i] ? second[i] : least[i]);
        std::uint32_t bits, magnitude_bits, before, after;
        std::memcpy(&bits, &t, 4);
        std::memcpy(&magnitude_bits, &magnitude, 4);
        magnitude_bits |= (sign[i] ^ bits) & sign_bit;
        float m;
        std::memcpy(&m, &magnitude_bits, 4);
        const float updated = t + m;
        std::memcpy(&before, &posterior[i], 4);
        std::memcpy(&after, &updated, 4);
        changed |= before ^ after;
        message[i] = m;
        posterior[i] = updated;
    }
    return changed;
}

} // namespace

nr_ldpc::nr_ldpc(int info_bits, int coded_bits, int bits_per_symbol) : d_info(info_bits)
{
    if (bits_per_symbol < 1 || coded_bits < 1 || coded_bits % bits_per_symbol) {
        throw std::invalid_argument("The coded bits must be whole symbols.");
    }
    if (info_bits < 1 || info_bits > coded_bits) {
        throw std::invalid_argument("An LDPC code needs at least one information bit and "
                                    "no more than coded bits.");
    }
    const double rate = double(info_bits) / coded_bits;
    d_graph =
        info_bits <= 292 || (info_bits <= 3824 && rate <= 0.67) || rate <= 0.25 ? 2 : 1;
    if (info_bits > (d_graph == 1 ? max_info_bits : 3840)) {
        throw std::invalid_argument(
            "A code block of NR holds at most 8448 bits, and 3840 "
            "at code rates of 1/4 and less, not " +
            std::to_string(info_bits) + ".");
    }
    // Measured by block errors. Where all bits are equally reliable, checks of low rates
    // are met by so many weak values that their least says too much; where some bits of a
    // symbol are weaker than others, less than 0.75 costs more iterations than it is
    // worth.
    d_normalisation =
        bits_per_symbol > 2 ? 0.75f : 0.65f + 0.2f * std::max(0.0f, float(rate) - 0.5f);
    const int kb = information_columns(d_graph, info_bits);
    const auto [z, set] = lifting((info_bits + kb - 1) / kb);
    d_z = z;
    d_systematic = d_graph == 1 ? 22 : 10;
    const auto add = [this, set = set](const nr::circulant& c) {
        if (c.row >= d_rows.size()) {
            d_rows.resize(c.row + 1);
        }
        d_rows[c.row].push_back({ c.column, c.shift[set] % d_z });
    };
    if (d_graph == 1) {
        std::for_each(std::begin(nr::bg1), std::end(nr::bg1), add);
    } else {
        std::for_each(std::begin(nr::bg2), std::end(nr::bg2), add);
    }

    const int columns = d_systematic + static_cast<int>(d_rows.size());
    std::vector<int> buffer; // the circular buffer less its filler bits
    for (int i = 2 * d_z; i < columns * d_z; i++) {
        if (i < d_info || i >= d_systematic * d_z) {
            buffer.push_back(i);
        }
    }
    d_source.resize(coded_bits);
    const int per_row = coded_bits / bits_per_symbol;
    int last = 0;
    for (int e = 0; e < coded_bits; e++) {
        const int bit = buffer[e % buffer.size()];
        last = std::max(last, bit / d_z);
        d_source[e / per_row + e % per_row * bits_per_symbol] = bit;
    }
    // a row whose own parity bits are not sent says nothing about the others
    d_rows_used = std::max(core_rows, last - d_systematic + 1);
}

void nr_ldpc::encode(const std::uint8_t* info, std::uint8_t* coded) const
{
    std::vector<std::uint8_t> word((d_systematic + d_rows.size()) * d_z);
    std::copy_n(info, d_info, word.begin());
    const auto column = [&](int c) { return &word[c * d_z]; };

    // what the information bits and, once known, the first parity bits add to each core
    // row
    std::vector<std::uint8_t> sums(core_rows * d_z);
    int first_shift = 0; // of the first parity column in the sum of all core rows
    std::vector<std::uint8_t> all(d_z);
    for (int r = 0; r < core_rows; r++) {
        for (const auto& e : d_rows[r]) {
            if (e.column < d_systematic) {
                add_rotated(&sums[r * d_z], column(e.column), e.shift, d_z);
            } else if (e.column == d_systematic) {
                first_shift ^= e.shift;
            }
        }
        add_rotated(all.data(), &sums[r * d_z], 0, d_z);
    }
    // the two equal shifts cancel, and so do the other parity columns
    add_rotated(column(d_systematic), all.data(), (d_z - first_shift) % d_z, d_z);
    for (int r = 0; r + 1 < core_rows; r++) {
        std::uint8_t* next = column(d_systematic + r + 1);
        add_rotated(next, &sums[r * d_z], 0, d_z);
        for (const auto& e : d_rows[r]) {
            if (e.column >= d_systematic && e.column <= d_systematic + r) {
                add_rotated(next, column(e.column), e.shift, d_z);
            }
        }
    }
    for (int r = core_rows; r < d_rows_used; r++) {
        std::uint8_t* parity = column(d_systematic + r);
        for (const auto& e : d_rows[r]) {
            if (e.column != d_systematic + r) {
                add_rotated(parity, column(e.column), e.shift, d_z);
            }
        }
    }
    for (std::size_t e = 0; e < d_source.size(); e++) {
        coded[e] = word[d_source[e]];
    }
}

bool nr_ldpc::decode(const float* llr, std::uint8_t* info, int max_iterations) const
{
    const int z = d_z;
    // positive means bit 0 in here, so that the sign bit is the hard decision
    std::vector<float> posterior((d_systematic + d_rows_used) * z);
    std::fill(posterior.begin() + d_info, posterior.begin() + d_systematic * z, known);
    for (std::size_t e = 0; e < d_source.size(); e++) {
        if (std::isfinite(llr[e])) {
            posterior[d_source[e]] -= std::clamp(llr[e], -largest_llr, largest_llr);
        }
    }

    int edges = 0;
    for (int r = 0; r < d_rows_used; r++) {
        edges += d_rows[r].size();
    }
    std::vector<float> messages(edges * z);
    row_state row(z);
    std::vector<std::uint32_t> parity(z);
    bool found = false;
    for (int iteration = 0; iteration < max_iterations && !found; iteration++) {
        std::uint32_t wrong = 0;
        float* message = messages.data();
        for (int r = 0; r < d_rows_used; r++) {
            std::fill(row.least.begin(), row.least.end(), HUGE_VALF);
            std::fill(row.second.begin(), row.second.end(), HUGE_VALF);
            std::fill(row.sign.begin(), row.sign.end(), 0);
            std::fill(parity.begin(), parity.end(), 0);
            // each edge in two runs, since rotation breaks its column in two
            int at = 0;
            for (const auto& e : d_rows[r]) {
                const float* column = &posterior[e.column * z];
                const int head = z - e.shift;
                gather(column + e.shift,
                       message + at,
                       &row.extrinsic[at],
                       row.least.data(),
                       row.second.data(),
                       row.sign.data(),
                       parity.data(),
                       head);
                gather(column,
                       message + at + head,
                       row.extrinsic.data() + at + head,
                       row.least.data() + head,
                       row.second.data() + head,
                       row.sign.data() + head,
                       parity.data() + head,
                       e.shift);
                at += z;
            }
            at = 0;
            for (const auto& e : d_rows[r]) {
                float* column = &posterior[e.column * z];
                const int head = z - e.shift;
                wrong |= scatter(column + e.shift,
                                 message + at,
                                 &row.extrinsic[at],
                                 row.least.data(),
                                 row.second.data(),
                                 row.sign.data(),
                                 d_normalisation,
                                 head);
                wrong |= scatter(column,
                                 message + at + head,
                                 row.extrinsic.data() + at + head,
                                 row.least.data() + head,
                                 row.second.data() + head,
                                 row.sign.data() + head,
                                 d_normalisation,
                                 e.shift);
                at += z;
            }
            for (int i = 0; i < z; i++) {
                wrong |= parity[i];
            }
            message += at;
        }
        // all checks held, and no decision changed meanwhile: the decisions are a
        // codeword
        found = !(wrong & sign_bit);
    }
    for (int i = 0; i < d_info; i++) {
        info[i] = std::signbit(posterior[i]);
    }
    return found;
}

} // namespace semcom
} // namespace gr
