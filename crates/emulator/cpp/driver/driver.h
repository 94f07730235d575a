// The driver's types and codes, by their values in CUDA 13, and what all its functions ask first.
#pragma once

#include <cstddef>
#include <cstdint>

#include "../runtime/device.h"
#include "../runtime/order.h"

namespace driver {

using Status = int;
using Address = uint64_t;

enum : Status {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NOT_INITIALIZED = 3,
    NO_DEVICE = 100,
    INVALID_DEVICE = 101,
    INVALID_CONTEXT = 201,
    NO_BINARY_FOR_GPU = 209,
    UNSUPPORTED_PTX_VERSION = 222,
    FILE_NOT_FOUND = 301,
    INVALID_HANDLE = 400,
    NOT_FOUND = 500,
    LAUNCH_OUT_OF_RESOURCES = 701,
    LAUNCH_FAILED = 719,
    NOT_SUPPORTED = 801,
};

constexpr int VERSION = 13000, OLD_VERSION = 12040;
constexpr int MULTIPROCESSORS = 4, THREADS_OF_MULTIPROCESSOR = 2048, BLOCKS_OF_MULTIPROCESSOR = 32;
constexpr int SHARED_BYTES = 48 * 1024, SHARED_BYTES_OF_MULTIPROCESSOR = 228 * 1024, SHARED_BYTES_RESERVED = 1024;

inline emulator::Device &device() { return emulator::Device::the(); }
inline bool fails(emulator::Failure failure) { return device().failure == failure; }

bool initialised();
bool has_context();

// What every call needs that works on the device.
inline Status ready() {
    return !initialised()     ? NOT_INITIALIZED
           : !has_context()   ? INVALID_CONTEXT
           : device().broken  ? LAUNCH_FAILED
                              : SUCCESS;
}

struct Stream;
// The default streams and those created and not destroyed.
bool is_stream(Stream *stream);
// Of one that is.
emulator::StreamId order_of(Stream *stream);

// What calls need that are ordered by a stream.
inline Status ready_on(Stream *stream) {
    const Status status = ready();
    return status == SUCCESS && !is_stream(stream) ? INVALID_HANDLE : status;
}

}  // namespace driver
