/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "burst_receiver.h"

#include <algorithm>
#include <cmath>

namespace gr {
namespace semcom {

burst_receiver::burst_receiver(const ofdm_frame& frame)
    : d_sync(frame), d_estimator(frame), d_codec(frame.header_len() * frame.data().size())
{
}

void burst_receiver::work(const gr_complex* in,
                          std::size_t n,
                          std::vector<received_burst>& out)
{
    // pieces bound the buffer whatever the size of a call
    constexpr std::size_t piece = 16384;
    for (std::size_t i = 0; i < n; i += piece) {
        const std::size_t length = std::min(piece, n - i);
        d_counts.candidates += d_sync.append(in + i, length);
        process(out);
        d_sync.trim();
    }
}

void burst_receiver::process(std::vector<received_burst>& out)
{
    const int length = frame().symbol_samples();
    const int training = frame().preamble_len() + frame().header_len();
    auto& candidates = d_sync.candidates();
    while (!candidates.empty()) {
        const auto candidate = candidates.front();
        if (!d_lock) {
            if (candidate.position < d_busy) {
                candidates.pop_front();
                continue;
            }
            if (!d_sync.ready(candidate)) {
                return;
            }
            d_lock = d_sync.synchronize(candidate);
            if (!d_lock) {
                d_counts.swapped += d_sync.is_swapped(candidate, 0);
                candidates.pop_front();
                continue;
            }
            d_counts.preambles++;
            d_header.reset();
        }
        if (!d_header) {
            if (d_sync.end() < d_lock->position + training * length) {
                return;
            }
            d_sync.rows(*d_lock, 0, training);
            d_header = read_header();
            if (!d_header) {
                d_counts.swapped += d_sync.is_swapped(candidate, d_lock->metric);
                d_lock.reset();
                candidates.pop_front();
                continue;
            }
            d_counts.headers++;
        }
        const auto samples =
            static_cast<std::int64_t>(frame().burst_samples(d_header->n_symbols));
        if (d_sync.end() < d_lock->position + samples) {
            return;
        }
        d_sync.rows(*d_lock, training, frame().payload_len(d_header->n_symbols));
        received_burst burst;
        burst.header = *d_header;
        burst.position = d_lock->position;
        burst.cfo = d_lock->carrier / (2 * M_PI);
        const auto levels = d_sync.levels(d_lock->position, samples);
        burst.level_db = 10 * std::log10(std::max(levels.power, 1e-30f));
        burst.clipped = levels.clipped;
        read_payload(burst);
        if (std::isfinite(burst.snr_db)) {
            out.push_back(std::move(burst));
            d_counts.bursts++;
        }
        // where samples were dropped the next burst begins before this one was expected
        // to end: a preamble in the payload that a valid header follows is no payload
        d_busy = d_lock->position + training * length;
        d_lock.reset();
        candidates.pop_front();
    }
}

std::optional<burst_header> burst_receiver::read_header()
{
    const int preamble = frame().preamble_len();
    const int occupied = frame().occupied();
    const auto estimate = d_estimator.fit(
        d_sync.cells(), d_sync.known(), preamble + frame().header_len(), preamble);
    std::vector<gr_complex> symbols(occupied);
    std::vector<float> noise(occupied), soft;
    soft.reserve(d_codec.n_cells());
    for (int i = 0; i < frame().header_len(); i++) {
        d_estimator.equalize(
            estimate, d_sync.cells(), preamble + i, symbols.data(), noise.data());
        for (const int k : frame().data()) {
            soft.push_back(symbols[k].real() / noise[k]);
        }
    }
    const auto header = d_codec.decode(soft);
    if (header) {
        // a header that is known trains the channel for the payload
        const auto coded = d_codec.encode(*header);
        auto value = coded.begin();
        for (int i = 0; i < frame().header_len(); i++) {
            for (const int k : frame().data()) {
                d_sync.known()[(preamble + i) * occupied + k] = *value++;
            }
        }
    }
    return header;
}

void burst_receiver::read_payload(received_burst& burst)
{
    const int training = frame().preamble_len() + frame().header_len();
    const int payload = frame().payload_len(burst.header.n_symbols);
    const auto& data = frame().data();
    const auto estimate =
        d_estimator.fit(d_sync.cells(), d_sync.known(), training + payload, training);

    std::vector<gr_complex> symbols(frame().occupied()), cells;
    std::vector<float> noise(frame().occupied()), variance;
    cells.reserve(payload * data.size());
    variance.reserve(payload * data.size());
    for (int i = 0; i < payload; i++) {
        d_estimator.equalize(
            estimate, d_sync.cells(), training + i, symbols.data(), noise.data());
        for (const int k : data) {
            cells.push_back(symbols[k]);
            variance.push_back(noise[k]);
        }
    }
    const auto& interleaver = d_interleavers.get(cells.size());
    burst.symbols.resize(burst.header.n_symbols);
    burst.noise_var.resize(burst.header.n_symbols);
    for (int j = 0; j < burst.header.n_symbols; j++) {
        const int cell = interleaver.cell(j);
        burst.symbols[j] = interleaver.sign(j) * cells[cell];
        burst.noise_var[j] = variance[cell];
    }
    burst.snr_db = 10 * std::log10(estimate.snr);
    const int last = estimate.sound_rows - 1;
    burst.cfo += (estimate.phase[last] - estimate.phase[0]) /
                 (2 * M_PI * last * frame().symbol_samples());
    // a window that drifts by one sample in a symbol turns carrier k by 2 pi k / fft_len
    burst.clock_ppm = 1e6 * estimate.slope * frame().fft_len() /
                      (2 * M_PI * (frame().fft_len() + frame().cp_len()));
}

} // namespace semcom
} // namespace gr
