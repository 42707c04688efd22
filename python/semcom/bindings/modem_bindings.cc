/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "burst_detector.h"
#include "burst_receiver.h"
#include "burst_transmitter.h"
#include "carrier_noise.h"
#include "channel_motion.h"
#include "delay_fit.h"
#include "line_canceller.h"

#include <pybind11/complex.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <gnuradio/semcom/burst_demodulator.h>
#include <gnuradio/semcom/burst_header.h>
#include <gnuradio/semcom/burst_modulator.h>
#include <gnuradio/semcom/ofdm_params.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>

namespace py = pybind11;
using namespace gr::semcom;

namespace {

using complex_array = py::array_t<gr_complex, py::array::c_style | py::array::forcecast>;
using float_array = py::array_t<float, py::array::c_style | py::array::forcecast>;

template <typename T>
py::array_t<T> array(const std::vector<T>& values)
{
    return py::array_t<T>(values.size(), values.data());
}

// Carriers as (cycles per sample, power).
std::vector<std::pair<double, double>> pairs(const std::vector<spectral_line>& lines)
{
    std::vector<std::pair<double, double>> list;
    for (const auto& line : lines) {
        list.emplace_back(line.frequency, line.power);
    }
    return list;
}

// Assigns a keyword argument to a field, naming the field when it does not fit.
template <typename T>
void assign(const char* name, long value, T& field)
{
    if (value < std::numeric_limits<T>::min() || value > std::numeric_limits<T>::max()) {
        throw std::invalid_argument(std::string("The header field ") + name +
                                    " cannot hold " + std::to_string(value) + ".");
    }
    field = static_cast<T>(value);
}

burst_header make_header(long transmission,
                         long image_id,
                         long part,
                         long parts,
                         long fragment,
                         long fragments,
                         long scheme,
                         long height,
                         long width,
                         long rate,
                         long scale,
                         long snr_enc,
                         long mcs,
                         long weights_id,
                         long n_symbols,
                         long sealed)
{
    burst_header h;
    assign("transmission", transmission, h.transmission);
    assign("image_id", image_id, h.image_id);
    assign("part", part, h.part);
    assign("parts", parts, h.parts);
    assign("fragment", fragment, h.fragment);
    assign("fragments", fragments, h.fragments);
    assign("scheme", scheme, h.scheme);
    assign("height", height, h.height);
    assign("width", width, h.width);
    assign("rate", rate, h.rate);
    assign("scale", scale, h.scale);
    assign("snr_enc", snr_enc, h.snr_enc);
    assign("mcs", mcs, h.mcs);
    assign("weights_id", weights_id, h.weights_id);
    assign("n_symbols", n_symbols, h.n_symbols);
    assign("sealed", sealed, h.sealed);
    return h;
}

void bind_params(py::module& m)
{
    py::class_<ofdm_params>(
        m,
        "ofdm_params",
        "Parameters of the OFDM burst waveform; see gnuradio/semcom/ofdm_params.h.")
        .def(
            py::init([](int fft_len,
                        int cp_len,
                        int occupied,
                        int pilot_spacing,
                        int oversampling,
                        int preamble_len,
                        double max_cfo) {
                return ofdm_params{ fft_len,      cp_len,       occupied, pilot_spacing,
                                    oversampling, preamble_len, max_cfo };
            }),
            py::arg("fft_len") = 64,
            py::arg("cp_len") = 0,
            py::arg("occupied") = 0,
            py::arg("pilot_spacing") = 14,
            py::arg("oversampling") = 1,
            py::arg("preamble_len") = 0,
            py::arg("max_cfo") = 4.0,
            "Parameters of the OFDM waveform; 0 stands for the default that follows from "
            "fft_len.")
        .def_readonly("fft_len", &ofdm_params::fft_len)
        .def_readonly("cp_len", &ofdm_params::cp_len)
        .def_readonly("occupied", &ofdm_params::occupied)
        .def_readonly("pilot_spacing", &ofdm_params::pilot_spacing)
        .def_readonly("oversampling", &ofdm_params::oversampling)
        .def_readonly("preamble_len", &ofdm_params::preamble_len)
        .def_readonly("max_cfo", &ofdm_params::max_cfo);

    py::class_<ofdm_frame>(m,
                           "ofdm_frame",
                           "Tables and lengths that follow from ofdm_params; see "
                           "gnuradio/semcom/ofdm_params.h.")
        .def(py::init<const ofdm_params&>(), py::arg("params") = ofdm_params())
        .def_property_readonly("params", &ofdm_frame::params)
        .def_property_readonly("preamble_len", &ofdm_frame::preamble_len)
        .def_property_readonly("header_len", &ofdm_frame::header_len)
        .def_property_readonly("symbol_samples", &ofdm_frame::symbol_samples)
        .def_property_readonly("carriers", &ofdm_frame::carriers)
        .def_property_readonly("pilots", &ofdm_frame::pilots)
        .def_property_readonly("data", &ofdm_frame::data)
        .def_property_readonly("training",
                               [](const ofdm_frame& f) { return array(f.training()); })
        .def_property_readonly("cover",
                               [](const ofdm_frame& f) { return array(f.cover()); })
        .def("payload_len", &ofdm_frame::payload_len, py::arg("n_symbols"))
        .def("burst_samples", &ofdm_frame::burst_samples, py::arg("n_symbols"))
        .def("air_uses", &ofdm_frame::air_uses, py::arg("n_symbols"))
        .def("noise_voltage",
             &ofdm_frame::noise_voltage,
             py::arg("esn0_db"),
             py::arg("power") = 1.0);
}

void bind_header(py::module& m)
{
    py::class_<burst_header> header(
        m,
        "burst_header",
        "Fields of a burst header, BITS bits with the CRC; see "
        "gnuradio/semcom/burst_header.h.");
    header
        .def(py::init(&make_header),
             py::kw_only(),
             py::arg("transmission") = 0,
             py::arg("image_id") = 0,
             py::arg("part") = 0,
             py::arg("parts") = 1,
             py::arg("fragment") = 0,
             py::arg("fragments") = 1,
             py::arg("scheme") = 0,
             py::arg("height") = 0,
             py::arg("width") = 0,
             py::arg("rate") = 0,
             py::arg("scale") = 0,
             py::arg("snr_enc") = 0,
             py::arg("mcs") = 0,
             py::arg("weights_id") = 0,
             py::arg("n_symbols") = 1,
             py::arg("sealed") = 0)
        .def_readonly("transmission", &burst_header::transmission)
        .def_readonly("image_id", &burst_header::image_id)
        .def_readonly("part", &burst_header::part)
        .def_readonly("parts", &burst_header::parts)
        .def_readonly("fragment", &burst_header::fragment)
        .def_readonly("fragments", &burst_header::fragments)
        .def_readonly("scheme", &burst_header::scheme)
        .def_readonly("height", &burst_header::height)
        .def_readonly("width", &burst_header::width)
        .def_readonly("rate", &burst_header::rate)
        .def_readonly("scale", &burst_header::scale)
        .def_readonly("snr_enc", &burst_header::snr_enc)
        .def_readonly("mcs", &burst_header::mcs)
        .def_readonly("weights_id", &burst_header::weights_id)
        .def_readonly("n_symbols", &burst_header::n_symbols)
        .def_readonly("sealed", &burst_header::sealed)
        .def("__eq__", &burst_header::operator==)
        .def("pack",
             [](const burst_header& h) {
                 const auto packed = h.pack();
                 return py::bytes(reinterpret_cast<const char*>(packed.data()),
                                  packed.size());
             })
        .def_static(
            "unpack",
            [](const std::string& packed) {
                if (packed.size() != burst_header::bytes) {
                    throw std::invalid_argument("A packed header has " +
                                                std::to_string(burst_header::bytes) +
                                                " bytes.");
                }
                std::array<std::uint8_t, burst_header::bytes> bytes;
                std::copy(packed.begin(), packed.end(), bytes.begin());
                return burst_header::unpack(bytes);
            },
            py::arg("packed"));
    header.attr("BITS") = int(burst_header::bits);
    header.attr("MAX_SYMBOLS") = int(burst_header::max_symbols);
    header.attr("SEAL_SYMBOLS") = int(burst_header::seal_symbols);

    py::class_<burst_header_codec>(
        m,
        "burst_header_codec",
        "Header fields to BPSK symbols and back; see gnuradio/semcom/burst_header.h.")
        .def(py::init<int>(), py::arg("n_cells") = int(burst_header_codec::coded_bits))
        .def_property_readonly("n_cells", &burst_header_codec::n_cells)
        .def(
            "encode",
            [](const burst_header_codec& c, const burst_header& h) {
                return array(c.encode(h));
            },
            py::arg("header"))
        .def(
            "decode",
            [](const burst_header_codec& c, const float_array& soft) {
                return c.decode(
                    std::vector<float>(soft.data(), soft.data() + soft.size()));
            },
            py::arg("soft"));
}

// What the burst estimator is made of, beside which tests hold an oracle.
void bind_estimates(py::module& m)
{
    m.def(
        "carrier_noise",
        [](const std::vector<double>& energy, double observations, double floor) {
            carrier_noise noise;
            noise.estimate(energy, observations, floor);
            return py::make_tuple(noise.common, array(noise.weight));
        },
        py::arg("energy"),
        py::arg("observations"),
        py::arg("floor") = 1e-30,
        "Common noise variance, and each carrier's share; see lib/carrier_noise.h.");
    m.def(
        "channel_motion",
        [](const ofdm_frame& frame,
           const complex_array& seen,
           int rows,
           int training,
           const complex_array& rest,
           const float_array& weight,
           double noise_var) {
            const std::size_t carriers = frame.occupied();
            if (training < 1 || training > rows || rest.size() != frame.occupied() ||
                weight.size() != frame.occupied() ||
                static_cast<std::size_t>(seen.size()) !=
                    training * carriers + (rows - training) * frame.pilots().size()) {
                throw std::invalid_argument(
                    "The arrays do not have the sizes that the frame and the rows ask "
                    "for.");
            }
            const delay_fit delays(frame.carriers(), frame.fft_len(), frame.cp_len());
            const channel_motion motion(delays, frame.pilots(), frame.occupied());
            const auto found =
                motion.fit({ seen.data(), seen.data() + seen.size() },
                           rows,
                           training,
                           { rest.data(), rest.data() + rest.size() },
                           { weight.data(), weight.data() + weight.size() },
                           noise_var);
            return py::make_tuple(
                array(found.channel), array(found.variance), found.used, found.cycles);
        },
        py::arg("frame"),
        py::arg("seen"),
        py::arg("rows"),
        py::arg("training"),
        py::arg("rest"),
        py::arg("weight"),
        py::arg("noise_var"),
        "Channel and expected error of each cell, degrees of freedom, Doppler shift in "
        "cycles per burst; see lib/channel_motion.h.");
}

void bind_stages(py::module& m)
{
    py::class_<burst_candidate>(m, "burst_candidate")
        .def_readonly("position", &burst_candidate::position)
        .def_readonly("metric", &burst_candidate::metric)
        .def_readonly("phase", &burst_candidate::phase);

    py::class_<burst_detector>(
        m, "burst_detector", "Finds preambles in samples; see lib/burst_detector.h.")
        .def(py::init<const ofdm_frame&, double>(),
             py::arg("frame") = ofdm_frame(),
             py::arg("false_alarms") = 1e-6)
        .def_property_readonly("threshold", &burst_detector::threshold)
        .def(
            "work",
            [](burst_detector& d, const complex_array& samples) {
                std::vector<burst_candidate> found;
                d.work(samples.data(), samples.size(), found);
                return found;
            },
            py::arg("samples"));

    py::class_<line_canceller>(
        m, "line_canceller", "Takes carriers out of a stream; see lib/line_canceller.h.")
        .def(py::init<int, int>(), py::arg("fft_len") = 64, py::arg("oversampling") = 1)
        .def_property_readonly("lines",
                               [](const line_canceller& c) { return pairs(c.lines()); })
        .def(
            "work",
            [](line_canceller& c, const complex_array& samples) {
                std::vector<gr_complex> out;
                c.work(samples.data(), samples.size(), out);
                return array(out);
            },
            py::arg("samples"));

    py::class_<burst_transmitter>(
        m,
        "burst_transmitter",
        "Header and symbols to samples; see lib/burst_transmitter.h.")
        .def(py::init<const ofdm_frame&, float>(),
             py::arg("frame") = ofdm_frame(),
             py::arg("amplitude") = 1.0f)
        .def_property_readonly("frame", &burst_transmitter::frame)
        .def(
            "modulate",
            [](burst_transmitter& t,
               const burst_header& h,
               const complex_array& symbols) {
                if (symbols.size() != h.n_symbols) {
                    throw std::invalid_argument(
                        "The header announces " + std::to_string(h.n_symbols) +
                        " symbols, not " + std::to_string(symbols.size()) + ".");
                }
                std::vector<gr_complex> out;
                t.modulate(h, symbols.data(), out);
                return array(out);
            },
            py::arg("header"),
            py::arg("symbols"));

    py::class_<received_burst>(m, "received_burst")
        .def_readonly("header", &received_burst::header)
        .def_readonly("position", &received_burst::position)
        .def_readonly("snr_db", &received_burst::snr_db)
        .def_readonly("cfo", &received_burst::cfo)
        .def_readonly("clock_ppm", &received_burst::clock_ppm)
        .def_readonly("level_db", &received_burst::level_db)
        .def_readonly("clipped", &received_burst::clipped)
        .def_property_readonly("symbols",
                               [](const received_burst& b) { return array(b.symbols); })
        .def_property_readonly(
            "noise_var", [](const received_burst& b) { return array(b.noise_var); });

    py::class_<burst_receiver>(
        m, "burst_receiver", "Samples to headers and symbols; see lib/burst_receiver.h.")
        .def(py::init<const ofdm_frame&>(), py::arg("frame") = ofdm_frame())
        .def_property_readonly("frame", &burst_receiver::frame)
        .def_property_readonly("counters",
                               [](const burst_receiver& r) {
                                   const auto& c = r.counters();
                                   py::dict counts;
                                   counts["candidates"] = c.candidates;
                                   counts["preambles"] = c.preambles;
                                   counts["headers"] = c.headers;
                                   counts["bursts"] = c.bursts;
                                   counts["swapped"] = c.swapped;
                                   return counts;
                               })
        .def_property_readonly("lines",
                               [](const burst_receiver& r) { return pairs(r.lines()); })
        .def(
            "work",
            [](burst_receiver& r, const complex_array& samples) {
                std::vector<received_burst> out;
                {
                    py::gil_scoped_release release;
                    r.work(samples.data(), samples.size(), out);
                }
                return out;
            },
            py::arg("samples"));
}

void bind_blocks(py::module& m)
{
    py::class_<burst_modulator,
               gr::block,
               gr::basic_block,
               std::shared_ptr<burst_modulator>>(
        m,
        "burst_modulator",
        "Block: symbols PDUs to OFDM bursts; see gnuradio/semcom/burst_modulator.h.")
        .def(py::init(&burst_modulator::make),
             py::arg("params") = ofdm_params(),
             py::arg("amplitude") = 1.0f,
             py::arg("gap") = 256,
             py::arg("continuous") = false,
             py::arg("trailer") = 0)
        .def("set_amplitude", &burst_modulator::set_amplitude, py::arg("amplitude"))
        .def("set_gap", &burst_modulator::set_gap, py::arg("gap"))
        .def("sent", &burst_modulator::sent)
        .def("dropped", &burst_modulator::dropped);

    py::class_<burst_demodulator,
               gr::sync_block,
               gr::block,
               gr::basic_block,
               std::shared_ptr<burst_demodulator>>(
        m,
        "burst_demodulator",
        "Block: samples to symbols PDUs; see gnuradio/semcom/burst_demodulator.h.")
        .def(py::init(&burst_demodulator::make),
             py::arg("params") = ofdm_params(),
             py::arg("sample_rate") = 1e6,
             py::arg("idle_samples") = 0,
             py::arg("most_waiting") = 0,
             py::arg("swap_iq") = false)
        .def("taken",
             &burst_demodulator::taken,
             py::arg("n") = 1,
             "The consumer of the symbols PDUs has dealt with n; from any thread.")
        .def("put",
             &burst_demodulator::put,
             py::arg("n"),
             "What was made of PDUs waits further on, and counts as n of them.")
        .def("waiting",
             &burst_demodulator::waiting,
             "PDUs at the consumer; 0 where their number is not limited.")
        .def("samples", &burst_demodulator::samples, "Samples taken so far.")
        .def("set_sample_rate",
             &burst_demodulator::set_sample_rate,
             py::arg("sample_rate"))
        .def("preambles", &burst_demodulator::preambles)
        .def("bursts", &burst_demodulator::bursts);
}

} // namespace

void bind_modem(py::module& m)
{
    bind_params(m);
    bind_header(m);
    bind_estimates(m);
    bind_stages(m);
    bind_blocks(m);
}
