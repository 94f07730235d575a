// The kernel matrix K = exp(-gamma ||x - y||^2) in tiles of 16 x 16, and its products with blocks of vectors.
//
// Float32 accuracy at the speed of float16 matrix instructions: a number is the sum of two float16 numbers, hi + lo, and a
// product of two sums is hi hi + lo hi + hi lo, added up in float32. An entry of K is kept as q / 65535 with q of 16 bits;
// its upper 10 bits and its lower 6 are float16 numbers as they are.
//
// Everything is laid out as the matrix instruction wants it ("fragments", see device.cuh), so that a lane reads and
// writes 16 bytes at a time and no operand is rearranged:
//   rows x      [tile][step][lane] uint4, hi and lo apart; a tile is 16 rows, a step 16 of their components
//   tiles of K  [row tile][column tile][lane] uint4, two 16-bit entries in a register
//   vectors V   [tile][8 columns][lane] uint4: hi, hi, lo, lo
// Rows past the end of a tile are zero, columns past the end of V too.
#include <device.cuh>

#define WARP 32
#define TILE 16
// Tiles along a row that a warp has in registers at a time.
#define CHUNK 4
// Warps of a block, each with a tile of rows of its own.
#define WARPS 8
// Groups of 8 columns of V that a block multiplies.
#define SLAB 9

#define INFINITE __uint_as_float(0x7f800000u)

// Rows `row` to `row + count` of a matrix are tile `tile` of the kernel.
struct Tile {
    unsigned tile, row, count, unused;
};

// A product of some rows of the kernel with vectors.
struct Product {
    const Tile *rows;
    const Tile *columns;
    // [column tile of this product][group of 8 columns][lane]
    const uint4 *vectors;
    // What V was multiplied by, column by column.
    const float *scales;
    // rows x width, of which this product makes columns `first_column` and following.
    float *out;
    unsigned row_tiles, column_tiles, width, first_column;
};

// exp(-gamma ||x - y||^2) for x among `rows` and y among `columns`, both packed.
struct Rbf {
    const uint4 *x_hi;
    const uint4 *x_lo;
    const float *x_norms;
    const uint4 *y_hi;
    const uint4 *y_lo;
    const float *y_norms;
    unsigned steps;
    // -gamma log2(e)
    float exponent;
};

__device__ __forceinline__ uint4 no_entries() { return make_uint4(0, 0, 0, 0); }

// x = hi + lo.
__device__ __forceinline__ void split(float low, float high, unsigned &hi, unsigned &lo) {
    hi = pack_halves(low, high);
    lo = pack_halves(low - low_half(hi), high - high_half(hi));
}

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

