/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_SOFT_DEMAPPER_IMPL_H
#define INCLUDED_SEMCOM_SOFT_DEMAPPER_IMPL_H

#include "modulation.h"
#include <gnuradio/semcom/soft_demapper.h>
#include <atomic>
#include <vector>

namespace gr {
namespace semcom {

class soft_demapper_impl : public soft_demapper
{
public:
    soft_demapper_impl(int bits, double snr_db);

    void set_snr_db(double snr_db) override;
    double snr_db() const override { return d_snr_db; }
    int bits_per_symbol() const override { return d_modulation.bits_per_symbol(); }

    //! A stream that enters must leave: both ports or neither.
    bool check_topology(int ninputs, int noutputs) override;
    bool start() override;
    int work(int noutput_items,
             gr_vector_const_void_star& input_items,
             gr_vector_void_star& output_items) override;

private:
    void handle_symbols(const pmt::pmt_t& pdu);
    float stated_noise_var() const;

    const modulation d_modulation;
    std::atomic<double> d_snr_db;
    std::vector<float> d_stream_var; // of the symbols of one call
};

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_SOFT_DEMAPPER_IMPL_H */
