#include "product.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "../kernel/halves.h"
#include "../runtime/fault.h"
#include "../runtime/pool.h"

#if defined(__x86_64__)
#define FOR_THIS_MACHINE __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define FOR_THIS_MACHINE
#endif

namespace algebra {

namespace {

// Sides of the tiles of C that are shared out, and how much of A and B is packed for one at a time.
constexpr ptrdiff_t TILE = 192, DEPTH = 256;
// A packed strip is this wide: two vectors of A's rows, so many of B's columns.
constexpr size_t VECTOR_BYTES = 32;
template <class T>
constexpr ptrdiff_t ROWS = 2 * VECTOR_BYTES / sizeof(T);
constexpr ptrdiff_t COLUMNS = 6;

template <class T>
using Sums = T[COLUMNS][ROWS<T>];

// sums += A B for a strip of each.
#define STRIP_PRODUCT(T)                                                                                              \
    FOR_THIS_MACHINE void multiply_strips(ptrdiff_t k, const T *a, const T *b, Sums<T> &sums) {                       \
        typedef T Vector __attribute__((vector_size(VECTOR_BYTES)));                                                  \
        Vector(&c)[COLUMNS][2] = reinterpret_cast<Vector(&)[COLUMNS][2]>(sums);                                       \
        Vector kept[COLUMNS][2] = {};                                                                                 \
        for (; k > 0; k--, a += ROWS<T>, b += COLUMNS) {                                                              \
            const Vector upper = *reinterpret_cast<const Vector *>(a);                                                \
            const Vector lower = *(reinterpret_cast<const Vector *>(a) + 1);                                          \
            _Pragma("GCC unroll 6") for (ptrdiff_t j = 0; j < COLUMNS; j++) {                                         \
                kept[j][0] += upper * b[j];                                                                           \
                kept[j][1] += lower * b[j];                                                                           \
            }                                                                                                         \
        }                                                                                                             \
        for (ptrdiff_t j = 0; j < COLUMNS; j++) {                                                                     \
            c[j][0] += kept[j][0];                                                                                    \
            c[j][1] += kept[j][1];                                                                                    \
        }                                                                                                             \
    }

STRIP_PRODUCT(float)
STRIP_PRODUCT(double)
#undef STRIP_PRODUCT

// `count` rows of `from`, side by side in strips of `width`, filled up with zeros.
template <class T>
void pack(ptrdiff_t count, ptrdiff_t depth, View<const T> from, ptrdiff_t width, T *to) {
    for (ptrdiff_t first = 0; first < count; first += width) {
        const ptrdiff_t used = std::min(width, count - first);
        for (ptrdiff_t k = 0; k < depth; k++, to += width) {
            for (ptrdiff_t i = 0; i < used; i++) {
                to[i] = from(first + i, k);
            }
            std::fill(to + used, to + width, T(0));
        }
    }
}

template <class T>
struct alignas(64) Packed {
    T a[(TILE + ROWS<T>)*DEPTH];
    T b[(TILE + COLUMNS) * DEPTH];
};

template <class T>
void scale(ptrdiff_t m, ptrdiff_t n, T beta, View<T> c) {
    for (ptrdiff_t j = 0; j < n; j++) {
        for (ptrdiff_t i = 0; i < m; i++) {
            c(i, j) = beta == T(0) ? T(0) : beta * c(i, j);
        }
    }
}

template <class T>
void multiply_packed(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, T alpha, const Packed<T> &packed, View<T> c) {
    for (ptrdiff_t j = 0; j < n; j += COLUMNS) {
        for (ptrdiff_t i = 0; i < m; i += ROWS<T>) {
            alignas(VECTOR_BYTES) Sums<T> sums = {};
            multiply_strips(k, packed.a + i * k, packed.b + j * k, sums);
            for (ptrdiff_t column = 0; column < std::min(COLUMNS, n - j); column++) {
                for (ptrdiff_t row = 0; row < std::min(ROWS<T>, m - i); row++) {
                    c(i + row, j + column) += alpha * sums[column][row];
                }
            }
        }
    }
}

template <class T>
void multiply_tile(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, T alpha, View<const T> a, View<const T> b, T beta,
                   View<T> c) {
    static thread_local Packed<T> *const packed = new Packed<T>;
    if (beta != T(1)) {
        scale(m, n, beta, c);
    }
    for (ptrdiff_t first = 0; first < k && alpha != T(0); first += DEPTH) {
        const ptrdiff_t depth = std::min(DEPTH, k - first);
        pack(m, depth, a.from(0, first), ROWS<T>, packed->a);
        pack(n, depth, b.from(first, 0).transposed(), COLUMNS, packed->b);
        multiply_packed(m, n, depth, alpha, *packed, c);
    }
}

float rounded(float number) {
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    const bool is_finite = (bits & 0x7f800000) != 0x7f800000;
    bits = is_finite ? (bits + 0x0fff + (bits >> 13 & 1)) & 0xffffe000 : bits;
    memcpy(&number, &bits, sizeof bits);
    return number;
}

// What `convert` makes of the entries, column by column.
template <class From, class Convert>
std::vector<float> converted(ptrdiff_t rows, ptrdiff_t columns, View<const From> entries, const Convert &convert) {
    std::vector<float> numbers((size_t)(rows * columns));
    for (ptrdiff_t j = 0; j < columns; j++) {
        for (ptrdiff_t i = 0; i < rows; i++) {
            numbers[(size_t)(i + j * rows)] = convert(entries(i, j));
        }
    }
    return numbers;
}

template <class From, class Convert>
void multiply_converted(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, float alpha, View<const From> a, View<const From> b,
                        float beta, View<float> c, const Convert &convert) {
    const std::vector<float> left = converted(m, k, a, convert), right = converted(k, n, b, convert);
    multiply<float>(m, n, k, alpha, column_major(left.data(), m), column_major(right.data(), k), beta, c);
}

}  // namespace

template <class T>
void multiply(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, T alpha, View<const T> a, View<const T> b, T beta, View<T> c) {
    const ptrdiff_t row_tiles = (m + TILE - 1) / TILE, column_tiles = (n + TILE - 1) / TILE;
    const char *const call = emulator::current_call();
    const auto work = [&](size_t tile) {
        const emulator::Call named(call);
        const ptrdiff_t row = (ptrdiff_t)tile % row_tiles * TILE, column = (ptrdiff_t)tile / row_tiles * TILE;
        multiply_tile(std::min(TILE, m - row), std::min(TILE, n - column), k, alpha, a.from(row, 0),
                      b.from(0, column), beta, c.from(row, column));
    };
    if (row_tiles * column_tiles == 1) {
        work(0);
    } else if (row_tiles * column_tiles > 1) {
        emulator::in_parallel((size_t)(row_tiles * column_tiles), work);
    }
}

template void multiply(ptrdiff_t, ptrdiff_t, ptrdiff_t, float, View<const float>, View<const float>, float,
                       View<float>);
template void multiply(ptrdiff_t, ptrdiff_t, ptrdiff_t, double, View<const double>, View<const double>, double,
                       View<double>);

void multiply(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, float alpha, View<const uint16_t> a, View<const uint16_t> b,
              float beta, View<float> c) {
    multiply_converted(m, n, k, alpha, a, b, beta, c, emulator::half_to_float);
}

void multiply_rounded(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, float alpha, View<const float> a, View<const float> b,
                      float beta, View<float> c) {
    multiply_converted(m, n, k, alpha, a, b, beta, c, rounded);
}

}  // namespace algebra
