// Eigenvalues and vectors of symmetric matrices: Householder's reduction to three diagonals, then QL with shifts (Golub and
// Van Loan, Matrix Computations, 8.3).
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "view.h"

namespace algebra {

template <class T>
class Eigen {
public:
    // Reads the lower triangle of A.
    Eigen(ptrdiff_t n, View<const T> a);

    // False if QL does not converge, as it cannot with NaN.
    bool converged = false;
    // Ascending, and the vectors in the same order, column by column.
    std::vector<T> values, vectors;

private:
    static void multiply_by_power_of_two(std::vector<T> &numbers, int exponent);
    void reduce();
    void reflect_column(ptrdiff_t k, std::vector<T> &p);
    void form_vectors();
    bool diagonalise();
    void sweep(ptrdiff_t first, ptrdiff_t last);
    void rotate(ptrdiff_t column, T cosine, T sine);
    void sort();
    T *column(ptrdiff_t j) { return vectors.data() + j * n; }

    ptrdiff_t n;
    // Beside the diagonal; factors of the reflections, which are in the columns of `vectors` at first.
    std::vector<T> beside, factors;
};

template <class T>
Eigen<T>::Eigen(ptrdiff_t n, View<const T> a)
    : values((size_t)n), vectors((size_t)(n * n)), n(n), beside((size_t)n), factors((size_t)n) {
    T largest = T(0);
    for (ptrdiff_t j = 0; j < n; j++) {
        for (ptrdiff_t i = j; i < n; i++) {
            column(j)[i] = column(i)[j] = a(i, j);
            largest = std::max(largest, std::abs(a(i, j)));
        }
    }
    // Squares shall neither vanish nor overflow.
    const int exponent = largest > T(0) && std::isfinite(largest) ? std::ilogb(largest) : 0;
    multiply_by_power_of_two(vectors, -exponent);
    reduce();
    form_vectors();
    converged = diagonalise();
    sort();
    multiply_by_power_of_two(values, exponent);
}

template <class T>
void Eigen<T>::multiply_by_power_of_two(std::vector<T> &numbers, int exponent) {
    for (T &number : numbers) {
        number = std::scalbn(number, exponent);
    }
}

template <class T>
void Eigen<T>::reduce() {
    std::vector<T> p((size_t)n);
    for (ptrdiff_t k = 0; k + 2 < n; k++) {
        reflect_column(k, p);
    }
    for (ptrdiff_t k = 0; k < n; k++) {
        values[k] = column(k)[k];
    }
    if (n > 1) {
        beside[n - 2] = column(n - 2)[n - 1];
    }
}

// Makes column k zero below the diagonal's neighbour, by a reflection 1 - factor v v^T from both sides.
template <class T>
void Eigen<T>::reflect_column(ptrdiff_t k, std::vector<T> &p) {
    T *const v = column(k);
    const ptrdiff_t first = k + 1;
    T tail = T(0);
    for (ptrdiff_t i = first + 1; i < n; i++) {
        tail += v[i] * v[i];
    }
    beside[k] = v[first];
    if (tail == T(0)) {
        return;
    }
    beside[k] = -std::copysign(std::sqrt(v[first] * v[first] + tail), v[first]);
    factors[k] = (beside[k] - v[first]) / beside[k];
    const T divisor = v[first] - beside[k];
    for (ptrdiff_t i = first + 1; i < n; i++) {
        v[i] /= divisor;
    }
    v[first] = T(1);
    std::fill(p.begin() + first, p.end(), T(0));
    for (ptrdiff_t j = first; j < n; j++) {
        const T weight = factors[k] * v[j];
        for (ptrdiff_t i = first; i < n; i++) {
            p[i] += weight * column(j)[i];
        }
    }
    const T half = factors[k] / 2 * std::inner_product(p.begin() + first, p.end(), v + first, T(0));
    for (ptrdiff_t i = first; i < n; i++) {
        p[i] -= half * v[i];
    }
    for (ptrdiff_t j = first; j < n; j++) {
        const T v_j = v[j], p_j = p[j];
        for (ptrdiff_t i = first; i < n; i++) {
            column(j)[i] -= v[i] * p_j + p[i] * v_j;
        }
    }
}

// The product of the reflections, in their place.
template <class T>
void Eigen<T>::form_vectors() {
    std::vector<T> v((size_t)n);
    for (ptrdiff_t k = n - 1; k >= 0; k--) {
        const ptrdiff_t first = k + 1;
        std::copy(column(k) + std::min(first, n), column(k) + n, v.begin() + std::min(first, n));
        // What was left of the reduced matrix in row and column `first` becomes the identity's.
        for (ptrdiff_t i = 0; i < n; i++) {
            column(k)[i] = i == k ? T(1) : T(0);
        }
        for (ptrdiff_t j = first; j < n; j++) {
            column(j)[k] = T(0);
            const T along = factors[k] == T(0)
                                ? T(0)
                                : factors[k] * std::inner_product(v.begin() + first, v.end(), column(j) + first, T(0));
            for (ptrdiff_t i = first; i < n; i++) {
                column(j)[i] -= along * v[i];
            }
        }
    }
}

template <class T>
bool Eigen<T>::diagonalise() {
    constexpr int MOST_SWEEPS = 60;
    constexpr T UNIT = std::numeric_limits<T>::epsilon();
    // What is small beside the largest is rounding error, as in the methods that libraries use.
    T largest = T(0);
    for (ptrdiff_t i = 0; i < n; i++) {
        largest = std::max({largest, std::abs(values[i]), std::abs(beside[i])});
    }
    const auto splits = [&](ptrdiff_t i) {
        const T neighbours = std::abs(values[i]) + std::abs(values[i + 1]);
        return std::abs(beside[i]) <= UNIT * std::max(neighbours, largest / 4);
    };
    for (ptrdiff_t first = 0; first < n; first++) {
        for (int sweeps = 0;; sweeps++) {
            ptrdiff_t last = first;
            while (last + 1 < n && !splits(last)) {
                last++;
            }
            if (last == first) {
                break;
            }
            if (sweeps == MOST_SWEEPS) {
                return false;
            }
            sweep(first, last);
        }
    }
    return std::none_of(values.begin(), values.end(), [](T value) { return std::isnan(value); });
}

// One implicit QL step, shifted by the eigenvalue of the upper left corner that is nearer to it.
template <class T>
void Eigen<T>::sweep(ptrdiff_t first, ptrdiff_t last) {
    const T slope = (values[first + 1] - values[first]) / (2 * beside[first]);
    const T shift = values[first] - beside[first] / (slope + std::copysign(std::hypot(slope, T(1)), slope));
    T bulge = values[last] - shift, sine = T(1), cosine = T(1), taken = T(0);
    for (ptrdiff_t i = last - 1; i >= first; i--) {
        const T out = sine * beside[i], in = cosine * beside[i];
        const T length = std::hypot(out, bulge);
        beside[i + 1] = length;
        if (length == T(0)) {
            // It splits here.
            values[i + 1] -= taken;
            beside[last] = T(0);
            return;
        }
        sine = out / length;
        cosine = bulge / length;
        const T diagonal = values[i + 1] - taken;
        const T turned = (values[i] - diagonal) * sine + 2 * cosine * in;
        taken = sine * turned;
        values[i + 1] = diagonal + taken;
        bulge = cosine * turned - in;
        rotate(i, cosine, sine);
    }
    values[first] -= taken;
    beside[first] = bulge;
    beside[last] = T(0);
}

template <class T>
void Eigen<T>::rotate(ptrdiff_t j, T cosine, T sine) {
    T *const left = column(j), *const right = column(j + 1);
    for (ptrdiff_t i = 0; i < n; i++) {
        const T l = left[i], r = right[i];
        left[i] = cosine * l - sine * r;
        right[i] = sine * l + cosine * r;
    }
}

template <class T>
void Eigen<T>::sort() {
    std::vector<ptrdiff_t> order((size_t)n);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](ptrdiff_t a, ptrdiff_t b) { return values[a] < values[b]; });
    const std::vector<T> old_values = values, old_vectors = vectors;
    for (ptrdiff_t j = 0; j < n; j++) {
        values[j] = old_values[order[j]];
        std::copy_n(old_vectors.begin() + order[j] * n, n, column(j));
    }
}

}  // namespace algebra
