/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_SYMBOL_CHANNEL_H
#define INCLUDED_SEMCOM_SYMBOL_CHANNEL_H

#include <gnuradio/semcom/api.h>
#include <gnuradio/sync_block.h>
#include <cstdint>
#include <string>

namespace gr {
namespace semcom {

/*!
 * \brief One burst through y = (h x + w) / h_est.
 * \param x symbols sent
 * \param w noise, one value per symbol
 * \param y symbols received; may be the same memory as \p x or \p w
 * \param n number of symbols
 * \param h channel gain
 * \param h_est channel gain that the receiver divides by
 * \param signal_energy is increased by the sum of |h x|^2
 * \param noise_energy is increased by the sum of |w|^2
 */
SEMCOM_API void pass_burst(const gr_complex* x,
                           const gr_complex* w,
                           gr_complex* y,
                           size_t n,
                           gr_complex h,
                           gr_complex h_est,
                           double& signal_energy,
                           double& noise_energy);

/*!
 * \brief Symbol-level channel y = h x + w with AWGN, block Rayleigh or block Rician
 * fading.
 * \ingroup semcom
 *
 * \details
 * Reproduces the channel of the papers without a waveform. w is complex Gaussian of total
 * variance N0 = 10^(-snr_db/10), so snr_db is Es/N0 for symbols of unit average power. h
 * is complex with E|h|^2 = 1 and constant over a block: h = 1 (AWGN), circular Gaussian
 * (Rayleigh), or sqrt(K/(K+1)) e^(j phi) + sqrt(1/(K+1)) g with a random phase phi
 * (Rician); see Tse and Viswanath, "Fundamentals of Wireless Communication", section 2.4.
 *
 * What the receiver knows:
 * - ideal: h and N0; the output is y/h, with noise variance N0/|h|^2.
 * - pilot: h estimated by least squares from n_pilots unit pilots per block that pass the
 * same channel; the output is y/h_est, with noise variance N0 (1 + 1/n_pilots) /
 * |h_est|^2.
 * - estimated: the same, with N0 itself estimated from what least squares leaves of the
 * pilots; with all others the receiver is told the true N0.
 * - none: the output is y as it is, with noise variance N0.
 *
 * Message ports (a PDU is a burst and a block of its own):
 * - Input: symbols, c32vector PDUs. Empty ones and those with the key error pass through
 * untouched, or as an empty c32vector where they have another payload.
 * - Output: symbols, with the keys noise_var (f32vector, one value per symbol), snr_db
 *   (10 log10(sum |h x|^2 / sum |w|^2) of this burst), signal_energy, noise_energy (these
 * two sums), pilots (channel uses spent on pilots). A burst that was lost leaves as an
 * empty vector with its metadata and pilots. One that is no c32vector, or not finite,
 * leaves as an empty vector with the key error, which says why.
 * - Output: status, in Python: a sentence about each value that a setter of the running
 * block refused; the last good one stays. In C++ the setters throw.
 *
 * Stream ports, both optional:
 * - Input and output, connected together: complex symbols; a new h every block_len
 *   symbols. Tags pass through; losses do not apply.
 *
 * The result depends on the seed and the order of the input alone, not on how the
 * scheduler splits the work.
 */
class SEMCOM_API symbol_channel : virtual public gr::sync_block
{
public:
    typedef std::shared_ptr<symbol_channel> sptr;

    /*!
     * \param model "awgn", "rayleigh" or "rician"
     * \param snr_db Es/N0 in dB, -100 to 100
     * \param csi what the receiver knows: "ideal", "pilot", "estimated" or "none"
     * \param k_factor_db Rician K in dB, -100 to 100
     * \param n_pilots pilots per block with csi "pilot", at least 1, and with
     * "estimated", at least 2
     * \param loss probability that a PDU is lost, 0 to 1
     * \param block_len symbols of one fading block on the stream ports, at least 1
     * \param seed of fading, noise and losses, from 0; channels of one flowgraph need
     * different ones
     * \throws std::invalid_argument with one sentence
     */
    static sptr make(const std::string& model = "awgn",
                     double snr_db = 10.0,
                     const std::string& csi = "ideal",
                     double k_factor_db = 10.0,
                     int n_pilots = 16,
                     double loss = 0.0,
                     int block_len = 4096,
                     int64_t seed = 0);

    //! As in make(), from the next burst or block on; throws as make() does.
    virtual void set_model(const std::string& model) = 0;
    //! As in make(), from the next burst or block on; throws as make() does.
    virtual void set_snr_db(double snr_db) = 0;
    //! As in make(), from the next burst or block on; throws as make() does.
    virtual void set_csi(const std::string& csi) = 0;
    //! As in make(), from the next burst or block on; throws as make() does.
    virtual void set_k_factor_db(double k_factor_db) = 0;
    //! As in make(), from the next burst on; throws as make() does.
    virtual void set_loss(double loss) = 0;
    //! Es/N0 in dB.
    virtual double snr_db() const = 0;
};

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_SYMBOL_CHANNEL_H */