// Entries of CHUNK tiles in the row of tiles `row`, by a warp: values[j][0] are those of the left half of tile number(j), [1]
// those of the right half, in the order of multiply_add's D. From the tile `count` on nothing is computed.
// 3 x 2 x 16 x 16 x 16 flops a tile and step; reads 1 KB a tile and step.
template <class Number>
__device__ __forceinline__ void form(const Rbf &k, unsigned row, const Number &number, unsigned count,
                                     float (&values)[CHUNK][2][4]) {
    const unsigned lane = threadIdx.x % WARP;
#pragma unroll
    for (unsigned j = 0; j < CHUNK; j++) {
#pragma unroll
        for (unsigned i = 0; i < 4; i++) {
            values[j][0][i] = values[j][1][i] = 0.0f;
        }
    }
    for (unsigned step = 0; step < k.steps; step++) {
        const size_t at = ((size_t)row * k.steps + step) * WARP + lane;
        const uint4 x_hi = k.x_hi[at], x_lo = k.x_lo[at];
#pragma unroll
        for (unsigned j = 0; j < CHUNK; j++) {
            if (j < count) {
                const size_t at = ((size_t)number(j) * k.steps + step) * WARP + lane;
                const uint4 hi = k.y_hi[at], lo = k.y_lo[at];
                multiply_add(values[j][0], x_lo, make_uint2(hi.x, hi.z));
                multiply_add(values[j][1], x_lo, make_uint2(hi.y, hi.w));
                multiply_add(values[j][0], x_hi, make_uint2(lo.x, lo.z));
                multiply_add(values[j][1], x_hi, make_uint2(lo.y, lo.w));
                multiply_add(values[j][0], x_hi, make_uint2(hi.x, hi.z));
                multiply_add(values[j][1], x_hi, make_uint2(hi.y, hi.w));
            }
        }
    }
    const unsigned g = lane / 4, t = lane % 4;
    const float above = k.x_norms[(size_t)row * TILE + g], below = k.x_norms[(size_t)row * TILE + g + 8];
#pragma unroll
    for (unsigned j = 0; j < CHUNK; j++) {
        if (j < count) {
#pragma unroll
            for (unsigned half = 0; half < 2; half++) {
                const float *norms = k.y_norms + (size_t)number(j) * TILE + 8 * half + 2 * t;
#pragma unroll
                for (unsigned i = 0; i < 4; i++) {
                    const float norm = (i < 2 ? above : below) + norms[i % 2];
                    const float square = fmaxf(norm - 2.0f * values[j][half][i], 0.0f);
                    // fmaxf drops NaN.
                    values[j][half][i] = norm == norm ? exp2f(k.exponent * square) : norm;
                }
            }
        }
    }
}

// Two entries, 16 bits each. NaN becomes 0; pack_rows has told of it.
__device__ __forceinline__ unsigned quantise(float low, float high) {
    const unsigned q = (unsigned)(fmaxf(low, 0.0f) * 65535.0f + 0.5f);
    return q | (unsigned)(fmaxf(high, 0.0f) * 65535.0f + 0.5f) << 16;
}

__device__ __forceinline__ uint4 quantise(const float (&values)[2][4]) {
    return make_uint4(quantise(values[0][0], values[0][1]), quantise(values[0][2], values[0][3]),
                      quantise(values[1][0], values[1][1]), quantise(values[1][2], values[1][3]));
}

// The upper 10 bits of two entries, as whole numbers; and the lower 6, as 64ths. Whole numbers below 1024 are the last bits
// of float16 numbers from 1024 on, 64ths those of numbers from 16 on.
__device__ __forceinline__ unsigned upper_bits(unsigned entries) {
    return subtract_halves((entries >> 6 & 0x03ff03ffu) | 0x64006400u, 0x64006400u);
}

__device__ __forceinline__ unsigned lower_bits(unsigned entries) {
    return subtract_halves((entries & 0x003f003fu) | 0x4c004c00u, 0x4c004c00u);
}

__device__ __forceinline__ uint4 upper_bits(uint4 tile) {
    return make_uint4(upper_bits(tile.x), upper_bits(tile.y), upper_bits(tile.z), upper_bits(tile.w));
}

__device__ __forceinline__ uint4 lower_bits(uint4 tile) {
    return make_uint4(lower_bits(tile.x), lower_bits(tile.y), lower_bits(tile.z), lower_bits(tile.w));
}

// What a warp multiplies with: a tile as the sum of two of float16 numbers. It is 1 / UNIT times the kernel's, where UNIT is
// that of Kept, Formed or Fine: they read or form CHUNK tiles, and take them apart later, when their registers are free.
struct Halves {
    uint4 upper, lower;
};

struct Words {
    uint4 tiles[CHUNK];

    __device__ __forceinline__ Halves halves(unsigned j) const { return {upper_bits(tiles[j]), lower_bits(tiles[j])}; }
};

// Tiles from memory.
struct Kept {
    static constexpr float UNIT = 64.0f / 65535.0f;
    // Vectors that a thread reads before it needs the first of them; for more there are no registers where tiles are formed.
    static constexpr unsigned AT_ONCE = 5;

