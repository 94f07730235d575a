// Float16 without hardware: exact to float32, and from it rounded to nearest even.
#pragma once

#include <cstdint>
#include <cstring>

namespace emulator {

inline float half_to_float(uint16_t half) {
    const uint32_t sign = (uint32_t)(half & 0x8000u) << 16, exponent = half >> 10 & 31u, fraction = half & 0x3ffu;
    if (exponent == 0) {
        const float magnitude = (float)fraction * 0x1p-24f;
        return sign == 0 ? magnitude : -magnitude;
    }
    const uint32_t bits = sign | (exponent == 31 ? 255u : exponent + 112) << 23 | fraction << 13;
    float value;
    std::memcpy(&value, &bits, sizeof(value));
    return value;
}

inline uint16_t float_to_half(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof(bits));
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000u);
    bits &= 0x7fffffffu;
    if (bits > 0x7f800000u) {
        return 0x7fff;
    }
    if (bits >= 0x47800000u) {
        return sign | 0x7c00;
    }
    if (bits < 0x38800000u) {
        // Adding 0.5 leaves multiples of 2^-24, the smallest float16, and rounds as it should.
        float magnitude;
        std::memcpy(&magnitude, &bits, sizeof(bits));
        const float shifted = magnitude + 0.5f;
        std::memcpy(&bits, &shifted, sizeof(bits));
        return sign | (uint16_t)(bits - 0x3f000000u);
    }
    const uint32_t odd = bits >> 13 & 1u;
    return sign | (uint16_t)((bits - (112u << 23) + 0xfffu + odd) >> 13);
}

}  // namespace emulator
