/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_SYMBOL_CHANNEL_IMPL_H
#define INCLUDED_SEMCOM_SYMBOL_CHANNEL_IMPL_H

#include "gaussian.h"
#include <gnuradio/semcom/symbol_channel.h>
#include <mutex>
#include <vector>

namespace gr {
namespace semcom {

class symbol_channel_impl : public symbol_channel
{
public:
    symbol_channel_impl(const std::string& model,
                        double snr_db,
                        const std::string& csi,
                        double k_factor_db,
                        int n_pilots,
                        double loss,
                        int block_len,
                        int64_t seed);

    void set_model(const std::string& model) override;
    void set_snr_db(double snr_db) override;
    void set_csi(const std::string& csi) override;
    void set_k_factor_db(double k_factor_db) override;
    void set_loss(double loss) override;
    double snr_db() const override;

    //! A stream that enters must leave: both ports or neither.
    bool check_topology(int ninputs, int noutputs) override;
    bool start() override;
    int work(int noutput_items,
             gr_vector_const_void_star& input_items,
             gr_vector_void_star& output_items) override;

private:
    enum class model { awgn, rayleigh, rician };
    enum class csi { ideal, pilot, estimated, none };

    //! What may change while running.
    struct settings {
        symbol_channel_impl::model model;
        symbol_channel_impl::csi csi;
        double snr_db;
        double k_factor_db;
        double loss;

        double noise_var() const { return std::pow(10.0, -snr_db / 10); }
    };

    //! One fading block as channel and as receiver see it.
    struct fade {
        gr_complex h;
        gr_complex h_est;
        float noise_var; // after division by h_est
    };

    static model model_of(const std::string& name);
    static csi csi_of(const std::string& name, int n_pilots);
    static double decibels(const char* what, double value);
    static double probability(double value);

    settings current() const;
    fade draw(const settings& now, random_source& random) const;
    //! Estimate of the noise variance by the pilots, over the true one.
    float residue(random_source& random) const;
    void handle_symbols(const pmt::pmt_t& pdu);

    mutable std::mutex d_mutex;
    settings d_settings;
    const int d_n_pilots;
    const uint64_t d_block_len;
    const uint64_t d_seed;

    uint64_t d_bursts = 0;
    std::vector<gr_complex> d_noise;

    uint64_t d_position = 0; // within the stream's fading block
    random_source d_stream_fading;
    random_source d_stream_noise;
    fade d_stream_fade{};
};

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_SYMBOL_CHANNEL_IMPL_H */
