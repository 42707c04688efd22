/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "burst_modulator_impl.h"
#include "burst_pdu.h"
#include "lifecycle.h"

#include <gnuradio/io_signature.h>
#include <gnuradio/semcom/pdu.h>

#include <algorithm>
#include <stdexcept>

namespace gr {
namespace semcom {

namespace {

// Whether a PDU that cannot be sent says of itself that no other of its image follows.
bool is_last(const pmt::pmt_t& pdu)
{
    if (!pmt::is_pair(pdu) || !pmt::is_dict(pmt::car(pdu))) {
        return false;
    }
    const auto metadata = pmt::car(pdu);
    const auto ends = [](const pmt::pmt_t& index, const pmt::pmt_t& count) {
        return pmt::is_integer(index) && pmt::is_integer(count) &&
               pmt::to_long(count) > 0 && pmt::to_long(index) == pmt::to_long(count) - 1;
    };
    return ends(pmt::dict_ref(metadata, pdu::part(), pmt::from_long(0)),
                pmt::dict_ref(metadata, pdu::parts(), pmt::from_long(1))) &&
           ends(pmt::dict_ref(metadata, pdu::fragment(), pmt::PMT_NIL),
                pmt::dict_ref(metadata, pdu::fragments(), pmt::PMT_NIL));
}

// As much as makes a receiver of any waveform call the channel idle twice.
std::size_t silence_for_all()
{
    ofdm_params longest;
    longest.fft_len = 512;
    longest.oversampling = 8;
    return 36 * ofdm_frame(longest).burst_samples(burst_header::longest);
}

bool asks_for_silence(const pmt::pmt_t& pdu)
{
    return pmt::is_pair(pdu) && pmt::is_dict(pmt::car(pdu)) &&
           pmt::dict_has_key(pmt::car(pdu), pmt::mp("silence"));
}

} // namespace

burst_modulator::sptr burst_modulator::make(
    const ofdm_params& params, float amplitude, int gap, bool continuous, int trailer)
{
    return gnuradio::make_block_sptr<burst_modulator_impl>(
        params, amplitude, gap, continuous, trailer);
}

burst_modulator_impl::burst_modulator_impl(
    const ofdm_params& params, float amplitude, int gap, bool continuous, int trailer)
    : gr::block("semcom_burst_modulator",
                gr::io_signature::make(0, 0, 0),
                gr::io_signature::make(1, 1, sizeof(gr_complex))),
      d_transmitter(ofdm_frame(params)),
      d_continuous(continuous),
      d_trailer(trailer)
{
    if (trailer < 0 || trailer > 100000000) {
        throw std::invalid_argument("The trailer is 0 to 100000000 samples.");
    }
    set_amplitude(amplitude);
    set_gap(gap);
    message_port_register_in(pmt::mp("symbols"));
    message_port_register_out(pmt::mp("sent"));
    message_port_register_out(pmt::mp("status"));
    set_msg_handler(pmt::mp("symbols"), [this](const pmt::pmt_t& pdu) { receive(pdu); });
}

void burst_modulator_impl::set_amplitude(float amplitude)
{
    if (!(amplitude > 0 && amplitude <= 1e6f)) {
        throw std::invalid_argument("amplitude must be above 0 and at most 1e6, got " +
                                    std::to_string(amplitude));
    }
    d_amplitude = amplitude;
}

void burst_modulator_impl::set_gap(int gap)
{
    if (gap < 0 || gap > 100000000) {
        throw std::invalid_argument("gap must be 0 to 100000000 samples, got " +
                                    std::to_string(gap));
    }
    d_gap = gap;
}

bool burst_modulator_impl::start()
{
    forget_earlier_end(*this);
    if (nitems_written(0) == 0) {
        // another stream: the half of a burst in it would be of use to nobody
        d_at = d_at < d_burst.size() ? 0 : d_at;
    }
    return gr::block::start();
}

void burst_modulator_impl::forecast(int, gr_vector_int&) {}

// Whether it stands for an image that the encoder gave up, who says so himself on his
// port "failed".
static bool given_up(const pmt::pmt_t& pdu)
{
    return pmt::is_pair(pdu) && pmt::is_dict(pmt::car(pdu)) &&
           pmt::dict_has_key(pmt::car(pdu), pmt::mp("error"));
}

void burst_modulator_impl::receive(const pmt::pmt_t& pdu) { d_waiting.push_back(pdu); }

void burst_modulator_impl::report_sent()
{
    message_port_pub(pmt::mp("sent"), d_last);
    d_last.reset();
}

bool burst_modulator_impl::next_burst()
{
    while (!d_waiting.empty()) {
        const auto pdu = d_waiting.front();
        d_waiting.pop_front();
        if (asks_for_silence(pdu)) {
            if (!pmt::is_null(message_subscribers(pmt::mp("sent")))) {
                // whoever hears what was sent needs no answer of a receiver
                message_port_pub(pmt::mp("sent"), pmt::car(pdu));
            } else if (!d_continuous) {
                d_silence = silence_for_all();
            }
            continue;
        }
        d_silence = 0;
        burst_header header;
        const std::string problem = header_of_pdu(pdu, header);
        if (!problem.empty()) {
            d_dropped++;
            if (!given_up(pdu))
                d_logger->warn("Dropped a PDU: {}", problem);
            if (is_last(pdu)) {
                d_last = pmt::car(pdu);
                report_sent();
            }
            continue;
        }
        std::size_t length = 0;
        const gr_complex* symbols = pmt::c32vector_elements(pmt::cdr(pdu), length);
        const int before = d_gap / 2, after = d_gap - before;
        d_burst.assign(before, gr_complex(0, 0));
        d_transmitter.set_amplitude(d_amplitude);
        d_transmitter.modulate(header, symbols, d_burst);
        const bool last =
            header.part + 1 == header.parts && header.fragment + 1 == header.fragments;
        d_first = before;
        d_header = pmt::dict_add(metadata_of_header(header),
                                 pmt::mp("samples"),
                                 pmt::from_long(d_burst.size() - before));
        if (last) {
            d_last = pmt::car(pdu);
        }
        d_burst.resize(d_burst.size() + after + (last ? d_trailer : 0), gr_complex(0, 0));
        d_at = 0;
        d_sent++;
        return true;
    }
    return false;
}

int burst_modulator_impl::general_work(int noutput_items,
                                       gr_vector_int&,
                                       gr_vector_const_void_star&,
                                       gr_vector_void_star& output_items)
{
    auto* out = static_cast<gr_complex*>(output_items[0]);
    int made = 0;
    while (made < noutput_items) {
        if (d_at == d_burst.size() && !next_burst()) {
            break;
        }
        const auto length =
            std::min<std::size_t>(d_burst.size() - d_at, noutput_items - made);
        std::copy_n(d_burst.begin() + d_at, length, out + made);
        if (d_at <= d_first && d_first < d_at + length) {
            add_item_tag(0,
                         nitems_written(0) + made + d_first - d_at,
                         pmt::mp("tx_burst"),
                         d_header);
        }
        if (!d_continuous && d_at == 0) {
            add_item_tag(0, nitems_written(0) + made, pmt::mp("tx_sob"), pmt::PMT_T);
        }
        d_at += length;
        made += length;
        if (!d_continuous && d_at == d_burst.size()) {
            add_item_tag(0, nitems_written(0) + made - 1, pmt::mp("tx_eob"), pmt::PMT_T);
        }
        if (d_at == d_burst.size() && d_last) {
            report_sent();
        }
    }
    // asked for, and only until there is something to send or nobody left to hear it
    if (finished()) {
        d_silence = 0;
    }
    const auto silent = std::min<std::size_t>(d_silence, noutput_items - made);
    std::fill_n(out + made, silent, gr_complex(0, 0));
    d_silence -= silent;
    made += silent;
    if (d_continuous && made < noutput_items && !(made == 0 && finished())) {
        std::fill(out + made, out + noutput_items, gr_complex(0, 0));
        made = noutput_items;
    }
    // Nothing to send: the scheduler waits for a message, or ends the block when its
    // source is done.
    return made;
}

} // namespace semcom
} // namespace gr
