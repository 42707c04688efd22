/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "pseudo_random.h"

#include <numeric>
#include <utility>

namespace gr {
namespace semcom {

std::vector<int> permutation(int n, std::uint32_t seed)
{
    std::vector<int> order(n);
    std::iota(order.begin(), order.end(), 0);
    xorshift32 random(seed);
    for (int i = n - 1; i > 0; i--) {
        const auto j = static_cast<int>(
            (static_cast<std::uint64_t>(random.next()) * static_cast<unsigned>(i + 1)) >>
            32);
        std::swap(order[i], order[j]);
    }
    return order;
}

} // namespace semcom
} // namespace gr
