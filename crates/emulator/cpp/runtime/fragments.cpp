// The matrix instruction, with the fragments of mma.m16n8k16 in the PTX ISA.
#include "../kernel/halves.h"
#include "block.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace emulator {

namespace {

struct Operands {
    alignas(64) float a[16][16];
    alignas(64) float b[16][8];
    alignas(64) float d[16][8];
};

// Rows and columns that a lane of fragments begins at: lane = 4 g + t.
struct Place {
    unsigned g, t;
    explicit Place(unsigned lane) : g(lane / 4), t(2 * (lane % 4)) {}
};

void store_pair(float *to, unsigned pair) {
    to[0] = half_to_float((uint16_t)pair);
    to[1] = half_to_float((uint16_t)(pair >> 16));
}

void unpack_plainly(const Deposit (&lanes)[WARP], Operands &operands) {
    for (unsigned i = 0; i < WARP; i++) {
        const Place at(i);
        const Deposit &lane = lanes[i];
        store_pair(&operands.a[at.g][at.t], lane.a.x);
        store_pair(&operands.a[at.g + 8][at.t], lane.a.y);
        store_pair(&operands.a[at.g][at.t + 8], lane.a.z);
        store_pair(&operands.a[at.g + 8][at.t + 8], lane.a.w);
        float b[4];
        store_pair(b, lane.b.x);
        store_pair(b + 2, lane.b.y);
        operands.b[at.t][at.g] = b[0];
        operands.b[at.t + 1][at.g] = b[1];
        operands.b[at.t + 8][at.g] = b[2];
        operands.b[at.t + 9][at.g] = b[3];
    }
}

// To the same bits as multiply_fast(): a product of two float16 numbers is exact in float32, so it rounds once either way.
void multiply_plainly(Operands &operands) {
    for (unsigned row = 0; row < 16; row++) {
        for (unsigned k = 0; k < 16; k++) {
            for (unsigned column = 0; column < 8; column++) {
                operands.d[row][column] += operands.a[row][k] * operands.b[k][column];
            }
        }
    }
}

#if defined(__x86_64__)
__attribute__((target("avx,f16c"))) void unpack_fast(const Deposit (&lanes)[WARP], Operands &operands) {
    for (unsigned i = 0; i < WARP; i++) {
        const Place at(i);
        const Deposit &lane = lanes[i];
        const __m256 a = _mm256_cvtph_ps(_mm_load_si128(reinterpret_cast<const __m128i *>(&lane.a)));
        const __m128 low = _mm256_castps256_ps128(a), high = _mm256_extractf128_ps(a, 1);
        _mm_storel_pi(reinterpret_cast<__m64 *>(&operands.a[at.g][at.t]), low);
        _mm_storeh_pi(reinterpret_cast<__m64 *>(&operands.a[at.g + 8][at.t]), low);
        _mm_storel_pi(reinterpret_cast<__m64 *>(&operands.a[at.g][at.t + 8]), high);
        _mm_storeh_pi(reinterpret_cast<__m64 *>(&operands.a[at.g + 8][at.t + 8]), high);
        alignas(16) float b[4];
        _mm_store_ps(b, _mm_cvtph_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i *>(&lane.b))));
        operands.b[at.t][at.g] = b[0];
        operands.b[at.t + 1][at.g] = b[1];
        operands.b[at.t + 8][at.g] = b[2];
        operands.b[at.t + 9][at.g] = b[3];
    }
}

__attribute__((target("avx2,fma"))) void multiply_fast(Operands &operands) {
    for (unsigned row = 0; row < 16; row += 8) {
        __m256 d[8];
#pragma GCC unroll 8
        for (unsigned i = 0; i < 8; i++) {
            d[i] = _mm256_load_ps(operands.d[row + i]);
        }
        for (unsigned k = 0; k < 16; k++) {
            const __m256 b = _mm256_load_ps(operands.b[k]);
#pragma GCC unroll 8
            for (unsigned i = 0; i < 8; i++) {
                d[i] = _mm256_fmadd_ps(_mm256_broadcast_ss(&operands.a[row + i][k]), b, d[i]);
            }
        }
#pragma GCC unroll 8
        for (unsigned i = 0; i < 8; i++) {
            _mm256_store_ps(operands.d[row + i], d[i]);
        }
    }
}

bool has_fast_instructions() {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}
#endif

void unpack_and_multiply(const Deposit (&lanes)[WARP], Operands &operands) {
#if defined(__x86_64__)
    static const bool fast = has_fast_instructions();
    if (fast) {
        unpack_fast(lanes, operands);
        multiply_fast(operands);
        return;
    }
#endif
    unpack_plainly(lanes, operands);
    multiply_plainly(operands);
}

}  // namespace

void multiply_fragments(Deposit (&lanes)[WARP]) {
    Operands operands;
    for (unsigned i = 0; i < WARP; i++) {
        const Place at(i);
        const float *d = lanes[i].d;
        operands.d[at.g][at.t] = d[0];
        operands.d[at.g][at.t + 1] = d[1];
        operands.d[at.g + 8][at.t] = d[2];
        operands.d[at.g + 8][at.t + 1] = d[3];
    }
    unpack_and_multiply(lanes, operands);
    for (unsigned i = 0; i < WARP; i++) {
        const Place at(i);
        float *d = lanes[i].d;
        d[0] = operands.d[at.g][at.t];
        d[1] = operands.d[at.g][at.t + 1];
        d[2] = operands.d[at.g + 8][at.t];
        d[3] = operands.d[at.g + 8][at.t + 1];
    }
}

}  // namespace emulator
