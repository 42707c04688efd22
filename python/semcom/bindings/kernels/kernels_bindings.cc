/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef SEMCOM_WITHOUT_GNURADIO
#include "conv_code.h"
#endif
#include "modulation.h"
#include "nr_ldpc.h"

#include <pybind11/complex.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <gnuradio/semcom/burst_header.h>

#include <stdexcept>
#include <string>

namespace py = pybind11;
using namespace gr::semcom;

namespace {

template <typename T>
using array = py::array_t<T, py::array::c_style | py::array::forcecast>;
using bytes = array<std::uint8_t>;
using floats = array<float>;
using complexes = array<std::complex<float>>;

// Rows of \p columns values each, given as [rows, columns] or, for one row, [columns].
template <typename T>
py::ssize_t rows_of(const array<T>& values, py::ssize_t columns, const char* what)
{
    if (values.ndim() < 1 || values.ndim() > 2 ||
        values.shape(values.ndim() - 1) != columns) {
        throw std::invalid_argument("This code takes rows of " + std::to_string(columns) +
                                    " " + what + ".");
    }
    return values.ndim() == 1 ? 1 : values.shape(0);
}

template <typename T>
array<T> like(const py::array& values, py::ssize_t rows, py::ssize_t columns)
{
    return values.ndim() == 1 ? array<T>(columns) : array<T>({ rows, columns });
}

template <typename Code>
bytes encode(Code& code, const bytes& info)
{
    const auto rows = rows_of(info, code.info_bits(), "information bits");
    auto coded = like<std::uint8_t>(info, rows, code.coded_bits());
    const auto* in = info.data();
    auto* out = coded.mutable_data();
    {
        py::gil_scoped_release released;
        for (py::ssize_t r = 0; r < rows; r++) {
            code.encode(in + r * code.info_bits(), out + r * code.coded_bits());
        }
    }
    return coded;
}

std::uint32_t checked_seed(py::int_ seed)
{
    const auto value = seed.cast<std::int64_t>();
    if (value < 0 || value > 0x7FFFFFFF) {
        throw std::invalid_argument("The seed of the scrambler has 31 bits.");
    }
    return static_cast<std::uint32_t>(value);
}

} // namespace

