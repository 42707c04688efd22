/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "gaussian.h"
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <set>

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

BOOST_AUTO_TEST_CASE(neighbouring_sequences_share_no_state)
{
    // a word seen twice means that one burst's generator is a shifted copy of another's
    static_assert(sizeof(random_source) == 4 * sizeof(uint64_t), "only the state");
    for (uint64_t seed : { 0, 1, 7 }) {
        std::set<uint64_t> words;
        for (uint64_t sequence = 0; sequence < 1000; sequence++) {
            const random_source source(seed, sequence);
            uint64_t state[4];
            std::memcpy(state, &source, sizeof(state));
            for (const auto word : state)
                BOOST_REQUIRE(words.insert(word).second);
        }
    }
}
