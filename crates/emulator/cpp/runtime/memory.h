// Device memory: every allocation in a region of its own.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "region.h"

namespace emulator {

struct Use {
    size_t now, most, limit;
};

// Filled with 0xFF, which reads as NaN, or while sampling untouched, which reads as zero; null if the device has not that
// much left.
void *allocate(size_t bytes);
// False if no allocation begins there. What was freed is never given out again, so a later access faults.
bool release(void *address);
struct Allocation {
    const void *start;
    size_t bytes;
};

// The live one that has this byte.
std::optional<Allocation> allocation_of(const void *address);
// Whether all of it lies in one allocation.
bool is_device(const void *address, size_t bytes);
// Where a byte that shares a page with an allocation was changed, as the end of a sentence; empty if none was.
std::string find_overrun();

Use memory_use();
void limit_memory(size_t bytes);
void forget_peak();

}  // namespace emulator
