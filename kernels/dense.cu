// Small services around cuBLAS and cuSOLVER.
#include <device.cuh>

#define WARP 32

// Float32 to float64. One thread an entry, as in all kernels here that go over entries; blocks of 256. Reads 4 bytes an
// entry, writes 8.
extern "C" __global__ void __launch_bounds__(256) widen(const float *__restrict__ x, size_t length, double *__restrict__ out) {
    const size_t i = (size_t)blockIdx.x * 256 + threadIdx.x;
    if (i < length) {
        out[i] = x[i];
    }
}

// Float64 to float32. Reads 8 bytes an entry, writes 4.
extern "C" __global__ void __launch_bounds__(256)
    narrow(const double *__restrict__ x, size_t length, float *__restrict__ out) {
    const size_t i = (size_t)blockIdx.x * 256 + threadIdx.x;
    if (i < length) {
        out[i] = (float)x[i];
    }
}

// sum += x. Reads 8 bytes an entry, writes 4; 1 flop.
extern "C" __global__ void __launch_bounds__(256) add(float *__restrict__ sum, const float *__restrict__ x, size_t length) {
    const size_t i = (size_t)blockIdx.x * 256 + threadIdx.x;
    if (i < length) {
        sum[i] += x[i];
    }
}

// a += value I, of n rows. One thread a row; reads and writes 4 bytes each.
extern "C" __global__ void __launch_bounds__(256) add_to_diagonal(float *__restrict__ a, size_t n, float value) {
    const size_t i = (size_t)blockIdx.x * 256 + threadIdx.x;
    if (i < n) {
        a[i * n + i] += value;
    }
}

// out = the symmetric matrix whose lower triangle, row by row, is in x, in float64, plus value I. Reads 4 bytes an entry,
// writes 8.
extern "C" __global__ void __launch_bounds__(256)
    widen_symmetric(const float *__restrict__ x, size_t n, double value, double *__restrict__ out) {
    const size_t i = (size_t)blockIdx.x * 256 + threadIdx.x;
    if (i < n * n) {
        const size_t row = i / n, column = i % n;
        const double entry = x[row >= column ? i : column * n + row];
        out[i] = row == column ? entry + value : entry;
    }
}

// x = I, of n rows. Writes 8 bytes an entry.
extern "C" __global__ void __launch_bounds__(256) identity(double *__restrict__ x, size_t n) {
    const size_t i = (size_t)blockIdx.x * 256 + threadIdx.x;
    if (i < n * n) {
        x[i] = i / n == i % n ? 1.0 : 0.0;
    }
}

// A number with 64 well mixed bits for every i (Steele, Lea and Flood 2014, SplitMix).
__device__ __forceinline__ unsigned long long mixed(unsigned long long seed, unsigned long long i) {
    unsigned long long z = seed + (i + 1) * 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

// Standard normal numbers times `scale` (Box and Muller 1958). Writes 4 bytes an entry.
extern "C" __global__ void __launch_bounds__(256)
    normal(unsigned long long seed, size_t length, float scale, float *__restrict__ out) {
    const size_t i = (size_t)blockIdx.x * 256 + threadIdx.x;
    if (i < length) {
        const unsigned long long bits = mixed(seed, i);
        const float radius = ((unsigned)(bits >> 40) + 1) * 0x1p-24f, angle = (unsigned)(bits & 0xffffff) * 0x1p-24f;
        out[i] = scale * sqrtf(-2.0f * logf(radius)) * cospif(2.0f * angle);
    }
}

// +1 or -1 for each column of v (rows x width): the sign of its entry of largest magnitude, the first of those.
// One block of 256 threads a column. Reads 4 bytes an entry.
extern "C" __global__ void __launch_bounds__(256)
    leading_signs(const float *__restrict__ v, unsigned rows, unsigned width, double *__restrict__ signs) {
    __shared__ float values[256];
    __shared__ unsigned places[256];
    float best = 0.0f;
    unsigned place = rows;
    for (unsigned row = threadIdx.x; row < rows; row += 256) {
        const float value = v[(size_t)row * width + blockIdx.x];
        if (fabsf(value) > fabsf(best)) {
            best = value;
            place = row;
        }
    }
    values[threadIdx.x] = best;
    places[threadIdx.x] = place;
    for (unsigned half = 128; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) {
            const float other = fabsf(values[threadIdx.x + half]), own = fabsf(values[threadIdx.x]);
            if (other > own || (other == own && places[threadIdx.x + half] < places[threadIdx.x])) {
                values[threadIdx.x] = values[threadIdx.x + half];
                places[threadIdx.x] = places[threadIdx.x + half];
            }
        }
    }
    if (threadIdx.x == 0) {
        signs[blockIdx.x] = values[0] < 0.0f ? -1.0 : 1.0;
    }
}

// V^T: out is width x rows. Blocks of 32 x 8 threads, each 32 x 32 entries: grid (width / 32, rows / 32), rounded up.
// Reads and writes 4 bytes an entry.
extern "C" __global__ void __launch_bounds__(256)
    transpose(const float *__restrict__ v, unsigned rows, unsigned width, float *__restrict__ out) {
    __shared__ float tile[WARP][WARP + 1];
    const unsigned left = blockIdx.x * WARP, top = blockIdx.y * WARP;
    for (unsigned i = threadIdx.y; i < WARP; i += 8) {
        if (top + i < rows && left + threadIdx.x < width) {
            tile[i][threadIdx.x] = v[(size_t)(top + i) * width + left + threadIdx.x];
        }
    }
    __syncthreads();
    for (unsigned i = threadIdx.y; i < WARP; i += 8) {
        if (left + i < width && top + threadIdx.x < rows) {
            out[(size_t)(left + i) * rows + top + threadIdx.x] = tile[threadIdx.x][i];
        }
    }
}
