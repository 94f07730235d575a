// cuBLAS' types and codes, and what its functions ask first.
#pragma once

#include <cstddef>
#include <cstdint>

#include "../driver/driver.h"
#include "../runtime/fault.h"
#include "operand.h"

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

// Options in the words of CallKind.
inline std::string text_of(Operation operation) { return operation == PLAIN ? "N" : operation == TRANSPOSED ? "T" : "C"; }
inline std::string text_of(Side side) { return side == LEFT ? "left" : "right"; }
inline std::string text_of(Triangle triangle) { return triangle == LOWER ? "lower" : "upper"; }
inline std::string text_of(Diagonal diagonal) { return diagonal == ONES ? "unit" : "non-unit"; }
template <class T>
std::string type_name() {
    return sizeof(T) == 2 ? "float16" : sizeof(T) == 4 ? "float32" : "float64";
}

inline bool is_operation(int operation) { return operation >= PLAIN && operation <= CONJUGATE_TRANSPOSED; }
inline bool is_one_of_two(int value) { return value == 0 || value == 1; }
inline bool is_leading_dimension(int dimension, int rows) { return dimension >= (rows > 1 ? rows : 1); }

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
