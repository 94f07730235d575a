// Triangular solves, symmetric products and Cholesky's factorisation, each by halves so that most of it is products. All
// for lower triangles: views turn the others into these. The other triangle is neither read nor written.
#pragma once

#include <cmath>
#include <cstdlib>

#include "product.h"

namespace algebra {

constexpr ptrdiff_t SMALL = 48;

// B = L^-1 B, for L of n x n and B of n x m.
template <class T>
void solve_lower(ptrdiff_t n, ptrdiff_t m, bool unit_diagonal, View<const T> l, View<T> b) {
    if (n > SMALL) {
        const ptrdiff_t half = n / 2;
        solve_lower(half, m, unit_diagonal, l, b);
        multiply<T>(n - half, m, half, T(-1), l.from(half, 0), b, T(1), b.from(half, 0));
        solve_lower(n - half, m, unit_diagonal, l.from(half, half), b.from(half, 0));
        return;
    }
    const auto solve_entry = [&](ptrdiff_t i, ptrdiff_t j) {
        T sum = b(i, j);
        for (ptrdiff_t k = 0; k < i; k++) {
            sum -= l(i, k) * b(k, j);
        }
        b(i, j) = unit_diagonal ? sum : sum / l(i, i);
    };
    if (std::abs(b.down) < std::abs(b.across)) {
        for (ptrdiff_t j = 0; j < m; j++) {
            for (ptrdiff_t i = 0; i < n; i++) {
                solve_entry(i, j);
            }
        }
    } else {
        for (ptrdiff_t i = 0; i < n; i++) {
            for (ptrdiff_t j = 0; j < m; j++) {
                solve_entry(i, j);
            }
        }
    }
}

// The lower triangle of C = alpha A A^T + beta C, for A of n x k.
template <class T>
void multiply_by_own_transpose(ptrdiff_t n, ptrdiff_t k, T alpha, View<const T> a, T beta, View<T> c) {
    if (n > SMALL) {
        const ptrdiff_t half = n / 2;
        multiply_by_own_transpose(half, k, alpha, a, beta, c);
        multiply<T>(n - half, half, k, alpha, a.from(half, 0), a.transposed(), beta, c.from(half, 0));
        multiply_by_own_transpose(n - half, k, alpha, a.from(half, 0), beta, c.from(half, half));
        return;
    }
    T square[SMALL * SMALL];
    multiply<T>(n, n, k, alpha, a, a.transposed(), T(0), column_major(square, SMALL));
    for (ptrdiff_t j = 0; j < n; j++) {
        for (ptrdiff_t i = j; i < n; i++) {
            c(i, j) = square[i + j * SMALL] + (beta == T(0) ? T(0) : beta * c(i, j));
        }
    }
}

// L in place of A = L L^T; or the order, from 1, of the first leading minor that is not positive.
template <class T>
ptrdiff_t factorise(ptrdiff_t n, View<T> a) {
    if (n > SMALL) {
        const ptrdiff_t half = n / 2, rest = n - half;
        if (const ptrdiff_t failed = factorise(half, a)) {
            return failed;
        }
        const View<T> below = a.from(half, 0), last = a.from(half, half);
        solve_lower<T>(half, rest, false, a, below.transposed());
        multiply_by_own_transpose<T>(rest, half, T(-1), below, T(1), last);
        const ptrdiff_t failed = factorise(rest, last);
        return failed == 0 ? 0 : half + failed;
    }
    for (ptrdiff_t j = 0; j < n; j++) {
        // NaN is not positive either.
        if (!(a(j, j) > T(0))) {
            return j + 1;
        }
        const T root = a(j, j) = std::sqrt(a(j, j));
        for (ptrdiff_t i = j + 1; i < n; i++) {
            a(i, j) /= root;
        }
        for (ptrdiff_t k = j + 1; k < n; k++) {
            for (ptrdiff_t i = k; i < n; i++) {
                a(i, k) -= a(i, j) * a(k, j);
            }
        }
    }
    return 0;
}

}  // namespace algebra
