// Copies out of pinned memory, which a device makes some time after it was asked to: here as late as can be.
#pragma once

#include <cstddef>

namespace emulator {

void postpone(void *to, const void *from, size_t bytes);
// Makes all copies that were postponed. To be called before anything that follows them in a stream, or waits for them.
void settle();

}  // namespace emulator
