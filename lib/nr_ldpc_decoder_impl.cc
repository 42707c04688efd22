/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "compat.h"
#include "nr_ldpc.h"
#include <gnuradio/semcom/nr_ldpc_decoder.h>

#include <atomic>
#include <stdexcept>

namespace gr {
namespace semcom {

namespace {

class nr_ldpc_decoder_impl : public nr_ldpc_decoder
{
public:
    nr_ldpc_decoder_impl(int info_bits,
                         int coded_bits,
                         int bits_per_symbol,
                         int max_iterations)
        : d_code(info_bits, coded_bits, bits_per_symbol), d_max_iterations(max_iterations)
    {
        if (max_iterations < 1) {
            throw std::invalid_argument("The decoder needs at least one iteration.");
        }
    }

    double rate() override { return double(d_code.info_bits()) / d_code.coded_bits(); }
    int get_input_size() override { return d_code.coded_bits(); }
    int get_output_size() override { return d_code.info_bits(); }

    // The size is that of the code: what is longer, the blocks cut into frames.
    bool set_frame_size(unsigned int frame_size) override
    {
        return frame_size == static_cast<unsigned>(d_code.info_bits());
    }

    void generic_work(fec_input in, void* out) override
    {
        d_frames++;
        if (!d_code.decode(static_cast<const float*>(in),
                           static_cast<std::uint8_t*>(out),
                           d_max_iterations)) {
            d_failures++;
        }
    }

    std::uint64_t frames() const override { return d_frames; }
    std::uint64_t failures() const override { return d_failures; }

private:
    const nr_ldpc d_code;
    const int d_max_iterations;
    // read while the flowgraph runs
    std::atomic<std::uint64_t> d_frames{ 0 }, d_failures{ 0 };
};

} // namespace

nr_ldpc_decoder::sptr nr_ldpc_decoder::make(int info_bits,
                                            int coded_bits,
                                            int bits_per_symbol,
                                            int max_iterations)
{
    return std::make_shared<nr_ldpc_decoder_impl>(
        info_bits, coded_bits, bits_per_symbol, max_iterations);
}

} // namespace semcom
} // namespace gr
