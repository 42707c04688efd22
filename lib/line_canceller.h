/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_LINE_CANCELLER_H
#define INCLUDED_SEMCOM_LINE_CANCELLER_H

#include <gnuradio/fft/fft.h>
#include <gnuradio/gr_complex.h>
#include <gnuradio/semcom/api.h>

#include <complex>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace gr {
namespace semcom {

/*! \brief A carrier that is taken out of a stream. \ingroup semcom */
struct SEMCOM_API spectral_line {
    double frequency; //!< cycles per sample
    double power;     //!< mean squared magnitude
};

/*!
 * \brief Takes unmodulated carriers out of a stream: a receiver's DC offset, spurs, tones
 * beside the band.
 * \ingroup semcom
 *
 * \details
 * One stretch of samples in eight goes through an FFT (Blackman-Harris window, whose
 * side lobes are 92 dB down). A bin that stands a factor of 100 above the level of the
 * bins around it (by their median), on either side, is a carrier, and one that stands a
 * factor of 20 above it in two such stretches in a row: noise does not do that. Neither
 * does OFDM, but for a preamble, whose lines lie one OFDM carrier apart; a carrier stands
 * alone. Its frequency and amplitude are estimated by least squares, then followed by a
 * loop of second order, and the carrier is subtracted. The notch is so narrow (1/4096 of
 * the critical sample rate, in radians, once settled) that the OFDM carrier beneath is
 * left. A carrier that a burst hides is followed on: one that was let go in the middle of
 * a burst would harm it more than one that was never caught. A stream without carriers
 * passes unchanged, bit by bit.
 *
 * The first samples of a stream wait until the first stretch is complete, so that a
 * carrier that is there from the beginning spoils nothing; later samples pass at once.
 * What leaves does not depend on how the stream is cut into calls.
 */
class SEMCOM_API line_canceller
{
public:
    /*!
     * \param fft_len FFT length of the waveform
     * \param oversampling samples per critical sample
     */
    explicit line_canceller(int fft_len = 64, int oversampling = 1);

    //! Takes \p n samples, appends what can leave to \p out.
    void work(const gr_complex* in, std::size_t n, std::vector<gr_complex>& out);
    //! The carriers that are taken out at present.
    std::vector<spectral_line> lines() const;

private:
    struct line {
        double frequency; // radians per sample
        double phase;     // at the beginning of the chunk
        std::complex<double> amplitude;
        gr_complex turn, step; // of the next sample, and from sample to sample
        gr_complex error;      // what is left of the carrier, summed over the chunk
        float power;           // of what is left of the stream, likewise
        int age;               // chunks since the carrier was caught
        int hidden;            // looks in a row that it was too weak to be seen in
    };
    void look(std::int64_t begin);
    float of_comb(const float* bin) const;
    std::vector<line> find(std::int64_t begin);
    void refine(line& found, std::int64_t begin) const;
    void clean(gr_complex* samples, std::size_t n);
    void update(line& l) const;
    void notice_hidden(const float* power);
    static void restart(line& l);

    const std::size_t d_stretch;
    const int d_spacing; // bins between two OFDM carriers
    const std::size_t d_period;
    const int d_chunk;
    fft::fft_complex_fwd d_fft;
    std::vector<float> d_window;
    double d_peak = 0;                // a carrier's bin over its power
    std::vector<gr_complex> d_recent; // the stretch, as received
    std::vector<line> d_lines;
    std::vector<double> d_candidates;     // bins that stood out in the last look
    std::int64_t d_taken = 0, d_left = 0; // samples taken; samples that have left
};

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_LINE_CANCELLER_H */
