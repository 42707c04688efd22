/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_PAYLOAD_INTERLEAVER_H
#define INCLUDED_SEMCOM_PAYLOAD_INTERLEAVER_H

#include <gnuradio/semcom/api.h>

#include <map>
#include <vector>

namespace gr {
namespace semcom {

/*!
 * \brief Spreads the payload symbols of a burst over its cells and flips their signs.
 * \ingroup semcom
 *
 * \details
 * Symbol j lands in cell cell(j) with sign(j); cells are counted symbol by symbol along
 * the data carriers. A fade then thins the payload evenly, and no payload, not even a
 * constant one, makes peaks.
 */
class SEMCOM_API payload_interleaver
{
public:
    //! \param n_cells data carriers times payload OFDM symbols
    explicit payload_interleaver(int n_cells);
    int size() const { return static_cast<int>(d_cell.size()); }
    int cell(int j) const { return d_cell[j]; }
    float sign(int j) const { return d_sign[j]; }

private:
    std::vector<int> d_cell;
    std::vector<float> d_sign;
};

/*!
 * \brief Interleavers by burst length, made when first needed.
 * \ingroup semcom
 */
class SEMCOM_API interleaver_cache
{
public:
    const payload_interleaver& get(int n_cells);

private:
    std::map<int, payload_interleaver> d_made;
};

} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_PAYLOAD_INTERLEAVER_H */
