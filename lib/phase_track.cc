/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "phase_track.h"

#include <cmath>

namespace gr {
namespace semcom {

namespace {

// Variance of the phase step from symbol to symbol, tried in turn; 2 pi 100 Hz 72 us is
// 0.045.
constexpr std::array<double, 8> walks = {
    phase_track::least_walk, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3
};

double wrapped(double angle) { return std::remainder(angle, 2 * M_PI); }

} // namespace

phase_track::phase_track(std::size_t rows, double frequency_var)
    : d_frequency_var(frequency_var),
      d_filtered(rows),
      d_predicted(rows),
      d_filtered_var(rows),
      d_predicted_var(rows)
{
}

double phase_track::likeliest_walk(const std::vector<gr_complex>& pilot,
                                   const std::vector<double>& variance)
{
    double best = -1e300, walk = walks[0];
    for (const double candidate : walks) {
        const double likelihood = filter(pilot, variance, candidate);
        if (likelihood > best) {
            best = likelihood;
            walk = candidate;
        }
    }
    return walk;
}

double phase_track::filter(const std::vector<gr_complex>& pilot,
                           const std::vector<double>& variance,
                           double walk)
{
    double likelihood = 0;
    std::array<double, 2> x = { std::arg(pilot[0]), 0 };
    std::array<double, 3> p = { 10.0, 0, d_frequency_var };
    for (std::size_t i = 0; i < pilot.size(); i++) {
        if (i) {
            x[0] += x[1];
            p = { p[0] + 2 * p[1] + p[2] + walk, p[1] + p[2], p[2] };
        }
        d_predicted[i] = x;
        d_predicted_var[i] = p;
        const double s = p[0] + variance[i];
        const double error = wrapped(std::arg(pilot[i]) - x[0]);
        likelihood -= 0.5 * (std::log(s) + error * error / s);
        const double gain0 = p[0] / s, gain1 = p[1] / s;
        x = { x[0] + gain0 * error, x[1] + gain1 * error };
        p = { p[0] * (1 - gain0), p[1] * (1 - gain0), p[2] - gain1 * p[1] };
        d_filtered[i] = x;
        d_filtered_var[i] = p;
    }
    return likelihood;
}

void phase_track::smooth()
{
    for (std::size_t i = d_filtered.size() - 1; i-- > 0;) {
        auto& x = d_filtered[i];
        auto& p = d_filtered_var[i];
        const auto& q = d_predicted_var[i + 1];
        const double det = q[0] * q[2] - q[1] * q[1];
        // gain = P F' Q^-1 with F = [1 1; 0 1]
        const double a = p[0] + p[1], b = p[1], c = p[1] + p[2], d = p[2];
        const double g00 = (a * q[2] - b * q[1]) / det, g01 = (b * q[0] - a * q[1]) / det;
        const double g10 = (c * q[2] - d * q[1]) / det, g11 = (d * q[0] - c * q[1]) / det;
        const double dx0 = d_filtered[i + 1][0] - d_predicted[i + 1][0];
        const double dx1 = d_filtered[i + 1][1] - d_predicted[i + 1][1];
        x = { x[0] + g00 * dx0 + g01 * dx1, x[1] + g10 * dx0 + g11 * dx1 };
        const auto& next = d_filtered_var[i + 1];
        const double v00 = next[0] - q[0], v01 = next[1] - q[1], v11 = next[2] - q[2];
        p = { p[0] + g00 * (g00 * v00 + g01 * v01) + g01 * (g00 * v01 + g01 * v11),
              p[1] + g10 * (g00 * v00 + g01 * v01) + g11 * (g00 * v01 + g01 * v11),
              p[2] + g10 * (g10 * v00 + g11 * v01) + g11 * (g10 * v01 + g11 * v11) };
    }
}

} // namespace semcom
} // namespace gr
