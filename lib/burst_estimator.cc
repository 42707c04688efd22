/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "burst_estimator.h"
#include "phase_track.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace gr {
namespace semcom {

namespace {

constexpr int rounds = 3;
// of the residual frequency in radians per symbol, after the preamble's own estimate
constexpr double frequency_var = 0.01;
constexpr double timing_ppm = 100;
// of a log-likelihood ratio: chance gives as much to one burst of some 1e7
constexpr double certain = 20;
constexpr double unknown = 100; // of a phase that nothing is known of, radians^2
// squared magnitude: power is 1 on average over at most 4,095 bursts of 4,096 symbols
constexpr float largest = 1e12;

} // namespace

// What the channel, phase and drift did to each known cell, Y X* (|X| is 1 there): every
// carrier of the training rows, then the pilots of each row.
struct burst_estimator::observations {
    int rows, training;
    std::vector<gr_complex> z, straight; // as received; phase and drift undone
    std::vector<char> heard;             // rows that count
    double counted;                      // cells of them
};

// What the rounds improve.
struct burst_estimator::state {
    phase_track track;
    carrier_noise spread;
    std::vector<gr_complex> clean;          // the channel, noise taken off
    int averaged;                           // rows that the channel is the mean of
    double noise, floor;                    // where the weight is 1
    double early_noise = 0, late_noise = 0; // of the training; of the pilots after it
    double slope = 0, walk = 0;
    double used = 0; // degrees of freedom of the fit
};

// What a number of residuals costs, in nats: minus their log-likelihood under their own
// variance. What lies 60 dB below the burst is of the arithmetic, not of the air.
struct burst_estimator::price {
    double floor;
    double operator()(double left, double count) const
    {
        return count * std::log(left / count + floor);
    }
};

// An estimate, what it leaves in each row, and what a better one must cost at most.
struct burst_estimator::explanation {
    burst_estimate estimate;
    std::vector<double> left;
    double limit;
};

burst_estimator::burst_estimator(const ofdm_frame& frame)
    : d_carriers(frame.occupied()),
      d_preamble(frame.preamble_len()),
      d_number(frame.carriers().begin(), frame.carriers().end()),
      d_every(frame.occupied()),
      d_pilots(frame.pilots()),
      d_delays(frame.carriers(), frame.fft_len(), frame.cp_len()),
      d_motion(d_delays, frame.pilots(), frame.occupied())
{
    std::iota(d_every.begin(), d_every.end(), 0);
    const double step = 2 * M_PI / frame.fft_len();
    const double slope = step * (frame.fft_len() + frame.cp_len()) * timing_ppm * 1e-6;
    d_slope_var = slope * slope;
}

const std::vector<int>& burst_estimator::carriers(const observations& seen, int row) const
{
    return row < seen.training ? d_every : d_pilots;
}

burst_estimator::observations
burst_estimator::observe(const std::vector<gr_complex>& cells,
                         const std::vector<gr_complex>& known,
                         int rows,
                         int training) const
{
    observations seen{ rows, training, {}, {}, {}, 0 };
    seen.z.reserve(training * d_carriers + (rows - training) * d_pilots.size());
    for (int i = 0; i < rows; i++) {
        for (const int k : carriers(seen, i)) {
            const int at = i * d_carriers + k;
            seen.z.push_back(cells[at] * std::conj(known[at]));
        }
    }
    seen.straight.resize(seen.z.size());
    hear(seen, std::vector<char>(rows, true));
    return seen;
}

// From now on these rows count.
void burst_estimator::hear(observations& seen, std::vector<char> heard) const
{
    seen.heard = std::move(heard);
    seen.counted = 0;
    for (int i = 0; i < seen.rows; i++) {
        seen.counted += seen.heard[i] ? carriers(seen, i).size() : 0;
    }
}

// First guess of channel and noise: no drift, preamble only.
void burst_estimator::guess(const observations& seen, state& s, burst_estimate& out) const
{
    const int n = d_carriers;
    out.channel.assign(n, gr_complex(0, 0));
    for (int i = 0; i < d_preamble; i++) {
        for (int k = 0; k < n; k++) {
            out.channel[k] += seen.z[i * n + k] / static_cast<float>(d_preamble);
        }
    }
    std::vector<double> residual(n, 0.0);
    for (int i = 0; i < d_preamble; i++) {
        for (int k = 0; k < n; k++) {
            residual[k] += std::norm(seen.z[i * n + k] - out.channel[k]);
        }
    }
    std::vector<float> power(n);
    for (int k = 0; k < n; k++) {
        residual[k] /= d_preamble - 1;
        power[k] = std::norm(out.channel[k]);
    }
    // the median: a carrier that is disturbed does not raise the floor
    std::nth_element(power.begin(), power.begin() + n / 2, power.end());
    s.floor = 1e-7 * power[n / 2] + 1e-30;
    s.spread.estimate(residual, d_preamble - 1, s.floor);
    s.noise = s.spread.common;
    s.averaged = d_preamble;
}

std::vector<gr_complex> burst_estimator::denoised(const std::vector<gr_complex>& channel,
                                                  const state& s) const
{
    auto clean = channel;
    if (s.spread.white) {
        d_delays.denoise(clean, s.noise / s.averaged);
        return clean;
    }
    auto weights = s.spread.weight;
    for (int k = 0; k < d_carriers; k++) {
        weights[k] *= s.averaged;
        clean[k] *= weights[k];
    }
    const auto sums = clean;
    d_delays.fit(sums, weights, s.noise, clean);
    return clean;
}

// Phase of every row, in a channel at rest or a moving one; returns the degrees of
// freedom that it took.
double burst_estimator::follow_phase(const observations& seen,
                                     state& s,
                                     burst_estimate& out,
                                     bool choose_walk) const
{
    std::vector<gr_complex> pilot(seen.rows);
    std::vector<double> variance(seen.rows);
    auto at = seen.z.begin();
    for (int i = 0; i < seen.rows; i++) {
        gr_complex sum(0, 0);
        double energy = 1e-30;
        const float lever = s.slope * (i - out.origin);
        const gr_complex* channel = out.channel_in(i, s.clean);
        for (const int k : carriers(seen, i)) {
            const auto h = channel[k];
            const float weight = s.spread.weight[k];
            sum += weight * std::conj(h) * *at++ *
                   (s.slope ? std::polar(1.0f, -lever * d_number[k]) : gr_complex(1, 0));
            energy += weight * std::norm(h);
        }
        pilot[i] = sum;
        variance[i] = seen.heard[i] ? s.noise / (2 * energy) : unknown;
    }
    if (choose_walk) {
        s.walk = s.track.likeliest_walk(pilot, variance);
    }
    s.track.filter(pilot, variance, s.walk);
    s.track.smooth();
    double used = 0;
    for (int i = 0; i < seen.rows; i++) {
        out.phase[i] = s.track.phase(i);
        out.phase_var[i] = s.track.phase_var(i);
        used += 0.5 * std::min(1.0, s.track.phase_var(i) / variance[i]);
    }
    return used;
}

// What undoes phase and drift on every carrier of a row.
void burst_estimator::undo(float phase, float slope, std::vector<gr_complex>& turn) const
{
    // powers of the step by blocks of eight: a chain of products would wait for each one
    constexpr int block = 8;
    const gr_complex step = std::polar(1.0f, -slope);
    const gr_complex stride = std::polar(1.0f, -slope * block);
    gr_complex within[block], start = std::polar(1.0f, -phase - slope * d_number[0]);
    within[0] = gr_complex(1, 0);
    for (int i = 1; i < block; i++) {
        within[i] = within[i - 1] * step;
    }
    turn.resize(d_carriers);
    const int span = static_cast<int>(d_number.back() - d_number[0]) + 1;
    for (int at = 0; at < span; at += block, start *= stride) {
        for (int i = 0; i < block && at + i < span; i++) {
            // the unused centre lies between the halves
            const int k = at + i - (at + i > d_carriers / 2);
            turn[k] = start * within[i];
        }
    }
}

// Undoes phase and drift: seen.straight.
void burst_estimator::straighten(observations& seen,
                                 double drift,
                                 const burst_estimate& out) const
{
    std::vector<gr_complex> turn;
    std::size_t j = 0;
    for (int i = 0; i < seen.rows; i++) {
        const float slope = drift * (i - out.origin);
        if (i < seen.training) {
            undo(out.phase[i], slope, turn);
            for (int k = 0; k < d_carriers; k++, j++) {
                seen.straight[j] = seen.z[j] * turn[k];
            }
        } else {
            for (const int k : d_pilots) {
                seen.straight[j] =
                    seen.z[j] * std::polar(1.0f, -out.phase[i] - slope * d_number[k]);
                j++;
            }
        }
    }
}

// Timing drift, linearised about the last value, from what it left in seen.straight.
void burst_estimator::follow_timing(const observations& seen,
                                    state& s,
                                    const burst_estimate& out) const
{
    double up = 0, down = 0;
    auto at = seen.straight.begin();
    for (int i = 0; i < seen.rows; i++) {
        const float lever = seen.heard[i] ? i - out.origin : 0;
        float row_up = 0, row_down = 0;
        for (const int k : carriers(seen, i)) {
            const auto h = s.clean[k], y = *at++;
            const float weighted = s.spread.weight[k] * d_number[k];
            row_up += weighted * (h.real() * y.imag() - h.imag() * y.real());
            row_down += weighted * d_number[k] * std::norm(h);
        }
        up += lever * row_up;
        down += lever * lever * row_down;
    }
    const double prior = s.noise / (2 * d_slope_var);
    s.slope += (up - prior * s.slope) / (down + prior);
}

// Noise from what the channel leaves, with the degrees of freedom that the fit took.
void burst_estimator::measure_noise(const observations& seen, state& s) const
{
    const int n = d_carriers;
    std::vector<double> in_training(n, 0.0), in_pilots(n, 0.0);
    std::size_t j = 0;
    for (int i = 0; i < seen.rows; i++) {
        auto& residual = i < seen.training ? in_training : in_pilots;
        for (const int k : carriers(seen, i)) {
            const float left = std::norm(seen.straight[j++] - s.clean[k]);
            residual[k] += seen.heard[i] ? left : 0;
        }
    }
    const double left = (seen.counted - s.used) / seen.counted;
    auto energy = in_training;
    for (auto& e : energy) {
        e /= left * s.averaged;
    }
    s.spread.estimate(energy, left * s.averaged, s.floor);

    double training = 0, later = 0;
    for (int k = 0; k < n; k++) {
        training += s.spread.weight[k] * in_training[k];
        later += s.spread.weight[k] * in_pilots[k];
    }
    s.early_noise = std::max(training / (left * s.averaged * n), s.floor);
    s.noise = std::max((training + later) / (seen.counted - s.used), s.floor);
    const double pilots = seen.counted - static_cast<double>(s.averaged) * n;
    s.late_noise = pilots > 0 ? later / pilots : s.noise;
}

// Residuals at the pilots of every row.
std::vector<gr_complex> burst_estimator::at_pilots(const observations& seen,
                                                   const state& s) const
{
    std::vector<gr_complex> residual;
    residual.reserve(seen.rows * d_pilots.size());
    auto row = seen.straight.begin();
    for (int i = 0; i < seen.rows; i++) {
        const bool whole = i < seen.training;
        for (std::size_t p = 0; p < d_pilots.size(); p++) {
            const auto left = row[whole ? d_pilots[p] : p] - s.clean[d_pilots[p]];
            residual.push_back(seen.heard[i] ? left : gr_complex(0, 0));
        }
        row += whole ? d_carriers : d_pilots.size();
    }
    return residual;
}

// Weighted energy that an estimate leaves of each row of seen.straight.
std::vector<double> burst_estimator::residuals(const observations& seen,
                                               const burst_estimate& out) const
{
    std::vector<double> left(seen.rows, 0.0);
    auto at = seen.straight.begin();
    for (int i = 0; i < seen.rows; i++) {
        const gr_complex* channel = out.channel_in(i, out.channel);
        for (const int k : carriers(seen, i)) {
            left[i] += out.weight[k] * std::norm(*at++ - channel[k]);
        }
    }
    return left;
}

// What is not heard, as the channel that is known so far would have it (A. P. Dempster,
// N. M. Laird and D. B. Rubin, J. Royal Statistical Society B 39(1), 1977).
void burst_estimator::fill_in(observations& seen,
                              const state& s,
                              const burst_estimate& moved) const
{
    auto at = seen.straight.begin();
    for (int i = 0; i < seen.rows; i++) {
        const gr_complex* channel = moved.channel_in(i, s.clean);
        for (const int k : carriers(seen, i)) {
            *at = seen.heard[i] ? *at : channel[k];
            ++at;
        }
    }
}

// Takes the channel for a moving one where that explains the burst better.
bool burst_estimator::follow_motion(observations& seen,
                                    const state& rest,
                                    burst_estimate& out) const
{
    std::vector<double> noise_var;
    for (const int k : d_pilots) {
        noise_var.push_back(rest.early_noise / rest.spread.weight[k]);
    }
    if (!channel_motion::suspected(
            d_motion.slow_changes(at_pilots(seen, rest), seen.rows, noise_var))) {
        return false;
    }
    state s = rest;
    s.noise = rest.early_noise;
    burst_estimate moved = out;
    moved.phase.assign(seen.rows, 0.0f);
    moved.phase_var.assign(seen.rows, 0.0f);
    double phases = 0; // degrees of freedom
    moving_channel motion;
    for (int round = 0; round < rounds; round++) {
        straighten(seen, s.slope, moved);
        average(seen, s, moved);
        fill_in(seen, s, moved);
        motion = d_motion.fit(seen.straight,
                              seen.rows,
                              seen.training,
                              s.clean,
                              s.spread.weight,
                              s.noise,
                              motion);
        moved.path = motion.channel;
        const auto left = residuals(seen, moved);
        double residual = 0;
        for (int i = 0; i < seen.rows; i++) {
            residual += seen.heard[i] ? left[i] : 0;
        }
        s.used = motion.used + phases;
        s.noise = std::max(residual / (seen.counted - s.used), s.floor);
        if (round + 1 == rounds || (round && !phases)) {
            break;
        }
        auto tried = moved;
        const double phases_tried = follow_phase(seen, s, tried, true);
        if (s.walk > phase_track::least_walk) {
            // without phase noise the harmonics have followed what phase there is
            moved = std::move(tried);
            phases = phases_tried;
        }
    }
    // Akaike's criterion, twice over
    if (!(seen.counted * std::log(rest.noise / s.noise) > 2 * (s.used - rest.used))) {
        return false;
    }
    out = std::move(moved);
    out.path_var = std::move(motion.variance);
    out.noise_var = s.noise;
    return true;
}

// The channel as the mean over the training, all rows brought to one phase.
void burst_estimator::average(const observations& seen,
                              state& s,
                              burst_estimate& out) const
{
    std::fill(out.channel.begin(), out.channel.end(), gr_complex(0, 0));
    s.averaged = std::count(seen.heard.begin(), seen.heard.begin() + seen.training, true);
    auto at = seen.straight.begin();
    for (int i = 0; i < seen.training; i++) {
        const float share = seen.heard[i] ? 1.0f / s.averaged : 0.0f;
        for (int k = 0; k < d_carriers; k++) {
            out.channel[k] += share * *at++;
        }
    }
    s.clean = denoised(out.channel, s);
}

burst_estimate burst_estimator::fit(const std::vector<gr_complex>& cells,
                                    const std::vector<gr_complex>& known,
                                    int rows,
                                    int training) const
{
    auto seen = observe(cells, known, rows, training);
    explanation best{ follow(seen), {}, 0 };
    auto& out = best.estimate;
    if (rows == training) {
        return out;
    }
    best.left = left_in_rows(seen, out);
    undisturbed(seen, best);
    if (training > d_preamble) {
        unbroken(seen, best);
    }
    double share = 0;
    for (const float noise : out.row_noise) {
        share += out.noise_var / noise;
    }
    out.snr *= share / rows;
    return out;
}

// As if the burst were one thing from its beginning to its end.
burst_estimate burst_estimator::follow(observations& seen) const
{
    const int rows = seen.rows, training = seen.training;
    burst_estimate out;
    out.sound_rows = rows;
    out.phase.assign(rows, 0.0f);
    out.phase_var.assign(rows, 0.0f);
    out.origin = 0.5f * (training - 1);
    state s{ phase_track(rows, frequency_var) };
    guess(seen, s, out);
    for (int round = 0; round < rounds; round++) {
        s.clean = denoised(out.channel, s);
        s.used = 0.5 + d_delays.taps() + follow_phase(seen, s, out, round != 1);
        straighten(seen, s.slope, out);
        follow_timing(seen, s, out);
        straighten(seen, s.slope, out);
        average(seen, s, out);
        measure_noise(seen, s);
    }
    out.slope = s.slope;
    out.noise_var = s.noise;
    out.weight = s.spread.weight;
    const double pilots = seen.counted - static_cast<double>(s.averaged) * d_carriers;
    // a header is robust and short: it is read as if the channel were at rest
    const bool moving =
        training > d_preamble && rows > training && follow_motion(seen, s, out);
    if (!moving && s.late_noise > s.noise * (1 + 4 / std::sqrt(pilots))) {
        // what nobody follows is noise to the payload, as it is to the pilots
        out.noise_var = s.late_noise;
    }
    out.channel = s.clean;
    out.channel_var =
        out.noise_var * d_delays.taps() / (static_cast<double>(d_carriers) * s.averaged);
    out.row_noise.assign(rows, out.noise_var);
    double power = 0;
    for (const auto& h : moving ? out.path : out.channel) {
        power += std::norm(h);
    }
    power /= moving ? out.path.size() : out.channel.size();
    out.signal = std::max(power - out.channel_var, 1e-3 * power);
    out.snr = out.signal * s.spread.mean_weight() / out.noise_var;
    return out;
}

// The residuals of an estimate, its phase and drift undone.
std::vector<double> burst_estimator::left_in_rows(observations& seen,
                                                  const burst_estimate& out) const
{
    straighten(seen, out.slope, out);
    return residuals(seen, out);
}

// Rows that nobody disturbs explain the burst better, if that is likelier.
void burst_estimator::undisturbed(observations& seen, explanation& best) const
{
    const price of{ 1e-6 * best.estimate.signal + 1e-30 };
    const double pilots = d_pilots.size() - 0.5; // each row takes a phase
    auto left = best.left;
    double cost = of(std::accumulate(left.begin(), left.end(), 0.0), seen.counted);
    best.limit = cost - certain;
    if (!std::isfinite(cost)) { // then nothing can be compared
        return;
    }
    // a disturbed row spoils the phases beside it, which are well again in the next round
    for (int round = 0; round < rounds; round++) {
        std::vector<char> heard(seen.rows);
        const auto tell = [&](int first, int last, double count) {
            std::vector<double> energy(left.begin() + first, left.begin() + last);
            for (auto& e : energy) {
                e /= count;
            }
            carrier_noise each;
            each.estimate(energy, count, of.floor);
            for (int i = first; i < last; i++) {
                heard[i] = each.weight[i - first] == 1;
            }
        };
        tell(0, seen.training, d_carriers);
        tell(seen.training, seen.rows, pilots);
        const auto training = heard.begin() + seen.training;
        if (heard == seen.heard || std::find(heard.begin(), training, true) == training) {
            break;
        }
        hear(seen, heard);
        auto tried = follow(seen);
        left = left_in_rows(seen, tried);
        double common = 0, own = 0;
        for (int i = 0; i < seen.rows; i++) {
            if (heard[i]) {
                common += left[i];
                continue;
            }
            const double count = i < seen.training ? d_carriers : pilots;
            own += of(left[i], count) + carrier_noise::evidence;
            tried.row_noise[i] = std::max<double>(left[i] / count, tried.noise_var);
        }
        const double whole = of(common, seen.counted) + own;
        if (whole < cost) {
            cost = whole;
            best = { std::move(tried),
                     left,
                     std::min(best.limit, cost - carrier_noise::evidence) };
        }
    }
    hear(seen, std::vector<char>(seen.rows, true));
}

// A fit of the rows before one alone, and what follows of the others: \p late of them.
burst_estimate
burst_estimator::broken_off(const observations& seen, int from, double& late) const
{
    const std::size_t before =
        seen.training * d_carriers + (from - seen.training) * d_pilots.size();
    observations part{ from,
                       seen.training,
                       { seen.z.begin(), seen.z.begin() + before },
                       std::vector<gr_complex>(before),
                       {},
                       0 };
    hear(part, std::vector<char>(from, true));
    auto out = follow(part);
    out.phase.resize(seen.rows);
    out.phase_var.resize(seen.rows);
    if (out.moving()) {
        for (int i = from; i < seen.rows; i++) {
            for (int k = 0; k < d_carriers; k++) {
                out.path.push_back(out.path[(from - 1) * d_carriers + k]);
                out.path_var.push_back(out.path_var[(from - 1) * d_carriers + k]);
            }
        }
    }
    const gr_complex* channel = out.channel_in(from, out.channel);
    auto at = seen.z.begin() + before;
    double energy = 1e-30;
    for (const int k : d_pilots) {
        energy += out.weight[k] * std::norm(channel[k]);
    }
    late = 0;
    for (int i = from; i < seen.rows; i++) {
        std::complex<double> sum(0, 0);
        for (const int k : d_pilots) {
            const float lever = out.slope * (i - out.origin) * d_number[k];
            sum += std::complex<double>(out.weight[k] * std::conj(channel[k]) * *at *
                                        std::polar(1.0f, -lever));
            late += out.weight[k] * std::norm(*at++);
        }
        out.phase[i] = std::arg(sum);
        late += energy - 2 * std::abs(sum);
    }
    const double count = (seen.rows - from) * (d_pilots.size() - 0.5);
    out.row_noise.resize(seen.rows, std::max<double>(late / count, out.noise_var));
    std::fill(out.phase_var.begin() + from,
              out.phase_var.end(),
              out.row_noise.back() / (2 * energy));
    return out;
}

// A burst that breaks off explains it better, if that is likelier by far.
void burst_estimator::unbroken(observations& seen, explanation& best) const
{
    const price of{ 1e-6 * best.estimate.signal + 1e-30 };
    auto left = best.left;
    const double limit = best.limit;
    int last = seen.rows;
    // where the whole is fitted the break blurs: it is found anew from what is before it
    for (int round = 0; round < rounds; round++) {
        const double all = std::accumulate(left.begin(), left.end(), 0.0);
        double before = 0, number = 0, lowest = limit;
        int from = seen.rows;
        for (int i = 0; i < seen.rows; i++) {
            const double others = seen.counted - number;
            if (i >= seen.training && before / number < (all - before) / others) {
                const double two = of(before, number) + of(all - before, others);
                if (two < lowest) {
                    lowest = two;
                    from = i;
                }
            }
            before += left[i];
            number += carriers(seen, i).size();
        }
        if (from == last || from == seen.rows) {
            break;
        }
        last = from;
        double late = 0;
        auto tried = broken_off(seen, from, late);
        left = left_in_rows(seen, tried);
        const double early = std::accumulate(left.begin(), left.begin() + from, 0.0);
        const double others = (seen.rows - from) * static_cast<double>(d_pilots.size());
        const double two = of(early, seen.counted - others) + of(late, others);
        if (two < best.limit) {
            best = { std::move(tried), left, two };
        }
    }
}

void burst_estimator::equalize(const burst_estimate& estimate,
                               const std::vector<gr_complex>& cells,
                               int row,
                               gr_complex* symbols,
                               float* noise_var) const
{
    const int n = d_carriers;
    const bool moving = estimate.moving();
    std::vector<gr_complex> turn;
    undo(estimate.phase[row], estimate.slope * (row - estimate.origin), turn);
    const float least = 1e-6f * estimate.signal;
    const gr_complex* y = &cells[row * n];
    const gr_complex* channel = estimate.channel_in(row, estimate.channel);
    for (int k = 0; k < n; k++) {
        const auto h = channel[k];
        const float gain = std::norm(h);
        const float noise =
            estimate.row_noise[row] / estimate.weight[k] +
            (moving ? estimate.path_var[row * n + k] : estimate.channel_var);
        const auto symbol = y[k] * turn[k] * std::conj(h) / gain;
        // what is no number, or beyond any symbol that was ever sent, must not go on
        if (gain > least && std::isfinite(gain) && std::norm(symbol) < largest) {
            symbols[k] = symbol;
            noise_var[k] = noise / gain + estimate.phase_var[row];
        } else {
            symbols[k] = gr_complex(0, 0);
            noise_var[k] = 1e6f;
        }
    }
}

} // namespace semcom
} // namespace gr
