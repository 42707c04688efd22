/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_FUZZ_AIR_H
#define INCLUDED_SEMCOM_FUZZ_AIR_H

#include "burst_transmitter.h"

#include <gnuradio/semcom/burst_header.h>

#include <array>
#include <cstdint>
#include <vector>

namespace fuzz {

using packed_header = std::array<std::uint8_t, gr::semcom::burst_header::bytes>;

/*!
 * \brief A transmitter that lies: a second implementation of the header's path to the
 * air, which sends what burst_header::pack() refuses, with a CRC that is right.
 */
packed_header with_crc(packed_header packed);

//! As burst_header_codec::encode, for any packed header.
std::vector<float> coded(const packed_header& packed, int n_cells);

//! Puts \p packed in place of the header of the burst that starts at \p burst.
void replace_header(const gr::semcom::ofdm_frame& frame,
                    const packed_header& packed,
                    float amplitude,
                    gr_complex* burst);

} // namespace fuzz

#endif /* INCLUDED_SEMCOM_FUZZ_AIR_H */
