// cuSOLVER's dense functions: each checks its arguments, spoils its workspace, then calls `algebra`.
#include <algorithm>
#include <limits>

#include "../algebra/eigen.h"
#include "../algebra/triangular.h"
#include "../blas/handle.h"

using algebra::column_major;
using algebra::View;
using blas::Operand;
using blas::written;

namespace {

using Status = int;
enum : Status { SUCCESS = 0, NOT_INITIALIZED = 1, INVALID_VALUE = 3, EXECUTION_FAILED = 6 };

struct Handle {
    driver::Stream *stream;
};

struct Workspace {
    void *data;
    int64_t given, needed;
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

// What the host asked for, and what is checked of it.
struct Asked {
    const char *name;
    Handle *handle;
    bool is_valid;
    std::string options;
    int n;
};

// Calls `work`, which returns what becomes `info`.
template <class T, class Work>
Status call(const Asked &asked, const Workspace &workspace, int *info, const Operand &a,
            std::initializer_list<Operand> others, Work work) {
    if (!asked.handle) {
        return NOT_INITIALIZED;
    }
    if (!asked.is_valid || workspace.given < workspace.needed) {
        return INVALID_VALUE;
    }
    if (driver::ready_on(asked.handle->stream) != driver::SUCCESS) {
        return EXECUTION_FAILED;
    }
    blas::note(asked.name, asked.options, {{"n", asked.n}}, {a});
    if (!blas::are_on_device(asked.name, {a}) || !blas::are_on_device(asked.name, others)) {
        return EXECUTION_FAILED;
    }
    const emulator::Call named(asked.name);
    blas::touch(asked.name, asked.handle->stream, {a});
    blas::touch(asked.name, asked.handle->stream, others);
    if (emulator::is_sampling()) {
        *info = 0;
        return SUCCESS;
    }
    spoil<T>(workspace);
    *info = (int)work();
    return SUCCESS;
}

int64_t cholesky_workspace(int64_t n) { return std::max<int64_t>(1, n); }
int64_t eigen_workspace(int64_t n) { return 1 + 6 * n + 2 * n * n; }

Status give_size(Handle *handle, int triangle, int n, int lda, int64_t needed, int *size) {
    if (!handle) {
        return NOT_INITIALIZED;
    }
    if (!is_square(triangle, n, lda) || needed > std::numeric_limits<int>::max()) {
        return INVALID_VALUE;
    }
    *size = (int)needed;
    return SUCCESS;
}

template <class T>
Status potrf(const char *name, Handle *handle, int triangle, int n, T *a, int lda, T *work, int size, int *info) {
    const Asked asked{name, handle, is_square(triangle, n, lda),
                      blas::text_of((blas::Triangle)triangle) + " " + blas::type_name<T>(), n};
    return call<T>(asked, {work, size, cholesky_workspace(n)}, info,
                   written("A", a, n, n, lda),
                   {written("workspace", work, size, 1, size), written("info", info, 1, 1, 1)},
                   [=] { return algebra::factorise(n, triangle_of(triangle, a, lda)); });
}

template <class T>
void give_eigenvalues(const algebra::Eigen<T> &found, int n, bool with_vectors, T *a, int lda, T *values) {
    std::copy(found.values.begin(), found.values.end(), values);
    for (int j = 0; j < n && with_vectors; j++) {
        std::copy_n(found.vectors.begin() + (ptrdiff_t)j * n, n, a + (ptrdiff_t)j * lda);
    }
}

template <class T>
Status syevd(const char *name, Handle *handle, int with_vectors, int triangle, int n, T *a, int lda, T *values, T *work,
             int size, int *info) {
    const std::string options = (with_vectors ? "vectors " : "values ") + blas::text_of((blas::Triangle)triangle);
    const bool valid = is_square(triangle, n, lda) && blas::is_one_of_two(with_vectors);
    return call<T>({name, handle, valid, options + " " + blas::type_name<T>(), n},
                   {work, size, eigen_workspace(n)}, info,
                   written("A", a, n, n, lda),
                   {written("W", values, n, 1, n), written("workspace", work, size, 1, size),
                    written("info", info, 1, 1, 1)},
                   [=] {
                       const algebra::Eigen<T> found(n, triangle_of(triangle, a, lda));
                       give_eigenvalues(found, n, with_vectors != 0, a, lda, values);
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
        return potrf(__func__, h, uplo, n, a, lda, work, size, info);                             \
    }

CALLS(float, S)
CALLS(double, D)

EMULATOR_API Status cusolverDnDsyevd_bufferSize(Handle *h, int, int uplo, int n, const double *, int lda,
                                                const double *, int *size) {
    return give_size(h, uplo, n, lda, eigen_workspace(n), size);
}

EMULATOR_API Status cusolverDnDsyevd(Handle *h, int jobz, int uplo, int n, double *a, int lda, double *w, double *work,
                                     int size, int *info) {
    return syevd(__func__, h, jobz, uplo, n, a, lda, w, work, size, info);
}
