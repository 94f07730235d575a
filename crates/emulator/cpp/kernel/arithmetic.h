// Arithmetic that CUDA names and C++ does not, or not in the global namespace. Approximate instructions are computed
// to full precision.
#pragma once

#include <cmath>
#include <cstring>

#include "language.h"

template <class To, class From>
To emulator_bits(From from) {
    static_assert(sizeof(To) == sizeof(From));
    To to;
    std::memcpy(&to, &from, sizeof(To));
    return to;
}

inline unsigned __float_as_uint(float value) { return emulator_bits<unsigned>(value); }
inline float __uint_as_float(unsigned bits) { return emulator_bits<float>(bits); }
inline int __float_as_int(float value) { return emulator_bits<int>(value); }
inline float __int_as_float(int bits) { return emulator_bits<float>(bits); }
inline long long __double_as_longlong(double value) { return emulator_bits<long long>(value); }
inline double __longlong_as_double(long long bits) { return emulator_bits<double>(bits); }

// Newer C libraries have functions of these names.
#define rsqrtf emulator_rsqrtf
#define rsqrt emulator_rsqrt
#define sinpif emulator_sinpif
#define cospif emulator_cospif
inline float rsqrtf(float value) { return 1.0f / std::sqrt(value); }
inline double rsqrt(double value) { return 1.0 / std::sqrt(value); }
inline float sinpif(float value) { return (float)std::sin(M_PI * std::fmod((double)value, 2.0)); }
inline float cospif(float value) { return (float)std::cos(M_PI * std::fmod((double)value, 2.0)); }
inline float __expf(float value) { return std::exp(value); }
inline float __logf(float value) { return std::log(value); }
inline float __log2f(float value) { return std::log2(value); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __frcp_rn(float value) { return 1.0f / value; }
inline float __fsqrt_rn(float value) { return std::sqrt(value); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline int __float2int_rn(float value) { return (int)std::nearbyint(value); }
inline unsigned __float2uint_rn(float value) { return (unsigned)std::nearbyint(value); }

inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline int __clz(int bits) { return bits == 0 ? 32 : __builtin_clz((unsigned)bits); }
inline int __ffs(int bits) { return __builtin_ffs(bits); }

template <class T>
T __ldg(const T *address) {
    return *address;
}

#define EMULATOR_EXTREMES(T)                                                                                          \
    inline T min(T a, T b) { return b < a ? b : a; }                                                                  \
    inline T max(T a, T b) { return a < b ? b : a; }

EMULATOR_EXTREMES(int)
EMULATOR_EXTREMES(unsigned)
EMULATOR_EXTREMES(long)
EMULATOR_EXTREMES(unsigned long)
EMULATOR_EXTREMES(long long)
EMULATOR_EXTREMES(unsigned long long)
#undef EMULATOR_EXTREMES

inline unsigned min(int a, unsigned b) { return min((unsigned)a, b); }
inline unsigned min(unsigned a, int b) { return min(a, (unsigned)b); }
inline unsigned max(int a, unsigned b) { return max((unsigned)a, b); }
inline unsigned max(unsigned a, int b) { return max(a, (unsigned)b); }
inline float min(float a, float b) { return std::fmin(a, b); }
inline float max(float a, float b) { return std::fmax(a, b); }
inline double min(double a, double b) { return std::fmin(a, b); }
inline double max(double a, double b) { return std::fmax(a, b); }
