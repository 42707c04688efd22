/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_BURST_MODULATOR_H
#define INCLUDED_SEMCOM_BURST_MODULATOR_H

#include <gnuradio/block.h>
#include <gnuradio/semcom/api.h>
#include <gnuradio/semcom/ofdm_params.h>

#include <cstdint>
#include <memory>

namespace gr {
namespace semcom {

/*!
 * \brief Sends every symbols PDU as one OFDM burst.
 * \ingroup semcom
 *
 * \details
 * Input: message port "symbols", PDUs of 1 to 4096 complex symbols (c32vector, mean power
 * 1), analogue or digital alike, and 128 more where they are sealed. The metadata \p
 * transmission, \p image_id, \p part, \p parts, \p fragment, \p fragments, \p scheme, \p
 * height, \p width, \p rate, \p scale, \p snr_enc, \p mcs, \p weights_id and \p sealed
 * (integers; absent ones take the defaults of burst_header) travel in the burst's header.
 * A PDU that cannot be sent is dropped with one line in the log, and counted by
 * dropped().
 *
 * Output: complex samples. Half of the gap's zeros are sent before and half after every
 * burst. Tag "tx_burst" on the first sample of the burst itself: a dictionary of its
 * header with \p samples, the length of the burst.
 * - Burst mode: output only while there is something to send; tag "tx_sob" on the first
 * and "tx_eob" on the last of these samples.
 * - Continuous mode: zeros whenever there is nothing to send, and neither of these tags.
 *
 * After the last fragment of an image's last part follow \p trailer further zeros: a
 * receiver learns from them, in its own measure of time, that nothing more of the image
 * will arrive.
 *
 * Output: message port "sent", the metadata of that fragment's PDU once the last of
 * these samples has left the block: connected to the \p ack of an Image Source that has
 * no receiver in its flowgraph, it lets the next image go. It is also sent when that PDU
 * had to be dropped.
 *
 * A PDU with the key \p silence, as an Image Source sends it where no word of its images
 * returns, is no burst: in burst mode silence follows it, as much as makes a receiver of
 * any waveform call the channel idle, until there is something to send. Where "sent" is
 * connected it is passed on there instead.
 *
 * Output: message port "status", in Python: a sentence about each value that a setter of
 * the running block refused; the last good one stays. In C++ the setters throw.
 *
 * When its source is done the block sends what it holds and is done itself.
 */
class SEMCOM_API burst_modulator : virtual public gr::block
{
public:
    typedef std::shared_ptr<burst_modulator> sptr;

    /*!
     * \param params the waveform, the same as the receiver's
     * \param amplitude root mean square of the samples of a burst, at most 1e6
     * \param gap zero samples between two bursts, at least 0
     * \param continuous fill with zeros instead of marking bursts
     * \param trailer zero samples after the last fragment of an image, at least 0
     */
    static sptr make(const ofdm_params& params = ofdm_params(),
                     float amplitude = 1.0f,
                     int gap = 256,
                     bool continuous = false,
                     int trailer = 0);

    //! Of the bursts from the next one on; throws std::invalid_argument as make() does.
    virtual void set_amplitude(float amplitude) = 0;
    //! Before and after bursts from the next one on; throws as make() does.
    virtual void set_gap(int gap) = 0;
    //! Bursts handed to the output.
    virtual std::uint64_t sent() const = 0;
    //! PDUs that could not be sent.
    virtual std::uint64_t dropped() const = 0;
};

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_BURST_MODULATOR_H */
