// Indices at sizes beyond 32 bits: a thread for each row, which writes its last entry.
#include <device.cuh>

extern "C" __global__ void test_mark_rows(float *out, unsigned width, unsigned *blocks) {
    out[(size_t)blockIdx.x * width + width - 1] = 1.0f;
    atomicAdd(blocks, 1u);
}

// With a mistake: the index has 32 bits.
extern "C" __global__ void test_mark_rows_int(float *out, int width) { out[(int)blockIdx.x * width + width - 1] = 1.0f; }

extern "C" __global__ void test_mark_rows_unsigned(float *out, unsigned width) { out[blockIdx.x * width + width - 1] = 1.0f; }
