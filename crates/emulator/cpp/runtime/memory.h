// Device memory: every allocation between two pages that nothing may touch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace emulator {

struct Use {
    size_t now, most, limit;
};

// Filled with 0xFF, which reads as NaN; null if the device has not that much left.
void *allocate(size_t bytes);
// False if no allocation begins there. What was freed is never given out again, so a later access faults.
bool release(void *address);
// Whether all of it lies in one allocation.
bool is_device(const void *address, size_t bytes);
// Where a byte between an allocation and its guard pages was changed, as the end of a sentence; empty if none was.
std::string find_overrun();
// Where an address lies, seen from the nearest allocation.
std::string place_of(const void *address);

Use memory_use();
void limit_memory(size_t bytes);
void forget_peak();

}  // namespace emulator
