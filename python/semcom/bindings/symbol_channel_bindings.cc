/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <gnuradio/semcom/symbol_channel.h>
#include <pybind11/complex.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

namespace py = pybind11;
using gr::semcom::symbol_channel;

namespace {

using array = py::array_t<gr_complex, py::array::c_style | py::array::forcecast>;

py::tuple pass_burst(const array& x, const array& w, gr_complex h, gr_complex h_est)
{
    if (x.size() != w.size())
        throw py::value_error("symbols and noise must have the same length");
    array y(x.size());
    double signal = 0, noise = 0;
    gr::semcom::pass_burst(
        x.data(), w.data(), y.mutable_data(), x.size(), h, h_est, signal, noise);
    return py::make_tuple(y, signal, noise);
}

} // namespace

void bind_symbol_channel(py::module& m)
{
    m.def("pass_burst",
          &pass_burst,
          py::arg("x"),
          py::arg("w"),
          py::arg("h"),
          py::arg("h_est"),
          "complex64 [n] twice and two gains -> ((h x + w) / h_est, sum |h x|^2, sum "
          "|w|^2).");

    py::class_<symbol_channel,
               gr::sync_block,
               gr::block,
               gr::basic_block,
               std::shared_ptr<symbol_channel>>(
        m,
        "symbol_channel",
        "Symbol-level channel y = h x + w; see gnuradio/semcom/symbol_channel.h.\n\n"
        "model: awgn, rayleigh or rician; snr_db: Es/N0, dB; csi: ideal, pilot, "
        "estimated or none; "
        "k_factor_db: Rician K, dB; n_pilots per fading block; loss: probability that a "
        "PDU is lost; "
        "block_len: symbols per fading block on the stream ports; seed.")
        .def(py::init(&symbol_channel::make),
             py::arg("model") = "awgn",
             py::arg("snr_db") = 10.0,
             py::arg("csi") = "ideal",
             py::arg("k_factor_db") = 10.0,
             py::arg("n_pilots") = 16,
             py::arg("loss") = 0.0,
             py::arg("block_len") = 4096,
             py::arg("seed") = 0)
        .def("set_model", &symbol_channel::set_model, py::arg("model"))
        .def("set_snr_db", &symbol_channel::set_snr_db, py::arg("snr_db"))
        .def("set_csi", &symbol_channel::set_csi, py::arg("csi"))
        .def("set_k_factor_db", &symbol_channel::set_k_factor_db, py::arg("k_factor_db"))
        .def("set_loss", &symbol_channel::set_loss, py::arg("loss"))
        .def("snr_db", &symbol_channel::snr_db);
}
