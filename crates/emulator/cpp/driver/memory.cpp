// Allocation, copies, fills; pinned host memory; memory pools.
#include "../runtime/memory.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "../runtime/calls.h"
#include "../runtime/fault.h"
#include "../runtime/pending.h"
#include "../runtime/sample.h"
#include "driver.h"

using namespace driver;
using emulator::Call;
using emulator::Failure;
using emulator::is_device;
using emulator::Role;

namespace {

struct Pool {
    std::atomic<uint64_t> release_threshold{0};
};
Pool pool;

std::mutex pinned_mutex;
std::map<char *, size_t> pinned;

bool is_pinned(const void *address) {
    const std::lock_guard<std::mutex> lock(pinned_mutex);
    auto after = pinned.upper_bound((char *)address);
    if (after == pinned.begin()) {
        return false;
    }
    const auto [start, bytes] = *std::prev(after);
    return (size_t)((const char *)address - start) < bytes;
}

Stream *const DEFAULT_STREAM = nullptr;

void *pointer(Address address) { return (void *)address; }

Status allocate(Address *address, size_t bytes) {
    if (bytes == 0) {
        return INVALID_VALUE;
    }
    void *data = fails(Failure::OutOfMemory) ? nullptr : emulator::allocate(bytes);
    *address = (Address)data;
    return data ? SUCCESS : OUT_OF_MEMORY;
}

Status release(Address address) {
    emulator::settle();
    return address == 0 || emulator::release(pointer(address)) ? SUCCESS : INVALID_VALUE;
}

enum class Direction { ToDevice, ToHost, OnDevice };

// What a copy asks of the device: each end that is there must lie in one allocation.
struct Copy {
    void *to;
    const void *from;
    size_t bytes;
    Direction direction;
    bool may_be_late = false;

    bool is_within() const {
        return (direction == Direction::ToHost || is_device(to, bytes)) &&
               (direction == Direction::ToDevice || is_device(from, bytes));
    }

    void touch(Stream *stream) const {
        const char *const names[] = {"cuMemcpyHtoD", "cuMemcpyDtoH", "cuMemcpyDtoD"};
        // The host's memory is in no allocation.
        emulator::touch(order_of(stream), {names[(int)direction]}, {{from, Role::Reads}, {to, Role::Writes}});
    }

    void make() const {
        const Call call("a copy");
        const auto piece = [this](size_t offset, size_t length) {
            std::memmove(static_cast<char *>(to) + offset, static_cast<const char *>(from) + offset, length);
        };
        if (direction == Direction::OnDevice) {
            emulator::in_pieces(bytes, piece);
        } else {
            piece(0, bytes);
        }
    }
};

Status copy(Stream *stream, const Copy &copy) {
    const Status status = ready_on(stream);
    if (status != SUCCESS || copy.bytes == 0) {
        return status;
    }
    if (!copy.is_within()) {
        return INVALID_VALUE;
    }
    copy.touch(stream);
    if (copy.may_be_late && is_pinned(copy.from)) {
        emulator::postpone(copy.to, copy.from, copy.bytes);
    } else {
        copy.make();
    }
    return SUCCESS;
}

template <class T>
Status fill(Stream *stream, Address address, T value, size_t count) {
    const Status status = ready_on(stream);
    if (status != SUCCESS || count == 0) {
        return status;
    }
    // The driver has kernels of its own for it.
    const char *const name = sizeof(T) == 1 ? "cuMemsetD8" : "cuMemsetD32";
    emulator::note_call({name, "", ""});
    if (address % sizeof(T) != 0 || !is_device(pointer(address), count * sizeof(T))) {
        return INVALID_VALUE;
    }
    emulator::settle();
    emulator::touch(order_of(stream), {name}, {{pointer(address), Role::Writes}});
    emulator::in_pieces(count * sizeof(T), [=](size_t offset, size_t length) {
        std::fill_n(static_cast<T *>(pointer(address + offset)), length / sizeof(T), value);
    });
    return SUCCESS;
}

template <class Work>
Status when_ready(Status status, Work work) {
    return status == SUCCESS ? work() : status;
}

}  // namespace

EMULATOR_API Status cuMemAlloc_v2(Address *address, size_t bytes) {
    return when_ready(ready(), [=] { return allocate(address, bytes); });
}

EMULATOR_API Status cuMemAllocAsync(Address *address, size_t bytes, Stream *stream) {
    return when_ready(ready_on(stream), [=] {
        const Status status = allocate(address, bytes);
        if (status == SUCCESS) {
            emulator::touch_first(order_of(stream), pointer(*address));
        }
        return status;
    });
}

EMULATOR_API Status cuMemAllocFromPoolAsync(Address *address, size_t bytes, Pool *, Stream *stream) {
    return cuMemAllocAsync(address, bytes, stream);
}

EMULATOR_API Status cuMemFree_v2(Address address) {
    return when_ready(ready(), [=] {
        emulator::touch_last_by_host(pointer(address));
        return release(address);
    });
}

EMULATOR_API Status cuMemFreeAsync(Address address, Stream *stream) {
    return when_ready(ready_on(stream), [=] {
        emulator::touch_last(order_of(stream), pointer(address));
        return release(address);
    });
}