    const uint4 *tiles;
    // Tiles in a row of K.
    unsigned across;

    template <class Number>
    __device__ __forceinline__ Words get(unsigned row, const Number &number, unsigned count) const {
        Words words;
#pragma unroll
        for (unsigned j = 0; j < CHUNK; j++) {
            const size_t at = ((size_t)row * across + number(j)) * WARP + threadIdx.x % WARP;
            words.tiles[j] = j < count ? tiles[at] : no_entries();
        }
        return words;
    }
};

// The same tiles, formed from the packed rows whenever they are needed.
struct Formed {
    static constexpr float UNIT = Kept::UNIT;
    static constexpr unsigned AT_ONCE = 1;

    Rbf rbf;

    template <class Number>
    __device__ __forceinline__ Words get(unsigned row, const Number &number, unsigned count) const {
        float values[CHUNK][2][4];
        form(rbf, row, number, count, values);
        Words words;
#pragma unroll
        for (unsigned j = 0; j < CHUNK; j++) {
            words.tiles[j] = j < count ? quantise(values[j]) : no_entries();
        }
        return words;
    }
};

struct Values {
    static constexpr float UNIT = 1.0f / 1024.0f;

    float tiles[CHUNK][2][4];

    __device__ __forceinline__ Halves halves(unsigned j) const {
        const float(&left)[4] = tiles[j][0], (&right)[4] = tiles[j][1];
        Halves halves;
        split(left[0] / UNIT, left[1] / UNIT, halves.upper.x, halves.lower.x);
        split(left[2] / UNIT, left[3] / UNIT, halves.upper.y, halves.lower.y);
        split(right[0] / UNIT, right[1] / UNIT, halves.upper.z, halves.lower.z);
        split(right[2] / UNIT, right[3] / UNIT, halves.upper.w, halves.lower.w);
        return halves;
    }
};

// Tiles formed whenever they are needed, of 22 bits instead of 16.
struct Fine {
    static constexpr float UNIT = Values::UNIT;
    static constexpr unsigned AT_ONCE = 1;

    Rbf rbf;

    template <class Number>
    __device__ __forceinline__ Values get(unsigned row, const Number &number, unsigned count) const {
        Values values;
        form(rbf, row, number, count, values.tiles);
        return values;
    }
};

