/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_FEC_INPUT_H
#define INCLUDED_SEMCOM_FEC_INPUT_H

namespace gr {
namespace semcom {

//! What generic_work of fec::generic_encoder and fec::generic_decoder takes as its input
//! in the GNU Radio that is here; CMake finds out which.
#ifdef SEMCOM_FEC_INPUT_IS_CONST
using fec_input = const void*;
#else
using fec_input = void*;
#endif

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_FEC_INPUT_H */
