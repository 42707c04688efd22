/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "channel_motion.h"
#include "cholesky.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace gr {
namespace semcom {

namespace {

// Largest Doppler shifts tried, in cycles per burst: a burst of 7 ms at 20 to 220 Hz.
constexpr double shifts[] = { 0.15, 0.4, 0.8, 1.6 };
// the system's size, which its cost grows with cubically
constexpr int max_unknowns = 120;
// delays this much under the strongest are taken as at rest
constexpr double weakest = 1e-4;
// of each delay's power, outside the Doppler spectrum: a series of twice the burst's
// length fits its edges by harmonics beyond the spectrum
constexpr double outside = 0.02;
// of the power, alike on all delays: the training may have met a delay in a fade, and if
// all are trusted alike, pilots 14 carriers apart confuse those that are 4.6 samples
// apart
constexpr double spreads[] = { 1e-3, 0.03, 0.3 };
constexpr int slow_harmonics = 5;

// Share of Clarke's spectrum up to x times the largest shift.
double clarke(double x) { return 0.5 + std::asin(std::clamp(x, -1.0, 1.0)) / M_PI; }

} // namespace

// Observations y = sum of c[m][d] u_m(row) b_d(carrier) + n of the delays that move.
struct channel_motion::problem {
    int rows, training;
    double noise, energy;          // energy: sum of weight |y|^2
    std::vector<int> taps;         // delays that move
    std::vector<double> power;     // of each in the training
    double mean_power;             // of all, over the burst
    std::vector<gr_complex> still; // what the other delays add
    std::vector<std::complex<double>> in_training, at_pilots; // Gram matrices of the taps
    std::vector<std::complex<double>>
        sums; // [row][tap]: taps' match with the row's cells
};

struct channel_motion::solution {
    int low; // the first harmonic is -low, the last one low
    double cycles, spread, evidence;
    std::vector<std::complex<double>> l, value; // factor of the system; [harmonic][tap]
    std::vector<double> ridge;                  // noise over prior of each unknown

