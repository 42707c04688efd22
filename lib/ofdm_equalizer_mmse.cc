/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "delay_fit.h"
#include "phase_track.h"

#include <gnuradio/semcom/ofdm_equalizer_mmse.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace gr {
namespace semcom {

namespace {

constexpr int rounds = 3;
// Prior variance of the phase advance per symbol, radians^2: what a Schmidl-Cox
// synchroniser leaves at 5 dB.
constexpr double frequency_var = 0.1;
constexpr double timing_ppm = 100;

using carrier_lists = std::vector<std::vector<int>>;

// The arguments that the base class and the members would trip over, checked first.
const carrier_lists& checked(int fft_len,
                             int cp_len,
                             const carrier_lists& occupied,
                             const carrier_lists& pilots,
                             const std::vector<std::vector<gr_complex>>& values)
{
    if (fft_len < 8 || fft_len > 16384) {
        throw std::invalid_argument("The FFT length is 8 to 16384, not " +
                                    std::to_string(fft_len) + ".");
    }
    if (cp_len < 0 || cp_len >= fft_len) {
        throw std::invalid_argument(
            "The cyclic prefix is 0 to under the FFT length, not " +
            std::to_string(cp_len) + ".");
    }
    bool match = pilots.size() == values.size();
    for (std::size_t i = 0; match && i < pilots.size(); i++) {
        match = pilots[i].size() == values[i].size();
    }
    if (!match) {
        throw std::invalid_argument("There is one pilot symbol for each pilot carrier.");
    }
    for (const auto* lists : { &occupied, &pilots }) {
        for (const auto& list : *lists) {
            for (const int k : list) {
                if (k < -fft_len || k >= fft_len) {
                    throw std::invalid_argument("The carrier " + std::to_string(k) +
                                                " lies outside the FFT.");
                }
            }
        }
    }
    return occupied;
}

// Carrier numbers in use, -fft_len/2 to fft_len/2 - 1, ascending, each once.
std::vector<int>
numbers(int fft_len, const carrier_lists& occupied, const carrier_lists& pilots)
{
    std::vector<bool> used(fft_len, occupied.empty());
    for (const auto* lists : { &occupied, &pilots }) {
        for (const auto& list : *lists) {
            for (const int k : list) {
                used[(k + fft_len + fft_len / 2) % fft_len] = true;
            }
        }
    }
    std::vector<int> found;
    for (int i = 0; i < fft_len; i++) {
        if (used[i]) {
            found.push_back(i - fft_len / 2);
        }
    }
    return found;
}

} // namespace

// One frame's cells on the carriers in use, row-major, and what is known of it.
struct ofdm_equalizer_mmse::estimate {
    int rows;
    std::vector<gr_complex> taps;  // initial, zero where unknown
    std::vector<gr_complex> cells; // received
    std::vector<gr_complex> mean;  // of what was sent: 0 where nothing is known
    std::vector<float> power;      // of what was sent: 0 likewise
    std::vector<gr_complex> channel;
    std::vector<double> phase; // of every symbol
    double slope = 0, noise = 0, channel_var = 0;

