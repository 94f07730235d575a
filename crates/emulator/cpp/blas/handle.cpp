// Handles and their settings.
#include "handle.h"

using namespace blas;

EMULATOR_API Status cublasCreate_v2(Handle **handle) {
    if (driver::ready() != driver::SUCCESS) {
        return NOT_INITIALIZED;
    }
    *handle = new Handle{nullptr, HOST, 0};
    return SUCCESS;
}

EMULATOR_API Status cublasDestroy_v2(Handle *handle) {
    delete handle;
    return handle ? SUCCESS : NOT_INITIALIZED;
}

EMULATOR_API Status cublasGetVersion_v2(Handle *, int *version) {
    *version = 130000;
    return SUCCESS;
}

EMULATOR_API Status cublasSetStream_v2(Handle *handle, driver::Stream *stream) {
    if (!driver::is_stream(stream)) {
        return INVALID_VALUE;
    }
    handle->stream = stream;
    return SUCCESS;
}

EMULATOR_API Status cublasGetStream_v2(Handle *handle, driver::Stream **stream) {
    *stream = handle->stream;
    return SUCCESS;
}

EMULATOR_API Status cublasSetWorkspace_v2(Handle *handle, void *workspace, size_t bytes) {
    return begin(handle, bytes == 0 || emulator::is_device(workspace, bytes));
}

EMULATOR_API Status cublasSetMathMode(Handle *handle, int mode) {
    handle->math_mode = mode;
    return SUCCESS;
}

EMULATOR_API Status cublasGetMathMode(Handle *handle, int *mode) {
    *mode = handle->math_mode;
    return SUCCESS;
}

EMULATOR_API Status cublasSetPointerMode_v2(Handle *handle, int mode) {
    if (!is_one_of_two(mode)) {
        return INVALID_VALUE;
    }
    handle->pointer_mode = (PointerMode)mode;
    return SUCCESS;
}

EMULATOR_API Status cublasGetPointerMode_v2(Handle *handle, int *mode) {
    *mode = handle->pointer_mode;
    return SUCCESS;
}
