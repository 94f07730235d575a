// Static shared memory: thread-local variables of a kernel's library.
#pragma once

namespace emulator {

// Fills what this OS thread has of it with 0xFF; `anchor` is an address in it.
void fill_static_shared_memory(void *anchor);

}  // namespace emulator