EMULATOR_API Status cuMemGetInfo_v2(size_t *free, size_t *total) {
    const emulator::Use use = emulator::memory_use();
    *total = use.limit;
    *free = use.limit - std::min(use.now, use.limit);
    return ready();
}

EMULATOR_API Status cuMemcpyHtoD_v2(Address to, const void *from, size_t bytes) {
    return copy(DEFAULT_STREAM, {pointer(to), from, bytes, Direction::ToDevice});
}

EMULATOR_API Status cuMemcpyHtoDAsync_v2(Address to, const void *from, size_t bytes, Stream *stream) {
    return copy(stream, {pointer(to), from, bytes, Direction::ToDevice, true});
}

EMULATOR_API Status cuMemcpyDtoH_v2(void *to, Address from, size_t bytes) {
    device().wait();
    const Status status = copy(DEFAULT_STREAM, {to, pointer(from), bytes, Direction::ToHost});
    emulator::host_waits(emulator::LEGACY_STREAM);
    return status;
}

// The real call waits as well when the host's memory is not pinned.
EMULATOR_API Status cuMemcpyDtoHAsync_v2(void *to, Address from, size_t bytes, Stream *stream) {
    const bool waits = bytes > 0 && !is_pinned(to);
    if (waits) {
        device().wait();
    }
    const Status status = copy(stream, {to, pointer(from), bytes, Direction::ToHost});
    if (waits && status == SUCCESS) {
        emulator::host_waits(order_of(stream));
    }
    return status;
}

EMULATOR_API Status cuMemcpyDtoD_v2(Address to, Address from, size_t bytes) {
    return copy(DEFAULT_STREAM, {pointer(to), pointer(from), bytes, Direction::OnDevice});
}

EMULATOR_API Status cuMemcpyDtoDAsync_v2(Address to, Address from, size_t bytes, Stream *stream) {
    return copy(stream, {pointer(to), pointer(from), bytes, Direction::OnDevice});
}

EMULATOR_API Status cuMemsetD8_v2(Address to, unsigned char value, size_t count) {
    return fill(DEFAULT_STREAM, to, value, count);
}

EMULATOR_API Status cuMemsetD8Async(Address to, unsigned char value, size_t count, Stream *stream) {
    return fill(stream, to, value, count);
}

EMULATOR_API Status cuMemsetD32_v2(Address to, unsigned value, size_t count) {
    return fill(DEFAULT_STREAM, to, value, count);
}

EMULATOR_API Status cuMemsetD32Async(Address to, unsigned value, size_t count, Stream *stream) {
    return fill(stream, to, value, count);
}

EMULATOR_API Status cuMemHostAlloc(void **address, size_t bytes, unsigned) {
    const Status status = bytes == 0 ? INVALID_VALUE : ready();
    if (status != SUCCESS) {
        return status;
    }
    constexpr size_t PAGE = 4096;
    *address = std::aligned_alloc(PAGE, (bytes + PAGE - 1) / PAGE * PAGE);
    if (!*address) {
        return OUT_OF_MEMORY;
    }
    std::memset(*address, 0xff, bytes);
    const std::lock_guard<std::mutex> lock(pinned_mutex);
    pinned[static_cast<char *>(*address)] = bytes;
    return SUCCESS;
}

EMULATOR_API Status cuMemFreeHost(void *address) {
    emulator::settle();
    const std::lock_guard<std::mutex> lock(pinned_mutex);
    if (pinned.erase(static_cast<char *>(address)) == 0) {
        return INVALID_VALUE;
    }
    std::free(address);
    return SUCCESS;
}

EMULATOR_API Status cuDeviceGetDefaultMemPool(Pool **found, int) {
    *found = &pool;
    return initialised() ? SUCCESS : NOT_INITIALIZED;
}

EMULATOR_API Status cuDeviceGetMemPool(Pool **found, int device) { return cuDeviceGetDefaultMemPool(found, device); }

EMULATOR_API Status cuMemPoolTrimTo(Pool *, size_t) { return ready(); }

namespace {
enum PoolAttribute { RELEASE_THRESHOLD = 4, RESERVED_NOW = 5, RESERVED_MOST = 6, USED_NOW = 7, USED_MOST = 8 };
}

EMULATOR_API Status cuMemPoolGetAttribute(Pool *, int attribute, void *value) {
    const emulator::Use use = emulator::memory_use();
    uint64_t &number = *static_cast<uint64_t *>(value);
    switch (attribute) {
    case RELEASE_THRESHOLD:
        number = pool.release_threshold;
        return SUCCESS;
    case RESERVED_NOW:
    case USED_NOW:
        number = use.now;
        return SUCCESS;
    case RESERVED_MOST:
    case USED_MOST:
        number = use.most;
        return SUCCESS;
    }
    return INVALID_VALUE;
}

EMULATOR_API Status cuMemPoolSetAttribute(Pool *, int attribute, void *value) {
    const uint64_t number = *static_cast<uint64_t *>(value);
    switch (attribute) {
    case RELEASE_THRESHOLD:
        pool.release_threshold = number;
        return SUCCESS;
    case RESERVED_MOST:
    case USED_MOST:
        if (number == 0) {
            emulator::forget_peak();
            return SUCCESS;
        }
    }
    return INVALID_VALUE;
}
