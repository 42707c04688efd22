/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "line_canceller.h"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace gr {
namespace semcom {

namespace {

constexpr int stretch = 1024, stretches = 8; // at the critical rate
constexpr std::size_t max_lines = 8;
// a bin over the mean of those around: a carrier at once; if it is one of two looks in a
// row; still the same one
constexpr float certain = 100, repeated = 20, remains = 8;
constexpr float alone = 8; // above the lines of a comb, which preambles are
constexpr int lobe = 4;    // half of the window's main lobe, in bins
constexpr int around = 32; // bins on each side, less the lobe, that tell the mean
constexpr int chunk = 64; // samples between two updates of the loop, at the critical rate
constexpr int settled = 256; // chunks that the loop looks back on in the end
constexpr float clear = 4;   // above what it takes to be seen, whatever it is added to
constexpr int longest_hidden = 64; // looks
constexpr double jump = 16;        // of an error's power over what noise makes of it


// Mean of exponentially distributed bins from their median, which carriers do not move.
float level(const float* bins)
{
    constexpr int n = around - lobe;
    float sorted[n];
    std::copy(bins, bins + n, sorted);
    std::nth_element(sorted, sorted + n / 2, sorted + n);
    return sorted[n / 2] / static_cast<float>(M_LN2);
}

} // namespace

line_canceller::line_canceller(int fft_len, int oversampling)
    : d_stretch(stretch * oversampling),
      d_spacing(stretch / fft_len),
      d_period(stretches * d_stretch),
      d_chunk(chunk * oversampling),
      d_fft(stretch * oversampling)
{
    // 4-term Blackman-Harris (F. J. Harris, Proc. IEEE 66(1), 1978), of unit energy
    double energy = 0;
    for (std::size_t i = 0; i < d_stretch; i++) {
        const double x = 2 * M_PI * (i + 0.5) / d_stretch;
        d_window.push_back(0.35875 - 0.48829 * std::cos(x) + 0.14128 * std::cos(2 * x) -
                           0.01168 * std::cos(3 * x));
        energy += d_window.back() * d_window.back();
    }
    for (auto& w : d_window) {
        w /= std::sqrt(energy);
        d_peak += w;
    }
    d_peak *= d_peak;
    d_recent.reserve(d_stretch);
}

std::vector<spectral_line> line_canceller::lines() const
{
    std::vector<spectral_line> list;
    for (const auto& l : d_lines) {
        list.push_back({ l.frequency / (2 * M_PI), std::norm(l.amplitude) });
    }
    return list;
}

void line_canceller::work(const gr_complex* in,
                          std::size_t n,
                          std::vector<gr_complex>& out)
{
    while (n > 0) {
        // the stretches looked at: the first one, then the last one of each period
        const std::size_t at = d_taken % d_period;
        const bool first = d_taken < static_cast<std::int64_t>(d_stretch);
        const std::size_t begin = first ? 0 : d_period - d_stretch;
        const std::size_t end = first ? d_stretch : at < begin ? begin : d_period;
        const std::size_t piece = std::min(n, end - at);
        if (at >= begin) {
            d_recent.insert(d_recent.end(), in, in + piece);
        }
        d_taken += piece;
        if (!first) {
            out.insert(out.end(), in, in + piece);
            clean(out.data() + out.size() - piece, piece);
        }
        if (d_recent.size() == d_stretch) {
            look(d_taken - static_cast<std::int64_t>(d_stretch));
            if (first) {
                out.insert(out.end(), d_recent.begin(), d_recent.end());
                clean(out.data() + out.size() - d_stretch, d_stretch);
            }
            d_recent.clear();
        }
        in += piece;
        n -= piece;
    }
}

// The strongest bin where a repeated OFDM symbol has its other lines.
float line_canceller::of_comb(const float* bin) const
{
    float strongest = 0;
    for (const int distance : { -2, -1, 1, 2 }) {
        // lines closer than the window's lobe are not resolved
        if (d_spacing > lobe) {
            const float* other = bin + distance * d_spacing;
            strongest = std::max({ strongest, other[-1], other[0], other[1] });
        }
    }
    return strongest;
}

// Brings the list of carriers up to date.
void line_canceller::look(std::int64_t begin)
{
    const auto found = find(begin);
    const double bin = 2 * M_PI / d_stretch;
    std::vector<line> lines;
    for (const auto& l : found) {
        const auto same =
            std::find_if(d_lines.begin(), d_lines.end(), [&](const line& o) {
                return std::abs(std::remainder(o.frequency - l.frequency, 2 * M_PI)) <
                       bin;
            });
        lines.push_back(same == d_lines.end() ? l : *same);
        lines.back().hidden = 0;
        if (same != d_lines.end()) {
            d_lines.erase(same);
        }
    }
    std::copy_if(
        d_lines.begin(), d_lines.end(), std::back_inserter(lines), [](const line& l) {
            return l.hidden > 0 && l.hidden <= longest_hidden;
        });
    lines.resize(std::min(lines.size(), max_lines));
    d_lines = std::move(lines);
}

// Counts the looks in which a carrier is there, for all that can be seen of it.
void line_canceller::notice_hidden(const float* power)
{
    const int n = d_stretch;
    for (auto& l : d_lines) {
        const int k = static_cast<int>(std::lround(l.frequency * n / (2 * M_PI)));
        const float* p = power + (k % n + n) % n;
        const float mean = std::max(level(p - around), level(p + lobe + 1));
        const float limit = std::max(remains * mean, alone * of_comb(p));
        l.hidden = std::norm(l.amplitude) * d_peak > clear * limit ? 0 : l.hidden + 1;
    }
}

std::vector<line_canceller::line> line_canceller::find(std::int64_t begin)
{
    const int n = d_stretch;
    gr_complex* in = d_fft.get_inbuf();
    for (int i = 0; i < n; i++) {
        in[i] = d_window[i] * d_recent[i];
    }
    d_fft.execute();
    constexpr int margin = around + 1;
    std::vector<float> power(n + 2 * margin);
    for (int i = 0; i < static_cast<int>(power.size()); i++) {
        power[i] = std::norm(d_fft.get_outbuf()[(i - margin + n) % n]);
    }
    // every fourth bin tells it well enough
    std::vector<float> sorted;
    for (std::size_t i = 0; i < power.size(); i += 4) {
        sorted.push_back(power[i]);
    }
    const auto tenth = sorted.begin() + 9 * sorted.size() / 10;
    std::nth_element(sorted.begin(), tenth, sorted.end());
    const float least = std::max(3 * *tenth, 1e-30f);
    const auto near = [n](const auto& list, int k) {
        return std::any_of(list.begin(), list.end(), [&](double bin) {
            return std::abs(std::remainder(bin - k, n)) < 1.5;
        });
    };
    notice_hidden(&power[margin]);
    std::vector<double> followed, candidates;
    for (const auto& l : d_lines) {
        followed.push_back(l.frequency * n / (2 * M_PI));
    }
    std::vector<std::pair<float, int>> peaks;
    for (int k = 0; k < n; k++) {
        const float* p = &power[k + margin];
        // few bins pass, so that the medians are seldom computed
        if (!(*p > least && *p >= p[-1] && *p > p[1] && *p < 1e30f)) {
            continue;
        }
        const float mean = std::max(level(p - around), level(p + lobe + 1));
        if (!(*p > remains * mean && *p > alone * of_comb(p))) {
            continue;
        }
        if (*p > repeated * mean) {
            candidates.push_back(k);
        }
        if (*p > certain * mean || near(followed, k) ||
            (*p > repeated * mean && near(d_candidates, k))) {
            peaks.emplace_back(*p, k);
        }
    }
    d_candidates = std::move(candidates);
    std::sort(peaks.rbegin(), peaks.rend());
    peaks.resize(std::min(peaks.size(), max_lines));
    std::vector<line> lines;
    for (const auto& [p, k] : peaks) {
        // a parabola through the logarithm of the main lobe
        const float* at = &power[k + margin];
        const double left = std::log(at[-1]), top = std::log(at[0]),
                     right = std::log(at[1]);
        const double shift = 0.5 * (left - right) / (left - 2 * top + right);
        line l{};
        l.frequency = 2 * M_PI * (k + (std::abs(shift) < 1 ? shift : 0)) / n;
        refine(l, begin);
        lines.push_back(l);
    }
    return lines;
}

// Frequency from the phases of eight parts of the stretch, then the amplitude, both
// windowed against other carriers.
void line_canceller::refine(line& l, std::int64_t begin) const
{
    constexpr int parts = 8, passes = 2;
    const int part = d_stretch / parts;
    for (int pass = 0; pass < passes; pass++) {
        std::complex<double> sums[parts], product = 0;
        double total = 0;
        l.amplitude = 0;
        std::complex<double> turn = std::polar(1.0, -l.frequency * begin);
        const auto step = std::polar(1.0, -l.frequency);
        for (int i = 0; i < static_cast<int>(d_stretch); i++) {
            const auto value = std::complex<double>(d_window[i] * d_recent[i]) * turn;
            sums[i / part] += value;
            l.amplitude += value;
            total += d_window[i];
            turn *= step;
        }
        l.amplitude /= total;
        if (pass + 1 == passes) {
            break;
        }
        for (int i = 0; i + 1 < parts; i++) {
            product += sums[i + 1] * std::conj(sums[i]);
        }
        l.frequency += std::arg(product) / part;
    }
    // samples leave from d_left on
    l.age = stretch / chunk;
    l.phase = l.frequency * d_left;
    restart(l);
}

void line_canceller::restart(line& l)
{
    l.turn = gr_complex(std::polar(1.0, std::remainder(l.phase, 2 * M_PI)));
    l.step = gr_complex(std::polar(1.0, l.frequency));
    l.error = gr_complex(0, 0);
    l.power = 0;
}

// Subtracts the carriers from the next n samples that leave.
void line_canceller::clean(gr_complex* samples, std::size_t n)
{
    while (n > 0) {
        const std::size_t piece = std::min<std::size_t>(n, d_chunk - d_left % d_chunk);
        for (const auto& l : d_lines) {
            const gr_complex amplitude(l.amplitude);
            gr_complex turn = l.turn;
            for (std::size_t i = 0; i < piece; i++) {
                samples[i] -= amplitude * turn;
                turn *= l.step;
            }
        }
        for (auto& l : d_lines) {
            for (std::size_t i = 0; i < piece; i++) {
                l.error += samples[i] * std::conj(l.turn);
                l.power += std::norm(samples[i]);
                l.turn *= l.step;
            }
        }
        samples += piece;
        n -= piece;
        d_left += piece;
        if (d_left % d_chunk == 0) {
            for (auto& l : d_lines) {
                update(l);
            }
        }
    }
}

// The loop, at the end of a chunk.
void line_canceller::update(line& l) const
{
    auto error = std::complex<double>(l.error) / static_cast<double>(d_chunk);
    const double size = std::abs(error), most = std::abs(l.amplitude);
    const double noise = (l.power / d_chunk - size * size) / d_chunk;
    if (!std::isfinite(size)) {
        error = 0;
    } else if (size > 2 * most) {
        error *= 2 * most / size; // what a burst of interference can do has an end
    }
    // a carrier that has jumped is caught again in a few chunks
    l.age = size * size > jump * noise ? 0 : std::min(l.age + 1, settled);
    // least squares of amplitude and frequency over what the loop looks back on
    const double gain = l.age ? 4.0 / std::max(l.age, 8) : 0.5;
    const double slip =
        std::imag(error * std::conj(l.amplitude)) / std::max(most * most, 1e-300);
    l.phase += d_chunk * l.frequency;
    if (l.age) {
        l.frequency += 0.375 * gain * gain * std::clamp(slip, -1.0, 1.0) / d_chunk;
    }
    l.amplitude += gain * error;
    restart(l);
}

} // namespace semcom
} // namespace gr
