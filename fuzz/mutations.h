/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_FUZZ_MUTATIONS_H
#define INCLUDED_SEMCOM_FUZZ_MUTATIONS_H

#include "targets.h"

#include <random>

namespace fuzz {

//! What a target reads of an input, number by number; the target runs once for it.
std::vector<field> fields_of(const target& target,
                             const std::vector<std::uint8_t>& bytes);

/*!
 * \brief Changes an input as its target reads it: a number becomes another one, a limit
 * or that of another place, or the numbers of a stretch - a header, a burst with its
 * payload, a step - are repeated, moved or left out. Header and payload change together,
 * since one follows the other in the input.
 */
void change_fields(std::vector<std::uint8_t>& bytes,
                   const std::vector<field>& fields,
                   std::mt19937_64& random);

} // namespace fuzz

#endif /* INCLUDED_SEMCOM_FUZZ_MUTATIONS_H */
