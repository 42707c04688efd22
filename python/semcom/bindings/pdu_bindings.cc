/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <gnuradio/gr_complex.h>
#include <gnuradio/semcom/pdu.h>
#include <pybind11/complex.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <algorithm>
#include <cstring>
#include <string>

namespace py = pybind11;
namespace pdu = gr::semcom::pdu;

namespace {

template <typename T>
using dense = py::array_t<T, py::array::c_style>;

// An array of another dtype is refused instead of converted: a silent float64 to uint8
// conversion of an image in [0,1] would send black.
template <typename T>
dense<T> checked(const py::array& array, const char* dtype)
{
    if (!py::isinstance<py::array_t<T>>(array))
        throw py::value_error("the array must be of dtype " + std::string(dtype) +
                              ", not " + std::string(py::str(array.dtype())));
    return dense<T>::ensure(array);
}

// None arrives from Python as a null pointer, which pmt's functions dereference.
void present(const pmt::pmt_t& value)
{
    if (!value)
        throw py::value_error("a PMT must be given here, not None");
}

template <typename T>
dense<T> copied(const T* data, size_t length)
{
    dense<T> out(static_cast<py::ssize_t>(length));
    if (length)
        std::memcpy(out.mutable_data(), data, length * sizeof(T));
    return out;
}

pmt::pmt_t u8_to_pmt(const py::array& array)
{
    const auto data = checked<uint8_t>(array, "uint8");
    return pmt::init_u8vector(data.size(), data.data());
}

pmt::pmt_t c32_to_pmt(const py::array& array)
{
    const auto data = checked<gr_complex>(array, "complex64");
    return pmt::init_c32vector(data.size(), data.data());
}

pmt::pmt_t f32_to_pmt(const py::array& array)
{
    const auto data = checked<float>(array, "float32");
    return pmt::init_f32vector(data.size(), data.data());
}

dense<uint8_t> pmt_to_u8(const pmt::pmt_t& vector)
{
    present(vector);
    if (!pmt::is_u8vector(vector))
        throw py::value_error("the payload must be a u8vector");
    size_t length = 0;
    const uint8_t* data = pmt::u8vector_elements(vector, length);
    return copied(data, length);
}

dense<gr_complex> pmt_to_c32(const pmt::pmt_t& vector)
{
    present(vector);
    // a block that has nothing to send may leave any empty vector
    if (pmt::is_uniform_vector(vector) && pmt::length(vector) == 0)
        return dense<gr_complex>(py::ssize_t(0));
    if (!pmt::is_c32vector(vector))
        throw py::value_error("the payload must be a c32vector");
    size_t length = 0;
    const gr_complex* data = pmt::c32vector_elements(vector, length);
    return copied(data, length);
}

dense<float> pmt_to_f32(const pmt::pmt_t& vector)
{
    present(vector);
    if (!pmt::is_f32vector(vector))
        throw py::value_error("the payload must be an f32vector");
    size_t length = 0;
    const float* data = pmt::f32vector_elements(vector, length);
    return copied(data, length);
}

pmt::pmt_t whole_number(const std::string& name, const py::handle& value)
{
    int overflow = 0;
    const py::int_ number = py::reinterpret_borrow<py::object>(value);
    const long long out = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
    if (overflow > 0) {
        const unsigned long long large = PyLong_AsUnsignedLongLong(number.ptr());
        if (!PyErr_Occurred())
            return pmt::from_uint64(large);
        PyErr_Clear();
    }
    if (overflow)
        throw py::value_error("the metadata key " + name +
                              " holds an integer of more than 64 bits");
    return pmt::from_long(out);
}

pmt::pmt_t meta_to_pmt(const py::dict& meta)
{
    // scalars of NumPy are what measurements and array elements arrive as
    const auto numpy = py::module::import("numpy");
    pmt::pmt_t out = pmt::make_dict();
    for (const auto& item : meta) {
        const std::string name = py::str(item.first);
        const py::handle value = item.second;
        pmt::pmt_t there;
        if (py::isinstance<py::bool_>(value) ||
            py::isinstance(value, numpy.attr("bool_")))
            there = pmt::from_bool(value.cast<bool>());
        else if (py::isinstance<py::int_>(value) ||
                 py::isinstance(value, numpy.attr("integer")))
            there = whole_number(name, value);
        else if (py::isinstance<py::float_>(value) ||
                 py::isinstance(value, numpy.attr("floating")))
            there = pmt::from_double(value.cast<double>());
        else if (py::isinstance<py::str>(value))
            there = pmt::mp(value.cast<std::string>());
        else if (py::isinstance<py::array_t<float>>(value))
            there = f32_to_pmt(py::reinterpret_borrow<py::array>(value));
        else if (py::isinstance<pmt::pmt_base>(value))
            there = value.cast<pmt::pmt_t>();
        else
            throw py::value_error("the metadata key " + name +
                                  " holds a value that is none of bool, int, float, str, "
                                  "float32 array and PMT");
        out = pmt::dict_add(out, pmt::mp(name), there);
    }
    return out;
}

// Keys of other blocks' making that have no counterpart in Python stay PMTs and so pass
// through.
py::object to_python(const pmt::pmt_t& value)
{
    if (pmt::is_bool(value))
        return py::bool_(pmt::to_bool(value));
    if (pmt::is_integer(value))
        return py::int_(pmt::to_long(value));
    if (pmt::is_uint64(value))
        return py::int_(pmt::to_uint64(value));
    if (pmt::is_real(value))
        return py::float_(pmt::to_double(value));
    if (pmt::is_symbol(value))
        return py::str(pmt::symbol_to_string(value));
    if (pmt::is_f32vector(value))
        return pmt_to_f32(value);
    return py::cast(value);
}

py::dict pmt_to_meta(const pmt::pmt_t& meta)
{
    present(meta);
    py::dict out;
    if (pmt::is_null(meta))
        return out;
    if (!pmt::is_dict(meta))
        throw py::value_error("the metadata must be a dictionary");
    for (pmt::pmt_t items = pmt::dict_items(meta); pmt::is_pair(items);
         items = pmt::cdr(items)) {
        const pmt::pmt_t item = pmt::car(items);
        const std::string name = pmt::is_symbol(pmt::car(item))
                                     ? pmt::symbol_to_string(pmt::car(item))
                                     : pmt::write_string(pmt::car(item));
        out[py::str(name)] = to_python(pmt::cdr(item));
    }
    return out;
}

pmt::pmt_t image_to_pdu(const py::array& image, const pmt::pmt_t& meta)
{
    present(meta);
    const auto data = checked<uint8_t>(image, "uint8");
    if (data.ndim() != 2 && data.ndim() != 3)
        throw py::value_error("an image must have the shape [H,W] or [H,W,C]");
    const long channels = data.ndim() == 3 ? data.shape(2) : 1;
    if (data.size() == 0 || std::max(data.shape(0), data.shape(1)) > 32767 ||
        channels > 4)
        throw py::value_error("an image must have sides of 1 to 32767 pixels and 1 to 4 "
                              "channels, not " +
                              std::to_string(data.shape(1)) + "x" +
                              std::to_string(data.shape(0)) + " pixels and " +
                              std::to_string(channels) + " channels");
    pmt::pmt_t out = pmt::is_null(meta) ? pmt::make_dict() : meta;
    out = pmt::dict_add(out, pdu::height(), pmt::from_long(data.shape(0)));
    out = pmt::dict_add(out, pdu::width(), pmt::from_long(data.shape(1)));
    out = pmt::dict_add(out, pdu::channels(), pmt::from_long(channels));
    return pmt::cons(out, pmt::init_u8vector(data.size(), data.data()));
}

dense<uint8_t> pdu_to_image(const pmt::pmt_t& message)
{
    present(message);
    const auto shape = pdu::shape_of_image(message);
    const auto rows = static_cast<py::ssize_t>(shape.height);
    const auto columns = static_cast<py::ssize_t>(shape.width);
    size_t length = 0;
    const uint8_t* data = pmt::u8vector_elements(pmt::cdr(message), length);
    dense<uint8_t> out(
        shape.channels == 1
            ? std::vector<py::ssize_t>{ rows, columns }
            : std::vector<py::ssize_t>{
                  rows, columns, static_cast<py::ssize_t>(shape.channels) });
    std::memcpy(out.mutable_data(), data, length);
    return out;
}

const char* type_name(pdu::value_type type)
{
    switch (type) {
    case pdu::value_type::integer:
        return "long";
    case pdu::value_type::real:
        return "double";
    case pdu::value_type::text:
        return "symbol";
    case pdu::value_type::f32:
        return "f32vector";
    }
    return "";
}

py::dict pdu_keys()
{
    py::dict out;
    for (const auto& key : pdu::keys())
        out[key.name] = py::make_tuple(type_name(key.type), key.meaning);
    return out;
}

} // namespace

