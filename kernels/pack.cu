// Matrices into the layout of the matrix instruction; see rbf.cu, which multiplies them.
#include <device.cuh>
#include <fragments.cuh>

// Warps of a block.
#define WARPS 8

#define INFINITE __uint_as_float(0x7f800000u)

// Rows x components to fragments, and the squared norms of the rows; sets `not_finite` where one is NaN or infinite.
// One block of 256 threads a tile. Reads 4 n d bytes, writes as many.
extern "C" __global__ void __launch_bounds__(WARPS *WARP)
    pack_rows(const float *__restrict__ x, unsigned components, const Tile *__restrict__ tiles, unsigned steps,
              uint4 *__restrict__ hi, uint4 *__restrict__ lo, float *__restrict__ norms, unsigned *__restrict__ not_finite) {
    const Tile tile = tiles[blockIdx.x];
    const unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    const unsigned g = lane / 4, t = lane % 4;
    auto entry = [&](unsigned row, unsigned component) {
        return row < tile.count && component < components ? x[(size_t)(tile.row + row) * components + component] : 0.0f;
    };
    for (unsigned step = warp; step < steps; step += WARPS) {
        const unsigned c = step * TILE + 2 * t;
        uint4 upper, lower;
        split(entry(g, c), entry(g, c + 1), upper.x, lower.x);
        split(entry(g + 8, c), entry(g + 8, c + 1), upper.y, lower.y);
        split(entry(g, c + 8), entry(g, c + 9), upper.z, lower.z);
        split(entry(g + 8, c + 8), entry(g + 8, c + 9), upper.w, lower.w);
        const size_t at = ((size_t)tile.tile * steps + step) * WARP + lane;
        hi[at] = upper;
        lo[at] = lower;
    }
    for (unsigned row = warp; row < TILE; row += WARPS) {
        float sum = 0.0f;
        for (unsigned component = lane; component < components; component += WARP) {
            const float value = entry(row, component);
            sum = fmaf(value, value, sum);
        }
        for (unsigned offset = WARP / 2; offset > 0; offset /= 2) {
            sum += __shfl_xor_sync(0xffffffffu, sum, offset);
        }
        if (lane == 0) {
            norms[(size_t)tile.tile * TILE + row] = sum;
            if (!(sum < INFINITE)) {
                *not_finite = 1;
            }
        }
    }
}

// The largest magnitude in each column of V (rows x width), as the bits of a float32 number; `maxima` is zero before. NaN is
// larger than all else. Blocks of 32 x 8 threads, any number. Reads 4 bytes an entry.
extern "C" __global__ void __launch_bounds__(256)
    column_maxima(const float *__restrict__ v, unsigned rows, unsigned width, unsigned *__restrict__ maxima) {
    __shared__ unsigned found[8][WARP];
    for (unsigned start = 0; start < width; start += WARP) {
        const unsigned column = start + threadIdx.x;
        unsigned largest = 0;
        for (size_t row = blockIdx.x * 8 + threadIdx.y; row < rows && column < width; row += gridDim.x * 8) {
            largest = max(largest, __float_as_uint(fabsf(v[row * width + column])));
        }
        found[threadIdx.y][threadIdx.x] = largest;
        __syncthreads();
        if (threadIdx.y == 0 && column < width) {
            for (unsigned i = 1; i < 8; i++) {
                largest = max(largest, found[i][threadIdx.x]);
            }
            atomicMax(&maxima[column], largest);
        }
        __syncthreads();
    }
}

// V, rows x width, to fragments, and what its columns were multiplied by. One block of 256 threads for each tile and slab:
// grid (tiles, slabs of 72 columns); slab s begins at 72 s x tiles x 64 bytes of `packed`. Reads 4 bytes an entry, writes 4.
extern "C" __global__ void __launch_bounds__(WARPS *WARP)
    pack_columns(const float *__restrict__ v, unsigned width, const Tile *__restrict__ tiles,
                 const unsigned *__restrict__ maxima, float *__restrict__ scales, uint4 *__restrict__ packed) {
    __shared__ float scale[8 * SLAB];
    const unsigned first = blockIdx.y * 8 * SLAB;
    for (unsigned i = threadIdx.x; i < 8 * SLAB; i += WARPS * WARP) {
        scale[i] = scale_of(first + i < width ? maxima[first + i] : 0);
        if (blockIdx.x == 0 && first + i < width) {
            scales[first + i] = scale[i];
        }
    }
    __syncthreads();
    const Tile tile = tiles[blockIdx.x];
    const unsigned lane = threadIdx.x % WARP, g = lane / 4, t = lane % 4;
    const unsigned groups = min((width - first + 7) / 8, (unsigned)SLAB);
    uint4 *out = packed + (size_t)first / 8 * gridDim.x * WARP + (size_t)blockIdx.x * groups * WARP;
    for (unsigned group = threadIdx.x / WARP; group < groups; group += WARPS) {
        const unsigned column = 8 * group + g;
        auto entry = [&](unsigned row) {
            const bool there = row < tile.count && first + column < width;
            return there ? v[(size_t)(tile.row + row) * width + first + column] * scale[column] : 0.0f;
        };
        uint4 pair;
        split(entry(2 * t), entry(2 * t + 1), pair.x, pair.z);
        split(entry(2 * t + 8), entry(2 * t + 9), pair.y, pair.w);
        out[group * WARP + lane] = pair;
    }
}
