// Matrix products on all cores.
#pragma once

#include <cstdint>

#include "view.h"

namespace algebra {

// C = alpha A B + beta C, for A of m x k and B of k x n. As in BLAS, what is multiplied by zero is not read.
template <class T>
void multiply(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, T alpha, View<const T> a, View<const T> b, T beta, View<T> c);

extern template void multiply(ptrdiff_t, ptrdiff_t, ptrdiff_t, float, View<const float>, View<const float>, float,
                              View<float>);
extern template void multiply(ptrdiff_t, ptrdiff_t, ptrdiff_t, double, View<const double>, View<const double>, double,
                              View<double>);

// The same for factors of float16.
void multiply(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, float alpha, View<const uint16_t> a, View<const uint16_t> b,
              float beta, View<float> c);

// The same for factors that are rounded to the 11 bits of TF32.
void multiply_rounded(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, float alpha, View<const float> a, View<const float> b,
                      float beta, View<float> c);

}  // namespace algebra