    int harmonics() const { return 2 * low + 1; }
    int taps() const { return static_cast<int>(value.size()) / harmonics(); }
    gr_complex harmonic(int m, int row, int rows) const
    {
        const double turn = M_PI * (m - low) * (row - 0.5 * (rows - 1)) / rows;
        return std::polar(1.0f, static_cast<float>(turn));
    }
};

channel_motion::channel_motion(const delay_fit& delays,
                               const std::vector<int>& pilots,
                               int carriers)
    : d_delays(&delays), d_pilots(pilots), d_every(carriers), d_carriers(carriers)
{
    std::iota(d_every.begin(), d_every.end(), 0);
}

std::vector<double>
channel_motion::slow_changes(const std::vector<gr_complex>& residual,
                             int rows,
                             const std::vector<double>& noise_var) const
{
    const int pilots = d_pilots.size();
    std::vector<double> energy(pilots, 0.0);
    for (int m = 0; m < slow_harmonics; m++) {
        std::vector<gr_complex> sum(pilots, gr_complex(0, 0));
        for (int i = 0; i < rows; i++) {
            const float wave = std::cos(static_cast<float>(M_PI) * m * (i + 0.5f) / rows);
            for (int p = 0; p < pilots; p++) {
                sum[p] += wave * residual[i * pilots + p];
            }
        }
        for (int p = 0; p < pilots; p++) {
            energy[p] += (m ? 2.0 : 1.0) / rows * std::norm(sum[p]) / noise_var[p];
        }
    }
    return energy;
}

bool channel_motion::suspected(const std::vector<double>& changes)
{
    const double loudest = *std::max_element(changes.begin(), changes.end());
    const double all = std::accumulate(changes.begin(), changes.end(), 0.0);
    const auto above = [](double energy, double pilots) {
        const double mean = slow_harmonics * pilots;
        return energy > mean + 4 * std::sqrt(mean);
    };
    return above(all, changes.size()) && above(all - loudest, changes.size() - 1);
}

channel_motion::problem channel_motion::pose(const std::vector<gr_complex>& seen,
                                             int rows,
                                             int training,
                                             const std::vector<gr_complex>& rest,
                                             const std::vector<float>& weight,
                                             double noise_var) const
{
    problem p{};
    p.rows = rows;
    p.training = training;
    p.noise = noise_var;
    p.still.assign(d_carriers, gr_complex(0, 0));
    const auto tap = d_delays->delays(rest, noise_var / training);
    double strongest = 0;
    for (const auto& c : tap) {
        strongest = std::max(strongest, std::norm(c));
    }
    for (int d = 0; d < d_delays->taps(); d++) {
        if (std::norm(tap[d]) > weakest * strongest) {
            p.taps.push_back(d);
        }
    }
    std::sort(p.taps.begin(), p.taps.end(), [&tap](int a, int b) {
        return std::norm(tap[a]) > std::norm(tap[b]);
    });
    // the two slowest of the shifts tried need seven harmonics
    p.taps.resize(std::min<std::size_t>(p.taps.size(), max_unknowns / 7));
    const int taps = p.taps.size();
    double moving = 1e-30;
    for (const int d : p.taps) {
        moving += std::norm(tap[d]);
    }
    for (int d = 0; d < d_delays->taps(); d++) {
        if (std::find(p.taps.begin(), p.taps.end(), d) == p.taps.end()) {
            for (int k = 0; k < d_carriers; k++) {
                p.still[k] += gr_complex(tap[d]) * d_delays->carriers_of(d)[k];
            }
        }
    }

    // the burst's mean power tells what the training, perhaps in a fade, does not
    double power = 0;
    p.in_training.assign(taps * taps, 0);
    p.at_pilots.assign(taps * taps, 0);
    p.sums.assign(rows * taps, 0);
    auto at = seen.begin();
    for (int i = 0; i < rows; i++) {
        for (const int k : i < training ? d_every : d_pilots) {
            power += weight[k] * std::max(std::norm(*at) - noise_var / weight[k], 0.0);
            const auto y = *at++ - p.still[k];
            p.energy += weight[k] * std::norm(y);
            for (int d = 0; d < taps; d++) {
                p.sums[i * taps + d] += std::complex<double>(
                    weight[k] * std::conj(d_delays->carriers_of(p.taps[d])[k]) * y);
            }
        }
    }
    power /= seen.size();
    p.mean_power = power / taps;
    for (int a = 0; a < taps; a++) {
        p.power.push_back(power * std::norm(tap[p.taps[a]]) / moving);
        for (int b = 0; b < taps; b++) {
            for (const auto* list : { &d_every, &d_pilots }) {
                auto& gram = list == &d_every ? p.in_training : p.at_pilots;
                for (const int k : *list) {
                    gram[a * taps + b] += std::complex<double>(
                        weight[k] * std::conj(d_delays->carriers_of(p.taps[a])[k]) *
                        d_delays->carriers_of(p.taps[b])[k]);
                }
            }
        }
    }
    return p;
}

channel_motion::solution
channel_motion::solve(const problem& p, double cycles, double spread) const
{
    solution s;
    s.cycles = cycles;
    s.spread = spread;
    s.low = static_cast<int>(std::ceil(2 * cycles)) + 2;
    const int harmonics = s.harmonics();
    // the strongest come first
    const int taps = std::clamp<int>(max_unknowns / harmonics, 1, p.taps.size());
    const int all = p.taps.size();
    const int n = harmonics * taps;

    // a product of two harmonics depends on their distance alone
    std::vector<std::complex<double>> early(harmonics, 0), late(harmonics, 0);
    s.value.assign(n, 0);
    for (int i = 0; i < p.rows; i++) {
        for (int m = 0; m < harmonics; m++) {
            (i < p.training ? early : late)[m] += s.harmonic(m + s.low, i, p.rows);
            const auto wave = std::complex<double>(std::conj(s.harmonic(m, i, p.rows)));
            for (int d = 0; d < taps; d++) {
                s.value[m * taps + d] += wave * p.sums[i * all + d];
            }
        }
    }
    s.l.resize(n * n);
    for (int m = 0; m < harmonics; m++) {
        const double share = (1 - outside) * (clarke((m - s.low + 0.5) / (2 * cycles)) -
                                              clarke((m - s.low - 0.5) / (2 * cycles))) +
                             outside / harmonics;
        for (int d = 0; d < taps; d++) {
            const int row = m * taps + d;
            s.ridge.push_back(
                p.noise / (((1 - spread) * p.power[d] + spread * p.mean_power) * share));
            for (int o = 0; o <= m; o++) {
                for (int e = 0; e < taps; e++) {
                    s.l[row * n + o * taps + e] =
                        std::conj(early[m - o]) * p.in_training[d * all + e] +
                        std::conj(late[m - o]) * p.at_pilots[d * all + e];
                }
            }
            s.l[row * n + row] += s.ridge.back();
        }
    }
    cholesky::factor(s.l, n, 0);
    const auto matched = s.value;
    cholesky::solve(s.l, n, s.value);
    double explained = 0, volume = 0;
    for (int j = 0; j < n; j++) {
        explained += std::real(std::conj(matched[j]) * s.value[j]);
        volume += 2 * std::log(std::real(s.l[j * n + j])) - std::log(s.ridge[j]);
    }
    s.evidence = explained / p.noise - volume;
    return s;
}

channel_motion::solution channel_motion::likeliest(const problem& p) const
{
    solution best = solve(p, shifts[0], spreads[0]);
    const auto consider = [&](double cycles, double spread) {
        auto other = solve(p, cycles, spread);
        if (other.evidence > best.evidence) {
            best = std::move(other);
        }
    };
    for (std::size_t i = 1; i < std::size(shifts); i++) {
        consider(shifts[i], spreads[0]);
    }
    for (std::size_t i = 1; i < std::size(spreads); i++) {
        consider(best.cycles, spreads[i]);
    }
    return best;
}

void channel_motion::expand(const problem& p,
                            const solution& s,
                            moving_channel& out) const
{
    const int taps = s.taps();
    out.channel.reserve(p.rows * d_carriers);
    for (int i = 0; i < p.rows; i++) {
        auto h = p.still;
        for (int d = 0; d < taps; d++) {
            std::complex<double> c = 0;
            for (int m = 0; m < s.harmonics(); m++) {
                c += std::complex<double>(s.harmonic(m, i, p.rows)) *
                     s.value[m * taps + d];
            }
            const gr_complex* carriers = d_delays->carriers_of(p.taps[d]);
            for (int k = 0; k < d_carriers; k++) {
                h[k] += gr_complex(c) * carriers[k];
            }
        }
        out.channel.insert(out.channel.end(), h.begin(), h.end());
    }
}

// The error is smooth: computed at few points, interpolated between.
void channel_motion::expect_errors(const problem& p,
                                   const solution& s,
                                   moving_channel& out) const
{
    constexpr int across = 4, along = 6;
    const int taps = s.taps(), last = d_carriers - 1;
    std::vector<float> error;
    std::vector<std::complex<double>> match(s.value.size());
    for (int i = 0; i <= along; i++) {
        for (int k = 0; k <= across; k++) {
            for (int m = 0; m < s.harmonics(); m++) {
                const auto wave = s.harmonic(m, i * (p.rows - 1) / along, p.rows);
                for (int d = 0; d < taps; d++) {
                    match[m * taps + d] = std::complex<double>(std::conj(
                        wave * d_delays->carriers_of(p.taps[d])[k * last / across]));
                }
            }
            cholesky::forward(s.l, match.size(), match);
            double sum = 0;
            for (const auto& value : match) {
                sum += std::norm(value);
            }
            error.push_back(static_cast<float>(p.noise * sum));
        }
    }
    for (int i = 0; i < p.rows; i++) {
        const float y = static_cast<float>(i) * along / std::max(p.rows - 1, 1);
        const int low = std::min(static_cast<int>(y), along - 1);
        for (int k = 0; k < d_carriers; k++) {
            const float x = static_cast<float>(k) * across / last;
            const int left = std::min(static_cast<int>(x), across - 1);
            const float* here = &error[low * (across + 1) + left];
            const float* next = here + across + 1;
            const float before = here[0] + (x - left) * (here[1] - here[0]);
            const float after = next[0] + (x - left) * (next[1] - next[0]);
            out.variance.push_back(before + (y - low) * (after - before));
        }
    }
}

moving_channel channel_motion::fit(const std::vector<gr_complex>& seen,
                                   int rows,
                                   int training,
                                   const std::vector<gr_complex>& rest,
                                   const std::vector<float>& weight,
                                   double noise_var,
                                   const moving_channel& like) const
{
    const auto p = pose(seen, rows, training, rest, weight, noise_var);
    const auto s = like.cycles > 0 ? solve(p, like.cycles, like.spread) : likeliest(p);
    const int n = s.value.size();
    moving_channel out;
    out.cycles = s.cycles;
    out.spread = s.spread;
    out.used = n - cholesky::trace_of_inverse(s.l, n, s.ridge);
    expand(p, s, out);
    expect_errors(p, s, out);
    return out;
}

} // namespace semcom
} // namespace gr
