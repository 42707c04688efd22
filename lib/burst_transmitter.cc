/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "burst_transmitter.h"

#include <algorithm>
#include <cmath>

namespace gr {
namespace semcom {

burst_transmitter::burst_transmitter(const ofdm_frame& frame, float amplitude)
    : d_frame(frame),
      d_codec(frame.header_len() * frame.data().size()),
      d_amplitude(amplitude),
      d_fft(frame.fft_len() * frame.oversampling())
{
    std::fill_n(d_fft.get_inbuf(), d_fft.inbuf_length(), gr_complex(0, 0));
    const int length = d_frame.symbol_samples();
    d_preamble.resize(d_frame.preamble_len() * length);
    std::vector<gr_complex> cells(d_frame.occupied());
    for (int i = 0; i < d_frame.preamble_len(); i++) {
        for (std::size_t k = 0; k < cells.size(); k++) {
            cells[k] = d_frame.cover()[i] * d_frame.training()[k];
        }
        transform(cells.data(), &d_preamble[i * length]);
    }
}

// One OFDM symbol with its prefix, mean power 1 for cells of mean power 1.
void burst_transmitter::transform(const gr_complex* cells, gr_complex* out)
{
    const int n = d_fft.inbuf_length();
    const int half = d_frame.occupied() / 2;
    const int prefix = d_frame.cp_len() * d_frame.oversampling();
    gr_complex* bins = d_fft.get_inbuf();
    std::copy(cells, cells + half, bins + n - half);
    std::copy(cells + half, cells + 2 * half, bins + 1);
    d_fft.execute();
    const gr_complex* body = d_fft.get_outbuf();
    const float scale = 1.0f / std::sqrt(static_cast<float>(2 * half));
    for (int i = 0; i < prefix; i++) {
        out[i] = scale * body[n - prefix + i];
    }
    for (int i = 0; i < n; i++) {
        out[prefix + i] = scale * body[i];
    }
}

void burst_transmitter::modulate(const burst_header& header,
                                 const gr_complex* symbols,
                                 std::vector<gr_complex>& out)
{
    const auto coded = d_codec.encode(header);
    const auto& data = d_frame.data();
    const auto& pilots = d_frame.pilots();
    const int width = static_cast<int>(data.size());
    const int occupied = d_frame.occupied();
    const int rows = d_frame.payload_len(header.n_symbols);
    const auto& interleaver = d_interleavers.get(rows * width);

    // header cells, then payload cells; cells without a symbol carry its sign alone
    const int header_cells = d_codec.n_cells();
    d_cells.resize(header_cells + interleaver.size());
    std::copy(coded.begin(), coded.end(), d_cells.begin());
    gr_complex* payload = d_cells.data() + header_cells;
    for (int j = 0; j < interleaver.size(); j++) {
        payload[interleaver.cell(j)] =
            interleaver.sign(j) * (j < header.n_symbols ? symbols[j] : gr_complex(1, 0));
    }

    const std::size_t start = out.size();
    const int length = d_frame.symbol_samples();
    out.resize(start + d_frame.burst_samples(header.n_symbols));
    gr_complex* at =
        std::copy(d_preamble.begin(), d_preamble.end(), out.begin() + start) -
        out.begin() + out.data();
    std::vector<gr_complex> carriers(occupied);
    const gr_complex* cell = d_cells.data();
    for (int i = 0; i < d_frame.header_len() + rows; i++) {
        for (const int k : data) {
            carriers[k] = *cell++;
        }
        for (std::size_t p = 0; p < pilots.size(); p++) {
            carriers[pilots[p]] = d_frame.pilot(i, p);
        }
        transform(carriers.data(), at);
        at += length;
    }
    if (d_amplitude != 1.0f) {
        for (std::size_t i = start; i < out.size(); i++) {
            out[i] *= d_amplitude;
        }
    }
}

} // namespace semcom
} // namespace gr