// out = K V for the product and the eight tiles of its rows that `work` gives this block, a tile a warp; vectors go through
// registers and shared memory. Sums of a chunk are added up in float32 apart, as the matrix instruction cuts off what it
// cannot hold.
// 3 x 2 x 16 x 16 x 72 flops a tile; reads 512 bytes of K (or forms them), 4.5 KB of vectors from shared memory.
template <class Tiles>
__device__ __forceinline__ void multiply_rows(const Tiles &kernel, const Product &product, unsigned first_tile) {
    constexpr unsigned THREADS = WARPS * WARP, EACH = (CHUNK * SLAB * WARP + THREADS - 1) / THREADS;
    __shared__ uint4 vectors[CHUNK * SLAB * WARP];
    const unsigned lane = threadIdx.x % WARP, index = first_tile + threadIdx.x / WARP;
    const bool has_rows = index < product.row_tiles;
    const Tile rows = product.rows[has_rows ? index : first_tile];
    const unsigned left = product.width - product.first_column;
    const unsigned groups = min((left + 7) / 8, (unsigned)SLAB);
    float totals[SLAB][4] = {};
    // Numbers of the columns' tiles, those of the next turn being read in each.
    __shared__ unsigned numbers[2][CHUNK];
    auto next_number = [&](unsigned start) {
        const unsigned next = start + threadIdx.x;
        return threadIdx.x < CHUNK && next < product.column_tiles ? product.columns[next].tile : 0;
    };
    if (threadIdx.x < CHUNK) {
        numbers[0][threadIdx.x] = next_number(0);
    }
    __syncthreads();
    for (unsigned start = 0; start < product.column_tiles; start += CHUNK) {
        const unsigned turn = start / CHUNK % 2, count = min(product.column_tiles - start, (unsigned)CHUNK);
        const unsigned next = next_number(start + CHUNK);
        const auto tiles = kernel.get(rows.tile, [&](unsigned j) { return numbers[turn][j]; }, count);
        const uint4 *source = product.vectors + (size_t)start * groups * WARP;
#pragma unroll
        for (unsigned first = 0; first < EACH; first += Tiles::AT_ONCE) {
            uint4 passing[Tiles::AT_ONCE];
#pragma unroll
            for (unsigned k = 0; k < Tiles::AT_ONCE; k++) {
                const unsigned i = threadIdx.x + (first + k) * THREADS;
                passing[k] = i < count * groups * WARP ? source[i] : no_entries();
            }
#pragma unroll
            for (unsigned k = 0; k < Tiles::AT_ONCE; k++) {
                const unsigned i = threadIdx.x + (first + k) * THREADS;
                if (i < CHUNK * groups * WARP) {
                    vectors[i] = passing[k];
                }
            }
        }
        if (threadIdx.x < CHUNK) {
            numbers[1 - turn][threadIdx.x] = next;
        }
        Halves halves[CHUNK];
#pragma unroll
        for (unsigned j = 0; j < CHUNK; j++) {
            halves[j] = tiles.halves(j);
        }
        __syncthreads();
#pragma unroll
        for (unsigned group = 0; group < SLAB; group++) {
            if (group < groups) {
                // One for each of the three products: shorter chains of instructions that wait for one another.
                float sums[3][4] = {};
#pragma unroll
                for (unsigned j = 0; j < CHUNK; j++) {
                    const uint4 v = vectors[(j * groups + group) * WARP + lane];
                    multiply_add(sums[0], halves[j].lower, make_uint2(v.x, v.y));
                    multiply_add(sums[1], halves[j].upper, make_uint2(v.z, v.w));
                    multiply_add(sums[2], halves[j].upper, make_uint2(v.x, v.y));
                }
#pragma unroll
                for (unsigned i = 0; i < 4; i++) {
                    totals[group][i] += sums[0][i] + sums[1][i] + sums[2][i];
                }
            }
        }
        __syncthreads();
    }
    const unsigned g = lane / 4, t = lane % 4;
#pragma unroll
    for (unsigned group = 0; group < SLAB; group++) {
#pragma unroll
        for (unsigned i = 0; i < 4; i++) {
            const unsigned row = g + (i < 2 ? 0 : 8), column = product.first_column + 8 * group + 2 * t + i % 2;
            if (has_rows && row < rows.count && column < product.width) {
                const float total = totals[group][i] * (Tiles::UNIT / product.scales[column]);
                product.out[(size_t)(rows.row + row) * product.width + column] = total;
            }
        }
    }
}

// Products with a kernel that is kept. One block of 256 threads for each entry of `work`: a product, and the first of
// eight tiles of its rows.
extern "C" __global__ void __launch_bounds__(WARPS *WARP, 2)
    multiply_kept(const uint4 *__restrict__ tiles, unsigned across, const Product *__restrict__ products,
                  const uint2 *__restrict__ work) {
    const uint2 mine = work[blockIdx.x];
    multiply_rows(Kept{tiles, across}, products[mine.x], mine.y);
}

// The same products, bit by bit, with a kernel that is formed tile by tile and never stored. Launched as multiply_kept.
extern "C" __global__ void __launch_bounds__(WARPS *WARP, 2)
    multiply_formed(Rbf rbf, const Product *__restrict__ products, const uint2 *__restrict__ work) {
    const uint2 mine = work[blockIdx.x];
    multiply_rows(Formed{rbf}, products[mine.x], mine.y);
}

