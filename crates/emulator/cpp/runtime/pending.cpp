#include "pending.h"

#include <cstring>
#include <mutex>
#include <vector>

namespace emulator {

namespace {

struct Copy {
    void *to;
    const void *from;
    size_t bytes;
};

std::mutex mutex;
std::vector<Copy> copies;

}  // namespace

void postpone(void *to, const void *from, size_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex);
    copies.push_back({to, from, bytes});
}

void settle() {
    const std::lock_guard<std::mutex> lock(mutex);
    for (const Copy &copy : copies) {
        std::memcpy(copy.to, copy.from, copy.bytes);
    }
    copies.clear();
}

}  // namespace emulator
