// What the kernels ask of a device beyond plain CUDA C++, on the host; the functions of kernels/device.cuh.
#pragma once

#include "arithmetic.h"
#include "atomics.h"
#include "halves.h"
#include "language.h"
#include "vectors.h"
#include "warp.h"

__device__ __forceinline__ unsigned pack_halves(float low, float high) {
    return emulator::float_to_half(low) | (unsigned)emulator::float_to_half(high) << 16;
}

__device__ __forceinline__ float low_half(unsigned pair) { return emulator::half_to_float((uint16_t)pair); }

__device__ __forceinline__ float high_half(unsigned pair) { return emulator::half_to_float((uint16_t)(pair >> 16)); }

// A difference of two float16 numbers in float32 has more than twice as many bits and rounds to the right float16.
__device__ __forceinline__ unsigned subtract_halves(unsigned a, unsigned b) {
    return pack_halves(low_half(a) - low_half(b), high_half(a) - high_half(b));
}

__device__ __forceinline__ void multiply_add(float (&d)[4], const uint4 a, const uint2 b) {
    emulator_forget();
    emulator_multiply_add(d, a, b);
    emulator_forget();
}
