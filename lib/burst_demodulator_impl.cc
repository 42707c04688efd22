/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "burst_demodulator_impl.h"
#include "burst_pdu.h"

#include <gnuradio/io_signature.h>

#include <stdexcept>

namespace gr {
namespace semcom {

burst_demodulator::sptr burst_demodulator::make(const ofdm_params& params,
                                                double sample_rate)
{
    return gnuradio::make_block_sptr<burst_demodulator_impl>(params, sample_rate);
}

burst_demodulator_impl::burst_demodulator_impl(const ofdm_params& params,
                                               double sample_rate)
    : gr::sync_block("semcom_burst_demodulator",
                     gr::io_signature::make(1, 1, sizeof(gr_complex)),
                     gr::io_signature::make(0, 0, 0)),
      d_receiver(ofdm_frame(params))
{
    set_sample_rate(sample_rate);
    message_port_register_out(pmt::mp("symbols"));
}

void burst_demodulator_impl::set_sample_rate(double sample_rate)
{
    if (!(sample_rate > 0)) {
        throw std::invalid_argument("The sample rate is above 0.");
    }
    d_sample_rate = sample_rate;
}

int burst_demodulator_impl::work(int noutput_items,
                                 gr_vector_const_void_star& input_items,
                                 gr_vector_void_star&)
{
    d_received.clear();
    d_receiver.work(
        static_cast<const gr_complex*>(input_items[0]), noutput_items, d_received);
    for (const auto& burst : d_received) {
        message_port_pub(pmt::mp("symbols"), pdu_of_burst(burst, d_sample_rate));
    }
    d_preambles = d_receiver.counters().preambles;
    d_bursts = d_receiver.counters().bursts;
    return noutput_items;
}

} // namespace semcom
} // namespace gr
