/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_GAUSSIAN_H
#define INCLUDED_SEMCOM_GAUSSIAN_H

#include <gnuradio/gr_complex.h>
#include <algorithm>
#include <cmath>
#include <cstdint>

namespace gr {
namespace semcom {

/*!
 * \brief Random numbers that can start anywhere: xoshiro256++ (Blackman and Vigna, 2019),
 * seeded from two numbers by splitmix64.
 *
 * The sequence number is mixed into a scrambled seed, not added to the seed: splitmix64
 * walks in steps of one constant, so the states of sequences that lie a step apart would
 * share three of their four words.
 */
class random_source
{
public:
    random_source(uint64_t seed, uint64_t sequence)
    {
        uint64_t x = mixed(mixed(seed + STEP) ^ (sequence + STEP));
        for (auto& word : d_state)
            word = mixed(x += STEP);
    }

    uint64_t next()
    {
        const uint64_t out = rotated(d_state[0] + d_state[3], 23) + d_state[0];
        const uint64_t t = d_state[1] << 17;
        d_state[2] ^= d_state[0];
        d_state[3] ^= d_state[1];
        d_state[1] ^= d_state[2];
        d_state[0] ^= d_state[3];
        d_state[2] ^= t;
        d_state[3] = rotated(d_state[3], 45);
        return out;
    }

    //! Uniform in [0, 1).
    double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

    //! Circular complex Gaussian with E|z|^2 = 1 (Box and Muller, 1958).
    gr_complex gaussian()
    {
        const uint64_t bits = next();
        // 32 bits each; the half keeps the logarithm's argument off zero
        const float u = (static_cast<float>(bits >> 32) + 0.5f) * 0x1p-32f;
        const float angle = static_cast<float>(bits & 0xffffffffu) *
                            static_cast<float>(2 * M_PI * 0x1p-32);
        const float radius = std::sqrt(std::max(0.0f, -std::log(u)));
        return { radius * std::cos(angle), radius * std::sin(angle) };
    }

private:
    static constexpr uint64_t STEP = 0x9e3779b97f4a7c15ULL;

    static uint64_t mixed(uint64_t z)
    {
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
        return z ^ (z >> 31);
    }

    static uint64_t rotated(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

    uint64_t d_state[4];
};

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_GAUSSIAN_H */
