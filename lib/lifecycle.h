/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_LIFECYCLE_H
#define INCLUDED_SEMCOM_LIFECYCLE_H

#include <gnuradio/basic_block.h>
#include <gnuradio/semcom/api.h>

namespace gr {
namespace semcom {

/*!
 * \brief Makes a block and its message neighbours ready for another run.
 * \ingroup semcom
 *
 * \details
 * A block that ends tells its message neighbours so on their port "system", those as
 * well that have ended before it and read it no more. The next run would find that
 * message and end at once. To be called from start(): GNU Radio lets no block work
 * before all have started, so what is found then is of an earlier run; a first start
 * forgets nothing, so that a message that ends a run may be posted before it.
 */
SEMCOM_API void forget_earlier_end(gr::basic_block& block);

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_LIFECYCLE_H */
