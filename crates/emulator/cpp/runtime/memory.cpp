#include "memory.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>

#include "report.h"
#include "sample.h"

namespace emulator {

namespace {

constexpr unsigned char UNWRITTEN = 0xff;
constexpr size_t DEFAULT_LIMIT = (size_t)16 << 30;

struct Memory {
    std::mutex mutex;
    // By their first byte.
    std::map<const char *, Region *> live;
    Use use{0, 0, DEFAULT_LIMIT};

    // The allocation that has this byte, or null.
    const Region *holder(const char *address) const {
        const auto after = live.upper_bound(address);
        if (after == live.begin()) {
            return nullptr;
        }
        const auto [start, region] = *std::prev(after);
        return address < start + region->bytes() ? region : nullptr;
    }
};

// Never destroyed: host objects may free their memory while the process ends.
Memory &memory() {
    static Memory *const memory = new Memory;
    return *memory;
}

}  // namespace

void *allocate(size_t bytes) {
    Memory &all = memory();
    const std::lock_guard<std::mutex> lock(all.mutex);
    if (bytes > all.use.limit - std::min(all.use.now, all.use.limit)) {
        return nullptr;
    }
    Region *region = Region::reserve(Region::Kind::Allocation, bytes);
    if (!region || !region->hold(bytes)) {
        report("the host has no address space or no mappings left for " + std::to_string(bytes) + " bytes");
        return nullptr;
    }
    if (is_sampling()) {
        region->take_no_more_than_touched();
    } else {
        std::memset(region->data(), UNWRITTEN, bytes);
    }
    all.live[region->data()] = region;
    all.use.now += bytes;
    all.use.most = std::max(all.use.most, all.use.now);
    return region->data();
}

bool release(void *address) {
    Memory &all = memory();
    const std::lock_guard<std::mutex> lock(all.mutex);
    const auto found = all.live.find(static_cast<char *>(address));
    if (found == all.live.end()) {
        return false;
    }
    found->second->close();
    all.use.now -= found->second->bytes();
    all.live.erase(found);
    return true;
}

std::optional<Allocation> allocation_of(const void *address) {
    const std::lock_guard<std::mutex> lock(memory().mutex);
    const Region *found = memory().holder(static_cast<const char *>(address));
    return found ? std::optional<Allocation>({found->data(), found->bytes()}) : std::nullopt;
}

bool is_device(const void *address, size_t bytes) {
    const std::lock_guard<std::mutex> lock(memory().mutex);
    const char *at = static_cast<const char *>(address);
    const Region *found = memory().holder(at);
    return found && bytes <= (size_t)(found->data() + found->bytes() - at);
}

std::string find_overrun() {
    const std::lock_guard<std::mutex> lock(memory().mutex);
    for (const auto &[start, region] : memory().live) {
        std::string found = region->overrun();
        if (!found.empty()) {
            return found;
        }
    }
    return {};
}

Use memory_use() {
    const std::lock_guard<std::mutex> lock(memory().mutex);
    return memory().use;
}

void limit_memory(size_t bytes) {
    const std::lock_guard<std::mutex> lock(memory().mutex);
    memory().use.limit = bytes;
}

void forget_peak() {
    const std::lock_guard<std::mutex> lock(memory().mutex);
    memory().use.most = memory().use.now;
}

}  // namespace emulator
