// Makes the kernels of a file known; the build script adds the lines that use it to the end of the file.
#pragma once

#include <type_traits>
#include <utility>

#include "machine.h"

namespace emulator {
namespace {

// Keeps the library's thread-local memory from being empty, and says where it is.
thread_local unsigned char anchor[16];

void *shared_memory() { return anchor; }

template <class P>
constexpr Role role_of() {
    if constexpr (std::is_pointer_v<P>) {
        return std::is_const_v<std::remove_pointer_t<P>> ? Role::Reads : Role::Writes;
    }
    return Role::Value;
}

template <auto kernel>
struct Caller;

template <class... P, void (*kernel)(P...)>
struct Caller<kernel> {
    static constexpr size_t count = sizeof...(P);
    // One more, as there may be none.
    static constexpr Parameter parameters[] = {
        {role_of<P>(), std::is_class_v<P> ? sizeof(P) / sizeof(void *) : 0}..., {Role::Value, 0}};

    static void call(void **values) { with(values, std::index_sequence_for<P...>()); }

    template <size_t... i>
    static void with([[maybe_unused]] void **values, std::index_sequence<i...>) {
        kernel(*static_cast<P *>(values[i])...);
    }
};

template <auto kernel>
struct Declaration {
    Kernel value;

    Declaration(const char *name, unsigned most_threads)
        : value{name, Caller<kernel>::call, Caller<kernel>::parameters, Caller<kernel>::count, most_threads, shared_memory} {
        emulator_declare(&value);
    }
};

}  // namespace
}  // namespace emulator

#define EMULATOR_KERNEL(name, most_threads)                                                                           \
    static const emulator::Declaration<name> emulator_declaration_##name(#name, most_threads)
