// The kernel matrix K = exp(-gamma ||x - y||^2) in tiles of 16 x 16, and its products with blocks of vectors.
//
// Float32 accuracy at the speed of float16 matrix instructions: a number is the sum of two float16 numbers, hi + lo, and a
// product of two sums is hi hi + lo hi + hi lo, added up in float32. An entry of K is kept as q / 65535 with q of 16 bits;
// its upper 10 bits and its lower 6 are float16 numbers as they are.
//
// Everything is laid out as the matrix instruction wants it ("fragments", see device.cuh and fragments.cuh), so that a lane reads and
// writes 16 bytes at a time and no operand is rearranged:
//   rows x      [tile][step][lane] uint4, hi and lo apart; a tile is 16 rows, a step 16 of their components
//   tiles of K  [row tile][column tile][lane] uint4, two 16-bit entries in a register
//   vectors V   [tile][8 columns][lane] uint4: hi, hi, lo, lo
// Rows past the end of a tile are zero, columns past the end of V too.
#include <device.cuh>
#include <fragments.cuh>

// Tiles along a row that a warp has in registers at a time.
#define CHUNK 4
// Warps of a block, each with a tile of rows of its own.
#define WARPS 8

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

// 16 rows and 16 of their components: a factor of products from either side.
struct Fragment {
    uint4 hi, lo;
};

__device__ __forceinline__ Fragment fragment(const uint4 *hi, const uint4 *lo, size_t at) { return {hi[at], lo[at]}; }

// values += A B^T: the left half of the tile, the right half. The three products of halves come in one order, by which the
// bits of whatever forms a tile are the same. 3 x 2 x 16 x 16 x 16 flops.
__device__ __forceinline__ void add_products(float (&values)[2][4], const Fragment &a, const Fragment &b) {
    multiply_add(values[0], a.lo, make_uint2(b.hi.x, b.hi.z));
    multiply_add(values[1], a.lo, make_uint2(b.hi.y, b.hi.w));
    multiply_add(values[0], a.hi, make_uint2(b.lo.x, b.lo.z));
    multiply_add(values[1], a.hi, make_uint2(b.lo.y, b.lo.w));
    multiply_add(values[0], a.hi, make_uint2(b.hi.x, b.hi.z));
    multiply_add(values[1], a.hi, make_uint2(b.hi.y, b.hi.w));
}

// From the inner products of two tiles of rows, whose squared norms are given, to entries of the kernel.
__device__ __forceinline__ void finish(float (&values)[2][4], const float *a_norms, const float *b_norms, float exponent) {
    const unsigned lane = threadIdx.x % WARP, g = lane / 4, t = lane % 4;
    const float above = a_norms[g], below = a_norms[g + 8];
#pragma unroll
    for (unsigned half = 0; half < 2; half++) {
#pragma unroll
        for (unsigned i = 0; i < 4; i++) {
            const float norm = (i < 2 ? above : below) + b_norms[8 * half + 2 * t + i % 2];
            const float square = fmaxf(norm - 2.0f * values[half][i], 0.0f);
            // fmaxf drops NaN.
            values[half][i] = norm == norm ? exp2f(exponent * square) : norm;
        }
    }
}

