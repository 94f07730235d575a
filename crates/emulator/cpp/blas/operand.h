// The matrices of a call, and what is asked of them before it computes.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <string>
#include <vector>

#include "../driver/driver.h"
#include "../runtime/calls.h"
#include "../runtime/memory.h"
#include "../runtime/report.h"
#include "../runtime/sample.h"

namespace blas {

// Column-major; so are vectors, of one column.
struct Operand {
    const char *name;
    const void *data;
    int64_t rows, columns, leading_dimension;
    size_t entry_bytes;
    bool is_written;

    bool is_empty() const { return rows <= 0 || columns <= 0; }
    // From the first entry to the end of the last.
    size_t bytes() const { return (size_t)((columns - 1) * leading_dimension + rows) * entry_bytes; }
    // The most of 1 to 16 bytes of which all columns begin at a multiple: libraries load as much at a time, or less.
    unsigned alignment() const {
        const size_t between = columns > 1 ? (size_t)leading_dimension * entry_bytes : 0;
        const size_t bits = (size_t)data | between | 16;
        return (unsigned)(bits & (~bits + 1));
    }
};

template <class T>
Operand read(const char *name, const T *data, int64_t rows, int64_t columns, int64_t leading_dimension) {
    return {name, data, rows, columns, leading_dimension, sizeof(T), false};
}

template <class T>
Operand written(const char *name, T *data, int64_t rows, int64_t columns, int64_t leading_dimension) {
    return {name, data, rows, columns, leading_dimension, sizeof(T), true};
}

struct Size {
    const char *name;
    int64_t value;
};

// The kind of a call, by its options and by what libraries choose a kernel by: sizes, and how matrices are aligned.
inline void note(const char *call, std::string options, std::initializer_list<Size> sizes,
                 std::initializer_list<Operand> operands) {
    std::string shape;
    const auto add = [&](const char *name, const std::string &text) {
        shape += (shape.empty() ? "" : ", ") + std::string(name) + " " + text;
    };
    for (const Size &size : sizes) {
        add(size.name, emulator::size_class(size.value));
    }
    for (const Operand &operand : operands) {
        add(operand.name, std::to_string(operand.alignment()));
    }
    emulator::note_call({call, std::move(options), std::move(shape)});
}

// What the call does with its matrices, in the order of its stream.
inline void touch(const char *call, driver::Stream *stream, std::initializer_list<Operand> operands) {
    std::vector<emulator::Touch> touches;
    for (const Operand &operand : operands) {
        if (!operand.is_empty()) {
            touches.push_back({operand.data, operand.is_written ? emulator::Role::Writes : emulator::Role::Reads});
        }
    }
    emulator::touch(driver::order_of(stream), {call}, touches);
}

// Whether each matrix begins in an allocation; a library given the host's memory would fault on a device. One that begins in
// an allocation and does not end there ends the process.
inline bool are_on_device(const char *call, std::initializer_list<Operand> operands) {
    for (const Operand &operand : operands) {
        if (operand.is_empty() || emulator::is_device(operand.data, operand.bytes())) {
            continue;
        }
        if (!emulator::is_device(operand.data, 1)) {
            emulator::report(std::string(call) + " is given an address that is in no live allocation: " +
                             emulator::place_of(operand.data));
            driver::device().broken = true;
            return false;
        }
        const char *last = static_cast<const char *>(operand.data) + operand.bytes() - operand.entry_bytes;
        emulator::report_and_exit(std::string(call) + (operand.is_written ? " writes " : " reads ") +
                                  emulator::place_of(last) + ", as the last entry of its " + operand.name);
    }
    return true;
}

}  // namespace blas
