// What lanes of a warp do together, and float16.
#include <device.cuh>


// Warp by warp, `rounds` times d += a b.
extern "C" __global__ void test_multiply_add(const uint4 *__restrict__ a, const uint2 *__restrict__ b, float *__restrict__ d,
                                             unsigned rounds) {
    const unsigned thread = blockIdx.x * blockDim.x + threadIdx.x;
    float sums[4];
    for (int i = 0; i < 4; i++) {
        sums[i] = d[4 * thread + i];
    }
    for (unsigned round = 0; round < rounds; round++) {
        multiply_add(sums, a[thread], b[thread]);
    }
    for (int i = 0; i < 4; i++) {
        d[4 * thread + i] = sums[i];
    }
}

// One warp: each way to exchange, in segments of 8 lanes, and votes.
extern "C" __global__ void test_exchanges(unsigned *out) {
    const unsigned lane = threadIdx.x;
    unsigned *mine = out + 8 * lane;
    mine[0] = __shfl_sync(0xffffffffu, lane, 3, 8);
    mine[1] = __shfl_up_sync(0xffffffffu, lane, 2, 8);
    mine[2] = __shfl_down_sync(0xffffffffu, lane, 2, 8);
    mine[3] = __shfl_xor_sync(0xffffffffu, lane, 5, 8);
    mine[4] = __ballot_sync(0xffffffffu, lane % 3 == 0);
    mine[5] = __any_sync(0xffffffffu, lane == 7) + 2 * __all_sync(0xffffffffu, lane < 32);
    mine[6] = __any_sync(0xffffffffu, lane == 32) + 2 * __all_sync(0xffffffffu, lane < 31);
    // Two halves of the warp, apart.
    const unsigned half = lane < 16 ? 0x0000ffffu : 0xffff0000u;
    mine[7] = lane < 16 ? __ballot_sync(half, lane % 2) : __shfl_sync(half, lane, 31);
}

// Pairs of float16 to float32 and back.
extern "C" __global__ void test_halves(const unsigned *__restrict__ pairs, float *__restrict__ low, float *__restrict__ high,
                                       unsigned *__restrict__ back) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    low[i] = low_half(pairs[i]);
    high[i] = high_half(pairs[i]);
    back[i] = pack_halves(low[i], high[i]);
}

extern "C" __global__ void test_round(const float *__restrict__ values, unsigned *__restrict__ rounded) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    rounded[i] = pack_halves(values[i], -values[i]);
}

extern "C" __global__ void test_subtract(const unsigned *__restrict__ a, const unsigned *__restrict__ b,
                                         unsigned *__restrict__ out) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    out[i] = subtract_halves(a[i], b[i]);
}

// All threads of the grid at the same few numbers.
extern "C" __global__ void test_atomics(float *sum, double *wide, unsigned *count, int *largest) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    atomicAdd(sum, 1.0f);
    atomicAdd(wide, 0.5);
    atomicAdd(count, 2u);
    atomicMax(largest, i % 1000);
}

// The second warp multiplies with half of its lanes.
extern "C" __global__ void test_half_a_warp(float *out) {
    if (threadIdx.x >= 48) {
        return;
    }
    float sums[4] = {};
    multiply_add(sums, make_uint4(0, 0, 0, 0), make_uint2(0, 0));
    out[threadIdx.x] = sums[0];
}
