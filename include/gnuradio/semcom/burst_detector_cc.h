/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_BURST_DETECTOR_CC_H
#define INCLUDED_SEMCOM_BURST_DETECTOR_CC_H

#include <gnuradio/block.h>
#include <gnuradio/semcom/api.h>
#include <gnuradio/semcom/ofdm_params.h>

#include <cstdint>
#include <memory>

namespace gr {
namespace semcom {

/*!
 * \brief Marks OFDM bursts in a stream: the first half of burst_demodulator as a block.
 * \ingroup semcom
 *
 * \details
 * Looks for the preamble with burst_synchronizer: from 0 dB Es/N0 up, at any level, with
 * a carrier offset within ofdm_params::max_cfo.
 *
 * Input: complex samples.
 *
 * Output: the same samples under the same numbers, every one of them, some preambles
 * later (a tag must be there before its sample); the last leave when the input ends.
 * - Tag \p burst on the first sample of each burst, as it arrives on the strongest path.
 *   Its value is a dictionary:
 *   - \p sample: number of that sample, counted from the start of the stream (uint64)
 *   - \p cfo_hz: carrier offset (double)
 *   - \p snr_db: Es/N0 over the carriers of the preamble, bias removed (double)
 *   - \p metric: coherent share of the preamble's energy, 0 to 1 (double)
 *   - \p timing: samples from the tag to where the receive windows (cyclic prefix
 *     included) best start; negative, since echoes may also arrive early (long)
 *
 * Output: message port "bursts", the same dictionary for every burst.
 *
 * What is found depends on the samples alone, not on how the scheduler cuts them.
 */
class SEMCOM_API burst_detector_cc : virtual public gr::block
{
public:
    typedef std::shared_ptr<burst_detector_cc> sptr;

    /*!
     * \param params the waveform, the same as the transmitter's
     * \param sample_rate in samples per second; it scales cfo_hz and nothing else
     * \throws std::invalid_argument with one sentence, for parameters out of range
     */
    static sptr make(const ofdm_params& params = ofdm_params(), double sample_rate = 1e6);

    //! Samples per second from the next burst on.
    virtual void set_sample_rate(double sample_rate) = 0;
    //! Bursts marked.
    virtual std::uint64_t bursts() const = 0;
};

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_BURST_DETECTOR_CC_H */
