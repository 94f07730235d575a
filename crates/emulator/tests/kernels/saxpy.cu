// The least that a kernel can do.
#include <device.cuh>

extern "C" __global__ void test_saxpy(float a, const float *__restrict__ x, float *__restrict__ y, unsigned count) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) {
        y[i] = a * x[i] + y[i];
    }
}
