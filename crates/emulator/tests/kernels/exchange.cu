// Threads that need what others wrote.
#include <device.cuh>

#define BLOCK 128

// Each block's values in the opposite order.
extern "C" __global__ void __launch_bounds__(BLOCK) test_reverse(const float *__restrict__ in, float *__restrict__ out) {
    __shared__ float values[BLOCK];
    const unsigned thread = blockIdx.x * BLOCK + threadIdx.x;
    values[threadIdx.x] = in[thread];
    __syncthreads();
    out[thread] = values[BLOCK - 1 - threadIdx.x];
}

// The sum of each block's values: shuffles within warps, then shared memory.
extern "C" __global__ void __launch_bounds__(1024) test_block_sums(const float *__restrict__ in, float *__restrict__ sums) {
    __shared__ float of_warps[32];
    float sum = in[blockIdx.x * blockDim.x + threadIdx.x];
    for (int offset = 16; offset > 0; offset /= 2) {
        sum += __shfl_down_sync(0xffffffffu, sum, offset);
    }
    if (threadIdx.x % 32 == 0) {
        of_warps[threadIdx.x / 32] = sum;
    }
    __syncthreads();
    if (threadIdx.x < 32) {
        sum = threadIdx.x < blockDim.x / 32 ? of_warps[threadIdx.x] : 0.0f;
        for (int offset = 16; offset > 0; offset /= 2) {
            sum += __shfl_xor_sync(0xffffffffu, sum, offset);
        }
        if (threadIdx.x == 0) {
            sums[blockIdx.x] = sum;
        }
    }
}

// test_reverse for blocks of any size, in dynamic shared memory; `past` goes beyond its end.
extern "C" __global__ void test_reverse_dynamic(const float *__restrict__ in, float *__restrict__ out, unsigned past) {
    extern __shared__ __align__(16) float values[];
    const unsigned thread = blockIdx.x * blockDim.x + threadIdx.x;
    values[threadIdx.x + past] = in[thread];
    __syncthreads();
    out[thread] = values[blockDim.x - 1 - threadIdx.x + past];
}

// Never ends on a device: the first thread is not at the barrier but at a shuffle with nobody else.
extern "C" __global__ void test_deadlock(float *out) {
    if (threadIdx.x == 0) {
        out[0] = __shfl_sync(0x3u, 1.0f, 1);
    } else {
        __syncthreads();
        out[threadIdx.x] = 2.0f;
    }
}

// What shared memory holds before it is written.
extern "C" __global__ void test_fresh_shared_memory(float *out) {
    __shared__ float values[BLOCK];
    extern __shared__ float dynamic[];
    const unsigned thread = blockIdx.x * BLOCK + threadIdx.x;
    out[thread] = fmaxf(values[threadIdx.x] == values[threadIdx.x] ? values[threadIdx.x] : -1.0f,
                        dynamic[threadIdx.x] == dynamic[threadIdx.x] ? dynamic[threadIdx.x] : -1.0f);
    values[threadIdx.x] = dynamic[threadIdx.x] = 1.0f;
}
