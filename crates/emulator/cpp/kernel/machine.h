// What a kernel sees of the machine that runs it; `runtime` implements it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "vectors.h"

#define EMULATOR_API extern "C" __attribute__((visibility("default")))

namespace emulator {

constexpr unsigned WARP = 32;

struct BlockPosition {
    uint3 index;
    dim3 block_size, grid_size;
};

struct ThreadPosition {
    uint3 index;
    const BlockPosition *block;
};

// What a kernel may do by a parameter: nothing, if it is no pointer.
enum class Role : unsigned char { Value, Reads, Writes };

struct Parameter {
    Role role;
    // Pointers that a structure may hold.
    size_t words;
};

// A kernel as its file declares it.
struct Kernel {
    const char *name;
    // Calls the kernel with the arguments that `parameters` point to.
    void (*call)(void **parameters);
    const Parameter *parameters;
    size_t parameter_count;
    // Of __launch_bounds__, or 1024.
    unsigned most_threads;
    // An address in the static shared memory of the kernel's library, for this OS thread.
    void *(*shared_memory)();
};

}  // namespace emulator

// Fast to read: no initialisation, and at a fixed place once a library is loaded.
#define EMULATOR_THREAD_LOCAL __attribute__((visibility("default"), tls_model("initial-exec"))) __thread

// The CUDA thread that this OS thread runs at the moment.
extern EMULATOR_THREAD_LOCAL const emulator::ThreadPosition *emulator_thread;

EMULATOR_API void emulator_declare(const emulator::Kernel *kernel);
EMULATOR_API void *emulator_dynamic_shared_memory();
EMULATOR_API void emulator_block_barrier();
EMULATOR_API void emulator_warp_barrier(unsigned mask);
// The bits that lane `source` of the warp gives.
EMULATOR_API uint64_t emulator_shuffle(unsigned mask, uint64_t bits, unsigned source);
EMULATOR_API unsigned emulator_ballot(unsigned mask, bool vote);
EMULATOR_API void emulator_multiply_add(float *d, uint4 a, uint2 b);
