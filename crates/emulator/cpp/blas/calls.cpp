// cuBLAS' matrix functions: each checks its arguments, then calls `algebra`. Scalars are the host's.
#include <type_traits>

#include "../algebra/product.h"
#include "../algebra/triangular.h"
#include "handle.h"

using namespace blas;
using algebra::column_major;
using algebra::View;
using emulator::Call;

namespace {

template <class T>
View<T> with_operation(int operation, T *data, int leading_dimension) {
    const View<T> plain = column_major(data, leading_dimension);
    return operation == PLAIN ? plain : plain.transposed();
}

// An operand that is rows x columns once the operation was applied.
template <class T>
Operand read(const char *name, int operation, const T *data, int rows, int columns, int leading_dimension) {
    return operation == PLAIN ? blas::read(name, data, rows, columns, leading_dimension)
                              : blas::read(name, data, columns, rows, leading_dimension);
}

// The only mixture of types that there is.
bool are_halves_to_floats(int a_type, int b_type, int c_type, int compute_type) {
    return a_type == HALVES && b_type == HALVES && c_type == FLOATS && compute_type == IN_FLOAT;
}

template <class Factor, class T>
std::string gemm_options(const Handle &handle, int operation_a, int operation_b) {
    const std::string types = std::is_same_v<Factor, T> ? type_name<T>() : type_name<Factor>() + " to " + type_name<T>();
    const bool is_rounded = std::is_same_v<Factor, float> && handle.math_mode == TF32;
    return text_of((Operation)operation_a) + " " + text_of((Operation)operation_b) + " " + types +
           (is_rounded ? " as TF32" : "");
}

template <class Factor, class T>
void multiply(const Handle &handle, int m, int n, int k, T alpha, View<const Factor> a, View<const Factor> b, T beta,
              View<T> c) {
    if constexpr (std::is_same_v<Factor, float>) {
        if (handle.math_mode == TF32) {
            algebra::multiply_rounded(m, n, k, alpha, a, b, beta, c);
            return;
        }
    }
    algebra::multiply(m, n, k, alpha, a, b, beta, c);
}

template <class Factor, class T>
Status gemm(const char *name, Handle *handle, int operation_a, int operation_b, int m, int n, int k, const T *alpha,
            const Factor *a, int lda, const Factor *b, int ldb, const T *beta, T *c, int ldc) {
    const Status status =
        begin(handle, is_operation(operation_a) && is_operation(operation_b) && m >= 0 && n >= 0 && k >= 0 && alpha &&
                          beta && is_leading_dimension(lda, operation_a == PLAIN ? m : k) &&
                          is_leading_dimension(ldb, operation_b == PLAIN ? k : n) && is_leading_dimension(ldc, m));
    if (status != SUCCESS || m == 0 || n == 0) {
        return status;
    }
    const int depth = *alpha == T(0) ? 0 : k;
    const auto operands = {read("A", operation_a, a, m, depth, lda), read("B", operation_b, b, depth, n, ldb),
                           written("C", c, m, n, ldc)};
    note(name, gemm_options<Factor, T>(*handle, operation_a, operation_b), {{"m", m}, {"n", n}, {"k", k}}, operands);
    if (!are_on_device(name, operands)) {
        return EXECUTION_FAILED;
    }
    touch(name, handle->stream, operands);
    if (emulator::is_sampling()) {
        return SUCCESS;
    }
    const Call call(name);
    multiply<Factor, T>(*handle, m, n, depth, *alpha, with_operation(operation_a, a, lda),
                        with_operation(operation_b, b, ldb), *beta, column_major(c, ldc));
    return SUCCESS;
}

struct Strides {
    long long a, b, c;
};

// Some products of matrices that are as far apart.
template <class Factor, class T>
Status gemms(const char *name, Handle *handle, int operation_a, int operation_b, int m, int n, int k, const T *alpha,
             const Factor *a, int lda, const Factor *b, int ldb, const T *beta, T *c, int ldc, Strides strides, int count) {
    Status status = count < 0 ? INVALID_VALUE : SUCCESS;
    for (int i = 0; i < count && status == SUCCESS; i++) {
        status = gemm(name, handle, operation_a, operation_b, m, n, k, alpha, a + i * strides.a, lda, b + i * strides.b,
                      ldb, beta, c + i * strides.c, ldc);
    }
    return status;
}

template <class T>
Status syrk(const char *name, Handle *handle, int triangle, int operation, int n, int k, const T *alpha, const T *a,
            int lda, const T *beta, T *c, int ldc) {
    const Status status = begin(handle, is_one_of_two(triangle) && is_operation(operation) && n >= 0 && k >= 0 &&
                                            alpha && beta && is_leading_dimension(lda, operation == PLAIN ? n : k) &&
                                            is_leading_dimension(ldc, n));
    if (status != SUCCESS || n == 0) {
        return status;
    }
    const int depth = *alpha == T(0) ? 0 : k;
    const auto operands = {read("A", operation, a, n, depth, lda), written("C", c, n, n, ldc)};
    note(name, text_of((Triangle)triangle) + " " + text_of((Operation)operation) + " " + type_name<T>(),
         {{"n", n}, {"k", k}}, operands);
    if (!are_on_device(name, operands)) {
        return EXECUTION_FAILED;
    }
    touch(name, handle->stream, operands);
    if (emulator::is_sampling()) {
        return SUCCESS;
    }
    const Call call(name);
    const View<T> square = column_major(c, ldc);
    algebra::multiply_by_own_transpose<T>(n, depth, *alpha, with_operation(operation, a, lda), *beta,
                                          triangle == LOWER ? square : square.transposed());
    return SUCCESS;
}

// op(A) X = alpha B, or X op(A) = alpha B, which is the first for transposes.
template <class T>
void solve(int side, int triangle, int operation, int diagonal, int m, int n, T alpha, View<const T> triangular,
           View<T> right) {
    algebra::multiply<T>(m, n, 0, T(0), right, right, alpha, right);
    if (alpha == T(0)) {
        return;
    }
    const int size = side == LEFT ? m : n, columns = side == LEFT ? n : m;
    bool lower = triangle == LOWER;
    if ((operation == PLAIN) != (side == LEFT)) {
        triangular = triangular.transposed();
        lower = !lower;
    }
    right = side == LEFT ? right : right.transposed();
    if (!lower) {
        triangular = triangular.reversed(size);
        right = right.reversed_rows(size);
    }
    algebra::solve_lower<T>(size, columns, diagonal == ONES, triangular, right);
}

template <class T>
Status trsm(const char *name, Handle *handle, int side, int triangle, int operation, int diagonal, int m, int n,
            const T *alpha, const T *a, int lda, T *b, int ldb) {
    const int size = side == LEFT ? m : n;
    const Status status = begin(handle, is_one_of_two(side) && is_one_of_two(triangle) && is_operation(operation) &&
                                            is_one_of_two(diagonal) && m >= 0 && n >= 0 && alpha &&
                                            is_leading_dimension(lda, size) && is_leading_dimension(ldb, m));
    if (status != SUCCESS || m == 0 || n == 0) {
        return status;
    }
    const auto operands = {read("A", PLAIN, a, size, size, lda), written("B", b, m, n, ldb)};
    note(name,
         text_of((Side)side) + " " + text_of((Triangle)triangle) + " " + text_of((Operation)operation) + " " +
             text_of((Diagonal)diagonal) + " " + type_name<T>(),
         {{"m", m}, {"n", n}}, operands);
    if (!are_on_device(name, operands)) {
        return EXECUTION_FAILED;
    }
    touch(name, handle->stream, operands);
    if (emulator::is_sampling()) {
        return SUCCESS;
    }
    const Call call(name);
    solve<T>(side, triangle, operation, diagonal, m, n, *alpha, column_major(a, lda), column_major(b, ldb));
    return SUCCESS;
}

}  // namespace

