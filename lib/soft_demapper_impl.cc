/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "lifecycle.h"
#include "soft_demapper_impl.h"
#include <gnuradio/io_signature.h>
#include <gnuradio/semcom/pdu.h>
#include <cmath>
#include <map>
#include <stdexcept>

namespace gr {
namespace semcom {

namespace {

const pmt::pmt_t& symbols_port()
{
    static const pmt::pmt_t name = pmt::mp("symbols");
    return name;
}

const pmt::pmt_t& soft_bits_port()
{
    static const pmt::pmt_t name = pmt::mp("soft_bits");
    return name;
}

int bits_of(const std::string& name)
{
    static const std::map<std::string, int> bits = {
        { "bpsk", 1 }, { "qpsk", 2 }, { "16qam", 4 }, { "64qam", 6 }, { "256qam", 8 }
    };
    const auto found = bits.find(name);
    if (found == bits.end()) {
        throw std::invalid_argument("there is no modulation " + name +
                                    "; choose bpsk, qpsk, 16qam, 64qam or 256qam");
    }
    return found->second;
}

double checked(double snr_db)
{
    if (!(std::abs(snr_db) <= 100)) { // false for nan too
        throw std::invalid_argument("the SNR must be between -100 and 100 dB, not " +
                                    std::to_string(snr_db));
    }
    return snr_db;
}

// What cannot be demapped still leaves, so that the receiver gives its message up.
pmt::pmt_t given_up(const pmt::pmt_t& meta, const std::string& why)
{
    return pmt::cons(pmt::dict_add(meta, pdu::error(), pmt::mp(why)),
                     pmt::make_f32vector(0, 0));
}

} // namespace

soft_demapper::sptr soft_demapper::make(const std::string& modulation, double snr_db)
{
    return gnuradio::make_block_sptr<soft_demapper_impl>(bits_of(modulation), snr_db);
}

soft_demapper_impl::soft_demapper_impl(int bits, double snr_db)
    : gr::sync_interpolator("Soft Demapper",
                            gr::io_signature::make(0, 1, sizeof(gr_complex)),
                            gr::io_signature::make(0, 1, sizeof(float)),
                            bits),
      d_modulation(bits),
      d_snr_db(checked(snr_db))
{
    message_port_register_in(symbols_port());
    message_port_register_out(soft_bits_port());
    message_port_register_out(pmt::mp("status"));
    set_msg_handler(symbols_port(),
                    [this](const pmt::pmt_t& pdu) { handle_symbols(pdu); });
}

void soft_demapper_impl::set_snr_db(double snr_db) { d_snr_db = checked(snr_db); }

float soft_demapper_impl::stated_noise_var() const
{
    return static_cast<float>(std::pow(10.0, -d_snr_db / 10));
}

void soft_demapper_impl::handle_symbols(const pmt::pmt_t& pdu)
{
    if (!pmt::is_pair(pdu) || !pmt::is_dict(pmt::car(pdu)) ||
        !pmt::is_uniform_vector(pmt::cdr(pdu))) {
        d_logger->error("a message arrived that is no symbols PDU; it is dropped");
        return;
    }
    const pmt::pmt_t meta = pmt::dict_delete(pmt::car(pdu), pdu::noise_var());
    const std::size_t length = pmt::length(pmt::cdr(pdu));
    if (length == 0 || pmt::dict_has_key(meta, pdu::error())) {
        message_port_pub(soft_bits_port(), pmt::cons(meta, pmt::make_f32vector(0, 0)));
        return;
    }
    if (!pmt::is_c32vector(pmt::cdr(pdu))) {
        message_port_pub(soft_bits_port(),
                         given_up(meta,
                                  "the payload of a symbols PDU must be a c32vector of "
                                  "complex symbols"));
        return;
    }
    pmt::pmt_t variances = pmt::dict_ref(pmt::car(pdu), pdu::noise_var(), pmt::PMT_NIL);
    if (pmt::is_null(variances)) {
        variances = pmt::make_f32vector(length, stated_noise_var());
    } else if (!pmt::is_f32vector(variances) || pmt::length(variances) != length) {
        message_port_pub(soft_bits_port(),
                         given_up(meta,
                                  "noise_var must be an f32vector of one variance per "
                                  "symbol"));
        return;
    }
    std::size_t n = 0;
    const gr_complex* symbols = pmt::c32vector_elements(pmt::cdr(pdu), n);
    const float* noise_var = pmt::f32vector_elements(variances, n);
    const pmt::pmt_t soft = pmt::make_f32vector(length * bits_per_symbol(), 0);
    float* llr = pmt::f32vector_writable_elements(soft, n);
    d_modulation.demap(symbols, noise_var, llr, length);
    message_port_pub(soft_bits_port(), pmt::cons(meta, soft));
}

bool soft_demapper_impl::check_topology(int ninputs, int noutputs)
{
    return ninputs == noutputs;
}

bool soft_demapper_impl::start()
{
    forget_earlier_end(*this);
    return gr::sync_block::start();
}

int soft_demapper_impl::work(int noutput_items,
                             gr_vector_const_void_star& input_items,
                             gr_vector_void_star& output_items)
{
    const std::size_t n = noutput_items / bits_per_symbol();
    d_stream_var.assign(n, stated_noise_var());
    d_modulation.demap(static_cast<const gr_complex*>(input_items[0]),
                       d_stream_var.data(),
                       static_cast<float*>(output_items[0]),
                       n);
    return noutput_items;
}

} // namespace semcom
} // namespace gr
