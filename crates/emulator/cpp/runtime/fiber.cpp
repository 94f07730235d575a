#include "fiber.h"

#include <cstdint>

#if defined(__x86_64__)
// Saves what a function must keep (System V), puts the stack pointer at *rdi, and takes all that from the stack rsi.
asm(R"(
    .text
    .p2align 4
    .type emulator_change_stack, @function
emulator_change_stack:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size emulator_change_stack, . - emulator_change_stack
)");

extern "C" __attribute__((visibility("hidden"))) void emulator_change_stack(void **from, void *to);
#endif

namespace emulator {

#if defined(__x86_64__)
void Fiber::prepare(void *, void *top, void (*entry)()) {
    // Six registers, the entry, and no return address for it; a function begins 8 bytes off a multiple of 16.
    uintptr_t *frame = reinterpret_cast<uintptr_t *>((uintptr_t)top & ~(uintptr_t)15) - 8;
    for (int i = 0; i < 8; i++) {
        frame[i] = 0;
    }
    frame[6] = (uintptr_t)entry;
    stack_pointer = frame;
}

void Fiber::change(Fiber &from, Fiber &to) { emulator_change_stack(&from.stack_pointer, to.stack_pointer); }
#else
void Fiber::prepare(void *bottom, void *top, void (*entry)()) {
    getcontext(&context);
    context.uc_stack.ss_sp = bottom;
    context.uc_stack.ss_size = (size_t)((char *)top - (char *)bottom);
    context.uc_link = nullptr;
    makecontext(&context, entry, 0);
}

void Fiber::change(Fiber &from, Fiber &to) { swapcontext(&from.context, &to.context); }
#endif

}  // namespace emulator
