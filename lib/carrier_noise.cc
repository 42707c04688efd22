/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "carrier_noise.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace gr {
namespace semcom {

namespace {

constexpr int rounds = 4;
constexpr float least_weight = 1e-9f;

// The ratio of a carrier's residual to the common variance where the evidence is reached.
double limit(double observations)
{
    double low = 1, high = 2 + 2 * carrier_noise::evidence / observations;
    for (int i = 0; i < 30; i++) {
        const double ratio = 0.5 * (low + high);
        const double nats = observations * (ratio - 1 - std::log(ratio));
        (nats > carrier_noise::evidence ? high : low) = ratio;
    }
    return high;
}

} // namespace

void carrier_noise::estimate(const std::vector<double>& energy,
                             double observations,
                             double floor)
{
    const std::size_t n = energy.size();
    auto sorted = energy;
    std::nth_element(sorted.begin(), sorted.begin() + n / 2, sorted.end());
    // the median of a Gamma variable is that much below its mean
    const double skew = std::pow(1 - 1 / (9 * observations), 3);
    common = std::max(sorted[n / 2] / skew, floor);
    const double most = limit(observations);
    const auto own = [&](double e) { return e > most * common; };
    for (int round = 0; round < rounds; round++) {
        double sum = 0;
        int agree = 0;
        for (const double e : energy) {
            if (!own(e)) {
                sum += e;
                agree++;
            }
        }
        const double before = common;
        common = std::max(agree ? sum / agree : common, floor);
        if (common == before) {
            break;
        }
    }
    weight.assign(n, 1.0f);
    white = true;
    for (std::size_t k = 0; k < n; k++) {
        if (own(energy[k])) {
            weight[k] = std::max(static_cast<float>(common / energy[k]), least_weight);
            white = false;
        }
    }
}

double carrier_noise::mean_weight() const
{
    return std::accumulate(weight.begin(), weight.end(), 0.0) / weight.size();
}

} // namespace semcom
} // namespace gr
