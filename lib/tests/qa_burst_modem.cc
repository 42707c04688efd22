/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "burst_receiver.h"
#include "burst_transmitter.h"
#include "payload_interleaver.h"

#include <gnuradio/semcom/burst_demodulator.h>
#include <gnuradio/semcom/burst_modulator.h>

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

using namespace gr::semcom;

namespace {

std::vector<gr_complex> gaussian(std::mt19937& random, std::size_t n, float deviation = 1)
{
    std::normal_distribution<float> normal(0, deviation * static_cast<float>(M_SQRT1_2));
    std::vector<gr_complex> values(n);
    for (auto& value : values) {
        value = { normal(random), normal(random) };
    }
    return values;
}

burst_header sample_header()
{
    burst_header h;
    h.transmission = 170;
    h.image_id = 65535;
    h.part = 6;
    h.parts = 8;
    h.fragment = 4094;
    h.fragments = 4095;
    h.scheme = 255;
    h.height = 32767;
    h.width = 1;
    h.rate = 128;
    h.scale = 40000;
    h.snr_enc = -128;
    h.mcs = 63;
    h.weights_id = 85;
    h.n_symbols = 4224;
    h.sealed = 1;
    return h;
}

} // namespace

BOOST_AUTO_TEST_CASE(header_round_trip)
{
    const auto header = sample_header();
    const auto back = burst_header::unpack(header.pack());
    BOOST_REQUIRE(back);
    BOOST_CHECK(*back == header);
}

BOOST_AUTO_TEST_CASE(header_of_random_bits_is_refused)
{
    std::mt19937 random(1);
    std::array<std::uint8_t, burst_header::bytes> packed;
    for (int trial = 0; trial < 10000; trial++) {
        for (auto& byte : packed) {
            byte = random();
        }
        BOOST_CHECK(!burst_header::unpack(packed));
    }
}

BOOST_AUTO_TEST_CASE(header_survives_erasures_and_flips)
{
    std::mt19937 random(2);
    const burst_header_codec codec(burst_header_codec::coded_bits + 36);
    auto soft = codec.encode(sample_header());
    for (std::size_t i = 0; i < soft.size(); i += 3) {
        soft[i] = 0;
    }
    for (std::size_t i = 1; i < soft.size(); i += 20) {
        soft[i] = -soft[i];
    }
    const auto back = codec.decode(soft);
    BOOST_REQUIRE(back);
    BOOST_CHECK(*back == sample_header());
}

BOOST_AUTO_TEST_CASE(interleaver_is_a_permutation)
{
    const payload_interleaver interleaver(4108);
    std::vector<bool> hit(4108, false);
    for (int j = 0; j < interleaver.size(); j++) {
        hit[interleaver.cell(j)] = true;
    }
    BOOST_CHECK(std::all_of(hit.begin(), hit.end(), [](bool h) { return h; }));
}

BOOST_AUTO_TEST_CASE(loopback_at_ten_decibel)
{
    std::mt19937 random(3);
    const ofdm_frame frame;
    burst_transmitter transmitter(frame);
    burst_receiver receiver(frame);
    const auto symbols = gaussian(random, 4096);
    std::vector<gr_complex> samples(777, gr_complex(0, 0));
    transmitter.modulate(sample_header(), symbols.data(), samples);
    const auto noise = gaussian(random, samples.size(), frame.noise_voltage(10));
    for (std::size_t i = 0; i < samples.size(); i++) {
        samples[i] = samples[i] * std::polar(1.0f, 0.25f * i) + noise[i];
    }
    std::vector<received_burst> bursts;
    receiver.work(samples.data(), samples.size(), bursts);
    BOOST_REQUIRE_EQUAL(bursts.size(), 1);
    BOOST_CHECK(bursts[0].header == sample_header());
    BOOST_CHECK_SMALL(bursts[0].snr_db - 10.0f, 0.5f);
    BOOST_CHECK_SMALL(bursts[0].cfo - 0.25 / (2 * M_PI), 1e-5);
    double error = 0;
    for (std::size_t j = 0; j < symbols.size(); j++) {
        error += std::norm(bursts[0].symbols[j] - symbols[j]) / symbols.size();
    }
    BOOST_CHECK_SMALL(error - 0.1, 0.012);
}

BOOST_AUTO_TEST_CASE(random_floats_do_no_harm)
{
    // every bit pattern, infinities and not-a-numbers included
    std::mt19937 random(4);
    burst_receiver receiver{ ofdm_frame() };
    std::vector<received_burst> bursts;
    for (int trial = 0; trial < 50; trial++) {
        std::vector<gr_complex> samples(5000);
        for (auto& sample : samples) {
            const std::uint32_t bits[2] = { static_cast<std::uint32_t>(random()),
                                            static_cast<std::uint32_t>(random()) };
            std::memcpy(&sample, bits, sizeof(bits));
        }
        receiver.work(samples.data(), samples.size(), bursts);
    }
    BOOST_CHECK(bursts.empty());
}

BOOST_AUTO_TEST_CASE(bad_arguments_throw)
{
    ofdm_params params;
    params.fft_len = 100;
    BOOST_CHECK_THROW(ofdm_frame{ params }, std::invalid_argument);
    BOOST_CHECK_THROW(burst_header_codec(burst_header_codec::coded_bits - 1),
                      std::invalid_argument);
    auto header = sample_header();
    header.sealed = 0;
    BOOST_CHECK_THROW(header.pack(), std::invalid_argument);
    header.n_symbols = 4097;
    BOOST_CHECK_THROW(header.pack(), std::invalid_argument);
    BOOST_CHECK_THROW(burst_modulator::make(ofdm_params(), -1.0f), std::invalid_argument);
    BOOST_CHECK_THROW(burst_demodulator::make(ofdm_params(), 0.0), std::invalid_argument);
}
