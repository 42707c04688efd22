/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_PDU_H
#define INCLUDED_SEMCOM_PDU_H

#include <gnuradio/semcom/api.h>
#include <pmt/pmt.h>
#include <string>
#include <vector>

namespace gr {
namespace semcom {
namespace pdu {

/*!
 * \brief Type of the value behind a metadata key.
 */
enum class value_type {
    integer, //!< pmt long
    real,    //!< pmt double
    text,    //!< pmt symbol
    f32      //!< f32vector
};

/*!
 * \brief One metadata key of the PDUs that semcom blocks exchange.
 */
struct key {
    const char* name;    //!< as it stands in the dictionary
    value_type type;     //!< of its value
    const char* meaning; //!< in a sentence, with the unit
};

/*!
 * \brief Every key, once, for C++ and Python.
 * \details
 * transmission, image_id, part, parts, fragment, fragments, scheme, height, width, rate,
 * scale, snr_enc, mcs, weights_id, n_symbols and sealed travel in the burst header; the
 * others are what a receiver or channel measured, or stay inside one process. Keys that
 * are not in the list pass through every block.
 */
SEMCOM_API const std::vector<key>& keys();

// each key as an interned symbol, by its name

SEMCOM_API const pmt::pmt_t& transmission();
SEMCOM_API const pmt::pmt_t& image_id();
SEMCOM_API const pmt::pmt_t& part();
SEMCOM_API const pmt::pmt_t& parts();
SEMCOM_API const pmt::pmt_t& fragment();
SEMCOM_API const pmt::pmt_t& fragments();
SEMCOM_API const pmt::pmt_t& scheme();
SEMCOM_API const pmt::pmt_t& rate();
SEMCOM_API const pmt::pmt_t& scale();
SEMCOM_API const pmt::pmt_t& snr_enc();
SEMCOM_API const pmt::pmt_t& mcs();
SEMCOM_API const pmt::pmt_t& weights_id();
SEMCOM_API const pmt::pmt_t& n_symbols();
SEMCOM_API const pmt::pmt_t& sealed();
SEMCOM_API const pmt::pmt_t& cfo_hz();
SEMCOM_API const pmt::pmt_t& level_db();
SEMCOM_API const pmt::pmt_t& clipped();
SEMCOM_API const pmt::pmt_t& height();
SEMCOM_API const pmt::pmt_t& width();
SEMCOM_API const pmt::pmt_t& channels();
SEMCOM_API const pmt::pmt_t& noise_var();
SEMCOM_API const pmt::pmt_t& snr_db();
SEMCOM_API const pmt::pmt_t& signal_energy();
SEMCOM_API const pmt::pmt_t& noise_energy();
SEMCOM_API const pmt::pmt_t& pilots();
SEMCOM_API const pmt::pmt_t& error();
SEMCOM_API const pmt::pmt_t& bytes();
SEMCOM_API const pmt::pmt_t& budget();
SEMCOM_API const pmt::pmt_t& intact();
SEMCOM_API const pmt::pmt_t& complete();

/*!
 * \brief Size of an image PDU, checked against its payload.
 */
struct image_shape {
    size_t height;
    size_t width;
    size_t channels;
};

/*!
 * \brief Reads height, width and channels of an image PDU.
 * \param pdu pair of metadata and u8vector
 * \throws std::invalid_argument with one sentence when it is no PDU, a key is missing or
 * out of range, or the payload is not height x width x channels bytes.
 */
SEMCOM_API image_shape shape_of_image(const pmt::pmt_t& pdu);

} // namespace pdu
} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_PDU_H */
