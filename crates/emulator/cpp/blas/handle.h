// cuBLAS' types and codes, and what its functions ask first.
#pragma once

#include <cstddef>
#include <cstdint>

#include "../driver/driver.h"
#include "../runtime/fault.h"
#include "../runtime/memory.h"
#include "../runtime/report.h"

namespace blas {

using Status = int;

enum : Status { SUCCESS = 0, NOT_INITIALIZED = 1, INVALID_VALUE = 7, EXECUTION_FAILED = 13, NOT_SUPPORTED = 15 };
enum Operation : int { PLAIN = 0, TRANSPOSED = 1, CONJUGATE_TRANSPOSED = 2 };
enum Side : int { LEFT = 0, RIGHT = 1 };
enum Triangle : int { LOWER = 0, UPPER = 1 };
enum Diagonal : int { OWN = 0, ONES = 1 };
enum MathMode : int { EXACT = 0, TF32 = 3 };
enum Type : int { FLOATS = 0, HALVES = 2 };
enum ComputeType : int { IN_FLOAT = 68 };

struct Handle {
    driver::Stream *stream;
    MathMode math_mode;
};

inline bool is_operation(int operation) { return operation >= PLAIN && operation <= CONJUGATE_TRANSPOSED; }
inline bool is_one_of_two(int value) { return value == 0 || value == 1; }
inline bool is_leading_dimension(int dimension, int rows) { return dimension >= (rows > 1 ? rows : 1); }

// Matrices must be the device's; a library given the host's would fault on a device.
inline bool on_device(const char *call, std::initializer_list<const void *> matrices) {
    for (const void *matrix : matrices) {
        if (!emulator::is_device(matrix, 1)) {
            emulator::report(std::string(call) + " is given an address that is in no live allocation: " +
                             emulator::place_of(matrix));
            driver::device().broken = true;
            return false;
        }
    }
    return true;
}

// Whether a call may begin.
inline Status begin(const Handle *handle, bool arguments_are_valid) {
    if (!handle) {
        return NOT_INITIALIZED;
    }
    if (!arguments_are_valid) {
        return INVALID_VALUE;
    }
    return driver::ready_on(handle->stream) == driver::SUCCESS ? SUCCESS : EXECUTION_FAILED;
}

}  // namespace blas
