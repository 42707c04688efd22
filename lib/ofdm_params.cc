/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "pseudo_random.h"

#include <gnuradio/semcom/burst_header.h>
#include <gnuradio/semcom/ofdm_params.h>

#include <cmath>
#include <map>
#include <stdexcept>
#include <string>

namespace gr {
namespace semcom {

namespace {

// Barker codes: they make the differential correlation of the preamble single-peaked.
const std::map<int, std::vector<int>> barker = {
    { 2, { 1, -1 } },
    { 3, { 1, 1, -1 } },
    { 5, { 1, 1, 1, -1, 1 } },
    { 7, { 1, 1, 1, -1, -1, 1, -1 } },
    { 11, { 1, 1, 1, -1, -1, -1, 1, -1, -1, 1, -1 } },
    { 13, { 1, 1, 1, 1, 1, -1, -1, 1, 1, -1, 1, -1, 1 } },
};

struct defaults {
    int preamble_len;
    // of 4,000 seeds tried, the one whose training symbol has the lowest peak at
    // four-fold oversampling
    std::uint32_t training_seed;
};
const std::map<int, defaults> by_fft_len = { { 64, { 8, 0x7a0962b8 } },
                                             { 128, { 6, 0x75a4079c } },
                                             { 256, { 4, 0x6311d4d8 } },
                                             { 512, { 3, 0x8a449d94 } } };

constexpr std::uint32_t pilot_seed = 0x50494c4f;

void require(bool condition, const std::string& sentence)
{
    if (!condition) {
        throw std::invalid_argument(sentence);
    }
}

} // namespace

ofdm_frame::ofdm_frame(const ofdm_params& params) : d_params(params)
{
    auto& p = d_params;
    const auto found = by_fft_len.find(p.fft_len);
    require(found != by_fft_len.end(),
            "The FFT length is 64, 128, 256 or 512, not " + std::to_string(p.fft_len) +
                ".");
    if (p.cp_len == 0) {
        p.cp_len = p.fft_len / 8;
    }
    if (p.occupied == 0) {
        p.occupied = p.fft_len / 8 * 7;
    }
    if (p.preamble_len == 0) {
        p.preamble_len = found->second.preamble_len;
    }
    require(
        p.cp_len >= 4 && p.cp_len % 4 == 0 && p.cp_len < p.fft_len / 2,
        "The cyclic prefix is a multiple of 4 from 4 to under half the FFT length, not " +
            std::to_string(p.cp_len) + ".");
    require(
        p.occupied >= p.fft_len / 2 && p.occupied % 2 == 0 && p.occupied <= p.fft_len - 2,
        "The occupied carriers are an even number from half the FFT length to two under "
        "it, not " +
            std::to_string(p.occupied) + ".");
    require(p.pilot_spacing >= 2 && p.pilot_spacing <= p.occupied / 2,
            "The pilot spacing is 2 to half the occupied carriers, not " +
                std::to_string(p.pilot_spacing) + ".");
    require(p.oversampling == 1 || p.oversampling == 2 || p.oversampling == 4 ||
                p.oversampling == 8,
            "The oversampling is 1, 2, 4 or 8, not " + std::to_string(p.oversampling) +
                ".");
    const auto code = barker.find(p.preamble_len - 1);
    require(code != barker.end(),
            "The preamble has 3, 4, 6, 8, 12 or 14 OFDM symbols, not " +
                std::to_string(p.preamble_len) + ".");
    require(p.max_cfo >= 0 && p.max_cfo <= p.fft_len / 8,
            "The largest carrier offset is 0 to an eighth of the FFT length in carrier "
            "spacings, not " +
                std::to_string(p.max_cfo) + ".");

    for (int k = -p.occupied / 2; k <= p.occupied / 2; k++) {
        if (k != 0) {
            d_carriers.push_back(k);
        }
    }
    for (int i = 0; i < p.occupied; i++) {
        (i % p.pilot_spacing == p.pilot_spacing / 2 ? d_pilots : d_data).push_back(i);
    }

    xorshift32 random(found->second.training_seed);
    for (int i = 0; i < p.occupied; i++) {
        const float re = random.sign();
        const float im = random.sign();
        d_training.emplace_back(gr_complex(re, im) * static_cast<float>(M_SQRT1_2));
    }
    d_cover = { 1.0f };
    for (const int sign : code->second) {
        d_cover.push_back(d_cover.back() * sign);
    }
    xorshift32 signs(pilot_seed);
    d_pilot_signs.resize(1021);
    for (auto& sign : d_pilot_signs) {
        sign = signs.sign();
    }
    const int cells = static_cast<int>(d_data.size());
    d_header_len = (burst_header_codec::coded_bits + cells - 1) / cells;
}

int ofdm_frame::payload_len(int n_symbols) const
{
    const int cells = static_cast<int>(d_data.size());
    return (n_symbols + cells - 1) / cells;
}

std::size_t ofdm_frame::burst_samples(int n_symbols) const
{
    return static_cast<std::size_t>(preamble_len() + header_len() +
                                    payload_len(n_symbols)) *
           symbol_samples();
}

double ofdm_frame::air_uses(int n_symbols) const
{
    // the unused centre carrier lies inside the band
    return static_cast<double>(burst_samples(n_symbols)) / oversampling() *
           (occupied() + 1) / fft_len();
}

double ofdm_frame::noise_voltage(double esn0_db, double power) const
{
    return std::sqrt(power * fft_len() * oversampling() / occupied() /
                     std::pow(10.0, esn0_db / 10.0));
}

} // namespace semcom
} // namespace gr
