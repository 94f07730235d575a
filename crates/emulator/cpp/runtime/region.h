// Address space that is given out once: every piece has an owner, and a guard on both sides that is the owner's as well. So
// whoever leaves what is his is told whose he left, whatever else lies nearby.
#pragma once

#include <cstddef>
#include <string>

namespace emulator {

constexpr unsigned char UNTOUCHED = 0xa5;

class Region {
public:
    enum class Kind { Allocation, SharedMemory, Stacks };

    // Address space for `room` bytes, none of which may be touched yet; null if there is none left. Never taken back.
    static Region *reserve(Kind kind, size_t room);

    // Lets the last `bytes` of the pages be touched, from a multiple of 16 on, and nothing else; those before and after them
    // that share their pages are UNTOUCHED. False if the host has no memory or no mappings left.
    bool hold(size_t bytes);
    // Lets `bytes` from `offset` on be touched as well, both in whole pages.
    bool hold_stack(size_t offset, size_t bytes);
    // Asks the host for pages of the usual size, however much is held.
    void take_no_more_than_touched();
    // Gives the pages back, and keeps the addresses.
    void close();

    char *data() const { return start; }
    size_t bytes() const { return held; }
    // The first byte of the pages, whoever may touch them.
    char *pages() const { return first_page; }

    // Where a byte that shares a page with what is held was changed, as the end of a sentence; empty if none was.
    std::string overrun() const;
    // An address between the first byte of the lower guard and the last of the upper one, as the end of a sentence.
    std::string place_of(const char *address) const;

private:
    friend struct Registry;
    char *first_page = nullptr, *end_of_pages = nullptr;
    // As much on either side.
    size_t guard = 0;
    Kind kind = Kind::Allocation;
    bool closed = false;
    char *start = nullptr;
    size_t held = 0;

    char *open_pages() const;
    std::string title() const;
};

// Where an address lies, as the end of a sentence: seen from the owner of the region that it is in or, if that is nobody,
// from the nearest on either side.
std::string place_of(const void *address);

size_t page_bytes();
inline size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

}  // namespace emulator
