// Handles and their settings.
#include "handle.h"

using namespace blas;

EMULATOR_API Status cublasCreate_v2(Handle **handle) {
    if (driver::ready() != driver::SUCCESS) {
        return NOT_INITIALIZED;
    }
    *handle = new Handle{nullptr, EXACT};
    return SUCCESS;
}

EMULATOR_API Status cublasDestroy_v2(Handle *handle) {
    delete handle;
    return handle ? SUCCESS : NOT_INITIALIZED;
}

EMULATOR_API Status cublasSetStream_v2(Handle *handle, driver::Stream *stream) {
    if (!driver::is_stream(stream)) {
        return INVALID_VALUE;
    }
    handle->stream = stream;
    return SUCCESS;
}

EMULATOR_API Status cublasSetMathMode(Handle *handle, int mode) {
    if (mode != EXACT && mode != TF32) {
        return NOT_SUPPORTED;
    }
    handle->math_mode = (MathMode)mode;
    return SUCCESS;
}

