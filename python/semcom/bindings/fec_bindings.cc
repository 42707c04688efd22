/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <pybind11/pybind11.h>

#include <gnuradio/semcom/nr_ldpc_decoder.h>
#include <gnuradio/semcom/nr_ldpc_encoder.h>
#include <gnuradio/semcom/soft_demapper.h>

namespace py = pybind11;
using namespace gr::semcom;

// What plugs into GNU Radio's own FEC blocks, whose base classes gnuradio.fec has
// registered, and the demapper in front of them.
void bind_fec(py::module& m)
{
    py::class_<nr_ldpc_encoder,
               gr::fec::generic_encoder,
               std::shared_ptr<nr_ldpc_encoder>>(
        m,
        "nr_ldpc_encoder",
        "LDPC coder of 5G NR for the encoder blocks of gnuradio.fec; see "
        "gnuradio/semcom/nr_ldpc_encoder.h.\n\n"
        "info_bits and coded_bits of one frame; bits_per_symbol of the modulation that "
        "the bits are interleaved for, 1 for none.")
        .def(py::init(&nr_ldpc_encoder::make),
             py::arg("info_bits"),
             py::arg("coded_bits"),
             py::arg("bits_per_symbol") = 1);

    py::class_<nr_ldpc_decoder,
               gr::fec::generic_decoder,
               std::shared_ptr<nr_ldpc_decoder>>(
        m,
        "nr_ldpc_decoder",
        "LDPC decoder of 5G NR for the decoder blocks of gnuradio.fec; see "
        "gnuradio/semcom/nr_ldpc_decoder.h.\n\n"
        "info_bits and coded_bits of one frame; bits_per_symbol of the modulation that "
        "the bits are interleaved for, 1 for none; max_iterations at most. Soft bits are "
        "positive for 1, of any scale.")
        .def(py::init(&nr_ldpc_decoder::make),
             py::arg("info_bits"),
             py::arg("coded_bits"),
             py::arg("bits_per_symbol") = 1,
             py::arg("max_iterations") = 25)
        .def("frames", &nr_ldpc_decoder::frames, "Frames decoded so far.")
        .def("failures",
             &nr_ldpc_decoder::failures,
             "Those of them in which no codeword was found.");

    py::class_<soft_demapper,
               gr::sync_interpolator,
               gr::sync_block,
               gr::block,
               gr::basic_block,
               std::shared_ptr<soft_demapper>>(
        m,
        "soft_demapper",
        "Block: symbols PDUs or stream to soft bits; see "
        "gnuradio/semcom/soft_demapper.h.\n\n"
        "modulation: bpsk, qpsk, 16qam, 64qam or 256qam; snr_db: Es/N0, dB, of what says "
        "no noise variance.")
        .def(py::init(&soft_demapper::make),
             py::arg("modulation") = "qpsk",
             py::arg("snr_db") = 10.0)
        .def("set_snr_db", &soft_demapper::set_snr_db, py::arg("snr_db"))
        .def("snr_db", &soft_demapper::snr_db)
        .def("bits_per_symbol", &soft_demapper::bits_per_symbol);
}
