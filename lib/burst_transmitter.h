/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_BURST_TRANSMITTER_H
#define INCLUDED_SEMCOM_BURST_TRANSMITTER_H

#include "payload_interleaver.h"

#include <gnuradio/fft/fft.h>
#include <gnuradio/semcom/api.h>
#include <gnuradio/semcom/burst_header.h>
#include <gnuradio/semcom/ofdm_params.h>

#include <vector>

namespace gr {
namespace semcom {

/*!
 * \brief Makes the samples of one burst out of its header and symbols.
 * \ingroup semcom
 */
class SEMCOM_API burst_transmitter
{
public:
    /*!
     * \param frame the waveform
     * \param amplitude root mean square of the samples when the symbols have mean power 1
     */
    explicit burst_transmitter(const ofdm_frame& frame, float amplitude = 1.0f);

    /*!
     * \param header what goes with the symbols; its n_symbols is the length of \p symbols
     * \param symbols header.n_symbols values
     * \param[out] out frame().burst_samples(n_symbols) samples are appended
     * \throws std::invalid_argument for a header that cannot travel
     */
    void modulate(const burst_header& header,
                  const gr_complex* symbols,
                  std::vector<gr_complex>& out);
    const ofdm_frame& frame() const { return d_frame; }
    void set_amplitude(float amplitude) { d_amplitude = amplitude; }

private:
    void transform(const gr_complex* cells, gr_complex* out);

    ofdm_frame d_frame;
    burst_header_codec d_codec;
    interleaver_cache d_interleavers;
    float d_amplitude;
    fft::fft_complex_rev d_fft;
    std::vector<gr_complex> d_preamble, d_cells;
};

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_BURST_TRANSMITTER_H */
