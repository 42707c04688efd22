/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <gnuradio/semcom/burst_estimator.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace gr {
namespace semcom {

namespace {

constexpr int rounds = 3;
// Variance of the phase step from symbol to symbol, tried in turn; 2 pi 100 Hz 72 us is
// 0.045.
constexpr std::array<double, 8> walks = { 1e-7, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3 };
// of the residual frequency in radians per symbol, after the preamble's own estimate
constexpr double frequency_var = 0.01;
constexpr double timing_ppm = 100;

double wrapped(double angle) { return std::remainder(angle, 2 * M_PI); }

} // namespace

// Filtered and predicted states (phase, frequency) and their covariances (pp, pf, ff).
struct burst_estimator::track {
    std::vector<std::array<double, 2>> filtered, predicted;
    std::vector<std::array<double, 3>> filtered_var, predicted_var;
    explicit track(std::size_t rows)
        : filtered(rows), predicted(rows), filtered_var(rows), predicted_var(rows)
    {
    }
};

burst_estimator::burst_estimator(const ofdm_frame& frame)
    : d_carriers(frame.occupied()),
      d_preamble(frame.preamble_len()),
      d_number(frame.carriers().begin(), frame.carriers().end()),
      d_pilots(frame.pilots())
{
    // delays of the prefix, and on each side what a delay between two samples spills
    const int margin = frame.fft_len() / 32;
    d_taps = frame.cp_len() + 1 + 2 * margin;
    const double step = 2 * M_PI / frame.fft_len();
    for (int tap = 0; tap < d_taps; tap++) {
        for (const float k : d_number) {
            d_basis.push_back(
                std::polar(1.0f, static_cast<float>(-step * k * (tap - margin))));
        }
    }
    // a product of two taps depends on their distance alone
    std::vector<double> at_distance(d_taps, 0.0);
    for (int distance = 0; distance < d_taps; distance++) {
        for (const float k : d_number) {
            at_distance[distance] += std::cos(step * k * distance);
        }
    }
    for (int a = 0; a < d_taps; a++) {
        for (int b = 0; b < d_taps; b++) {
            d_gram.push_back(at_distance[std::abs(a - b)]);
        }
    }
    const double slope = step * (frame.fft_len() + frame.cp_len()) * timing_ppm * 1e-6;
    d_slope_var = slope * slope;
}

void burst_estimator::denoise(std::vector<gr_complex>& channel, double noise_var) const
{
    double power = 0;
    for (const auto& h : channel) {
        power += std::norm(h);
    }
    power /= d_carriers;
    const double prior = std::max(power - noise_var, 1e-3 * power) / d_taps;
    const double ridge = std::max(noise_var / std::max(prior, 1e-30), 1e-6);

    // Cholesky factor of gram + ridge
    const int n = d_taps;
    std::vector<double> l(d_gram);
    for (int j = 0; j < n; j++) {
        double* row = &l[j * n];
        row[j] += ridge;
        for (int k = 0; k < j; k++) {
            row[j] -= row[k] * row[k];
        }
        row[j] = std::sqrt(std::max(row[j], 1e-12));
        for (int i = j + 1; i < n; i++) {
            double* below = &l[i * n];
            for (int k = 0; k < j; k++) {
                below[j] -= below[k] * row[k];
            }
            below[j] /= row[j];
        }
    }
    std::vector<std::complex<double>> tap(n);
    for (int i = 0; i < n; i++) {
        const gr_complex* basis = &d_basis[i * d_carriers];
        float re = 0, im = 0;
        for (int k = 0; k < d_carriers; k++) {
            const auto &b = basis[k], &h = channel[k];
            re += b.real() * h.real() + b.imag() * h.imag();
            im += b.real() * h.imag() - b.imag() * h.real();
        }
        tap[i] = { re, im };
        for (int k = 0; k < i; k++) {
            tap[i] -= l[i * n + k] * tap[k];
        }
        tap[i] /= l[i * n + i];
    }
    for (int i = n - 1; i >= 0; i--) {
        for (int k = i + 1; k < n; k++) {
            tap[i] -= l[k * n + i] * tap[k];
        }
        tap[i] /= l[i * n + i];
    }
    std::fill(channel.begin(), channel.end(), gr_complex(0, 0));
    for (int i = 0; i < n; i++) {
        const gr_complex* basis = &d_basis[i * d_carriers];
        const float re = tap[i].real(), im = tap[i].imag();
        for (int k = 0; k < d_carriers; k++) {
            const auto& b = basis[k];
            channel[k] +=
                gr_complex(b.real() * re - b.imag() * im, b.real() * im + b.imag() * re);
        }
    }
}

// Extended Kalman filter over (phase, frequency); returns the log-likelihood of the
// innovations.
double burst_estimator::kalman(const std::vector<gr_complex>& pilot,
                               const std::vector<double>& variance,
                               double walk,
                               track& out)
{
    double likelihood = 0;
    std::array<double, 2> x = { std::arg(pilot[0]), 0 };
    std::array<double, 3> p = { 10.0, 0, frequency_var };
    for (std::size_t i = 0; i < pilot.size(); i++) {
        if (i) {
            x[0] += x[1];
            p = { p[0] + 2 * p[1] + p[2] + walk, p[1] + p[2], p[2] };
        }
        out.predicted[i] = x;
        out.predicted_var[i] = p;
        const double s = p[0] + variance[i];
        const double error = wrapped(std::arg(pilot[i]) - x[0]);
        likelihood -= 0.5 * (std::log(s) + error * error / s);
        const double gain0 = p[0] / s, gain1 = p[1] / s;
        x = { x[0] + gain0 * error, x[1] + gain1 * error };
        p = { p[0] * (1 - gain0), p[1] * (1 - gain0), p[2] - gain1 * p[1] };
        out.filtered[i] = x;
        out.filtered_var[i] = p;
    }
    return likelihood;
}

// Rauch-Tung-Striebel: afterwards the filtered entries are the smoothed ones.
void burst_estimator::smooth(track& t)
{
    for (std::size_t i = t.filtered.size() - 1; i-- > 0;) {
        auto& x = t.filtered[i];
        auto& p = t.filtered_var[i];
        const auto& q = t.predicted_var[i + 1];
        const double det = q[0] * q[2] - q[1] * q[1];
        // gain = P F' Q^-1 with F = [1 1; 0 1]
        const double a = p[0] + p[1], b = p[1], c = p[1] + p[2], d = p[2];
        const double g00 = (a * q[2] - b * q[1]) / det, g01 = (b * q[0] - a * q[1]) / det;
        const double g10 = (c * q[2] - d * q[1]) / det, g11 = (d * q[0] - c * q[1]) / det;
        const double dx0 = t.filtered[i + 1][0] - t.predicted[i + 1][0];
        const double dx1 = t.filtered[i + 1][1] - t.predicted[i + 1][1];
        x = { x[0] + g00 * dx0 + g01 * dx1, x[1] + g10 * dx0 + g11 * dx1 };
        const auto& next = t.filtered_var[i + 1];
        const double v00 = next[0] - q[0], v01 = next[1] - q[1], v11 = next[2] - q[2];
        p = { p[0] + g00 * (g00 * v00 + g01 * v01) + g01 * (g00 * v01 + g01 * v11),
              p[1] + g10 * (g00 * v00 + g01 * v01) + g11 * (g00 * v01 + g01 * v11),
              p[2] + g10 * (g10 * v00 + g11 * v01) + g11 * (g10 * v01 + g11 * v11) };
    }
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

    track t(rows);
    std::vector<gr_complex> pilot(rows), drift(n);
    std::vector<double> variance(rows);
    double slope = 0, walk = walks[0];
    for (int round = 0; round < rounds; round++) {
        denoise(out.channel, noise / averaged);

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
            double best = -1e300;
            for (const double candidate : walks) {
                const double likelihood = kalman(pilot, variance, candidate, t);
                if (likelihood > best) {
                    best = likelihood;
                    walk = candidate;
                }
            }
        }
        kalman(pilot, variance, walk, t);
        smooth(t);

        // timing drift, linearised about the last value
        double up = 0, down = 0, used = 0.5 + d_taps;
        at = z.begin();
        for (int i = 0; i < rows; i++) {
            out.phase[i] = t.filtered[i][0];
            out.phase_var[i] = t.filtered_var[i][0];
            used += 0.5 * std::min(1.0, t.filtered_var[i][0] / variance[i]);
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
        denoise(clean, noise / averaged);
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
    out.channel_var = noise * d_taps / (static_cast<double>(n) * training);
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
        if (gain > least) {
            symbols[k] = y[k] * turn * std::conj(h) / gain;
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
