/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "burst_detector.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace gr {
namespace semcom {

namespace {

// out[j] = sum over i < count of weight[i] * in[j + i * stride]
void spread_sum(
    const float* in, int count, int stride, const float* weight, float* out, int n)
{
    std::fill(out, out + n, 0.0f);
    for (int i = 0; i < count; i++) {
        const float w = weight ? weight[i] : 1.0f;
        const float* from = in + i * stride;
        for (int j = 0; j < n; j++) {
            out[j] += w * from[j];
        }
    }
}

// blocks evaluated at a time: small enough for the first-level cache
constexpr int batch = 1024;

} // namespace

burst_detector::burst_detector(const ofdm_frame& frame, double false_alarms)
    : d_oversampling(frame.oversampling()),
      d_symbol(frame.fft_len() + frame.cp_len()),
      d_preamble(frame.preamble_len())
{
    if (!(false_alarms > 0 && false_alarms < 1)) {
        throw std::invalid_argument(
            "The probability of a false alarm is between 0 and 1, exclusively.");
    }
    // A quarter of the prefix or so is fine enough: the second stage finds the sample.
    d_block = frame.fft_len() / 16;
    while (d_symbol % d_block) {
        d_block /= 2;
    }
    d_window = d_symbol / d_block;
    for (int i = 0; i + 1 < d_preamble; i++) {
        d_code.push_back(frame.cover()[i] * frame.cover()[i + 1]);
    }
    d_threshold = -std::log(false_alarms) / ((d_preamble - 1) * d_symbol);

    if (d_oversampling > 1) {
        // Hann-windowed sinc, cut off at the critical band edge, centred on tap half
        const int half = 4 * d_oversampling;
        for (int i = -half; i <= half; i++) {
            const double x = M_PI * i / d_oversampling;
            const double sinc = i ? std::sin(x) / x : 1.0;
            d_taps.push_back(sinc * (0.5 + 0.5 * std::cos(M_PI * i / (half + 1))) /
                             d_oversampling);
        }
        // the history before the first sample, so that tap "half" meets sample 0
        d_tail.assign(half, gr_complex(0, 0));
    }
}

std::int64_t burst_detector::horizon() const
{
    // a position is never reported later than the block being evaluated
    const std::int64_t block = d_rising ? d_peak_block : std::max(d_first, d_ignore);
    return block * d_block * d_oversampling;
}

void burst_detector::decimate(const gr_complex* in, std::size_t n)
{
    if (d_oversampling == 1) {
        d_samples.insert(d_samples.end(), in, in + n);
        return;
    }
    d_tail.insert(d_tail.end(), in, in + n);
    std::size_t at = 0;
    for (; at + d_taps.size() <= d_tail.size(); at += d_oversampling) {
        float re = 0, im = 0;
        for (std::size_t t = 0; t < d_taps.size(); t++) {
            re += d_taps[t] * d_tail[at + t].real();
            im += d_taps[t] * d_tail[at + t].imag();
        }
        d_samples.emplace_back(re, im);
    }
    d_tail.erase(d_tail.begin(), d_tail.begin() + at);
}

void burst_detector::work(const gr_complex* in,
                          std::size_t n,
                          std::vector<burst_candidate>& found)
{
    // pieces keep the memory flat whatever the size of a call
    constexpr std::size_t piece = 16384;
    for (std::size_t at = 0; at < n; at += piece) {
        decimate(in + at, std::min(piece, n - at));

        const auto available = static_cast<std::ptrdiff_t>(d_samples.size()) - d_symbol;
        const std::ptrdiff_t blocks = available > 0 ? available / d_block : 0;
        const auto* x = reinterpret_cast<const float*>(d_samples.data());
        for (std::ptrdiff_t b = 0; b < blocks; b++) {
            float re = 0, im = 0, e0 = 0, e1 = 0;
            const float* u = x + 2 * b * d_block;
            const float* v = u + 2 * d_symbol;
            for (int k = 0; k < 2 * d_block; k += 2) {
                re += u[k] * v[k] + u[k + 1] * v[k + 1];
                im += u[k] * v[k + 1] - u[k + 1] * v[k];
                e0 += u[k] * u[k] + u[k + 1] * u[k + 1];
                e1 += v[k] * v[k] + v[k + 1] * v[k + 1];
            }
            d_re.push_back(re);
            d_im.push_back(im);
            d_e0.push_back(e0);
            d_e1.push_back(e1);
        }
        d_samples.erase(d_samples.begin(), d_samples.begin() + blocks * d_block);
        evaluate(found);
    }
}

void burst_detector::evaluate(std::vector<burst_candidate>& found)
{
    const int pairs = d_preamble - 1;
    const int span = pairs * d_window; // blocks that one value of the metric needs
    const std::ptrdiff_t ready = static_cast<std::ptrdiff_t>(d_re.size()) - span + 1;
    if (ready <= 0) {
        return;
    }
    std::vector<float> window(batch + span), re(batch), im(batch), e0(batch), e1(batch);
    const std::int64_t hold = span;

    for (std::ptrdiff_t at = 0; at < ready; at += batch) {
        const int n = static_cast<int>(std::min<std::ptrdiff_t>(batch, ready - at));
        const int n_pairs = n + (pairs - 1) * d_window;
        spread_sum(&d_re[at], d_window, 1, nullptr, window.data(), n_pairs);
        spread_sum(window.data(), pairs, d_window, d_code.data(), re.data(), n);
        spread_sum(&d_im[at], d_window, 1, nullptr, window.data(), n_pairs);
        spread_sum(window.data(), pairs, d_window, d_code.data(), im.data(), n);
        spread_sum(&d_e0[at], d_window, 1, nullptr, window.data(), n_pairs);
        spread_sum(window.data(), pairs, d_window, nullptr, e0.data(), n);
        spread_sum(&d_e1[at], d_window, 1, nullptr, window.data(), n_pairs);
        spread_sum(window.data(), pairs, d_window, nullptr, e1.data(), n);

        for (int j = 0; j < n; j++) {
            const std::int64_t block = d_first + at + j;
            if (d_rising && block - d_peak_block >= hold) {
                found.push_back(d_peak);
                d_rising = false;
                d_ignore = d_peak_block + hold;
            }
            const float power = re[j] * re[j] + im[j] * im[j];
            const float energy = e0[j] * e1[j];
            // not-a-number and empty input fail both comparisons
            if (!(power > d_threshold * energy && energy > 1e-30f)) {
                continue;
            }
            const float metric = power / energy;
            if (block >= d_ignore && (!d_rising || metric > d_peak.metric)) {
                d_rising = true;
                d_peak_block = block;
                d_peak = { block * d_block * d_oversampling,
                           metric,
                           std::atan2(im[j], re[j]) };
            }
        }
    }
    d_re.erase(d_re.begin(), d_re.begin() + ready);
    d_im.erase(d_im.begin(), d_im.begin() + ready);
    d_e0.erase(d_e0.begin(), d_e0.begin() + ready);
    d_e1.erase(d_e1.begin(), d_e1.begin() + ready);
    d_first += ready;
}

} // namespace semcom
} // namespace gr
