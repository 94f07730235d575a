// Rows of dense matrices, float32, one row behind the other.
#include <device.cuh>

#define WARP 32

// The sum of value(x) over the entries of a row, by a warp; in every lane.
template <class Value>
__device__ __forceinline__ double sum_row(const float *row, unsigned columns, const Value &value) {
    double sum = 0.0;
    for (unsigned i = threadIdx.x % WARP; i < columns; i += WARP) {
        sum += value(row[i]);
    }
    for (unsigned offset = WARP / 2; offset > 0; offset /= 2) {
        sum += __shfl_xor_sync(0xffffffffu, sum, offset);
    }
    return sum;
}

// Subtracts from each row its mean and divides it by its population standard deviation, both in float64; a deviation of
// zero counts as one. A warp a row, blocks of 256 threads. 5 flops an entry; reads it three times (cached), writes it once.
extern "C" __global__ void __launch_bounds__(256)
    standardize_rows(float *__restrict__ x, unsigned rows, unsigned columns) {
    const unsigned row = blockIdx.x * 8 + threadIdx.x / WARP;
    if (row >= rows) {
        return;
    }
    float *values = x + (size_t)row * columns;
    const double mean = sum_row(values, columns, [](float value) { return (double)value; }) / columns;
    auto square = [=](float value) { return (value - mean) * (value - mean); };
    const double variance = sum_row(values, columns, square) / columns;
    const double deviation = variance == 0.0 ? 1.0 : sqrt(variance);
    for (unsigned i = threadIdx.x % WARP; i < columns; i += WARP) {
        values[i] = (float)((values[i] - mean) / deviation);
    }
}

// out[i] = x[rows[i]]. One block of 128 threads a row. Reads and writes 4 bytes an entry.
extern "C" __global__ void __launch_bounds__(128)
    gather_rows(const float *__restrict__ x, const unsigned *__restrict__ rows, unsigned columns,
                float *__restrict__ out) {
    const size_t from = (size_t)rows[blockIdx.x] * columns, to = (size_t)blockIdx.x * columns;
    for (unsigned i = threadIdx.x; i < columns; i += 128) {
        out[to + i] = x[from + i];
    }
}

// out[rows[i]] += x[i]; no row may be named twice. One block of 128 threads a row. Reads 8 bytes an entry, writes 4.
extern "C" __global__ void __launch_bounds__(128)
    scatter_add_rows(const float *__restrict__ x, const unsigned *__restrict__ rows, unsigned columns,
                     float *__restrict__ out) {
    const size_t from = (size_t)blockIdx.x * columns, to = (size_t)rows[blockIdx.x] * columns;
    for (unsigned i = threadIdx.x; i < columns; i += 128) {
        out[to + i] += x[from + i];
    }
}

// Rows `first` and following of a sparse matrix in CSR as a dense one; the columns of a row differ.
// One block of 256 threads a row. Reads 8 bytes a nonzero, writes 4 an entry, and 4 a nonzero again.
extern "C" __global__ void __launch_bounds__(256)
    densify_rows(const unsigned long long *__restrict__ starts, const unsigned *__restrict__ indices,
                 const float *__restrict__ values, unsigned first, unsigned columns, float *__restrict__ out) {
    const size_t row = first + (size_t)blockIdx.x;
    float *dense = out + (size_t)blockIdx.x * columns;
    for (unsigned i = threadIdx.x; i < columns; i += 256) {
        dense[i] = 0.0f;
    }
    __syncthreads();
    for (unsigned long long i = starts[row] + threadIdx.x; i < starts[row + 1]; i += 256) {
        dense[indices[i]] = values[i];
    }
}