#define CALLS(T, letter)                                                                                              \
    EMULATOR_API Status cublas##letter##gemm_v2(Handle *h, int ta, int tb, int m, int n, int k, const T *alpha,       \
                                                const T *a, int lda, const T *b, int ldb, const T *beta, T *c,        \
                                                int ldc) {                                                            \
        return gemm(__func__, h, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);                               \
    }                                                                                                                 \
    EMULATOR_API Status cublas##letter##gemmStridedBatched(                                                           \
        Handle *h, int ta, int tb, int m, int n, int k, const T *alpha, const T *a, int lda, long long from_a,        \
        const T *b, int ldb, long long from_b, const T *beta, T *c, int ldc, long long from_c, int count) {           \
        return gemms(__func__, h, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, {from_a, from_b, from_c},     \
                     count);                                                                                          \
    }                                                                                                                 \
    EMULATOR_API Status cublas##letter##syrk_v2(Handle *h, int uplo, int t, int n, int k, const T *alpha, const T *a, \
                                                int lda, const T *beta, T *c, int ldc) {                              \
        return syrk(__func__, h, uplo, t, n, k, alpha, a, lda, beta, c, ldc);                                         \
    }                                                                                                                 \
    EMULATOR_API Status cublas##letter##trsm_v2(Handle *h, int side, int uplo, int t, int diag, int m, int n,         \
                                                const T *alpha, const T *a, int lda, T *b, int ldb) {                 \
        return trsm(__func__, h, side, uplo, t, diag, m, n, alpha, a, lda, b, ldb);                                   \
    }

CALLS(float, S)
CALLS(double, D)

EMULATOR_API Status cublasGemmStridedBatchedEx(Handle *h, int ta, int tb, int m, int n, int k, const void *alpha,
                                               const void *a, int a_type, int lda, long long from_a, const void *b,
                                               int b_type, int ldb, long long from_b, const void *beta, void *c,
                                               int c_type, int ldc, long long from_c, int count, int compute_type, int) {
    if (!are_halves_to_floats(a_type, b_type, c_type, compute_type)) {
        return NOT_SUPPORTED;
    }
    return gemms(__func__, h, ta, tb, m, n, k, static_cast<const float *>(alpha), static_cast<const uint16_t *>(a), lda,
                 static_cast<const uint16_t *>(b), ldb, static_cast<const float *>(beta), static_cast<float *>(c), ldc,
                 {from_a, from_b, from_c}, count);
}

EMULATOR_API Status cublasGemmEx(Handle *h, int ta, int tb, int m, int n, int k, const void *alpha, const void *a,
                                 int a_type, int lda, const void *b, int b_type, int ldb, const void *beta, void *c,
                                 int c_type, int ldc, int compute_type, int) {
    if (!are_halves_to_floats(a_type, b_type, c_type, compute_type)) {
        return NOT_SUPPORTED;
    }
    return gemm(__func__, h, ta, tb, m, n, k, static_cast<const float *>(alpha), static_cast<const uint16_t *>(a), lda,
                static_cast<const uint16_t *>(b), ldb, static_cast<const float *>(beta), static_cast<float *>(c), ldc);
}