// Entries of CHUNK tiles in the row of tiles `row`, by a warp: values[j][0] are those of the left half of tile number(j), [1]
// those of the right half, in the order of multiply_add's D; of the transposed tile where is_mirrored(j), for which x and y
// must be the same. From the tile `count` on nothing is computed. Reads 1 KB a tile and step.
template <class Number, class Mirrored>
__device__ __forceinline__ void form(const Rbf &k, unsigned row, const Number &number, const Mirrored &is_mirrored,
                                     unsigned count, float (&values)[CHUNK][2][4]) {
    const unsigned lane = threadIdx.x % WARP;
#pragma unroll
    for (unsigned j = 0; j < CHUNK; j++) {
#pragma unroll
        for (unsigned i = 0; i < 4; i++) {
            values[j][0][i] = values[j][1][i] = 0.0f;
        }
    }
    for (unsigned step = 0; step < k.steps; step++) {
        const Fragment x = fragment(k.x_hi, k.x_lo, ((size_t)row * k.steps + step) * WARP + lane);
#pragma unroll
        for (unsigned j = 0; j < CHUNK; j++) {
            if (j < count) {
                const Fragment y = fragment(k.y_hi, k.y_lo, ((size_t)number(j) * k.steps + step) * WARP + lane);
                if (is_mirrored(j)) {
                    add_products(values[j], y, x);
                } else {
                    add_products(values[j], x, y);
                }
            }
        }
    }
#pragma unroll
    for (unsigned j = 0; j < CHUNK; j++) {
        if (j < count) {
            const float *own = k.x_norms + (size_t)row * TILE, *other = k.y_norms + (size_t)number(j) * TILE;
            const bool mirrored = is_mirrored(j);
            finish(values[j], mirrored ? other : own, mirrored ? own : other, k.exponent);
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

// Rows and columns exchanged, in a quarter of a tile: a lane holds entries 2 t and 2 t + 1 of row g.
__device__ __forceinline__ unsigned transposed(unsigned entries) {
    const unsigned lane = threadIdx.x % WARP, g = lane / 4, t = lane % 4;
    const unsigned first = __shfl_sync(0xffffffffu, entries, 8 * t + g / 2);
    const unsigned second = __shfl_sync(0xffffffffu, entries, 8 * t + 4 + g / 2);
    const unsigned shift = 16 * (g % 2);
    return (first >> shift & 0xffffu) | second >> shift << 16;
}

__device__ __forceinline__ uint4 transposed(uint4 tile) {
    return make_uint4(transposed(tile.x), transposed(tile.z), transposed(tile.y), transposed(tile.w));
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

// The same tiles, formed from the packed rows whenever they are needed: below the diagonal the transposed tile is formed, of
// which keep_tiles writes the mirror image, as its last bits may differ.
struct Formed {
    static constexpr float UNIT = Kept::UNIT;
    static constexpr unsigned AT_ONCE = 1;

    Rbf rbf;

    template <class Number>
    __device__ __forceinline__ Words get(unsigned row, const Number &number, unsigned count) const {
        const auto is_below = [&](unsigned j) { return number(j) < row; };
        float values[CHUNK][2][4];
        form(rbf, row, number, is_below, count, values);
        Words words;
#pragma unroll
        for (unsigned j = 0; j < CHUNK; j++) {
            words.tiles[j] = j < count ? quantise(values[j]) : no_entries();
            // The same for all lanes.
            if (j < count && is_below(j)) {
                words.tiles[j] = transposed(words.tiles[j]);
            }
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
        form(rbf, row, number, [](unsigned) { return false; }, count, values.tiles);
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

// Tiles of a warp: DOWN rows of CHUNK. A block has as many rows as columns, and blocks that run side by side a square, whose
// packed rows stay in the cache: 2 x 64 tiles of them, 2.5 MB for 300 components.
#define DOWN 2
#define BLOCK_TILES 8
#define SQUARE 64
// Blocks that a multiprocessor must have registers for: before 8.0, where two instructions take the place of one, they are too few
// for two.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
#define FORMERS 1
#else
#define FORMERS 2
#endif

// Place `index` in the upper triangle of a matrix, column by column.
__device__ __forceinline__ uint2 in_triangle(unsigned index) {
    unsigned column = (unsigned)((sqrtf(8.0f * index + 1.0f) - 1.0f) * 0.5f);
    // The root may be off where it is large.
    while (column * (column + 1) / 2 > index) {
        column--;
    }
    while ((column + 1) * (column + 2) / 2 <= index) {
        column++;
    }
    return make_uint2(index - column * (column + 1) / 2, column);
}

// The kernel between the packed rows x and themselves, kept: the first `kept` of `all` rows of tiles. Tiles on and above the diagonal are
// formed; those below it, if their rows are kept too, are their mirror images. 64 blocks of 256 threads, of 8 x 8 tiles each, for
// each square of 64 x 64 tiles on or above the diagonal, one square after the other.
// 6 d flops an entry that is formed, and writes 2 bytes for each that is kept.
extern "C" __global__ void __launch_bounds__(WARPS *WARP, FORMERS)
    keep_tiles(Rbf rbf, unsigned all, unsigned kept, uint4 *__restrict__ tiles) {
    constexpr unsigned ACROSS = SQUARE / BLOCK_TILES, COLUMNS = BLOCK_TILES / CHUNK;
    const uint2 square = in_triangle(blockIdx.x / (ACROSS * ACROSS));
    const unsigned block = blockIdx.x % (ACROSS * ACROSS), lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    const unsigned first_row = square.x * SQUARE + block / ACROSS * BLOCK_TILES + warp / COLUMNS * DOWN;
    const unsigned first_column = square.y * SQUARE + block % ACROSS * BLOCK_TILES + warp % COLUMNS * CHUNK;
    // Nothing of a warp's tiles is on or above the diagonal, or kept.
    if (first_row >= kept || first_column >= all || first_column + CHUNK <= first_row) {
        return;
    }
    const auto row = [=](unsigned i) { return min(first_row + i, kept - 1); };
    const auto column = [=](unsigned j) { return min(first_column + j, all - 1); };
    const auto at = [&](unsigned tile, unsigned step) { return ((size_t)tile * rbf.steps + step) * WARP + lane; };
    float values[DOWN][CHUNK][2][4] = {};
    Fragment y = fragment(rbf.x_hi, rbf.x_lo, at(column(0), 0));
    for (unsigned step = 0; step < rbf.steps; step++) {
        Fragment x[DOWN];
#pragma unroll
        for (unsigned i = 0; i < DOWN; i++) {
            x[i] = fragment(rbf.x_hi, rbf.x_lo, at(row(i), step));
        }
#pragma unroll
        for (unsigned j = 0; j < CHUNK; j++) {
            // The next one's are read while these are multiplied.
            const bool is_last = j + 1 == CHUNK;
            const unsigned next_step = min(step + (is_last ? 1 : 0), rbf.steps - 1);
            const Fragment next = fragment(rbf.x_hi, rbf.x_lo, at(column(is_last ? 0 : j + 1), next_step));
#pragma unroll
            for (unsigned i = 0; i < DOWN; i++) {
                add_products(values[i][j], x[i], y);
            }
            y = next;
        }
    }
#pragma unroll
    for (unsigned i = 0; i < DOWN; i++) {
#pragma unroll
        for (unsigned j = 0; j < CHUNK; j++) {
            const unsigned r = first_row + i, c = first_column + j;
            // The same for all lanes.
            if (r < kept && c < all && r <= c) {
                finish(values[i][j], rbf.x_norms + (size_t)r * TILE, rbf.x_norms + (size_t)c * TILE, rbf.exponent);
                const uint4 tile = quantise(values[i][j]);
                tiles[((size_t)r * all + c) * WARP + lane] = tile;
                if (c < kept && r < c) {
                    tiles[((size_t)c * all + r) * WARP + lane] = transposed(tile);
                }
            }
        }
    }
}

// The kernel between the rows of x and of y in float32, rows of x one behind the other. Grid: (chunks of y's tiles, x's
// tiles / 8), 256 threads.
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
        const auto number = [=](unsigned j) { return columns[start + j].tile; };
        form(rbf, x.tile, number, [](unsigned) { return false; }, count, values);
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
