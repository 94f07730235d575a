// OS threads that share out work, as many as there are cores.
#pragma once

#include <cstddef>
#include <functional>

namespace emulator {

// Calls `work(i)` for each i below `count`, on the pool's threads, and returns when all are done. One at a time: other
// callers wait. Work must not call this again.
void in_parallel(size_t count, const std::function<void(size_t)> &work);

}  // namespace emulator
