/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <pybind11/complex.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <gnuradio/semcom/burst_detector_cc.h>
#include <gnuradio/semcom/burst_header_format.h>
#include <gnuradio/semcom/ofdm_equalizer_mmse.h>

namespace py = pybind11;
using namespace gr::semcom;

// What plugs into GNU Radio's own OFDM and packet blocks; gnuradio.digital has registered
// the base classes.
void bind_parts(py::module& m)
{
    py::class_<burst_detector_cc,
               gr::block,
               gr::basic_block,
               std::shared_ptr<burst_detector_cc>>(
        m,
        "burst_detector_cc",
        "Block: complex samples in, the same out with a tag on each burst; see "
        "gnuradio/semcom/burst_detector_cc.h.\n\n"
        "params: the waveform (ofdm_params); sample_rate: Hz, scales cfo_hz.")
        .def(py::init(&burst_detector_cc::make),
             py::arg("params") = ofdm_params(),
             py::arg("sample_rate") = 1e6)
        .def("set_sample_rate",
             &burst_detector_cc::set_sample_rate,
             py::arg("sample_rate"))
        .def("bursts", &burst_detector_cc::bursts);

    py::class_<burst_header_format,
               gr::digital::packet_header_default,
               std::shared_ptr<burst_header_format>>(
        m,
        "burst_header_format",
        "Header formatter for digital.packet_headergenerator_bb and "
        "packet_headerparser_b; see gnuradio/semcom/burst_header_format.h.\n\n"
        "header_len: header items, at least 728 bits; len_tag_key: packet length in "
        "items; bits_per_byte: header bits per item; frame_len_tag_key: packet length in "
        "OFDM symbols of carriers times bits_per_carrier bits, empty for none.")
        .def(py::init(&burst_header_format::make),
             py::arg("header_len") = int(burst_header_codec::coded_bits),
             py::arg("len_tag_key") = "packet_len",
             py::arg("bits_per_byte") = 1,
             py::arg("frame_len_tag_key") = "",
             py::arg("carriers") = 48,
             py::arg("bits_per_carrier") = 1);

    py::class_<ofdm_equalizer_mmse,
               gr::digital::ofdm_equalizer_1d_pilots,
               std::shared_ptr<ofdm_equalizer_mmse>>(
        m,
        "ofdm_equalizer_mmse",
        "Equaliser for digital.ofdm_frame_equalizer_vcvc; see "
        "gnuradio/semcom/ofdm_equalizer_mmse.h.\n\n"
        "fft_len and cp_len in samples; occupied_carriers, pilot_carriers, pilot_symbols "
        "as for digital.ofdm_carrier_allocator_cvc; symbols_skipped before the frame; "
        "constellation of the data, None for any; unbiased: Y / H instead of the MMSE "
        "estimate; training: OFDM symbols that the initial taps are worth; "
        "input_is_shifted: carrier 0 in the middle.")
        .def(py::init(&ofdm_equalizer_mmse::make),
             py::arg("fft_len"),
             py::arg("cp_len"),
             py::arg("occupied_carriers") = std::vector<std::vector<int>>(),
             py::arg("pilot_carriers") = std::vector<std::vector<int>>(),
             py::arg("pilot_symbols") = std::vector<std::vector<gr_complex>>(),
             py::arg("symbols_skipped") = 0,
             py::arg("constellation") = nullptr,
             py::arg("unbiased") = true,
             py::arg("training") = 1.0,
             py::arg("input_is_shifted") = true)
        .def("noise_var", &ofdm_equalizer_mmse::noise_var)
        .def("snr_db", &ofdm_equalizer_mmse::snr_db);
}
