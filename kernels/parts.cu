// Parts of matrices, many at a time: small matrices are put side by side for one product with many columns.
//
// Matrices are float32, one row behind the other, unless a kernel says otherwise. All kernels have blocks of 32 x 8 threads for 64
// rows each: grid (parts, rows of the longest / 64).
#include <device.cuh>
#include <fragments.cuh>

#define LANES 8
#define ROWS 64

// work(row, column) for every entry of a part that is this thread's.
template <class Work> __device__ __forceinline__ void within(unsigned rows, unsigned columns, const Work &work) {
    const unsigned start = blockIdx.y * ROWS, end = min(rows, start + ROWS);
    for (unsigned row = start + threadIdx.y; row < end; row += LANES) {
        for (unsigned column = threadIdx.x; column < columns; column += WARP) {
            work(row, column);
        }
    }
}

// A part of a matrix with rows of `from_width` numbers, and its place in one with rows of `to_width`.
struct Move {
    const float *from;
    float *to;
    unsigned rows, columns, from_width, to_width;
};

// Copies every part; no two may have the same place. Reads and writes 4 bytes an entry.
extern "C" __global__ void __launch_bounds__(256) move_parts(const Move *__restrict__ moves) {
    const Move part = moves[blockIdx.x];
    within(part.rows, part.columns, [&](size_t row, unsigned column) {
        part.to[row * part.to_width + column] = part.from[row * part.from_width + column];
    });
}

// A part of a matrix, and its place in two matrices of float16 numbers with rows of `to_width`, whose sum it becomes. Its first
// column is that of number `first` among those whose maxima are looked for.
struct Split {
    const float *from;
    unsigned short *hi;
    unsigned short *lo;
    unsigned rows, columns, from_width, to_width, first, unused;
};

// The largest magnitude in each column, as the bits of a float32 number; `maxima` is zero before. A column may be in several
// parts. NaN is larger than all else. Reads 4 bytes an entry.
extern "C" __global__ void __launch_bounds__(256)
    part_maxima(const Split *__restrict__ splits, unsigned *__restrict__ maxima) {
    __shared__ unsigned found[LANES][WARP];
    const Split part = splits[blockIdx.x];
    const unsigned first_row = blockIdx.y * ROWS, end = min(part.rows, first_row + ROWS);
    for (unsigned start = 0; start < part.columns && first_row < end; start += WARP) {
        const unsigned column = start + threadIdx.x;
        unsigned largest = 0;
        for (unsigned row = first_row + threadIdx.y; row < end && column < part.columns; row += LANES) {
            largest = max(largest, __float_as_uint(fabsf(part.from[(size_t)row * part.from_width + column])));
        }
        found[threadIdx.y][threadIdx.x] = largest;
        __syncthreads();
        if (threadIdx.y == 0 && column < part.columns) {
            for (unsigned i = 1; i < LANES; i++) {
                largest = max(largest, found[i][threadIdx.x]);
            }
            atomicMax(&maxima[part.first + column], largest);
        }
        __syncthreads();
    }
}

// Every part times scale_of(its columns' maxima), as sums of two float16 numbers. Reads and writes 4 bytes an entry.
extern "C" __global__ void __launch_bounds__(256)
    split_parts(const Split *__restrict__ splits, const unsigned *__restrict__ maxima) {
    const Split part = splits[blockIdx.x];
    within(part.rows, part.columns, [&](size_t row, unsigned column) {
        const float value = part.from[row * part.from_width + column] * scale_of(maxima[part.first + column]);
        unsigned hi, lo;
        split(value, 0.0f, hi, lo);
        part.hi[row * part.to_width + column] = (unsigned short)hi;
        part.lo[row * part.to_width + column] = (unsigned short)lo;
    });
}

// A part of a product with a matrix that was split, and where it goes: to = keep base + take from / scale_of(its columns'
// maxima). `base`, which may be `to`, has rows of `to_width` too.
struct Unscaled {
    const float *from;
    const float *base;
    float *to;
    unsigned rows, columns, from_width, to_width, first, unused;
};

// No two parts may have the same place. Without `maxima` nothing was multiplied. Reads 8 bytes an entry, writes 4; 3 flops.
extern "C" __global__ void __launch_bounds__(256)
    add_unscaled(const Unscaled *__restrict__ parts, const unsigned *__restrict__ maxima, float keep, float take) {
    const Unscaled part = parts[blockIdx.x];
    within(part.rows, part.columns, [&](size_t row, unsigned column) {
        const float scale = maxima ? scale_of(maxima[part.first + column]) : 1.0f;
        const float value = part.from[row * part.from_width + column] / scale;
        const size_t at = row * part.to_width + column;
        part.to[at] = keep * part.base[at] + take * value;
    });
}
