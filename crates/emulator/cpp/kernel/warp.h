// Barriers, and what the lanes of a warp exchange.
#pragma once

#include <cstring>

#include "language.h"

// An optimiser must not carry shared memory in registers past a place where other threads run.
inline void emulator_forget() { asm volatile("" ::: "memory"); }

inline void __syncthreads() {
    emulator_forget();
    emulator_block_barrier();
    emulator_forget();
}

inline void __syncwarp(unsigned mask = 0xffffffffu) {
    emulator_forget();
    emulator_warp_barrier(mask);
    emulator_forget();
}

namespace emulator {

inline unsigned lane() {
    const dim3 &size = blockDim;
    return (threadIdx.x + size.x * (threadIdx.y + size.y * threadIdx.z)) % WARP;
}

template <class T>
T shuffle(unsigned mask, T value, unsigned source) {
    static_assert(sizeof(T) <= sizeof(uint64_t), "a shuffle moves at most eight bytes");
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof(T));
    emulator_forget();
    bits = emulator_shuffle(mask, bits, source);
    emulator_forget();
    std::memcpy(&value, &bits, sizeof(T));
    return value;
}

// A lane outside of the segment of `width` lanes is not read: the caller keeps its own value.
inline unsigned within(unsigned source, bool inside) { return inside ? source : lane(); }

}  // namespace emulator

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = warpSize) {
    const unsigned segment = emulator::lane() & ~(unsigned)(width - 1);
    return emulator::shuffle(mask, value, segment + ((unsigned)source & (unsigned)(width - 1)));
}

template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = warpSize) {
    const unsigned source = emulator::lane() ^ (unsigned)lanes;
    const unsigned end = (emulator::lane() & ~(unsigned)(width - 1)) + (unsigned)width;
    return emulator::shuffle(mask, value, emulator::within(source, source < end));
}

template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned lanes, int width = warpSize) {
    const unsigned source = emulator::lane() + lanes;
    const unsigned end = (emulator::lane() & ~(unsigned)(width - 1)) + (unsigned)width;
    return emulator::shuffle(mask, value, emulator::within(source, source < end));
}

template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned lanes, int width = warpSize) {
    const unsigned place = emulator::lane() & (unsigned)(width - 1);
    return emulator::shuffle(mask, value, emulator::within(emulator::lane() - lanes, place >= lanes));
}

inline unsigned __ballot_sync(unsigned mask, int vote) {
    emulator_forget();
    const unsigned votes = emulator_ballot(mask, vote != 0);
    emulator_forget();
    return votes;
}

inline int __any_sync(unsigned mask, int vote) { return __ballot_sync(mask, vote) != 0; }
inline int __all_sync(unsigned mask, int vote) { return __ballot_sync(mask, !vote) == 0; }