void bind_pdu(py::module& m)
{
    m.def("pdu_keys", &pdu_keys, "Metadata key -> (PMT type, meaning).");
    m.def("u8_to_pmt", &u8_to_pmt, "uint8 array of any shape -> u8vector.");
    m.def("c32_to_pmt", &c32_to_pmt, "complex64 array -> c32vector.");
    m.def("f32_to_pmt", &f32_to_pmt, "float32 array -> f32vector.");
    m.def("pmt_to_u8", &pmt_to_u8, "u8vector -> uint8 [n].");
    m.def("pmt_to_c32", &pmt_to_c32, "c32vector -> complex64 [n].");
    m.def("pmt_to_f32", &pmt_to_f32, "f32vector -> float32 [n].");
    m.def("meta_to_pmt", &meta_to_pmt, "dict -> PMT dictionary with symbol keys.");
    m.def("pmt_to_meta",
          &pmt_to_meta,
          "PMT dictionary -> dict; what Python lacks stays a PMT.");
    m.def("image_to_pdu",
          &image_to_pdu,
          py::arg("image"),
          py::arg("meta"),
          "uint8 [H,W,C] or [H,W] and a PMT dictionary -> image PDU with height, width, "
          "channels.");
    m.def(
        "pdu_to_image",
        &pdu_to_image,
        "Image PDU -> uint8 [H,W,C], or [H,W] for one channel; ValueError when it lies.");
}
