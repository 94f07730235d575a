// Kernels that touch what is not theirs.
#include <device.cuh>

// Writes `data[index]`, by one thread.
extern "C" __global__ void test_write(float *data, long long index) { data[index] = 1.0f; }

extern "C" __global__ void test_read(const float *data, long long index, float *out) { out[0] = data[index]; }

// The same through a pointer that is itself in device memory.
extern "C" __global__ void test_follow(float *const *places) { places[0][0] = 1.0f; }

// Writes dynamic shared memory by index.
extern "C" __global__ void test_write_shared(long long index) {
    extern __shared__ float values[];
    values[index] = 1.0f;
}

__device__ __noinline__ float descend(const float *data, int depth) {
    volatile float frame[64];
    frame[depth % 64] = data[0];
    return depth == 0 ? frame[0] : descend(data, depth - 1) + frame[depth % 64];
}

// Needs more than 256 bytes of stack for each step down.
extern "C" __global__ void test_descend(float *data, int depth) { data[0] = descend(data, depth); }

struct Source {
    unsigned index;
    const float *data;
};

// test_read with a structure.
extern "C" __global__ void test_read_from(Source source, float *out) { out[0] = source.data[source.index]; }
