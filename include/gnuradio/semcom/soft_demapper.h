/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_SOFT_DEMAPPER_H
#define INCLUDED_SEMCOM_SOFT_DEMAPPER_H

#include <gnuradio/semcom/api.h>
#include <gnuradio/sync_interpolator.h>
#include <string>

namespace gr {
namespace semcom {

/*!
 * \brief Symbols to soft bits: exact max-log likelihood ratios. \ingroup semcom
 *
 * \details
 * For BPSK to 256-QAM of 3GPP TS 38.211 section 5.1, average power 1; see
 * semcom::modulation.
 *
 * Message ports:
 * - Input: symbols, c32vector PDUs of equalised symbols. Key noise_var (f32vector, one
 *   variance of complex noise per symbol, infinite where lost) is used where there is
 * one; where not, the variance is 10^(-snr_db/10).
 * - Output: soft_bits, f32vector PDUs, positive means bit 1, bits_per_symbol values a
 *   symbol, with the metadata of the input less noise_var. An empty PDU stays empty. One
 *   that is no c32vector, or whose noise_var does not fit, leaves as an empty vector with
 *   the key error, which says why.
 *
 * Stream ports, both optional:
 * - Input and output, connected together: complex symbols to float soft bits, with the
 *   variance 10^(-snr_db/10).
 */
class SEMCOM_API soft_demapper : virtual public gr::sync_interpolator
{
public:
    typedef std::shared_ptr<soft_demapper> sptr;

    /*!
     * \param modulation "bpsk", "qpsk", "16qam", "64qam" or "256qam"
     * \param snr_db Es/N0 in dB of what says no noise variance, -100 to 100
     * \throws std::invalid_argument with one sentence
     */
    static sptr make(const std::string& modulation = "qpsk", double snr_db = 10.0);

    //! From the next symbols on; throws std::invalid_argument as make() does.
    virtual void set_snr_db(double snr_db) = 0;
    //! Es/N0 in dB of what says no noise variance.
    virtual double snr_db() const = 0;
    //! 1, 2, 4, 6 or 8.
    virtual int bits_per_symbol() const = 0;
};

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_SOFT_DEMAPPER_H */
