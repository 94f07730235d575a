// Numbers as sums of two float16 numbers, hi + lo: 22 bits.
#pragma once

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
