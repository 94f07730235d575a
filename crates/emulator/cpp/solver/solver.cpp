// cuSOLVER's dense functions: each checks its arguments, spoils its workspace, then calls `algebra`.
#include <algorithm>
#include <limits>

#include "../algebra/eigen.h"
#include "../algebra/triangular.h"
#include "../blas/handle.h"

using algebra::column_major;
using algebra::View;

namespace {

using Status = int;
enum : Status { SUCCESS = 0, NOT_INITIALIZED = 1, INVALID_VALUE = 3, EXECUTION_FAILED = 6 };

struct Handle {
    driver::Stream *stream;
};

struct Workspace {
    void *data;
    int given, needed;
};

bool is_square(int triangle, int n, int lda) {
    return blas::is_one_of_two(triangle) && n >= 0 && blas::is_leading_dimension(lda, n);
}

// Nothing may be expected of a workspace, and all of it must be there.
template <class T>
void spoil(const Workspace &workspace) {
    std::fill_n(static_cast<T *>(workspace.data), workspace.given, std::numeric_limits<T>::quiet_NaN());
}

// The lower triangle, or the transpose of the upper one.
template <class T>
View<T> triangle_of(int triangle, T *a, int lda) {
    const View<T> square = column_major(a, lda);
    return triangle == blas::LOWER ? square : square.transposed();
}

// Calls `work`, which returns what becomes `info`.
template <class T, class Work>
Status call(const char *name, Handle *handle, bool arguments_are_valid, T *a, const Workspace &workspace, int *info,
            Work work) {
    if (!handle) {
        return NOT_INITIALIZED;
    }
    if (!arguments_are_valid || workspace.given < workspace.needed) {
        return INVALID_VALUE;
    }
    if (driver::ready_on(handle->stream) != driver::SUCCESS ||
        !blas::on_device(name, {a, workspace.data, info})) {
        return EXECUTION_FAILED;
    }
    const emulator::Call named(name);
    spoil<T>(workspace);
    *info = (int)work();
    return SUCCESS;
}

int cholesky_workspace(int n) { return std::max(1, n); }
int eigen_workspace(int n) { return 1 + 6 * n + 2 * n * n; }

Status give_size(Handle *handle, int triangle, int n, int lda, int needed, int *size) {
    if (!handle) {
        return NOT_INITIALIZED;
    }
    *size = needed;
    return is_square(triangle, n, lda) ? SUCCESS : INVALID_VALUE;
}

template <class T>
Status potrf(const char *name, Handle *handle, int triangle, int n, T *a, int lda, T *work, int size, int *info) {
    return call(name, handle, is_square(triangle, n, lda), a, {work, size, cholesky_workspace(n)}, info,
                [=] { return algebra::factorise(n, triangle_of(triangle, a, lda)); });
}

template <class T>
Status syevd(const char *name, Handle *handle, int with_vectors, int triangle, int n, T *a, int lda, T *values, T *work,
             int size, int *info) {
    const bool valid = is_square(triangle, n, lda) && blas::is_one_of_two(with_vectors);
    return call(name, handle, valid, a, {work, size, eigen_workspace(n)}, info, [=] {
        const algebra::Eigen<T> found(n, triangle_of(triangle, a, lda));
        std::copy(found.values.begin(), found.values.end(), values);
        for (int j = 0; j < n && with_vectors; j++) {
            std::copy_n(found.vectors.begin() + (ptrdiff_t)j * n, n, a + (ptrdiff_t)j * lda);
        }
        return found.converged ? 0 : n;
    });
}

}  // namespace

EMULATOR_API Status cusolverDnCreate(Handle **handle) {
    if (driver::ready() != driver::SUCCESS) {
        return NOT_INITIALIZED;
    }
    *handle = new Handle{nullptr};
    return SUCCESS;
}

EMULATOR_API Status cusolverDnDestroy(Handle *handle) {
    delete handle;
    return handle ? SUCCESS : NOT_INITIALIZED;
}

EMULATOR_API Status cusolverDnSetStream(Handle *handle, driver::Stream *stream) {
    if (!driver::is_stream(stream)) {
        return INVALID_VALUE;
    }
    handle->stream = stream;
    return SUCCESS;
}

#define CALLS(T, letter)                                                                                              \
    EMULATOR_API Status cusolverDn##letter##potrf_bufferSize(Handle *h, int uplo, int n, T *, int lda, int *size) {   \
        return give_size(h, uplo, n, lda, cholesky_workspace(n), size);                                               \
    }                                                                                                                 \
    EMULATOR_API Status cusolverDn##letter##potrf(Handle *h, int uplo, int n, T *a, int lda, T *work, int size,       \
                                                  int *info) {                                                        \
        return potrf("cusolverDn" #letter "potrf", h, uplo, n, a, lda, work, size, info);                             \
    }

CALLS(float, S)
CALLS(double, D)

EMULATOR_API Status cusolverDnDsyevd_bufferSize(Handle *h, int, int uplo, int n, const double *, int lda,
                                                const double *, int *size) {
    return give_size(h, uplo, n, lda, eigen_workspace(n), size);
}

EMULATOR_API Status cusolverDnDsyevd(Handle *h, int jobz, int uplo, int n, double *a, int lda, double *w, double *work,
                                     int size, int *info) {
    return syevd("cusolverDnDsyevd", h, jobz, uplo, n, a, lda, w, work, size, info);
}
