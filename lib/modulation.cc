/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "modulation.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace gr {
namespace semcom {

namespace {

constexpr int most_per_axis = 4;
constexpr float largest_llr = 1e3f;

// One axis carries the even or the odd bits: (1 - 2 b0)(4 - (1 - 2 b1)(2 - (1 - 2 b2))).
float level(int bits, int count)
{
    float value = 1;
    for (int i = 0; i < count; i++) {
        const float sign = (bits >> i) & 1 ? -1 : 1;
        value = i == 0 ? sign : sign * ((1 << i) - value);
    }
    return value;
}

int checked(int bits)
{
    if (bits != 1 && bits != 2 && bits != 4 && bits != 6 && bits != 8) {
        throw std::invalid_argument("A symbol carries 1, 2, 4, 6 or 8 bits, not " +
                                    std::to_string(bits) + ".");
    }
    return bits;
}

} // namespace

modulation::modulation(int bits_per_symbol)
    : d_bits(checked(bits_per_symbol)), d_per_axis(std::max(1, bits_per_symbol / 2))
{
    const int levels = 1 << d_per_axis;
    float power = 0;
    for (int bits = 0; bits < levels; bits++) {
        d_level.push_back(level(bits, d_per_axis));
        power += 2 * d_level.back() * d_level.back() / levels;
    }
    for (auto& l : d_level) {
        l /= std::sqrt(power);
    }
}

void modulation::map(const std::uint8_t* bits,
                     std::complex<float>* symbols,
                     std::size_t n) const
{
    for (std::size_t s = 0; s < n; s++, bits += d_bits) {
        if (d_bits == 1) {
            const float x = d_level[bits[0] & 1];
            symbols[s] = { x, x };
            continue;
        }
        int re = 0, im = 0;
        for (int i = 0; i < d_per_axis; i++) {
            re = re << 1 | (bits[2 * i] & 1);
            im = im << 1 | (bits[2 * i + 1] & 1);
        }
        symbols[s] = { d_level[re], d_level[im] };
    }
}

void modulation::demap(const std::complex<float>* symbols,
                       const float* noise_var,
                       float* llr,
                       std::size_t n) const
{
    const int levels = 1 << d_per_axis;
    for (std::size_t s = 0; s < n; s++, llr += d_bits) {
        const float re = symbols[s].real(), im = symbols[s].imag();
        const float weight = 1 / noise_var[s];
        if (!std::isfinite(re) || !std::isfinite(im) || !(noise_var[s] > 0)) {
            std::fill_n(llr, d_bits, 0.0f);
            continue;
        }
        if (d_bits == 1) {
            const float ratio = -4 * d_level[0] * (re + im) * weight;
            llr[0] = std::clamp(ratio, -largest_llr, largest_llr);
            continue;
        }
        for (int axis = 0; axis < 2; axis++) {
            const float y = axis ? im : re;
            float nearest[2][most_per_axis];
            std::fill_n(&nearest[0][0], 2 * most_per_axis, HUGE_VALF);
            for (int bits = 0; bits < levels; bits++) {
                const float distance = (y - d_level[bits]) * (y - d_level[bits]);
                for (int i = 0; i < d_per_axis; i++) {
                    float& least = nearest[(bits >> (d_per_axis - 1 - i)) & 1][i];
                    least = std::min(least, distance);
                }
            }
            for (int i = 0; i < d_per_axis; i++) {
                const float ratio = (nearest[0][i] - nearest[1][i]) * weight;
                // two distances that are both beyond float differ by no number
                llr[2 * i + axis] = std::isfinite(ratio)
                                        ? std::clamp(ratio, -largest_llr, largest_llr)
                                        : 0;
            }
        }
    }
}

gold_sequence::gold_sequence(std::uint32_t seed) : d_x2(seed & 0x7FFFFFFF)
{
    constexpr int discarded = 1600; // Nc
    for (int i = 0; i < discarded; i++) {
        next();
    }
}

std::uint8_t gold_sequence::next()
{
    const std::uint8_t bit = (d_x1 ^ d_x2) & 1;
    const std::uint32_t f1 = (d_x1 >> 3 ^ d_x1) & 1;
    const std::uint32_t f2 = (d_x2 >> 3 ^ d_x2 >> 2 ^ d_x2 >> 1 ^ d_x2) & 1;
    d_x1 = d_x1 >> 1 | f1 << 30;
    d_x2 = d_x2 >> 1 | f2 << 30;
    return bit;
}

} // namespace semcom
} // namespace gr
