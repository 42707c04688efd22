/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

// One target for Clang's libFuzzer, which finds its way by the coverage of the library;
// SEMCOM_FUZZ_TARGET says which.

#include "mutations.h"

#include <algorithm>

namespace {
constexpr const auto& under_test = fuzz::targets[SEMCOM_FUZZ_TARGET];
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz::reader in(data, size);
    under_test.run(in);
    return 0;
}

extern "C" std::size_t
LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data,
                                               std::size_t size,
                                               std::size_t max_size,
                                               unsigned seed)
{
    std::mt19937_64 random(seed);
    if (random() % 3 != 0) {
        return LLVMFuzzerMutate(data, size, max_size);
    }
    std::vector<std::uint8_t> bytes(data, data + size);
    fuzz::change_fields(bytes, fuzz::fields_of(under_test, bytes), random);
    bytes.resize(std::min(bytes.size(), max_size));
    std::copy(bytes.begin(), bytes.end(), data);
    return bytes.size();
}
