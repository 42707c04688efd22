/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "compat.h"
#include "nr_ldpc.h"
#include <gnuradio/semcom/nr_ldpc_encoder.h>

namespace gr {
namespace semcom {

namespace {

class nr_ldpc_encoder_impl : public nr_ldpc_encoder
{
public:
    nr_ldpc_encoder_impl(int info_bits, int coded_bits, int bits_per_symbol)
        : d_code(info_bits, coded_bits, bits_per_symbol)
    {
    }

    double rate() override { return double(d_code.coded_bits()) / d_code.info_bits(); }
    int get_input_size() override { return d_code.info_bits(); }
    int get_output_size() override { return d_code.coded_bits(); }

    // The size is that of the code: what is longer, the blocks cut into frames.
    bool set_frame_size(unsigned int frame_size) override
    {
        return frame_size == static_cast<unsigned>(d_code.info_bits());
    }

    void generic_work(fec_input in, void* out) override
    {
        d_code.encode(static_cast<const std::uint8_t*>(in),
                      static_cast<std::uint8_t*>(out));
    }

private:
    const nr_ldpc d_code;
};

} // namespace

nr_ldpc_encoder::sptr
nr_ldpc_encoder::make(int info_bits, int coded_bits, int bits_per_symbol)
{
    return std::make_shared<nr_ldpc_encoder_impl>(info_bits, coded_bits, bits_per_symbol);
}

} // namespace semcom
} // namespace gr
