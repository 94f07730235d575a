// A flow of control with a stack of its own, several to an OS thread.
#pragma once

#include <cstddef>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace emulator {

class Fiber {
public:
    // The next switch to this fiber calls `entry`, which must not return, on the stack that ends at `top`.
    void prepare(void *bottom, void *top, void (*entry)());

    // Leaves `from` where it is and goes on with `to`.
    static void change(Fiber &from, Fiber &to);

private:
#if defined(__x86_64__)
    void *stack_pointer = nullptr;
#else
    ucontext_t context;
#endif
};

}  // namespace emulator
