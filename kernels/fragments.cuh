// Numbers as sums of two float16 numbers, hi + lo, of 22 bits; and matrices of them as the matrix instruction wants them.
#pragma once

#define WARP 32
// Rows of a tile, and components of a step.
#define TILE 16
// Groups of 8 columns of V that a block multiplies.
#define SLAB 9

// Rows `row` to `row + count` of a matrix are tile `tile` of the kernel.
struct Tile {
    unsigned tile, row, count, unused;
};

// Two numbers, `low` in the lower halves.
__device__ __forceinline__ void split(float low, float high, unsigned &hi, unsigned &lo) {
    hi = pack_halves(low, high);
    lo = pack_halves(low - low_half(hi), high - high_half(hi));
}

// 2^k such that `largest` 2^k is in [128, 256); 1 for zero and what is not finite.
__device__ __forceinline__ float scale_of(unsigned largest) {
    const int exponent = (int)(largest >> 23) - 127;
    const int shift = 7 - exponent;
    const bool usable = largest > 0 && exponent < 128;
    // 2^127 at most: what is below 2^-120 keeps fewer bits.
    return usable ? __uint_as_float((unsigned)(min(shift, 127) + 127) << 23) : 1.0f;
}
