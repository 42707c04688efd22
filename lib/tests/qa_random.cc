/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "gaussian.h"
#include <boost/test/unit_test.hpp>
#include <cmath>

using gr::semcom::random_source;

BOOST_AUTO_TEST_CASE(sequences_are_independent)
{
    // The correlation of 10^5 products has a standard deviation of 0.003.
    random_source a(7, 0), b(7, 1);
    gr_complexd product = 0;
    const int n = 100000;
    for (int i = 0; i < n; i++)
        product += gr_complexd(a.gaussian()) * std::conj(gr_complexd(b.gaussian()));
    BOOST_CHECK_SMALL(std::abs(product) / n, 0.015);
}

BOOST_AUTO_TEST_CASE(moments_are_gaussian)
{
    random_source random(1, 0);
    const int n = 1000000;
    double second = 0, fourth = 0;
    for (int i = 0; i < n; i++) {
        const double power = std::norm(random.gaussian());
        second += power;
        fourth += power * power;
    }
    BOOST_CHECK_CLOSE(second / n, 1.0, 0.5);
    BOOST_CHECK_CLOSE(fourth / n, 2.0, 2.0);
}

BOOST_AUTO_TEST_CASE(uniform_is_in_range)
{
    random_source random(3, 9);
    for (int i = 0; i < 100000; i++) {
        const double u = random.uniform();
        BOOST_REQUIRE(u >= 0 && u < 1);
    }
}
