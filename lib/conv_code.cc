/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "conv_code.h"

#include <gnuradio/fec/cc_decoder.h>
#include <gnuradio/fec/cc_encoder.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

namespace gr {
namespace semcom {

namespace {

constexpr int constraint = 7;
constexpr int tail = constraint - 1;
// 133 and 171 octal with the newest bit last, as GNU Radio writes them
const std::vector<int> generators = { 109, 79 };
constexpr int erased = 128;
// Where GNU Radio's decoder expects a noiseless value (its blocks scale by 48).
constexpr float nominal = 48;

// Of the coded bits of one period of the puncturing, which are sent: A1 B1 A2 B2 ...
const std::vector<bool>& kept(int puncturing)
{
    static const std::vector<bool> half = { true, true };
    static const std::vector<bool> two_thirds = { true, true, true, false };
    static const std::vector<bool> three_quarters = {
        true, true, true, false, false, true
    };
    switch (puncturing) {
    case 2:
        return half;
    case 3:
        return two_thirds;
    case 4:
        return three_quarters;
    default:
        throw std::invalid_argument("The convolutional code is punctured to 1/2, 2/3 or "
                                    "3/4; say 2, 3 or 4.");
    }
}

} // namespace

struct conv_code::coders {
    fec::generic_encoder::sptr encoder;
    fec::generic_decoder::sptr decoder;
    std::vector<std::uint8_t> mother; // coded bits before puncturing, or soft values
};

int conv_code::bits_made(int info_bits, int puncturing)
{
    const auto& pattern = kept(puncturing);
    const int mother = 2 * (info_bits + tail);
    const int period = pattern.size();
    int made = mother / period * std::count(pattern.begin(), pattern.end(), true);
    for (int i = 0; i < mother % period; i++) {
        made += pattern[i];
    }
    return made;
}

conv_code::conv_code(int info_bits, int coded_bits, int puncturing)
    : d_info(info_bits),
      d_coded(coded_bits),
      d_puncturing(puncturing),
      d_coders(std::make_unique<coders>())
{
    if (info_bits < 8 || info_bits % 8) {
        throw std::invalid_argument("The convolutional code takes whole bytes, one at "
                                    "least.");
    }
    if (coded_bits < bits_made(info_bits, puncturing)) {
        throw std::invalid_argument("The convolutional code makes " +
                                    std::to_string(bits_made(info_bits, puncturing)) +
                                    " bits, more than there is room for.");
    }
    d_coders->encoder = fec::code::cc_encoder::make(
        info_bits, constraint, 2, generators, 0, CC_TERMINATED);
    d_coders->decoder = fec::code::cc_decoder::make(
        info_bits, constraint, 2, generators, 0, 0, CC_TERMINATED);
    d_coders->mother.resize(2 * (info_bits + tail));
}

conv_code::~conv_code() = default;

void conv_code::encode(const std::uint8_t* info, std::uint8_t* coded)
{
    std::vector<std::uint8_t> in(info, info + d_info);
    auto& mother = d_coders->mother;
    d_coders->encoder->generic_work(in.data(), mother.data());
    const auto& pattern = kept(d_puncturing);
    int n = 0;
    for (std::size_t i = 0; i < mother.size(); i++) {
        if (pattern[i % pattern.size()]) {
            coded[n++] = mother[i];
        }
    }
    std::fill(coded + n, coded + d_coded, 0);
}

void conv_code::decode(const float* llr, std::uint8_t* info)
{
    // The decoder takes 8 bits: the mean magnitude is put where it expects values to be.
    const int made = bits_made(d_info, d_puncturing);
    double sum = 0;
    int finite = 0;
    for (int i = 0; i < made; i++) {
        if (std::isfinite(llr[i])) {
            sum += std::fabs(llr[i]);
            finite++;
        }
    }
    const float scale = sum > 0 ? nominal * finite / sum : 0;
    const auto& pattern = kept(d_puncturing);
    auto& mother = d_coders->mother;
    int n = 0;
    for (std::size_t i = 0; i < mother.size(); i++) {
        float value = erased;
        if (pattern[i % pattern.size()]) {
            value += std::isfinite(llr[n]) ? scale * llr[n] : 0;
            n++;
        }
        mother[i] = static_cast<std::uint8_t>(std::clamp(value, 0.0f, 255.0f));
    }
    d_coders->decoder->generic_work(mother.data(), info);
}

} // namespace semcom
} // namespace gr
