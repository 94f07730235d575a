// Kernels that touch what is not theirs.
#include <device.cuh>

// Writes `data[index]`, by one thread.
extern "C" __global__ void test_write(float *data, long long index) { data[index] = 1.0f; }

extern "C" __global__ void test_read(const float *data, long long index, float *out) { out[0] = data[index]; }

// The same through a pointer that is itself in device memory.
extern "C" __global__ void test_follow(float *const *places) { places[0][0] = 1.0f; }
