/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_FUZZ_TARGETS_H
#define INCLUDED_SEMCOM_FUZZ_TARGETS_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace fuzz {

//! What one input came to: whether the product took it or refused it.
enum class verdict { accepted, rejected };

//! Bytes that a target reads as one number: where they begin, and how many they are.
struct field {
    std::size_t at;
    int bytes;
};

/*!
 * \brief The bytes of one input, read as numbers; zeros when they run out, so that every
 * byte string is an input.
 */
class reader
{
public:
    //! Where \p fields is given, what is read as one number is noted there.
    reader(const std::uint8_t* data,
           std::size_t size,
           std::vector<field>* fields = nullptr)
        : d_begin(data), d_at(data), d_end(data + size), d_fields(fields)
    {
    }
    bool empty() const { return d_at == d_end; }
    std::uint8_t byte() { return number(1); }
    std::uint32_t number(int bytes)
    {
        if (d_fields && d_end - d_at >= bytes) {
            d_fields->push_back({ static_cast<std::size_t>(d_at - d_begin), bytes });
        }
        std::uint32_t value = 0;
        for (int i = 0; i < bytes; i++) {
            value = value << 8 | (empty() ? 0 : *d_at++);
        }
        return value;
    }
    //! 0 to \p limit - 1
    std::uint32_t below(std::uint32_t limit) { return number(4) % limit; }
    //! Any float at all, or one of those that break things.
    float any_float();
    //! A float of reasonable size, -range to range.
    float small_float(float range);

private:
    const std::uint8_t *d_begin, *d_at, *d_end;
    std::vector<field>* d_fields;
};

//! Whether the thread is inside the product, see watch.
extern thread_local bool watching;

/*!
 * \brief While one lives on this thread, the allocations made are the product's and
 * count.
 */
class watch
{
public:
    watch();
    ~watch();
};

//! Ends the run: a property that must hold for every input does not.
[[noreturn]] void broken(const char* property);
inline void require(bool holds, const char* property)
{
    if (!holds) {
        broken(property);
    }
}

/*!
 * \brief One thing under test. \p run takes any bytes; it returns, or ends the run by
 * broken(), a sanitizer or an exception that should not be.
 */
struct target {
    const char* name;
    verdict (*run)(reader& in);
    //! No single allocation of the product may be larger, in bytes.
    std::size_t largest_allocation;
    //! Longest input that the driver makes, in bytes.
    std::size_t longest_input;
};

verdict header_bits(reader& in);
verdict header_soft(reader& in);
verdict receiver(reader& in);
verdict pdus(reader& in);

inline constexpr std::array<target, 4> targets = { {
    { "header_bits", header_bits, 1 << 12, 64 },
    { "header_soft", header_soft, 1 << 16, 4096 },
    { "receiver", receiver, 1 << 22, 512 },
    { "pdu", pdus, 1 << 20, 512 },
} };

} // namespace fuzz

#endif /* INCLUDED_SEMCOM_FUZZ_TARGETS_H */