    // what phase and timing drift did to cell k of symbol i, undone
    gr_complex turn(int i, int number) const
    {
        return std::polar(1.0f, static_cast<float>(-phase[i] - slope * (i + 1) * number));
    }
};

ofdm_equalizer_mmse::sptr
ofdm_equalizer_mmse::make(int fft_len,
                          int cp_len,
                          const carrier_lists& occupied_carriers,
                          const carrier_lists& pilot_carriers,
                          const std::vector<std::vector<gr_complex>>& pilot_symbols,
                          int symbols_skipped,
                          const digital::constellation_sptr& constellation,
                          bool unbiased,
                          double training,
                          bool input_is_shifted)
{
    return std::make_shared<ofdm_equalizer_mmse>(fft_len,
                                                 cp_len,
                                                 occupied_carriers,
                                                 pilot_carriers,
                                                 pilot_symbols,
                                                 symbols_skipped,
                                                 constellation,
                                                 unbiased,
                                                 training,
                                                 input_is_shifted);
}

ofdm_equalizer_mmse::ofdm_equalizer_mmse(
    int fft_len,
    int cp_len,
    const carrier_lists& occupied_carriers,
    const carrier_lists& pilot_carriers,
    const std::vector<std::vector<gr_complex>>& pilot_symbols,
    int symbols_skipped,
    const digital::constellation_sptr& constellation,
    bool unbiased,
    double training,
    bool input_is_shifted)
    : digital::ofdm_equalizer_1d_pilots(
          fft_len,
          checked(fft_len, cp_len, occupied_carriers, pilot_carriers, pilot_symbols),
          pilot_carriers,
          pilot_symbols,
          symbols_skipped,
          input_is_shifted),
      d_number(numbers(fft_len, occupied_carriers, pilot_carriers)),
      d_delays(std::make_unique<delay_fit>(d_number, fft_len, cp_len)),
      d_unbiased(unbiased),
      d_training(training)
{
    if (!(training > 0)) {
        throw std::invalid_argument("The initial taps are worth more than 0 symbols.");
    }
    if (symbols_skipped < 0) {
        throw std::invalid_argument("The number of symbols skipped is at least 0.");
    }
    if (constellation) {
        if (constellation->dimensionality() != 1) {
            throw std::invalid_argument(
                "The constellation has one complex value per symbol.");
        }
        d_points = constellation->points();
    }
    for (const int k : d_number) {
        d_bins.push_back(input_is_shifted ? k + fft_len / 2 : (k + fft_len) % fft_len);
    }
    const double slope = 2 * M_PI / fft_len * (fft_len + cp_len) * timing_ppm * 1e-6;
    d_slope_var = slope * slope;
}

ofdm_equalizer_mmse::~ofdm_equalizer_mmse() = default;

void ofdm_equalizer_mmse::refine(estimate& e) const
{
    const int n = d_number.size();
    // row 0 is the training that the taps stand for, of phase 0 and no drift
    phase_track track(e.rows + 1, frequency_var);
    std::vector<gr_complex> pilot(e.rows + 1), sums(n);
    std::vector<double> variance(e.rows + 1);
    std::vector<float> weights(n);
    for (int round = 0; round < rounds; round++) {
        for (int i = -1; i < e.rows; i++) {
            std::complex<double> sum = 0;
            double energy = 1e-30;
            for (int k = 0; k < n; k++) {
                const auto h = e.channel[k];
                if (i < 0) {
                    const double seen = e.taps[k] == gr_complex(0, 0) ? 0 : d_training;
                    sum += seen * std::complex<double>(std::conj(h) * e.taps[k]);
                    energy += seen * std::norm(h);
                } else if (const int at = i * n + k; e.power[at] > 0) {
                    const auto drift = std::polar(
                        1.0f, static_cast<float>(-e.slope * (i + 1) * d_number[k]));
                    sum += std::complex<double>(std::conj(h * e.mean[at]) * e.cells[at] *
                                                drift);
                    energy += std::norm(h) * std::norm(e.mean[at]);
                }
            }
            pilot[i + 1] = sum;
            variance[i + 1] = e.noise / (2 * energy);
        }
        track.filter(pilot, variance, track.likeliest_walk(pilot, variance));
        track.smooth();
        double phases = 0; // degrees of freedom, half a complex one each
        for (int i = 0; i < e.rows; i++) {
            // the training's own phase belongs to the channel
            e.phase[i] = track.phase(i + 1) - track.phase(0);
            phases += 0.5 * std::min(1.0, track.phase_var(i + 1) / variance[i + 1]);
        }

        // timing drift, linearised about the last value
        double up = 0, down = 0;
        for (int i = 0; i < e.rows; i++) {
            for (int k = 0; k < n; k++) {
                const int at = i * n + k;
                if (e.power[at] > 0) {
                    const double lever = static_cast<double>(i + 1) * d_number[k];
                    const auto h = e.channel[k] * e.mean[at];
                    const auto y = e.cells[at] * e.turn(i, d_number[k]);
                    up += lever * (h.real() * y.imag() - h.imag() * y.real());
                    down += lever * lever * std::norm(h);
                }
            }
        }
        const double prior = e.noise / (2 * d_slope_var);
        e.slope += (up - prior * e.slope) / (down + prior);

        // channel
        double weight = 0, in_rows = 0;
        for (int k = 0; k < n; k++) {
            const bool seen = e.taps[k] != gr_complex(0, 0);
            sums[k] = static_cast<float>(d_training) * e.taps[k];
            weights[k] = seen ? d_training : 0;
            weight += weights[k];
        }
        for (int i = 0; i < e.rows; i++) {
            for (int k = 0; k < n; k++) {
                const int at = i * n + k;
                if (e.power[at] > 0) {
                    sums[k] +=
                        e.cells[at] * e.turn(i, d_number[k]) * std::conj(e.mean[at]);
                    weights[k] += e.power[at];
                    in_rows += e.power[at];
                }
            }
        }
        const double used = d_delays->fit(sums, weights, e.noise, e.channel);

        // noise: what the fit leaves of taps and rows
        double of_taps = 0, of_rows = 0, n_taps = 0, n_rows = 0;
        for (int k = 0; k < n; k++) {
            if (e.taps[k] != gr_complex(0, 0)) {
                of_taps += d_training * std::norm(e.taps[k] - e.channel[k]);
                n_taps++;
            }
        }
        for (int i = 0; i < e.rows; i++) {
            for (int k = 0; k < n; k++) {
                const int at = i * n + k;
                if (e.power[at] > 0) {
                    const auto h = e.channel[k];
                    of_rows +=
                        std::norm(e.cells[at] * e.turn(i, d_number[k]) - h * e.mean[at]) +
                        std::norm(h) * (e.power[at] - std::norm(e.mean[at]));
                    n_rows++;
                }
            }
        }
        const double share = in_rows / (weight + in_rows);
        const double free_rows = n_rows - share * used - phases;
        const double free_taps = n_taps - (1 - share) * used;
        double noise = (of_rows + of_taps) / std::max(free_rows + free_taps, 1.0);
        if (free_rows >= 4 &&
            of_taps / std::max(free_taps, 1.0) < 0.25 * of_rows / free_rows) {
            // taps that lie in the span of the delays have been smoothed: they tell
            // nothing of the noise
            noise = of_rows / free_rows;
        }
        double power = 0;
        for (const auto& h : e.channel) {
            power += std::norm(h) / n;
        }
        e.noise = std::max(noise, 1e-7 * power + 1e-30);
        e.channel_var = e.noise * used / (weight + in_rows);
    }
}

// What the constellation says of each data cell, given the channel.
void ofdm_equalizer_mmse::decide(estimate& e) const
{
    const int n = d_number.size();
    std::vector<double> likelihood(d_points.size());
    for (int i = 0; i < e.rows; i++) {
        const auto set = d_pilot_carriers.empty()
                             ? 0
                             : (d_pilot_carr_set + i) % d_pilot_carriers.size();
        for (int k = 0; k < n; k++) {
            if (!d_occupied_carriers[d_bins[k]] ||
                (!d_pilot_carriers.empty() && d_pilot_carriers[set][d_bins[k]])) {
                continue;
            }
            const int at = i * n + k;
            const auto y = e.cells[at] * e.turn(i, d_number[k]);
            double best = -1e300;
            for (std::size_t m = 0; m < d_points.size(); m++) {
                const auto& x = d_points[m];
                likelihood[m] = -std::norm(y - e.channel[k] * x) /
                                (e.noise + e.channel_var * std::norm(x));
                best = std::max(best, likelihood[m]);
            }
            double total = 0, power = 0;
            std::complex<double> mean = 0;
            for (std::size_t m = 0; m < d_points.size(); m++) {
                const double p = std::exp(likelihood[m] - best);
                total += p;
                mean += p * std::complex<double>(d_points[m]);
                power += p * std::norm(d_points[m]);
            }
            e.mean[at] = mean / total;
            e.power[at] = power / total;
        }
    }
}

void ofdm_equalizer_mmse::equalize(gr_complex* frame,
                                   int n_sym,
                                   const std::vector<gr_complex>& initial_taps,
                                   const std::vector<tag_t>&)
{
    if (static_cast<int>(initial_taps.size()) == d_fft_len) {
        d_channel_state = initial_taps;
    }
    if (n_sym < 1) {
        return;
    }
    const int n = d_number.size();
    estimate e;
    e.rows = n_sym;
    e.phase.assign(n_sym, 0.0);
    e.mean.assign(n_sym * n, gr_complex(0, 0));
    e.power.assign(n_sym * n, 0.0f);
    const auto finite = [](gr_complex value) {
        // what no radio delivers must not poison the frame
        return std::norm(value) < 1e30f ? value : gr_complex(0, 0);
    };
    std::vector<float> weights(n);
    for (int k = 0; k < n; k++) {
        e.taps.push_back(finite(d_channel_state[d_bins[k]]));
        weights[k] = e.taps[k] == gr_complex(0, 0) ? 0 : 1;
    }
    for (int i = 0; i < n_sym; i++) {
        const auto set = d_pilot_carriers.empty()
                             ? 0
                             : (d_pilot_carr_set + i) % d_pilot_carriers.size();
        for (int k = 0; k < n; k++) {
            e.cells.push_back(finite(frame[i * d_fft_len + d_bins[k]]));
            if (!d_pilot_carriers.empty() && d_pilot_carriers[set][d_bins[k]]) {
                e.mean[i * n + k] = d_pilot_symbols[set][d_bins[k]];
                e.power[i * n + k] = std::norm(e.mean[i * n + k]);
            }
        }
    }

    // first guess of channel and noise, from the taps alone
    double power = 1e-30;
    for (const auto& h : e.taps) {
        power += std::norm(h) / n;
    }
    const double used = d_delays->fit(e.taps, weights, 1e-3 * power, e.channel);
    for (int k = 0; k < n; k++) {
        e.noise += d_training * weights[k] * std::norm(e.taps[k] - e.channel[k]);
    }
    e.noise = std::max(e.noise / std::max(n - used, 1.0), 1e-4 * power);
    refine(e);
    if (!d_points.empty()) {
        for (int round = 0; round < rounds; round++) {
            decide(e);
            refine(e);
        }
    }

    power = 0;
    for (const auto& h : e.channel) {
        power += std::norm(h) / n;
    }
    const float least = 1e-6f * power;
    const float noise = d_unbiased ? 0 : e.noise + e.channel_var;
    for (int i = 0; i < n_sym; i++) {
        for (int k = 0; k < n; k++) {
            const float gain = std::norm(e.channel[k]);
            // a carrier in a deep fade tells nothing
            frame[i * d_fft_len + d_bins[k]] =
                gain > least ? e.cells[i * n + k] * e.turn(i, d_number[k]) *
                                   std::conj(e.channel[k]) / (gain + noise)
                             : gr_complex(0, 0);
        }
    }
    for (int k = 0; k < n; k++) {
        d_channel_state[d_bins[k]] =
            e.channel[k] * std::conj(e.turn(n_sym - 1, d_number[k]));
    }
    if (!d_pilot_carriers.empty()) {
        d_pilot_carr_set = (d_pilot_carr_set + n_sym) % d_pilot_carriers.size();
    }
    d_noise_var = e.noise;
    d_snr_db = 10 * std::log10(std::max(power - e.channel_var, 1e-3 * power) / e.noise);
}

} // namespace semcom
} // namespace gr
