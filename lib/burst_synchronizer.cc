/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "burst_synchronizer.h"
#include "compat.h"

#include <algorithm>
#include <cmath>

namespace gr {
namespace semcom {

namespace {

// first-stage false alarms that the second stage can afford: it costs as much as some
// 1,000 samples
constexpr double candidates_per_block = 1e-6;

} // namespace

burst_synchronizer::burst_synchronizer(const ofdm_frame& frame)
    : d_frame(frame),
      d_canceller(frame.fft_len(), frame.oversampling()),
      d_detector(frame, candidates_per_block),
      d_fft(frame.fft_len() * frame.oversampling()),
      d_delay_fft(frame.fft_len())
{
    // In noise, the energy of cp + 1 taps over that of all cells is Gamma-distributed;
    // six sigma of it by Wilson and Hilferty's cube.
    const double taps = d_frame.cp_len() + 1;
    const double cube = 1 - 1 / (9 * taps) + 6 / (3 * std::sqrt(taps));
    d_preamble_threshold =
        taps * cube * cube * cube / (d_frame.occupied() * d_frame.preamble_len());

    // silence before the stream, so that a window may reach back
    d_buffer.assign(4 * d_frame.symbol_samples(), gr_complex(0, 0));
    d_raw = d_buffer;
    d_first = -static_cast<std::int64_t>(d_buffer.size());
}

std::size_t burst_synchronizer::append(const gr_complex* in, std::size_t n)
{
    d_raw.insert(d_raw.end(), in, in + n);
    const std::size_t before = d_buffer.size();
    d_canceller.work(in, n, d_buffer);
    d_found.clear();
    d_detector.work(d_buffer.data() + before, d_buffer.size() - before, d_found);
    d_candidates.insert(d_candidates.end(), d_found.begin(), d_found.end());
    return d_found.size();
}

void burst_synchronizer::trim()
{
    const std::int64_t oldest =
        (d_candidates.empty() ? d_detector.horizon() : d_candidates.front().position) -
        2 * d_frame.symbol_samples();
    // moving the rest down costs as much as it holds, so it waits until that is little
    if (oldest - d_first > 32768) {
        d_buffer.erase(d_buffer.begin(), d_buffer.begin() + (oldest - d_first));
        d_raw.erase(d_raw.begin(), d_raw.begin() + (oldest - d_first));
        d_first = oldest;
    }
}

std::int64_t burst_synchronizer::horizon() const
{
    // timing may move by a symbol
    return (d_candidates.empty() ? d_detector.horizon() : d_candidates.front().position) -
           d_frame.symbol_samples();
}

bool burst_synchronizer::ready(const burst_candidate& candidate) const
{
    return end() >=
           candidate.position + (d_frame.preamble_len() + 1) * d_frame.symbol_samples();
}

// The mean of the preamble symbols' bodies, carrier and cover removed symbol by symbol.
void burst_synchronizer::average(std::int64_t position, double carrier)
{
    const int n = d_frame.fft_len() * d_frame.oversampling();
    const int length = d_frame.symbol_samples();
    const int prefix = length - n;
    d_average.assign(n, gr_complex(0, 0));
    for (int i = 0; i < d_frame.preamble_len(); i++) {
        const auto turn =
            d_frame.cover()[i] * std::polar(1.0f,
                                            static_cast<float>(-std::remainder(
                                                carrier * i * length, 2 * M_PI)));
        const gr_complex* x = at(position + i * length + prefix);
        for (int k = 0; k < n; k++) {
            d_average[k] += turn * x[k];
        }
    }
}

// Power of the impulse response from the spectrum in the forward FFT's output.
void burst_synchronizer::impulse(std::vector<float>& power)
{
    const int n = d_frame.fft_len();
    const int bins = n * d_frame.oversampling();
    gr_complex* in = d_delay_fft.get_inbuf();
    std::fill_n(in, n, gr_complex(0, 0));
    for (int k = 0; k < d_frame.occupied(); k++) {
        const int carrier = d_frame.carriers()[k];
        in[(carrier + n) % n] = d_fft.get_outbuf()[(carrier + bins) % bins] *
                                std::conj(d_frame.training()[k]);
    }
    d_delay_fft.execute();
    power.resize(n);
    for (int d = 0; d < n; d++) {
        power[d] = std::norm(d_delay_fft.get_outbuf()[d]);
    }
}

sample_levels burst_synchronizer::levels(std::int64_t position, std::int64_t n) const
{
    const std::int64_t begin = std::max(position, d_first);
    const std::int64_t end =
        std::min(position + n, d_first + static_cast<std::int64_t>(d_raw.size()));
    sample_levels found;
    if (begin >= end) {
        return found;
    }
    const auto* values = reinterpret_cast<const float*>(&d_raw[begin - d_first]);
    const int count = static_cast<int>(2 * (end - begin));
    float power = 0;
    volk_32f_x2_dot_prod_32f(&power, values, values, count);
    // magnitudes are in the order of their bits, whose maximum the compiler vectorises
    constexpr std::int32_t magnitude = 0x7fffffff;
    const auto* bits = reinterpret_cast<const std::int32_t*>(values);
    std::int32_t largest = 0, at_rails = 0;
    for (int i = 0; i < count; i++) {
        largest = std::max(largest, bits[i] & magnitude);
    }
    const std::int32_t rail = largest - (1 << 13); // 0.1 % below, in the mantissa's bits
    for (int i = 0; i < count; i++) {
        at_rails += (bits[i] & magnitude) >= rail;
    }
    found.power = 2 * power / count;
    found.clipped = at_rails < 1e-3 * count ? 0 : static_cast<float>(at_rails) / count;
    return found;
}

bool burst_synchronizer::is_swapped(const burst_candidate& candidate, float metric)
{
    const int length = d_frame.symbol_samples();
    const std::int64_t begin = std::max(candidate.position - 2 * length, d_first);
    const std::int64_t end =
        std::min(candidate.position + (d_frame.preamble_len() + 2) * length, this->end());
    const auto conjugate = [&] {
        for (std::int64_t i = begin; i < end; i++) {
            auto& x = d_buffer[i - d_first];
            x = std::conj(x);
        }
    };
    conjugate();
    const auto lock =
        synchronize({ candidate.position, candidate.metric, -candidate.phase });
    conjugate();
    // what the detector saw, in few delays: a repeated symbol that is another one is
    // coherent too, but spread over all of them
    return lock && lock->metric > 2 * metric &&
           lock->metric > 0.7f * std::sqrt(candidate.metric);
}

std::optional<burst_lock>
burst_synchronizer::synchronize(const burst_candidate& candidate)
{
    const int n = d_frame.fft_len();
    const int os = d_frame.oversampling();
    const int bins = n * os;
    const int length = d_frame.symbol_samples();
    const int window = d_frame.cp_len() + 1;
    const int preamble = d_frame.preamble_len();

    // Energy of every window of cp + 1 delays, circularly.
    std::vector<float> power, energy(n);
    const auto windows = [&] {
        float sum = 0;
        for (int d = 0; d < window; d++) {
            sum += power[d];
        }
        for (int d = 0; d < n; d++) {
            energy[d] = sum;
            sum += power[(d + window) % n] - power[d];
        }
    };

    // Carrier: the phase over one symbol is known modulo a turn. Timing: modulo one
    // symbol.
    const std::int64_t coarse = candidate.position - d_frame.cp_len() * os / 2;
    average(coarse, candidate.phase / length);
    const double limit =
        2 * M_PI * d_frame.params().max_cfo * (n + d_frame.cp_len()) / n + 0.5;
    float best = 0;
    int shift = 0;
    double carrier = 0;
    for (int turns = -static_cast<int>(limit / (2 * M_PI)) - 1;
         turns <= static_cast<int>(limit / (2 * M_PI)) + 1;
         turns++) {
        const double advance = candidate.phase + 2 * M_PI * turns;
        if (std::abs(advance) > limit) {
            continue;
        }
        lv_32fc_t phase(1, 0);
        rotate(d_fft.get_inbuf(),
               d_average.data(),
               std::polar(1.0f, static_cast<float>(-advance / length)),
               &phase,
               bins);
        d_fft.execute();
        impulse(power);
        windows();
        for (int d = 0; d < n; d++) {
            if (energy[d] > best) {
                best = energy[d];
                shift = d;
                carrier = advance / length;
            }
        }
    }
    if (!(best > 0)) {
        return std::nullopt;
    }

    // Again at that timing: now every window lies in its own symbol. Of all window
    // positions that hold nearly all of the energy the middle one leaves room on both
    // sides.
    int delay = 0;
    std::int64_t position = coarse + (shift < n / 2 ? shift : shift - n) * os;
    for (int pass = 0; pass < 2; pass++) {
        // no preamble moves further, and the buffer holds no more
        if (std::abs(position - candidate.position) > length) {
            return std::nullopt;
        }
        average(position, carrier);
        lv_32fc_t phase(1, 0);
        rotate(d_fft.get_inbuf(),
               d_average.data(),
               std::polar(1.0f, static_cast<float>(-carrier)),
               &phase,
               bins);
        d_fft.execute();
        impulse(power);
        windows();
        const int top = std::max_element(energy.begin(), energy.end()) - energy.begin();
        float mean = 0;
        for (int d = 0; d < n; d++) {
            mean += power[d] / n;
        }
        const float enough = 0.98f * energy[top] - 2 * mean;
        int low = top, high = top;
        while (top - low < window && energy[(low - 1 + n) % n] > enough) {
            low--;
        }
        while (high - top < window && energy[(high + 1) % n] > enough) {
            high++;
        }
        const int middle = (low + high) / 2;
        position += (middle > n / 2 ? middle - n : middle) * os;
        best = energy[top];
        const int strongest =
            std::max_element(power.begin(), power.end()) - power.begin();
        delay = ((strongest - middle + 3 * n / 2) % n - n / 2) * os;
    }

    // Fine carrier from the phases of the symbols (Kay, IEEE Trans. ASSP 37(12), 1989),
    // and the energy of all cells, against which the coherent part must stand out.
    const burst_lock lock{ position, carrier, delay, 0 };
    if (std::abs(position - candidate.position) > length) {
        return std::nullopt;
    }
    rows(lock, 0, preamble);
    const int occupied = d_frame.occupied();
    std::vector<gr_complex> mean(occupied, gr_complex(0, 0)),
        total(preamble, gr_complex(0, 0));
    double all = 0;
    for (int i = 0; i < preamble; i++) {
        for (int k = 0; k < occupied; k++) {
            mean[k] += d_cells[i * occupied + k] * std::conj(d_known[i * occupied + k]);
            all += std::norm(d_cells[i * occupied + k]);
        }
    }
    for (int i = 0; i < preamble; i++) {
        for (int k = 0; k < occupied; k++) {
            total[i] += d_cells[i * occupied + k] *
                        std::conj(d_known[i * occupied + k] * mean[k]);
        }
    }
    // the coherent energy in the units of the cells: rows() scales by sqrt(occupied) /
    // bins
    const double coherent =
        best * occupied / (static_cast<double>(bins) * bins) / n / preamble;
    if (!(coherent > d_preamble_threshold * all)) {
        return std::nullopt;
    }
    double step = 0;
    for (int i = 0; i + 1 < preamble; i++) {
        const double weight = 6.0 * (i + 1) * (preamble - 1 - i) /
                              (preamble * (static_cast<double>(preamble) * preamble - 1));
        step += weight * std::arg(total[i + 1] * std::conj(total[i]));
    }
    return burst_lock{ position,
                       carrier + step / length,
                       delay,
                       static_cast<float>(std::min(1.0, coherent / all)) };
}

// Cells and known values of "count" symbols from "first" on.
void burst_synchronizer::rows(const burst_lock& lock, int first, int count)
{
    const int bins = d_fft.inbuf_length();
    const int length = d_frame.symbol_samples();
    const int occupied = d_frame.occupied();
    const int half = occupied / 2;
    const float scale = std::sqrt(static_cast<float>(occupied)) / bins;
    const auto step = std::polar(1.0f, static_cast<float>(-lock.carrier));
    d_cells.resize((first + count) * occupied);
    d_known.resize((first + count) * occupied);
    for (int i = first; i < first + count; i++) {
        const std::int64_t offset = static_cast<std::int64_t>(i) * length + length - bins;
        lv_32fc_t phase = std::polar(
            1.0f, static_cast<float>(-std::remainder(lock.carrier * offset, 2 * M_PI)));
        rotate(d_fft.get_inbuf(), at(lock.position + offset), step, &phase, bins);
        d_fft.execute();
        const gr_complex* spectrum = d_fft.get_outbuf();
        gr_complex* cell = &d_cells[i * occupied];
        for (int k = 0; k < half; k++) {
            cell[k] = scale * spectrum[bins - half + k];
            cell[half + k] = scale * spectrum[1 + k];
        }
        for (int k = 0; k < occupied; k++) {
            // what no radio delivers must not poison the rest of the burst
            if (!(std::norm(cell[k]) < 1e30f)) {
                cell[k] = gr_complex(0, 0);
            }
        }
        gr_complex* known = &d_known[i * occupied];
        if (i < d_frame.preamble_len()) {
            for (int k = 0; k < occupied; k++) {
                known[k] = d_frame.cover()[i] * d_frame.training()[k];
            }
        } else {
            const auto& pilots = d_frame.pilots();
            for (std::size_t p = 0; p < pilots.size(); p++) {
                known[pilots[p]] = d_frame.pilot(i - d_frame.preamble_len(), p);
            }
        }
    }
}

} // namespace semcom
} // namespace gr
