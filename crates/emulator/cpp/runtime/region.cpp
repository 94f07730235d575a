#include "region.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>

#include "report.h"

namespace emulator {

namespace {

constexpr size_t MiB = (size_t)1 << 20, GiB = MiB << 10, TiB = GiB << 10;
constexpr size_t ALIGNMENT = 16;
// As wide as what lies between them, within these: so an index that has lost its upper bits ends up in one of them.
constexpr size_t LEAST_GUARD = 4 * MiB, MOST_GUARD = 64 * GiB;
// Asked for at once, and halved until the host agrees. What is not an allocation comes from the last part.
constexpr size_t MOST_SPACE = 80 * TiB, LEAST_SPACE = 40 * GiB, LAST_PART = 16 * GiB;

char *map(void *at, size_t bytes) {
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (at ? MAP_FIXED : 0);
    void *mapped = mmap(at, bytes, PROT_NONE, flags, -1, 0);
    return mapped == MAP_FAILED ? nullptr : static_cast<char *>(mapped);
}

// Addresses in the order in which they are asked for.
struct Span {
    char *next, *end;

    char *take(size_t bytes) {
        if (bytes > (size_t)(end - next)) {
            return nullptr;
        }
        next += bytes;
        return next - bytes;
    }
};

bool is_untouched(const char *begin, const char *end) {
    const auto bytes = (size_t)(end - begin);
    return bytes == 0 || ((unsigned char)*begin == UNTOUCHED && std::memcmp(begin, begin + 1, bytes - 1) == 0);
}

// The first byte from `begin` to `end` that is not UNTOUCHED, or `end`.
const char *first_touched(const char *begin, const char *end) {
    return std::find_if(begin, end, [](char byte) { return (unsigned char)byte != UNTOUCHED; });
}

}  // namespace

struct Registry {
    std::mutex mutex;
    Span allocations, others;
    // By the first byte of the lower guard.
    std::map<const char *, std::unique_ptr<Region>> regions;

    // Never destroyed: host objects may free their memory while the process ends.
    static Registry &the() {
        static Registry *const registry = new Registry;
        return *registry;
    }

    Registry() {
        size_t bytes = MOST_SPACE;
        char *begin = map(nullptr, bytes);
        while (!begin && bytes > LEAST_SPACE) {
            bytes /= 2;
            begin = map(nullptr, bytes);
        }
        if (!begin) {
            report_and_exit("the host has no address space for device memory; at least 40 GiB are needed");
        }
        allocations = {begin, begin + bytes - LAST_PART};
        others = {allocations.end, begin + bytes};
    }

    Region *add(Region::Kind kind, size_t room) {
        const size_t pages = round_up(room, page_bytes()), guard = std::clamp(pages, LEAST_GUARD, MOST_GUARD);
        Span &span = kind == Region::Kind::Allocation ? allocations : others;
        char *begin = span.take(pages + 2 * guard);
        if (!begin) {
            return nullptr;
        }
        auto region = std::make_unique<Region>();
        region->kind = kind;
        region->guard = guard;
        region->first_page = begin + guard;
        region->end_of_pages = region->start = region->first_page + pages;
        return (regions[begin] = std::move(region)).get();
    }

    std::string place_of(const char *address) const {
        const auto above = regions.upper_bound(address);
        const Region *below = above == regions.begin() ? nullptr : std::prev(above)->second.get();
        if (below && address < below->end_of_pages + below->guard) {
            return below->place_of(address);
        }
        return "nobody's memory: " + (below ? below->place_of(address) : "nothing lies below") + ", " +
               (above != regions.end() ? above->second->place_of(address) : "nothing lies above");
    }
};

size_t page_bytes() {
    static const size_t bytes = (size_t)sysconf(_SC_PAGESIZE);
    return bytes;
}

Region *Region::reserve(Kind kind, size_t room) {
    Registry &all = Registry::the();
    const std::lock_guard<std::mutex> lock(all.mutex);
    return all.add(kind, room);
}

char *Region::open_pages() const {
    return first_page + (size_t)(start - first_page) / page_bytes() * page_bytes();
}

bool Region::hold(size_t bytes) {
    char *before = open_pages();
    start = end_of_pages - round_up(bytes, ALIGNMENT);
    held = bytes;
    char *now = open_pages();
    const auto protect = [](char *begin, char *end, int protection) {
        return begin >= end || mprotect(begin, (size_t)(end - begin), protection) == 0;
    };
    if (!protect(now, before, PROT_READ | PROT_WRITE) || !protect(before, now, PROT_NONE)) {
        return false;
    }
    std::memset(now, UNTOUCHED, (size_t)(start - now));
    std::memset(start + bytes, UNTOUCHED, (size_t)(end_of_pages - start) - bytes);
    return true;
}

void Region::take_no_more_than_touched() { madvise(first_page, (size_t)(end_of_pages - first_page), MADV_NOHUGEPAGE); }

bool Region::hold_stack(size_t offset, size_t bytes) {
    return mprotect(first_page + offset, bytes, PROT_READ | PROT_WRITE) == 0;
}

void Region::close() {
    map(first_page, (size_t)(end_of_pages - first_page));
    closed = true;
}

std::string Region::overrun() const {
    const char *pages = open_pages(), *end = start + held;
    if (is_untouched(pages, start) && is_untouched(end, end_of_pages)) {
        return {};
    }
    const char *below = first_touched(pages, start);
    return place_of(below != start ? below : first_touched(end, end_of_pages));
}

std::string Region::title() const {
    const std::string bytes = std::to_string(held) + " bytes";
    switch (kind) {
    case Kind::SharedMemory:
        return bytes + " of dynamic shared memory";
    case Kind::Stacks:
        return "the stacks of a block's threads";
    default:
        return "an allocation of " + bytes + (closed ? " that was freed" : "");
    }
}

std::string Region::place_of(const char *address) const {
    // As a whole, for whoever is outside of its guards.
    const bool is_stacks = kind == Kind::Stacks;
    const char *first = is_stacks ? first_page : start, *end = is_stacks ? end_of_pages : start + held;
    if (is_stacks && address >= first - guard && address < end + guard) {
        return "past the end of a thread's stack";
    }
    return (address < first ? std::to_string(first - address) + " bytes before the start of "
            : address < end ? "byte " + std::to_string(address - first) + " of "
                            : std::to_string(address - end) + " bytes past the end of ") +
           title();
}

// Also called when a kernel or a copy has faulted; neither holds the lock.
std::string place_of(const void *address) {
    if ((uintptr_t)address < page_bytes()) {
        return "at a null pointer";
    }
    Registry &all = Registry::the();
    const std::lock_guard<std::mutex> lock(all.mutex);
    return all.place_of(static_cast<const char *>(address));
}

}  // namespace emulator
