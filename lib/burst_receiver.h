/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_BURST_RECEIVER_H
#define INCLUDED_SEMCOM_BURST_RECEIVER_H

#include "burst_estimator.h"
#include "burst_synchronizer.h"
#include "payload_interleaver.h"

#include <gnuradio/semcom/api.h>
#include <gnuradio/semcom/burst_header.h>
#include <gnuradio/semcom/ofdm_params.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace gr {
namespace semcom {

/*! \brief One burst as it was received. \ingroup semcom */
struct SEMCOM_API received_burst {
    burst_header header;
    std::vector<gr_complex> symbols; //!< header.n_symbols values, unit gain
    std::vector<float> noise_var;    //!< E|error|^2 of each symbol
    std::int64_t position =
        0;            //!< sample at which it began, counted from the start of the stream
    float snr_db = 0; //!< mean Es/N0 over the carriers, bias removed
    double cfo = 0;   //!< carrier offset in cycles per sample
    double clock_ppm = 0; //!< sampling clock of the transmitter over this one, less 1, in
                          //!< 1e-6; drawn to 0 where a burst is too short to tell
    float level_db = 0;   //!< mean power of the samples as received, over 1, in dB
    float clipped = 0;    //!< share of I and Q values at the limits of the converter
};

/*!
 * \brief Receives bursts: samples in, in pieces of any size, bursts out.
 * \ingroup semcom
 *
 * \details
 * burst_synchronizer finds preambles. The header is equalised with burst_estimator and
 * decoded; if it is valid, its cells join the training, the payload is awaited and
 * equalised. Every decision depends on the samples alone, not on how they are cut. Memory
 * is bounded by the longest burst.
 */
class SEMCOM_API burst_receiver
{
public:
    struct counts {
        std::uint64_t candidates = 0; //!< proposals of the first stage
        std::uint64_t preambles = 0;  //!< of them, believed by the second
        std::uint64_t headers = 0;    //!< of them, with a valid header
        std::uint64_t bursts = 0;     //!< of them, delivered
        std::uint64_t swapped = 0; //!< preambles whose I and Q are swapped, not delivered
    };

    explicit burst_receiver(const ofdm_frame& frame);

    //! Takes \p n samples and appends the bursts that they complete to \p out.
    void work(const gr_complex* in, std::size_t n, std::vector<received_burst>& out);
    const ofdm_frame& frame() const { return d_sync.frame(); }
    const counts& counters() const { return d_counts; }
    //! The carriers that are taken out of the stream at present, a DC offset among them.
    std::vector<spectral_line> lines() const { return d_sync.lines(); }

private:
    std::optional<burst_header> read_header();
    void read_payload(received_burst& burst);
    void process(std::vector<received_burst>& out);

    burst_synchronizer d_sync;
    burst_estimator d_estimator;
    burst_header_codec d_codec;
    interleaver_cache d_interleavers;

    std::optional<burst_lock>
        d_lock; // of the first candidate, while its burst is awaited,
    std::optional<burst_header> d_header; // and its header, once read
    std::int64_t d_busy =
        0; // candidates before this lie inside a burst already delivered
    counts d_counts;
};

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_BURST_RECEIVER_H */
