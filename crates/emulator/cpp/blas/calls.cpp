// cuBLAS' vector and matrix functions: each checks its arguments, then calls `algebra`. Scalars may lie on either side, as
// the pointer mode says; addresses are the same on both.
#include "../algebra/product.h"
#include "../algebra/triangular.h"
#include "handle.h"

using namespace blas;
using algebra::column_major;
using algebra::View;
using emulator::Call;

namespace {

template <class T, class Int>
View<T> with_operation(int operation, T *data, Int leading_dimension) {
    const View<T> plain = column_major(data, leading_dimension);
    return operation == PLAIN ? plain : plain.transposed();
}

template <class T, class Int>
Status gemm(const char *name, Handle *handle, int operation_a, int operation_b, Int m, Int n, Int k, const T *alpha,
            const T *a, Int lda, const T *b, Int ldb, const T *beta, T *c, Int ldc) {
    const Status status =
        begin(handle, is_operation(operation_a) && is_operation(operation_b) && m >= 0 && n >= 0 && k >= 0 && alpha &&
                          beta && is_leading_dimension(lda, operation_a == PLAIN ? m : k) &&
                          is_leading_dimension(ldb, operation_b == PLAIN ? k : n) && is_leading_dimension(ldc, m));
    if (status != SUCCESS || m == 0 || n == 0) {
        return status;
    }
    if (!on_device(name, {c}) || (k > 0 && *alpha != T(0) && !on_device(name, {a, b}))) {
        return EXECUTION_FAILED;
    }
    const Call call(name);
    algebra::multiply<T>(m, n, k, *alpha, with_operation(operation_a, a, lda), with_operation(operation_b, b, ldb),
                         *beta, column_major(c, ldc));
    return SUCCESS;
}

template <class T, class Int>
Status syrk(const char *name, Handle *handle, int triangle, int operation, Int n, Int k, const T *alpha, const T *a,
            Int lda, const T *beta, T *c, Int ldc) {
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
template <class T, class Int>
Status trsm(const char *name, Handle *handle, int side, int triangle, int operation, int diagonal, Int m, Int n,
            const T *alpha, const T *a, Int lda, T *b, Int ldb) {
    const Int size = side == LEFT ? m : n, columns = side == LEFT ? n : m;
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

// C = alpha op(A) + beta op(B); C may be A or B where those are not transposed.
template <class T, class Int>
Status geam(const char *name, Handle *handle, int operation_a, int operation_b, Int m, Int n, const T *alpha,
            const T *a, Int lda, const T *beta, const T *b, Int ldb, T *c, Int ldc) {
    const bool in_place_is_plain = (c != a || (operation_a == PLAIN && lda == ldc)) &&
                                   (c != b || (operation_b == PLAIN && ldb == ldc));
    const Status status =
        begin(handle, is_operation(operation_a) && is_operation(operation_b) && m >= 0 && n >= 0 && alpha && beta &&
                          in_place_is_plain && is_leading_dimension(lda, operation_a == PLAIN ? m : n) &&
                          is_leading_dimension(ldb, operation_b == PLAIN ? m : n) && is_leading_dimension(ldc, m));
    if (status != SUCCESS || m == 0 || n == 0) {
        return status;
    }
    const bool has_a = *alpha != T(0), has_b = *beta != T(0);
    if (!on_device(name, {c}) || (has_a && !on_device(name, {a})) || (has_b && !on_device(name, {b}))) {
        return EXECUTION_FAILED;
    }
    const Call call(name);
    const View<const T> left = with_operation(operation_a, a, lda), right = with_operation(operation_b, b, ldb);
    const View<T> sum = column_major(c, ldc);
    for (Int j = 0; j < n; j++) {
        for (Int i = 0; i < m; i++) {
            sum(i, j) = (has_a ? *alpha * left(i, j) : T(0)) + (has_b ? *beta * right(i, j) : T(0));
        }
    }
    return SUCCESS;
}

// The first of `count` elements that are `step` apart; from the end where the step is negative.
template <class T, class Int>
T *first_of(T *x, Int count, Int step) {
    return step < 0 ? x - (count - 1) * step : x;
}

template <class T, class Int>
Status scal(const char *name, Handle *handle, Int count, const T *alpha, T *x, Int step) {
    const Status status = begin(handle, alpha != nullptr);
    if (status != SUCCESS || count <= 0 || step <= 0) {
        return status;
    }
    if (!on_device(name, {x})) {
        return EXECUTION_FAILED;
    }
    const Call call(name);
    for (Int i = 0; i < count; i++) {
        x[i * step] *= *alpha;
    }
    return SUCCESS;
}

template <class T, class Int>
Status axpy(const char *name, Handle *handle, Int count, const T *alpha, const T *x, Int step_x, T *y, Int step_y) {
    const Status status = begin(handle, alpha != nullptr);
    if (status != SUCCESS || count <= 0 || *alpha == T(0)) {
        return status;
    }
    if (!on_device(name, {x, y})) {
        return EXECUTION_FAILED;
    }
    const Call call(name);
    const T *from = first_of(x, count, step_x);
    T *to = first_of(y, count, step_y);
    for (Int i = 0; i < count; i++) {
        to[i * step_y] += *alpha * from[i * step_x];
    }
    return SUCCESS;
}

}  // namespace

#define CALLS(T, letter, Int, ending, wide)                                                                           \
    EMULATOR_API Status cublas##letter##gemm##ending(Handle *h, int ta, int tb, Int m, Int n, Int k, const T *alpha,  \
                                                     const T *a, Int lda, const T *b, Int ldb, const T *beta, T *c,   \
                                                     Int ldc) {                                                       \
        return gemm("cublas" #letter "gemm", h, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);                \
    }                                                                                                                 \
    EMULATOR_API Status cublas##letter##syrk##ending(Handle *h, int uplo, int t, Int n, Int k, const T *alpha,        \
                                                     const T *a, Int lda, const T *beta, T *c, Int ldc) {             \
        return syrk("cublas" #letter "syrk", h, uplo, t, n, k, alpha, a, lda, beta, c, ldc);                          \
    }                                                                                                                 \
    EMULATOR_API Status cublas##letter##trsm##ending(Handle *h, int side, int uplo, int t, int diag, Int m, Int n,    \
                                                     const T *alpha, const T *a, Int lda, T *b, Int ldb) {            \
        return trsm("cublas" #letter "trsm", h, side, uplo, t, diag, m, n, alpha, a, lda, b, ldb);                    \
    }                                                                                                                 \
    EMULATOR_API Status cublas##letter##geam##wide(Handle *h, int ta, int tb, Int m, Int n, const T *alpha,           \
                                                   const T *a, Int lda, const T *beta, const T *b, Int ldb, T *c,     \
                                                   Int ldc) {                                                         \
        return geam("cublas" #letter "geam", h, ta, tb, m, n, alpha, a, lda, beta, b, ldb, c, ldc);                   \
    }                                                                                                                 \
    EMULATOR_API Status cublas##letter##scal##ending(Handle *h, Int n, const T *alpha, T *x, Int step) {              \
        return scal("cublas" #letter "scal", h, n, alpha, x, step);                                                   \
    }                                                                                                                 \
    EMULATOR_API Status cublas##letter##axpy##ending(Handle *h, Int n, const T *alpha, const T *x, Int step_x, T *y,  \
                                                     Int step_y) {                                                    \
        return axpy("cublas" #letter "axpy", h, n, alpha, x, step_x, y, step_y);                                      \
    }

CALLS(float, S, int, _v2, )
CALLS(double, D, int, _v2, )
CALLS(float, S, int64_t, _v2_64, _64)
CALLS(double, D, int64_t, _v2_64, _64)
