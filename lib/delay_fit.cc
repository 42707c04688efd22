/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "cholesky.h"
#include "delay_fit.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdlib>

namespace gr {
namespace semcom {

delay_fit::delay_fit(const std::vector<int>& carriers, int fft_len, int cp_len)
    : d_carriers(carriers.size()), d_number(carriers)
{
    const int margin = fft_len / 32;
    d_taps = cp_len + 1 + 2 * margin;
    const double step = 2 * M_PI / fft_len;
    for (int i = 0; i < fft_len; i++) {
        d_roots.push_back(std::polar(1.0, step * i));
    }
    for (int tap = 0; tap < d_taps; tap++) {
        for (const float k : carriers) {
            d_basis.push_back(
                std::polar(1.0f, static_cast<float>(-step * k * (tap - margin))));
        }
    }
    // a product of two taps depends on their distance alone
    std::vector<double> at_distance(d_taps, 0.0);
    for (int distance = 0; distance < d_taps; distance++) {
        for (const float k : carriers) {
            at_distance[distance] += std::cos(step * k * distance);
        }
    }
    for (int a = 0; a < d_taps; a++) {
        for (int b = 0; b < d_taps; b++) {
            d_gram.push_back(at_distance[std::abs(a - b)]);
        }
    }
}

void delay_fit::project(const std::vector<gr_complex>& sums,
                        std::vector<std::complex<double>>& tap) const
{
    tap.resize(d_taps);
    for (int i = 0; i < d_taps; i++) {
        const gr_complex* basis = &d_basis[i * d_carriers];
        float re = 0, im = 0;
        for (int k = 0; k < d_carriers; k++) {
            const auto &b = basis[k], &h = sums[k];
            re += b.real() * h.real() + b.imag() * h.imag();
            im += b.real() * h.imag() - b.imag() * h.real();
        }
        tap[i] = { re, im };
    }
}

void delay_fit::expand(const std::vector<std::complex<double>>& tap,
                       std::vector<gr_complex>& channel) const
{
    channel.assign(d_carriers, gr_complex(0, 0));
    for (int i = 0; i < d_taps; i++) {
        const gr_complex* basis = &d_basis[i * d_carriers];
        const float re = tap[i].real(), im = tap[i].imag();
        for (int k = 0; k < d_carriers; k++) {
            const auto& b = basis[k];
            channel[k] +=
                gr_complex(b.real() * re - b.imag() * im, b.real() * im + b.imag() * re);
        }
    }
}

std::vector<std::complex<double>>
delay_fit::delays(const std::vector<gr_complex>& channel, double noise_var) const
{
    double power = 0;
    for (const auto& h : channel) {
        power += std::norm(h);
    }
    power /= d_carriers;
    const double prior = std::max(power - noise_var, 1e-3 * power) / d_taps;
    const double ridge = std::max(noise_var / std::max(prior, 1e-30), 1e-6);

    std::vector<double> l(d_gram);
    cholesky::factor(l, d_taps, ridge);
    std::vector<std::complex<double>> tap;
    project(channel, tap);
    cholesky::solve(l, d_taps, tap);
    return tap;
}

void delay_fit::denoise(std::vector<gr_complex>& channel, double noise_var) const
{
    expand(delays(channel, noise_var), channel);
}

double delay_fit::fit(const std::vector<gr_complex>& sums,
                      const std::vector<float>& weights,
                      double noise_var,
                      std::vector<gr_complex>& channel) const
{
    // power of the channel, the noise of its observations taken off
    double power = 0, weight = 1e-30, seen = 0;
    for (int k = 0; k < d_carriers; k++) {
        if (weights[k] > 0) {
            power += std::norm(sums[k]) / weights[k];
            weight += weights[k];
            seen++;
        }
    }
    const double prior =
        std::max(power - seen * noise_var, 1e-3 * power) / weight / d_taps;
    const double ridge =
        std::max(noise_var / std::max(prior, 1e-30), 1e-6 * weight / d_carriers);

    // the Gram matrix is Toeplitz: delays enter by their difference alone
    const int period = d_roots.size();
    std::vector<std::complex<double>> row(d_taps);
    for (int a = 0; a < d_taps; a++) {
        for (int k = 0; k < d_carriers; k++) {
            const int turn = ((d_number[k] * a) % period + period) % period;
            row[a] += static_cast<double>(weights[k]) * d_roots[turn];
        }
    }
    std::vector<std::complex<double>> l(d_taps * d_taps);
    for (int a = 0; a < d_taps; a++) {
        for (int b = 0; b < d_taps; b++) {
            l[a * d_taps + b] = a >= b ? row[a - b] : std::conj(row[b - a]);
        }
    }
    cholesky::factor(l, d_taps, ridge);
    std::vector<std::complex<double>> tap;
    project(sums, tap);
    cholesky::solve(l, d_taps, tap);
    expand(tap, channel);
    const std::vector<double> ridges(d_taps, ridge);
    return d_taps - cholesky::trace_of_inverse(l, d_taps, ridges);
}

} // namespace semcom
} // namespace gr
