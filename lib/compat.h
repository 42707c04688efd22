/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_COMPAT_H
#define INCLUDED_SEMCOM_COMPAT_H

#include <gnuradio/gr_complex.h>
#include <volk/volk.h>

// What differs between the releases of GNU Radio and VOLK that this module builds
// against. CMake finds out what is there.

namespace gr {
namespace semcom {

//! What generic_work of fec::generic_encoder and fec::generic_decoder takes as its input.
#ifdef SEMCOM_FEC_INPUT_IS_CONST
using fec_input = const void*;
#else
using fec_input = void*;
#endif

/*!
 * \brief out[i] = in[i] phase step^i, and phase moves on by n steps.
 */
inline void rotate(
    gr_complex* out, const gr_complex* in, gr_complex step, gr_complex* phase, unsigned n)
{
#ifdef SEMCOM_VOLK_HAS_ROTATOR2
    volk_32fc_s32fc_x2_rotator2_32fc(out, in, &step, phase, n);
#else
    volk_32fc_s32fc_x2_rotator_32fc(out, in, step, phase, n);
#endif
}

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_COMPAT_H */
