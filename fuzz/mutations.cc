/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "mutations.h"

#include <algorithm>

namespace fuzz {

std::vector<field> fields_of(const target& target, const std::vector<std::uint8_t>& bytes)
{
    std::vector<field> fields;
    reader in(bytes.data(), bytes.size(), &fields);
    target.run(in);
    return fields;
}

namespace {

void set(std::vector<std::uint8_t>& bytes, const field& field, std::uint32_t value)
{
    for (int i = 0; i < field.bytes; i++) {
        bytes[field.at + i] = value >> 8 * (field.bytes - 1 - i);
    }
}

std::uint32_t get(const std::vector<std::uint8_t>& bytes, const field& field)
{
    std::uint32_t value = 0;
    for (int i = 0; i < field.bytes; i++) {
        value = value << 8 | bytes[field.at + i];
    }
    return value;
}

} // namespace

void change_fields(std::vector<std::uint8_t>& bytes,
                   const std::vector<field>& fields,
                   std::mt19937_64& random)
{
    if (fields.empty()) {
        return;
    }
    const auto any = [&]() -> const field& { return fields[random() % fields.size()]; };
    const field& one = any();
    const field& other = any();
    const std::uint32_t value = get(bytes, one);
    switch (random() % 7) {
    case 0: {
        const std::uint32_t limits[] = { 0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, ~0u };
        set(bytes, one, limits[random() % std::size(limits)]);
        break;
    }
    case 1:
        set(bytes, one, value + 1 - 2 * (random() % 2));
        break;
    case 2:
        set(bytes, one, get(bytes, other));
        break;
    case 3:
        set(bytes, one, random());
        break;
    default: {
        const auto from = bytes.begin() + std::min(one.at, other.at);
        const auto to = bytes.begin() + std::max(one.at, other.at);
        const std::vector<std::uint8_t> stretch(from, to);
        if (random() % 3 == 0) {
            bytes.erase(from, to);
        } else {
            bytes.insert(bytes.begin() + any().at, stretch.begin(), stretch.end());
        }
    }
    }
}

} // namespace fuzz
