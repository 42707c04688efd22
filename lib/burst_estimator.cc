/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "burst_estimator.h"
#include "phase_track.h"

#include <algorithm>
#include <cmath>

namespace gr {
namespace semcom {

namespace {

constexpr int rounds = 3;
// of the residual frequency in radians per symbol, after the preamble's own estimate
constexpr double frequency_var = 0.01;
constexpr double timing_ppm = 100;
// squared magnitude: power is 1 on average over at most 4,095 bursts of 4,096 symbols
constexpr float largest = 1e12;

} // namespace

burst_estimator::burst_estimator(const ofdm_frame& frame)
    : d_carriers(frame.occupied()),
      d_preamble(frame.preamble_len()),
      d_number(frame.carriers().begin(), frame.carriers().end()),
      d_pilots(frame.pilots()),
      d_delays(frame.carriers(), frame.fft_len(), frame.cp_len())
{
    const double step = 2 * M_PI / frame.fft_len();
    const double slope = step * (frame.fft_len() + frame.cp_len()) * timing_ppm * 1e-6;
    d_slope_var = slope * slope;
}

burst_estimate burst_estimator::fit(const std::vector<gr_complex>& cells,
                                    const std::vector<gr_complex>& known,
                                    int rows,
                                    int training) const
{
    const int n = d_carriers;
    burst_estimate out;
    out.phase.assign(rows, 0.0f);
    out.phase_var.assign(rows, 0.0f);
    out.origin = 0.5f * (training - 1);
    out.channel.assign(n, gr_complex(0, 0));

    // what the channel, phase and drift did to each known cell: Y X* (|X| is 1 there)
    std::vector<int> every(n);
    for (int k = 0; k < n; k++) {
        every[k] = k;
    }
    std::vector<gr_complex> z;
    z.reserve(training * n + (rows - training) * d_pilots.size());
    for (int i = 0; i < rows; i++) {
        for (const int k : i < training ? every : d_pilots) {
            z.push_back(cells[i * n + k] * std::conj(known[i * n + k]));
        }
    }

    // first guess: no drift, preamble only
    for (int i = 0; i < d_preamble; i++) {
        for (int k = 0; k < n; k++) {
            out.channel[k] += z[i * n + k] / static_cast<float>(d_preamble);
        }
    }
    double residual = 0;
    for (int i = 0; i < d_preamble; i++) {
        for (int k = 0; k < n; k++) {
            residual += std::norm(z[i * n + k] - out.channel[k]);
        }
    }
    double floor = 0;
    for (const auto& h : out.channel) {
        floor += std::norm(h);
    }
    floor = 1e-7 * floor / n + 1e-30;
    double noise = std::max(residual / ((d_preamble - 1) * n), floor);
    int averaged = d_preamble;

    phase_track t(rows, frequency_var);
    std::vector<gr_complex> pilot(rows), drift(n);
    std::vector<double> variance(rows);
    double slope = 0, walk = 0;
    for (int round = 0; round < rounds; round++) {
        d_delays.denoise(out.channel, noise / averaged);

        // phase of every row
        auto at = z.begin();
        for (int i = 0; i < rows; i++) {
            gr_complex sum(0, 0);
            double energy = 1e-30;
            const float lever = slope * (i - out.origin);
            for (const int k : i < training ? every : d_pilots) {
                const auto h = out.channel[k];
                sum +=
                    std::conj(h) * *at++ *
                    (slope ? std::polar(1.0f, -lever * d_number[k]) : gr_complex(1, 0));
                energy += std::norm(h);
            }
            pilot[i] = sum;
            variance[i] = noise / (2 * energy);
        }
        if (round != 1) {
            walk = t.likeliest_walk(pilot, variance);
        }
        t.filter(pilot, variance, walk);
        t.smooth();

        // timing drift, linearised about the last value
        double up = 0, down = 0, used = 0.5 + d_delays.taps();
        at = z.begin();
        for (int i = 0; i < rows; i++) {
            out.phase[i] = t.phase(i);
            out.phase_var[i] = t.phase_var(i);
            used += 0.5 * std::min(1.0, t.phase_var(i) / variance[i]);
            const float lever = i - out.origin;
            for (const int k : i < training ? every : d_pilots) {
                const float l = lever * d_number[k];
                const auto h = out.channel[k];
                const auto derotated =
                    *at++ *
                    std::polar(1.0f, static_cast<float>(-out.phase[i] - slope * l));
                up += l * (h.real() * derotated.imag() - h.imag() * derotated.real());
                down += l * l * std::norm(h);
            }
        }
        const double prior = noise / (2 * d_slope_var);
        slope += (up - prior * slope) / (down + prior);

        // channel and noise, all training rows brought to the phase of the first guess
        std::fill(out.channel.begin(), out.channel.end(), gr_complex(0, 0));
        std::vector<gr_complex> straight(z.size());
        for (std::size_t j = 0, i = 0; i < static_cast<std::size_t>(rows); i++) {
            const float lever = slope * (i - out.origin);
            for (const int k : static_cast<int>(i) < training ? every : d_pilots) {
                straight[j] =
                    z[j] * std::polar(1.0f, -out.phase[i] - lever * d_number[k]);
                if (static_cast<int>(i) < training) {
                    out.channel[k] += straight[j] / static_cast<float>(training);
                }
                j++;
            }
        }
        averaged = training;
        auto clean = out.channel;
        d_delays.denoise(clean, noise / averaged);
        double in_training = 0, in_pilots = 0;
        for (std::size_t j = 0, i = 0; i < static_cast<std::size_t>(rows); i++) {
            const bool whole = static_cast<int>(i) < training;
            for (const int k : whole ? every : d_pilots) {
                (whole ? in_training : in_pilots) += std::norm(straight[j] - clean[k]);
                j++;
            }
        }
        noise = std::max((in_training + in_pilots) / (z.size() - used), floor);
        const double pilots = z.size() - static_cast<double>(training) * n;
        if (pilots > 0 && in_pilots / pilots > noise * (1 + 4 / std::sqrt(pilots))) {
            // the channel has moved since the training: the payload sees what the pilots
            // see
            noise = in_pilots / pilots;
        }
        if (round == rounds - 1) {
            out.channel = std::move(clean);
        }
    }

    out.slope = slope;
    out.noise_var = noise;
    out.channel_var = noise * d_delays.taps() / (static_cast<double>(n) * training);
    double power = 0;
    for (const auto& h : out.channel) {
        power += std::norm(h);
    }
    out.signal = std::max(power / n - out.channel_var, 1e-3 * power / n);
    return out;
}

void burst_estimator::equalize(const burst_estimate& estimate,
                               const std::vector<gr_complex>& cells,
                               int row,
                               gr_complex* symbols,
                               float* noise_var) const
{
    const int n = d_carriers;
    const float lever = estimate.slope * (row - estimate.origin);
    const gr_complex step = std::polar(1.0f, -lever);
    gr_complex turn = std::polar(1.0f, -estimate.phase[row] - lever * d_number[0]);
    const float noise = estimate.noise_var + estimate.channel_var;
    const float least = 1e-6f * estimate.signal;
    const gr_complex* y = &cells[row * n];
    for (int k = 0; k < n; k++) {
        const auto h = estimate.channel[k];
        const float gain = std::norm(h);
        const auto symbol = y[k] * turn * std::conj(h) / gain;
        // what is no number, or beyond any symbol that was ever sent, must not go on
        if (gain > least && std::isfinite(gain) && std::norm(symbol) < largest) {
            symbols[k] = symbol;
            noise_var[k] = noise / gain + estimate.phase_var[row];
        } else {
            symbols[k] = gr_complex(0, 0);
            noise_var[k] = 1e6f;
        }
        turn *= step;
        if (k == n / 2 - 1) {
            turn *= step; // over the unused centre
        }
    }
}

} // namespace semcom
} // namespace gr