// Products with a kernel of 22 bits that is formed tile by tile and never stored. Launched as multiply_kept.
extern "C" __global__ void __launch_bounds__(WARPS *WARP, 2)
    multiply_fine(Rbf rbf, const Product *__restrict__ products, const uint2 *__restrict__ work) {
    const uint2 mine = work[blockIdx.x];
    multiply_rows(Fine{rbf}, products[mine.x], mine.y);
}

// The kernel between all tiles of x and of y, kept. Grid: (chunks of y's tiles, x's tiles / 8), 256 threads.
// 6 d flops an entry, and writes 2 bytes.
extern "C" __global__ void __launch_bounds__(WARPS *WARP)
    keep_tiles(Rbf rbf, unsigned row_tiles, unsigned column_tiles, uint4 *__restrict__ tiles) {
    const unsigned lane = threadIdx.x % WARP, row = blockIdx.y * WARPS + threadIdx.x / WARP;
    const unsigned start = blockIdx.x * CHUNK;
    if (row < row_tiles) {
        float values[CHUNK][2][4];
        const unsigned count = min(column_tiles - start, (unsigned)CHUNK);
        form(rbf, row, [=](unsigned j) { return start + j; }, count, values);
#pragma unroll
        for (unsigned j = 0; j < CHUNK; j++) {
            if (j < count) {
                tiles[((size_t)row * column_tiles + start + j) * WARP + lane] = quantise(values[j]);
            }
        }
    }
}

// The kernel between the rows of x and of y in float32, rows of x one behind the other. Launched as keep_tiles.
// 6 d flops an entry, and writes 4 bytes.
extern "C" __global__ void __launch_bounds__(WARPS *WARP)
    dense_kernel(Rbf rbf, const Tile *__restrict__ rows, const Tile *__restrict__ columns, unsigned row_tiles,
                 unsigned column_tiles, size_t width, float *__restrict__ out) {
    const unsigned lane = threadIdx.x % WARP, index = blockIdx.y * WARPS + threadIdx.x / WARP;
    const unsigned start = blockIdx.x * CHUNK, g = lane / 4, t = lane % 4;
    if (index < row_tiles) {
        const Tile x = rows[index];
        float values[CHUNK][2][4];
        const unsigned count = min(column_tiles - start, (unsigned)CHUNK);
        form(rbf, x.tile, [=](unsigned j) { return columns[start + j].tile; }, count, values);
#pragma unroll
        for (unsigned j = 0; j < CHUNK; j++) {
            if (j < count) {
                const Tile y = columns[start + j];
#pragma unroll
                for (unsigned i = 0; i < 8; i++) {
                    const unsigned row = g + (i % 4 < 2 ? 0 : 8), column = i / 4 * 8 + 2 * t + i % 2;
                    if (row < x.count && column < y.count) {
                        out[(x.row + row) * width + y.row + column] = values[j][i / 4][i % 4];
                    }
                }
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

// 2^k such that `largest` 2^k is in [128, 256); 1 for zero and what is not finite.
__device__ __forceinline__ float scale_of(unsigned largest) {
    const int exponent = (int)(largest >> 23) - 127;
    const int shift = 7 - exponent;
    const bool usable = largest > 0 && exponent < 128;
    // 2^127 at most: what is below 2^-120 keeps fewer bits.
    return usable ? __uint_as_float((unsigned)(min(shift, 127) + 127) << 23) : 1.0f;
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

// out = the sum of `parts`, each `length` numbers, in their order. One thread an entry, blocks of 256; reads 4 bytes a part
// and entry, writes 4 an entry.
extern "C" __global__ void __launch_bounds__(256)
    sum_parts(const float *__restrict__ parts, unsigned count, size_t length, float *__restrict__ out) {
    const size_t i = (size_t)blockIdx.x * 256 + threadIdx.x;
    if (i < length) {
        float sum = 0.0f;
        for (unsigned part = 0; part < count; part++) {
            sum += parts[part * length + i];
        }
        out[i] = sum;
    }
}