// No GNU Radio module is imported: this one serves plain Python as well.
PYBIND11_MODULE(SEMCOM_KERNELS, m)
{
    m.doc() = "Coding and modulation in C++, on NumPy arrays of one bit per byte.";
    m.attr("HEADER_BITS") = int(burst_header::bits); // of each burst, with the CRC

    py::class_<nr_ldpc>(m,
                        "nr_ldpc",
                        "LDPC code of 5G NR (3GPP TS 38.212) for one code block; see "
                        "lib/nr_ldpc.h.")
        .def(py::init<int, int, int>(),
             py::arg("info_bits"),
             py::arg("coded_bits"),
             py::arg("bits_per_symbol") = 1)
        .def_property_readonly("info_bits", &nr_ldpc::info_bits)
        .def_property_readonly("coded_bits", &nr_ldpc::coded_bits)
        .def_property_readonly("base_graph", &nr_ldpc::base_graph)
        .def_property_readonly("lifting_size", &nr_ldpc::lifting_size)
        .def("encode",
             &encode<nr_ldpc>,
             py::arg("info"),
             "uint8 [info_bits] or [blocks, info_bits] -> uint8 [coded_bits] or [blocks, "
             "coded_bits].")
        .def(
            "decode",
            [](const nr_ldpc& code, const floats& llr, int max_iterations) {
                const auto rows = rows_of(llr, code.coded_bits(), "soft bits");
                auto info = like<std::uint8_t>(llr, rows, code.info_bits());
                array<bool> found(rows);
                const auto* in = llr.data();
                auto* out = info.mutable_data();
                auto* flags = found.mutable_data();
                {
                    py::gil_scoped_release released;
                    for (py::ssize_t r = 0; r < rows; r++) {
                        flags[r] = code.decode(in + r * code.coded_bits(),
                                               out + r * code.info_bits(),
                                               max_iterations);
                    }
                }
                return py::make_tuple(info, found);
            },
            py::arg("llr"),
            py::arg("max_iterations") = 25,
            "float32 [coded_bits] or [blocks, coded_bits] log-likelihood ratios, "
            "positive "
            "means bit 1 -> (uint8 bits of the same rank, bool [blocks]: a codeword was "
            "found).");

#ifndef SEMCOM_WITHOUT_GNURADIO
    py::class_<conv_code>(
        m,
        "conv_code",
        "Convolutional code of 802.11, K = 7, punctured and terminated; "
        "see lib/conv_code.h.")
        .def(py::init<int, int, int>(),
             py::arg("info_bits"),
             py::arg("coded_bits"),
             py::arg("puncturing") = 2)
        .def_property_readonly("info_bits", &conv_code::info_bits)
        .def_property_readonly("coded_bits", &conv_code::coded_bits)
        .def_static("bits_made",
                    &conv_code::bits_made,
                    py::arg("info_bits"),
                    py::arg("puncturing"))
        .def("encode", &encode<conv_code>, py::arg("info"), "As of nr_ldpc.")
        .def(
            "decode",
            [](conv_code& code, const floats& llr) {
                const auto rows = rows_of(llr, code.coded_bits(), "soft bits");
                auto info = like<std::uint8_t>(llr, rows, code.info_bits());
                const auto* in = llr.data();
                auto* out = info.mutable_data();
                {
                    py::gil_scoped_release released;
                    for (py::ssize_t r = 0; r < rows; r++) {
                        code.decode(in + r * code.coded_bits(),
                                    out + r * code.info_bits());
                    }
                }
                return info;
            },
            py::arg("llr"),
            "float32 log-likelihood ratios, positive means bit 1 -> uint8 bits.");
#endif

    py::class_<modulation>(m,
                           "modulation",
                           "Mapper and soft demapper of 3GPP TS 38.211 section 5.1; see "
                           "lib/modulation.h.")
        .def(py::init<int>(), py::arg("bits_per_symbol"))
        .def_property_readonly("bits_per_symbol", &modulation::bits_per_symbol)
        .def(
            "map",
            [](const modulation& self, const bytes& bits) {
                if (bits.ndim() != 1 || bits.size() % self.bits_per_symbol()) {
                    throw std::invalid_argument("The bits must be whole symbols.");
                }
                complexes symbols(bits.size() / self.bits_per_symbol());
                const auto* in = bits.data();
                auto* out = symbols.mutable_data();
                const auto n = symbols.size();
                {
                    py::gil_scoped_release released;
                    self.map(in, out, n);
                }
                return symbols;
            },
            py::arg("bits"),
            "uint8 [n bits_per_symbol] -> complex64 [n] of average power 1.")
        .def(
            "demap",
            [](const modulation& self,
               const complexes& symbols,
               const floats& noise_var) {
                if (symbols.ndim() != 1 || noise_var.ndim() != 1 ||
                    symbols.size() != noise_var.size()) {
                    throw std::invalid_argument(
                        "There must be one noise variance for each "
                        "symbol.");
                }
                floats llr(symbols.size() * self.bits_per_symbol());
                const auto* in = symbols.data();
                const auto* variances = noise_var.data();
                auto* out = llr.mutable_data();
                const auto n = symbols.size();
                {
                    py::gil_scoped_release released;
                    self.demap(in, variances, out, n);
                }
                return llr;
            },
            py::arg("symbols"),
            py::arg("noise_var"),
            "complex64 [n] and float32 [n], variance of complex noise -> float32 [n "
            "bits_per_symbol] max-log likelihood ratios, positive means bit 1.");

    m.def(
        "gold_sequence",
        [](py::int_ seed, std::size_t n) {
            gold_sequence sequence(checked_seed(seed));
            bytes out(n);
            auto* bits = out.mutable_data();
            {
                py::gil_scoped_release released;
                for (std::size_t i = 0; i < n; i++) {
                    bits[i] = sequence.next();
                }
            }
            return out;
        },
        py::arg("seed"),
        py::arg("n"),
        "The first n bits of the pseudo-random sequence of 3GPP TS 38.211 section 5.2.1 "
        "with "
        "c_init = seed: uint8 [n].");
}
