// Atomic operations on device and shared memory: relaxed, as on the device.
#pragma once

#include <cstring>

#include "language.h"

namespace emulator {

template <class Bits, class T, class Update>
T update_atomically(T *address, Update update) {
    static_assert(sizeof(Bits) == sizeof(T));
    Bits *place = reinterpret_cast<Bits *>(address);
    Bits before = __atomic_load_n(place, __ATOMIC_RELAXED);
    for (;;) {
        T old, changed;
        std::memcpy(&old, &before, sizeof(T));
        changed = update(old);
        Bits after;
        std::memcpy(&after, &changed, sizeof(T));
        if (__atomic_compare_exchange_n(place, &before, after, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            return old;
        }
    }
}

}  // namespace emulator

inline float atomicAdd(float *address, float value) {
    return emulator::update_atomically<uint32_t>(address, [=](float old) { return old + value; });
}

inline double atomicAdd(double *address, double value) {
    return emulator::update_atomically<uint64_t>(address, [=](double old) { return old + value; });
}

#define EMULATOR_INTEGER_ATOMICS(T)                                                                                   \
    inline T atomicAdd(T *address, T value) { return __atomic_fetch_add(address, value, __ATOMIC_RELAXED); }          \
    inline T atomicExch(T *address, T value) { return __atomic_exchange_n(address, value, __ATOMIC_RELAXED); }        \
    inline T atomicOr(T *address, T value) { return __atomic_fetch_or(address, value, __ATOMIC_RELAXED); }            \
    inline T atomicAnd(T *address, T value) { return __atomic_fetch_and(address, value, __ATOMIC_RELAXED); }          \
    inline T atomicMax(T *address, T value) {                                                                         \
        return emulator::update_atomically<T>(address, [=](T old) { return old < value ? value : old; });             \
    }                                                                                                                 \
    inline T atomicMin(T *address, T value) {                                                                         \
        return emulator::update_atomically<T>(address, [=](T old) { return value < old ? value : old; });             \
    }                                                                                                                 \
    inline T atomicCAS(T *address, T expected, T value) {                                                             \
        __atomic_compare_exchange_n(address, &expected, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);            \
        return expected;                                                                                              \
    }

EMULATOR_INTEGER_ATOMICS(int)
EMULATOR_INTEGER_ATOMICS(unsigned)
EMULATOR_INTEGER_ATOMICS(unsigned long long)
#undef EMULATOR_INTEGER_ATOMICS

inline void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
inline void __threadfence_block() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
