// The vector types of CUDA, as far as kernels use them.
#pragma once

#include <cstddef>

#define EMULATOR_VECTORS(scalar, name)                                                                                \
    struct name##1 {                                                                                                  \
        scalar x;                                                                                                     \
    };                                                                                                                \
    struct alignas(2 * sizeof(scalar)) name##2 {                                                                      \
        scalar x, y;                                                                                                  \
    };                                                                                                                \
    struct name##3 {                                                                                                  \
        scalar x, y, z;                                                                                               \
    };                                                                                                                \
    struct alignas(4 * sizeof(scalar) > 16 ? 16 : 4 * sizeof(scalar)) name##4 {                                       \
        scalar x, y, z, w;                                                                                            \
    };                                                                                                                \
    inline name##1 make_##name##1(scalar x) { return {x}; }                                                           \
    inline name##2 make_##name##2(scalar x, scalar y) { return {x, y}; }                                              \
    inline name##3 make_##name##3(scalar x, scalar y, scalar z) { return {x, y, z}; }                                 \
    inline name##4 make_##name##4(scalar x, scalar y, scalar z, scalar w) { return {x, y, z, w}; }

EMULATOR_VECTORS(char, char)
EMULATOR_VECTORS(unsigned char, uchar)
EMULATOR_VECTORS(short, short)
EMULATOR_VECTORS(unsigned short, ushort)
EMULATOR_VECTORS(int, int)
EMULATOR_VECTORS(unsigned, uint)
EMULATOR_VECTORS(long long, longlong)
EMULATOR_VECTORS(unsigned long long, ulonglong)
EMULATOR_VECTORS(float, float)
EMULATOR_VECTORS(double, double)
#undef EMULATOR_VECTORS

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
    dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
