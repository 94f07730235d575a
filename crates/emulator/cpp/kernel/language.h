// The words and built-in variables that CUDA adds to C++.
#pragma once

#include "machine.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)
#define __constant__ static
// One OS thread runs a block. `extern __shared__` is rewritten by the build script.
#define __shared__ static thread_local

#define threadIdx (emulator_thread->index)
#define blockIdx (emulator_thread->block->index)
#define blockDim (emulator_thread->block->block_size)
#define gridDim (emulator_thread->block->grid_size)

inline constexpr int warpSize = emulator::WARP;
