/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_BURST_DEMODULATOR_H
#define INCLUDED_SEMCOM_BURST_DEMODULATOR_H

#include <gnuradio/semcom/api.h>
#include <gnuradio/semcom/ofdm_params.h>
#include <gnuradio/sync_block.h>

#include <cstdint>
#include <memory>

namespace gr {
namespace semcom {

/*!
 * \brief Receives OFDM bursts and hands out each one's symbols as a PDU.
 * \ingroup semcom
 *
 * \details
 * Input: complex samples, in which bursts may begin anywhere, at any level, with a
 * carrier offset within ofdm_params::max_cfo.
 *
 * Output: message port "symbols", one PDU (c32vector, unit gain) for every burst whose
 * header is valid. Metadata: the header's \p image_id, \p fragment, \p fragments, \p
 * scheme, \p height, \p width, \p rate, \p scale, \p snr_enc, \p mcs and \p n_symbols
 * (integers), and what was measured:
 * - \p snr_db: Es/N0 over the carriers, bias removed (double)
 * - \p cfo_hz: carrier offset (double)
 * - \p noise_var: expected squared error of every symbol (f32vector)
 * - \p level_db: mean power of the samples over 1, a DC offset included (double)
 * - \p clipped: share of I and Q values at the limits of the converter (double)
 *
 * A DC offset, spurs and other carriers are taken out of the samples before bursts are
 * looked for. Bursts whose I and Q are swapped are not received: port "status" and the
 * log say so, and \p swap_iq mends it.
 *
 * Output: message port "idle", a dictionary with \p samples, whenever idle_samples have
 * passed without a burst: time, measured by the channel and not by a clock, for what
 * waits for missing fragments. GNU Radio keeps the order of messages on one port only;
 * \p bursts, the number of PDUs that went before, puts both into order again.
 *
 * Message ports have no back-pressure. With most_waiting above 0 the block takes no more
 * samples while so many PDUs wait at a consumer that calls taken() for each: what feeds
 * it then holds back (a recording, ZeroMQ) or drops and says so (a radio), and memory
 * stays bounded whatever the consumer's speed.
 */
class SEMCOM_API burst_demodulator : virtual public gr::sync_block
{
public:
    typedef std::shared_ptr<burst_demodulator> sptr;

    /*!
     * \param params the waveform, the same as the transmitter's
     * \param sample_rate in samples per second; it scales cfo_hz and nothing else
     * \param idle_samples without a burst after which the channel counts as idle; 0:
     * never
     * \param most_waiting PDUs that may wait at the consumer; 0: any number
     * \param swap_iq whether the radio delivers I as Q and Q as I
     */
    static sptr make(const ofdm_params& params = ofdm_params(),
                     double sample_rate = 1e6,
                     std::uint64_t idle_samples = 0,
                     std::uint64_t most_waiting = 0,
                     bool swap_iq = false);

    //! Samples per second from the next burst on.
    virtual void set_sample_rate(double sample_rate) = 0;
    //! The consumer has dealt with \p n PDUs; to be called from any thread.
    virtual void taken(std::uint64_t n = 1) = 0;
    //! What the consumer made of PDUs waits further on, and counts as \p n of them until
    //! it is taken(), which may come first; to be called from any thread.
    virtual void put(std::uint64_t n) = 0;
    //! PDUs that wait at the consumer; 0 where their number is not limited.
    virtual std::uint64_t waiting() = 0;
    //! Samples taken so far.
    virtual std::uint64_t samples() const = 0;
    //! Preambles that the receiver believed.
    virtual std::uint64_t preambles() const = 0;
    //! Bursts delivered.
    virtual std::uint64_t bursts() const = 0;
};

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_BURST_DEMODULATOR_H */
