/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <gnuradio/semcom/pdu.h>
#include <boost/test/unit_test.hpp>
#include <set>
#include <stdexcept>
#include <string>

namespace pdu = gr::semcom::pdu;

namespace {

pmt::pmt_t image(long height, long width, long channels, size_t bytes)
{
    pmt::pmt_t meta = pmt::make_dict();
    meta = pmt::dict_add(meta, pdu::height(), pmt::from_long(height));
    meta = pmt::dict_add(meta, pdu::width(), pmt::from_long(width));
    meta = pmt::dict_add(meta, pdu::channels(), pmt::from_long(channels));
    return pmt::cons(meta, pmt::make_u8vector(bytes, 0));
}

} // namespace

BOOST_AUTO_TEST_CASE(shape_is_read)
{
    const auto shape = pdu::shape_of_image(image(4, 6, 3, 72));
    BOOST_CHECK_EQUAL(shape.height, 4u);
    BOOST_CHECK_EQUAL(shape.width, 6u);
    BOOST_CHECK_EQUAL(shape.channels, 3u);
}

BOOST_AUTO_TEST_CASE(lies_are_refused)
{
    BOOST_CHECK_THROW(pdu::shape_of_image(image(4, 6, 3, 71)), std::invalid_argument);
    BOOST_CHECK_THROW(pdu::shape_of_image(image(-1, -1, 1, 1)), std::invalid_argument);
    BOOST_CHECK_THROW(pdu::shape_of_image(image(1L << 33, 1L << 33, 1, 4)),
                      std::invalid_argument);
    BOOST_CHECK_THROW(pdu::shape_of_image(pmt::PMT_NIL), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(keys_are_listed_once)
{
    std::set<std::string> names;
    for (const auto& key : pdu::keys())
        BOOST_CHECK(names.insert(key.name).second);
    BOOST_CHECK(names.count(pmt::symbol_to_string(pdu::noise_var())));
}
