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
    if (!on_device(name, {c}) || (depth > 0 && !on_device(name, {a, b}))) {
        return EXECUTION_FAILED;
    }
    const Call call(name);
    const View<const Factor> left = with_operation(operation_a, a, lda), right = with_operation(operation_b, b, ldb);
    const View<T> product = column_major(c, ldc);
    if constexpr (std::is_same_v<Factor, float>) {
        if (handle->math_mode == TF32) {
            algebra::multiply_rounded(m, n, depth, *alpha, left, right, *beta, product);
            return SUCCESS;
        }
    }
    algebra::multiply(m, n, depth, *alpha, left, right, *beta, product);
    return SUCCESS;
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
    if (!on_device(name, {c}) || (k > 0 && *alpha != T(0) && !on_device(name, {a}))) {
        return EXECUTION_FAILED;
    }
    const Call call(name);
    const View<T> square = column_major(c, ldc);
    algebra::multiply_by_own_transpose<T>(n, k, *alpha, with_operation(operation, a, lda), *beta,
                                          triangle == LOWER ? square : square.transposed());
    return SUCCESS;
}

// op(A) X = alpha B, or X op(A) = alpha B, which is the first for transposes.
template <class T>
Status trsm(const char *name, Handle *handle, int side, int triangle, int operation, int diagonal, int m, int n,
            const T *alpha, const T *a, int lda, T *b, int ldb) {
    const int size = side == LEFT ? m : n, columns = side == LEFT ? n : m;
    const Status status = begin(handle, is_one_of_two(side) && is_one_of_two(triangle) && is_operation(operation) &&
                                            is_one_of_two(diagonal) && m >= 0 && n >= 0 && alpha &&
                                            is_leading_dimension(lda, size) && is_leading_dimension(ldb, m));
    if (status != SUCCESS || m == 0 || n == 0) {
        return status;
    }
    if (!on_device(name, {a, b})) {
        return EXECUTION_FAILED;
    }
    const Call call(name);
    View<T> right = column_major(b, ldb);
    algebra::multiply<T>(m, n, 0, T(0), right, right, *alpha, right);
    if (*alpha == T(0)) {
        return SUCCESS;
    }
    View<const T> triangular = column_major(a, lda);
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
    return SUCCESS;
}

}  // namespace

#define CALLS(T, letter)                                                                                              \
    EMULATOR_API Status cublas##letter##gemm_v2(Handle *h, int ta, int tb, int m, int n, int k, const T *alpha,       \
                                                const T *a, int lda, const T *b, int ldb, const T *beta, T *c,        \
                                                int ldc) {                                                            \
        return gemm("cublas" #letter "gemm", h, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);                \
    }                                                                                                                 \
    EMULATOR_API Status cublas##letter##trsm_v2(Handle *h, int side, int uplo, int t, int diag, int m, int n,         \
                                                const T *alpha, const T *a, int lda, T *b, int ldb) {                 \
        return trsm("cublas" #letter "trsm", h, side, uplo, t, diag, m, n, alpha, a, lda, b, ldb);                    \
    }

CALLS(float, S)
CALLS(double, D)

EMULATOR_API Status cublasSsyrk_v2(Handle *h, int uplo, int t, int n, int k, const float *alpha, const float *a,
                                   int lda, const float *beta, float *c, int ldc) {
    return syrk("cublasSsyrk", h, uplo, t, n, k, alpha, a, lda, beta, c, ldc);
}

EMULATOR_API Status cublasGemmEx(Handle *h, int ta, int tb, int m, int n, int k, const void *alpha, const void *a,
                                 int a_type, int lda, const void *b, int b_type, int ldb, const void *beta, void *c,
                                 int c_type, int ldc, int compute_type, int) {
    if (a_type != HALVES || b_type != HALVES || c_type != FLOATS || compute_type != IN_FLOAT) {
        return NOT_SUPPORTED;
    }
    return gemm("cublasGemmEx", h, ta, tb, m, n, k, static_cast<const float *>(alpha),
                static_cast<const uint16_t *>(a), lda, static_cast<const uint16_t *>(b), ldb,
                static_cast<const float *>(beta), static_cast<float *>(c), ldc);
}
