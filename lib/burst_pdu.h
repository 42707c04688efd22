/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_BURST_PDU_H
#define INCLUDED_SEMCOM_BURST_PDU_H

#include "burst_receiver.h"

#include <gnuradio/semcom/burst_header.h>
#include <pmt/pmt.h>

#include <cstddef>
#include <string>

namespace gr {
namespace semcom {

//! Fills \p header from a metadata dictionary and the number of symbols; returns what is
//! wrong with it in one sentence, or nothing.
std::string header_of_metadata(const pmt::pmt_t& metadata,
                               std::size_t n_symbols,
                               burst_header& header);

//! The fields of a header as a metadata dictionary.
pmt::pmt_t metadata_of_header(const burst_header& header);

//! Fills \p header from a symbols PDU; returns what is wrong with it in one sentence, or
//! nothing.
std::string header_of_pdu(const pmt::pmt_t& pdu, burst_header& header);

//! The symbols PDU of a received burst, with what the receiver measured.
pmt::pmt_t pdu_of_burst(const received_burst& burst, double sample_rate);

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_BURST_PDU_H */
