#include "memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>

namespace emulator {

namespace {

constexpr size_t ALIGNMENT = 16;
constexpr unsigned char UNTOUCHED = 0xa5, UNWRITTEN = 0xff;
constexpr size_t DEFAULT_LIMIT = (size_t)16 << 30;

struct Allocation {
    size_t bytes;
    // From the first guard page to the end of the last.
    char *region;
    size_t region_bytes;
};

using Allocations = std::map<uintptr_t, Allocation>;

struct Memory {
    std::mutex mutex;
    Allocations live, freed;
    Use use{0, 0, DEFAULT_LIMIT};
};

// Never destroyed: host objects may free their memory while the process ends.
Memory &memory() {
    static Memory *const memory = new Memory;
    return *memory;
}

size_t page() {
    static const size_t bytes = (size_t)sysconf(_SC_PAGESIZE);
    return bytes;
}

size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

const Allocations::value_type *holder(const void *address) {
    const Allocations &live = memory().live;
    const auto after = live.upper_bound((uintptr_t)address);
    if (after == live.begin()) {
        return nullptr;
    }
    const auto found = std::prev(after);
    return (uintptr_t)address - found->first < found->second.bytes ? &*found : nullptr;
}

// The first byte from `begin` to `end` that is not as allocate() left it, or `end`.
const char *first_touched(const char *begin, const char *end) {
    return std::find_if(begin, end, [](char byte) { return (unsigned char)byte != UNTOUCHED; });
}

std::string overrun(uintptr_t start, const Allocation &allocation) {
    const char *data = (const char *)start, *end = data + allocation.bytes;
    const char *below = first_touched(allocation.region + page(), data);
    const char *above = first_touched(end, allocation.region + allocation.region_bytes - page());
    const std::string of = " an allocation of " + std::to_string(allocation.bytes) + " bytes";
    if (below != data) {
        return std::to_string(data - below) + " bytes before the start of" + of;
    }
    if (above != allocation.region + allocation.region_bytes - page()) {
        return std::to_string(above - end) + " bytes past the end of" + of;
    }
    return {};
}

}  // namespace

void *allocate(size_t bytes) {
    Memory &all = memory();
    const std::lock_guard<std::mutex> lock(all.mutex);
    if (bytes > all.use.limit - std::min(all.use.now, all.use.limit)) {
        return nullptr;
    }
    const size_t padded = round_up(bytes, ALIGNMENT), usable = round_up(padded, page());
    const size_t region_bytes = usable + 2 * page();
    void *mapped = mmap(nullptr, region_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) {
        return nullptr;
    }
    char *region = static_cast<char *>(mapped), *pages = region + page(), *data = pages + usable - padded;
    if (mprotect(pages, usable, PROT_READ | PROT_WRITE) != 0) {
        munmap(region, region_bytes);
        return nullptr;
    }
    std::memset(pages, UNTOUCHED, (size_t)(data - pages));
    std::memset(data, UNWRITTEN, bytes);
    std::memset(data + bytes, UNTOUCHED, padded - bytes);
    all.live[(uintptr_t)data] = {bytes, region, region_bytes};
    all.use.now += bytes;
    all.use.most = std::max(all.use.most, all.use.now);
    return data;
}

bool release(void *address) {
    Memory &all = memory();
    const std::lock_guard<std::mutex> lock(all.mutex);
    const auto found = all.live.find((uintptr_t)address);
    if (found == all.live.end()) {
        return false;
    }
    const Allocation &allocation = found->second;
    // Gives the pages back and keeps the addresses.
    mmap(allocation.region, allocation.region_bytes, PROT_NONE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    all.use.now -= allocation.bytes;
    all.freed.insert(all.live.extract(found));
    return true;
}

bool is_device(const void *address, size_t bytes) {
    const std::lock_guard<std::mutex> lock(memory().mutex);
    const auto *found = holder(address);
    return found && bytes <= found->first + found->second.bytes - (uintptr_t)address;
}

std::string find_overrun() {
    const std::lock_guard<std::mutex> lock(memory().mutex);
    for (const auto &[start, allocation] : memory().live) {
        std::string found = overrun(start, allocation);
        if (!found.empty()) {
            return found;
        }
    }
    return {};
}

// Also called when a kernel or a copy has faulted; neither holds the lock.
std::string place_of(const void *address) {
    const std::lock_guard<std::mutex> lock(memory().mutex);
    const uintptr_t at = (uintptr_t)address;
    uintptr_t least = (uintptr_t)1 << 40;
    std::string place = at < 4096 ? "at a null pointer" : "far from every allocation";
    const auto look = [&](const Allocations::value_type &one, const char *freed) {
        const auto &[start, allocation] = one;
        const uintptr_t end = start + allocation.bytes;
        const uintptr_t distance = at < start ? start - at : at < end ? 0 : at - end;
        if (distance < least) {
            least = distance;
            place = (at < start   ? std::to_string(distance) + " bytes before the start"
                     : at < end ? "byte " + std::to_string(at - start)
                                : std::to_string(distance) + " bytes past the end") +
                    " of an allocation of " + std::to_string(allocation.bytes) + " bytes" + freed;
        }
    };
    for (const auto &one : memory().live) {
        look(one, "");
    }
    for (const auto &one : memory().freed) {
        look(one, " that was freed");
    }
    return place;
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
