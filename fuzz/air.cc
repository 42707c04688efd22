/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "air.h"

#include "pseudo_random.h"

#include <cmath>

using namespace gr::semcom;

namespace fuzz {

packed_header with_crc(packed_header packed)
{
    constexpr int covered = burst_header::bytes - 3;
    std::uint32_t crc = 0xB704CE;
    for (int bit = 0; bit < 8 * covered; bit++) {
        const bool in = packed[bit / 8] >> (7 - bit % 8) & 1;
        const bool out = crc >> 23 & 1;
        crc = (crc << 1) & 0xFFFFFF;
        crc ^= in != out ? 0x864CFB : 0;
    }
    for (int i = 0; i < 3; i++) {
        packed[covered + i] = crc >> (16 - 8 * i);
    }
    return packed;
}

std::vector<float> coded(const packed_header& packed, int n_cells)
{
    // newest bit on the left, as the generators are written
    constexpr unsigned generators[4] = { 0135, 0135, 0147, 0163 };
    std::vector<float> bits;
    unsigned window = 0;
    for (int t = 0; t < burst_header::bits + burst_header_codec::tail_bits; t++) {
        const unsigned bit =
            t < burst_header::bits ? packed[t / 8] >> (7 - t % 8) & 1 : 0;
        window = bit << 6 | window >> 1;
        for (const unsigned generator : generators) {
            bits.push_back(__builtin_popcount(window & generator) % 2 ? -1.0f : 1.0f);
        }
    }
    const auto order = permutation(burst_header_codec::coded_bits, 0x48454144);
    xorshift32 white(0x57484954);
    std::vector<float> cells(n_cells);
    for (int i = 0; i < n_cells; i++) {
        cells[i] = white.sign() * bits[order[i % order.size()]];
    }
    return cells;
}

void replace_header(const ofdm_frame& frame,
                    const packed_header& packed,
                    float amplitude,
                    gr_complex* burst)
{
    const int n = frame.fft_len() * frame.oversampling();
    const int prefix = frame.cp_len() * frame.oversampling();
    const int width = static_cast<int>(frame.data().size());
    const auto cells = coded(packed, frame.header_len() * width);
    std::vector<gr_complex> turn(n);
    for (int i = 0; i < n; i++) {
        turn[i] = std::polar(1.0f, static_cast<float>(2 * M_PI * i / n));
    }
    const float scale = amplitude / std::sqrt(static_cast<float>(frame.occupied()));
    std::vector<float> value(frame.occupied());
    for (int i = 0; i < frame.header_len(); i++) {
        for (int d = 0; d < width; d++) {
            value[frame.data()[d]] = cells[i * width + d];
        }
        for (std::size_t p = 0; p < frame.pilots().size(); p++) {
            value[frame.pilots()[p]] = frame.pilot(i, p);
        }
        gr_complex* symbol = burst + (frame.preamble_len() + i) * frame.symbol_samples();
        for (int t = 0; t < n; t++) {
            gr_complex sum(0, 0);
            for (int k = 0; k < frame.occupied(); k++) {
                sum +=
                    value[k] * turn[static_cast<unsigned>(frame.carriers()[k] * t) % n];
            }
            symbol[prefix + t] = scale * sum;
        }
        for (int t = 0; t < prefix; t++) {
            symbol[t] = symbol[n + t];
        }
    }
}

} // namespace fuzz
