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

// Each end of a copy that is on the device must lie in one allocation.
Status copy(void *to, const void *from, size_t bytes, bool to_device, bool from_device) {
    if (bytes == 0) {
        return SUCCESS;
    }
    if ((to_device && !is_device(to, bytes)) || (from_device && !is_device(from, bytes))) {
        return INVALID_VALUE;
    }
    const Call call("a copy");
    const auto piece = [=](size_t offset, size_t length) {
        std::memmove(static_cast<char *>(to) + offset, static_cast<const char *>(from) + offset, length);
    };
    if (to_device && from_device) {
        emulator::in_pieces(bytes, piece);
    } else {
        piece(0, bytes);
    }
    return SUCCESS;
}

template <class T>
Status fill(Address address, T value, size_t count) {
    if (count == 0) {
        return SUCCESS;
    }
    // The driver has kernels of its own for it.
    emulator::note_call({sizeof(T) == 1 ? "cuMemsetD8" : "cuMemsetD32", "", ""});
    if (address % sizeof(T) != 0 || !is_device(pointer(address), count * sizeof(T))) {
        return INVALID_VALUE;
    }
    emulator::settle();
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
    return when_ready(ready_on(stream), [=] { return allocate(address, bytes); });
}

EMULATOR_API Status cuMemAllocFromPoolAsync(Address *address, size_t bytes, Pool *, Stream *stream) {
    return cuMemAllocAsync(address, bytes, stream);
}

EMULATOR_API Status cuMemFree_v2(Address address) {
    return when_ready(ready(), [=] { return release(address); });
}

EMULATOR_API Status cuMemFreeAsync(Address address, Stream *stream) {
    return when_ready(ready_on(stream), [=] { return release(address); });
}

EMULATOR_API Status cuMemGetInfo_v2(size_t *free, size_t *total) {
    const emulator::Use use = emulator::memory_use();
    *total = use.limit;
    *free = use.limit - std::min(use.now, use.limit);
    return ready();
}

EMULATOR_API Status cuMemcpyHtoD_v2(Address to, const void *from, size_t bytes) {
    return when_ready(ready(), [=] { return copy(pointer(to), from, bytes, true, false); });
}

EMULATOR_API Status cuMemcpyHtoDAsync_v2(Address to, const void *from, size_t bytes, Stream *stream) {
    if (bytes > 0 && is_pinned(from) && is_device(pointer(to), bytes) && ready_on(stream) == SUCCESS) {
        emulator::postpone(pointer(to), from, bytes);
        return SUCCESS;
    }
    return when_ready(ready_on(stream), [=] { return copy(pointer(to), from, bytes, true, false); });
}

EMULATOR_API Status cuMemcpyDtoH_v2(void *to, Address from, size_t bytes) {
    device().wait();
    return when_ready(ready(), [=] { return copy(to, pointer(from), bytes, false, true); });
}

// The real call waits as well when the host's memory is not pinned.
EMULATOR_API Status cuMemcpyDtoHAsync_v2(void *to, Address from, size_t bytes, Stream *stream) {
    if (bytes > 0 && !is_pinned(to)) {
        device().wait();
    }
    return when_ready(ready_on(stream), [=] { return copy(to, pointer(from), bytes, false, true); });
}

EMULATOR_API Status cuMemcpyDtoD_v2(Address to, Address from, size_t bytes) {
    return when_ready(ready(), [=] { return copy(pointer(to), pointer(from), bytes, true, true); });
}

EMULATOR_API Status cuMemcpyDtoDAsync_v2(Address to, Address from, size_t bytes, Stream *stream) {
    return when_ready(ready_on(stream), [=] { return copy(pointer(to), pointer(from), bytes, true, true); });
}

EMULATOR_API Status cuMemsetD8_v2(Address to, unsigned char value, size_t count) {
    return when_ready(ready(), [=] { return fill(to, value, count); });
}

EMULATOR_API Status cuMemsetD8Async(Address to, unsigned char value, size_t count, Stream *stream) {
    return when_ready(ready_on(stream), [=] { return fill(to, value, count); });
}

EMULATOR_API Status cuMemsetD32_v2(Address to, unsigned value, size_t count) {
    return when_ready(ready(), [=] { return fill(to, value, count); });
}

EMULATOR_API Status cuMemsetD32Async(Address to, unsigned value, size_t count, Stream *stream) {
    return when_ready(ready_on(stream), [=] { return fill(to, value, count); });
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
