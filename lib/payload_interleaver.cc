/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "payload_interleaver.h"
#include "pseudo_random.h"

namespace gr {
namespace semcom {

namespace {

constexpr std::uint32_t cell_seed = 0x43454c4c;
constexpr std::uint32_t sign_seed = 0x5349474e;

} // namespace

payload_interleaver::payload_interleaver(int n_cells)
    : d_cell(permutation(n_cells, cell_seed)), d_sign(n_cells)
{
    xorshift32 random(sign_seed);
    for (auto& sign : d_sign) {
        sign = random.sign();
    }
}

const payload_interleaver& interleaver_cache::get(int n_cells)
{
    const auto found = d_made.find(n_cells);
    if (found != d_made.end()) {
        return found->second;
    }
    return d_made.emplace(n_cells, payload_interleaver(n_cells)).first->second;
}

} // namespace semcom
} // namespace gr
