// Columns of tall matrices, each with a number of its own: the vector updates of conjugate gradients.
//
// Matrices are rows x width, float32, one row behind the other; the numbers are float64. All kernels have blocks of
// 32 x 8 threads: a thread has columns threadIdx.x, threadIdx.x + 32, ... of every eighth row that its block comes by. Sums
// down a column are made by each of gridDim.x <= PARTS blocks for its rows, and then by finish_sums, always in the same
// order.
#include <device.cuh>

#define WARP 32
#define LANES 8

// Nothing of nothing is nothing.
__device__ __forceinline__ double ratio(double a, double b) { return a == 0.0 ? 0.0 : a / b; }

// work(row, column) for every entry that is this thread's in a column.
template <class Work> __device__ __forceinline__ void down(unsigned rows, unsigned column, const Work &work) {
#pragma unroll 4
    for (size_t row = blockIdx.x * LANES + threadIdx.y; row < rows; row += gridDim.x * LANES) {
        work(row, column);
    }
}

template <class Work> __device__ __forceinline__ void everywhere(unsigned rows, unsigned width, const Work &work) {
    for (unsigned column = threadIdx.x; column < width; column += WARP) {
        down(rows, column, work);
    }
}

// Of each column the sum of value(column)(entry), which may change entries too; parts: blocks x width.
template <class Value>
__device__ __forceinline__ void sum_columns(unsigned rows, unsigned width, double *parts, const Value &value) {
    __shared__ double sums[LANES][WARP];
    for (unsigned start = 0; start < width; start += WARP) {
        const unsigned column = start + threadIdx.x;
        double sum = 0.0;
        if (column < width) {
            const auto of = value(column);
            down(rows, column, [&](size_t row, unsigned column) { sum += of(row * width + column); });
        }
        sums[threadIdx.y][threadIdx.x] = sum;
        __syncthreads();
        if (threadIdx.y == 0 && column < width) {
            for (unsigned i = 1; i < LANES; i++) {
                sum += sums[i][threadIdx.x];
            }
            parts[blockIdx.x * width + column] = sum;
        }
        __syncthreads();
    }
}

// The inner product of each column of a with that of b. Reads 8 bytes an entry; 2 flops.
extern "C" __global__ void __launch_bounds__(256)
    dot_columns(const float *__restrict__ a, const float *__restrict__ b, unsigned rows, unsigned width,
                double *__restrict__ parts) {
    sum_columns(rows, width, parts, [=](unsigned) { return [=](size_t i) { return (double)a[i] * (double)b[i]; }; });
}

// The sums of the parts: a block for every 32 columns. Reads 8 bytes a part and column.
extern "C" __global__ void __launch_bounds__(256)
    finish_sums(const double *__restrict__ parts, unsigned count, unsigned width, double *__restrict__ sums) {
    __shared__ double lanes[LANES][WARP];
    const unsigned column = blockIdx.x * WARP + threadIdx.x;
    double sum = 0.0;
    for (unsigned part = threadIdx.y; part < count && column < width; part += LANES) {
        sum += parts[part * width + column];
    }
    lanes[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && column < width) {
        for (unsigned i = 1; i < LANES; i++) {
            sum += lanes[i][threadIdx.x];
        }
        sums[column] = sum;
    }
}

// Y = Y diag(keep) + X diag(take). Reads 8 bytes an entry, writes 4; 3 flops.
extern "C" __global__ void __launch_bounds__(256)
    combine_columns(float *__restrict__ y, const double *__restrict__ keep, const float *__restrict__ x,
                    const double *__restrict__ take, unsigned rows, unsigned width) {
    everywhere(rows, width, [&](size_t row, unsigned column) {
        const size_t i = row * width + column;
        y[i] = (float)(y[i] * keep[column] + x[i] * take[column]);
    });
}

// direction = next + direction diag(newer / older). Reads 8 bytes an entry, writes 4; 2 flops.
extern "C" __global__ void __launch_bounds__(256)
    turn_directions(float *__restrict__ direction, const float *__restrict__ next, const double *__restrict__ newer,
                    const double *__restrict__ older, unsigned rows, unsigned width) {
    for (unsigned column = threadIdx.x; column < width; column += WARP) {
        const double share = ratio(newer[column], older[column]);
        down(rows, column, [&](size_t row, unsigned column) {
            const size_t i = row * width + column;
            direction[i] = (float)(direction[i] * share + next[i]);
        });
    }
}

// product += alpha direction, and the inner products of both. Reads 8 bytes an entry, writes 4; 4 flops.
extern "C" __global__ void __launch_bounds__(256)
    add_ridge(float *__restrict__ product, const float *__restrict__ direction, double alpha, unsigned rows, unsigned width,
              double *__restrict__ parts) {
    sum_columns(rows, width, parts, [=](unsigned) {
        return [=](size_t i) {
            const double d = direction[i];
            const float p = (float)(product[i] + alpha * d);
            product[i] = p;
            return d * (double)p;
        };
    });
}

// With l = rho / curvature: solution += direction diag(l), residual -= product diag(l), and the squared norms of the new
// residuals. Reads 16 bytes an entry, writes 8; 6 flops.
extern "C" __global__ void __launch_bounds__(256)
    step_along(float *__restrict__ solution, float *__restrict__ residual, const float *__restrict__ direction,
               const float *__restrict__ product, const double *__restrict__ rho, const double *__restrict__ curvature,
               unsigned rows, unsigned width, double *__restrict__ parts) {
    sum_columns(rows, width, parts, [=](unsigned column) {
        const double length = ratio(rho[column], curvature[column]);
        return [=](size_t i) {
            const float s = solution[i], d = direction[i], r = residual[i], p = product[i];
            const float next = (float)(r - length * p);
            solution[i] = (float)(s + length * d);
            residual[i] = next;
            return (double)next * (double)next;
        };
    });
}

// out[., k] = x[., columns[k]], for `wanted` columns. Reads and writes 4 bytes an entry.
extern "C" __global__ void __launch_bounds__(256)
    select_columns(const float *__restrict__ x, unsigned rows, unsigned width, const unsigned *__restrict__ columns,
                   unsigned wanted, float *__restrict__ out) {
    everywhere(rows, wanted, [&](size_t row, unsigned k) { out[row * wanted + k] = x[row * width + columns[k]]; });
}

// out[., columns[k]] = x[., k], for `given` columns. Reads and writes 4 bytes an entry.
extern "C" __global__ void __launch_bounds__(256)
    put_columns(float *__restrict__ out, unsigned rows, unsigned width, const unsigned *__restrict__ columns,
                unsigned given, const float *__restrict__ x) {
    everywhere(rows, given, [&](size_t row, unsigned k) { out[row * width + columns[k]] = x[row * given + k]; });
}
