/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef INCLUDED_SEMCOM_CHOLESKY_H
#define INCLUDED_SEMCOM_CHOLESKY_H

#include <algorithm>
#include <cmath>
#include <complex>
#include <vector>

// Small positive definite systems, real or complex, row-major.

namespace gr {
namespace semcom {
namespace cholesky {

inline double conjugate(double x) { return x; }
inline std::complex<double> conjugate(std::complex<double> x) { return std::conj(x); }

// Lower Cholesky factor of a + ridge I, in place; n rows of n.
template <typename T>
void factor(std::vector<T>& a, int n, double ridge)
{
    for (int j = 0; j < n; j++) {
        T* row = &a[j * n];
        double pivot = std::real(row[j]) + ridge;
        for (int k = 0; k < j; k++) {
            pivot -= std::norm(row[k]);
        }
        pivot = std::sqrt(std::max(pivot, 1e-12));
        row[j] = pivot;
        for (int i = j + 1; i < n; i++) {
            T* below = &a[i * n];
            for (int k = 0; k < j; k++) {
                below[j] -= below[k] * conjugate(row[k]);
            }
            below[j] /= pivot;
        }
    }
}

// x with l x = x, in place
template <typename T>
void forward(const std::vector<T>& l, int n, std::vector<std::complex<double>>& x)
{
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < i; k++) {
            x[i] -= l[i * n + k] * x[k];
        }
        x[i] /= l[i * n + i];
    }
}

// x with l l^H x = x, in place
template <typename T>
void solve(const std::vector<T>& l, int n, std::vector<std::complex<double>>& x)
{
    forward(l, n, x);
    for (int i = n - 1; i >= 0; i--) {
        for (int k = i + 1; k < n; k++) {
            x[i] -= conjugate(l[k * n + i]) * x[k];
        }
        x[i] /= l[i * n + i];
    }
}

// sum of weight[j] times the j-th diagonal element of (l l^H)^-1
inline double trace_of_inverse(const std::vector<std::complex<double>>& l,
                               int n,
                               const std::vector<double>& weight)
{
    double trace = 0;
    std::vector<std::complex<double>> column(n);
    for (int j = 0; j < n; j++) {
        for (int i = j; i < n; i++) {
            std::complex<double> value = i == j ? 1 : 0;
            for (int k = j; k < i; k++) {
                value -= l[i * n + k] * column[k];
            }
            column[i] = value / l[i * n + i];
            trace += weight[j] * std::norm(column[i]);
        }
    }
    return trace;
}

} // namespace cholesky
} // namespace semcom
} // namespace gr

#endif /* INCLUDED_SEMCOM_CHOLESKY_H */
