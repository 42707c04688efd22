/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_PSEUDO_RANDOM_H
#define INCLUDED_SEMCOM_PSEUDO_RANDOM_H

#include <gnuradio/semcom/api.h>

#include <cstdint>
#include <vector>

namespace gr {
namespace semcom {

/*! \brief Marsaglia's xorshift32 (shifts 13, 17, 5; J. Stat. Softw. 8(14), 2003): the one
 * generator of every table of the modem. */
class SEMCOM_API xorshift32
{
public:
    explicit xorshift32(std::uint32_t seed) : d_state(seed) {}
    std::uint32_t next()
    {
        d_state ^= d_state << 13;
        d_state ^= d_state >> 17;
        d_state ^= d_state << 5;
        return d_state;
    }
    //! A sign: -1 where the top bit of the next state is set.
    float sign() { return next() >> 31 ? -1.0f : 1.0f; }

private:
    std::uint32_t d_state;
};

//! A pseudo-random permutation of 0 .. \p n - 1 (Fisher-Yates from the end).
SEMCOM_API std::vector<int> permutation(int n, std::uint32_t seed);

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_PSEUDO_RANDOM_H */
