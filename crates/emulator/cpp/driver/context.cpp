// Initialisation, the device and its attributes, contexts.
#include <cstring>
#include <map>

#include "../runtime/memory.h"
#include "driver.h"

using namespace driver;

namespace {

struct Context {};
using emulator::Failure;

std::atomic<bool> is_initialised{false};
thread_local Context *current = nullptr;
Context primary;

constexpr char NAME[] = "emulated device";

// Numbers of attributes and their values.
const std::map<int, int> &attributes() {
    static const std::map<int, int> values = {
        {1, emulator::MOST_THREADS},
        {2, 1024},
        {3, 1024},
        {4, 64},
        {5, 0x7fffffff},
        {6, 65535},
        {7, 65535},
        {8, SHARED_BYTES},
        {9, 65536},
        {10, emulator::WARP},
        {12, 65536},
        {13, 1000000},
        {16, MULTIPROCESSORS},
        {31, 1},
        {36, 1000000},
        {37, 1024},
        {38, 4 << 20},
        {39, THREADS_OF_MULTIPROCESSOR},
        {40, 1},
        {41, 1},
        {75, 9},
        {76, 0},
        {81, SHARED_BYTES_OF_MULTIPROCESSOR},
        {82, 65536},
        {97, emulator::MOST_SHARED_BYTES},
        {106, BLOCKS_OF_MULTIPROCESSOR},
        {111, SHARED_BYTES_RESERVED},
        {115, 1},
    };
    return values;
}

Status known(int ordinal) { return !initialised() ? NOT_INITIALIZED : ordinal == 0 ? SUCCESS : INVALID_DEVICE; }

}  // namespace

bool driver::initialised() { return is_initialised; }
bool driver::has_context() { return current != nullptr; }

EMULATOR_API Status cuInit(unsigned) {
    if (fails(Failure::NoDevice)) {
        return NO_DEVICE;
    }
    is_initialised = true;
    return SUCCESS;
}

EMULATOR_API Status cuDriverGetVersion(int *version) {
    *version = fails(Failure::OldDriver) ? OLD_VERSION : VERSION;
    return SUCCESS;
}

EMULATOR_API Status cuDeviceGetCount(int *count) {
    *count = fails(Failure::NoDevice) ? 0 : 1;
    return initialised() ? SUCCESS : NOT_INITIALIZED;
}

EMULATOR_API Status cuDeviceGet(int *device, int ordinal) {
    *device = 0;
    return fails(Failure::NoDevice) ? NO_DEVICE : known(ordinal);
}

EMULATOR_API Status cuDeviceGetName(char *name, int room, int device) {
    if (room < 1) {
        return INVALID_VALUE;
    }
    std::strncpy(name, NAME, (size_t)room - 1);
    name[room - 1] = 0;
    return known(device);
}

EMULATOR_API Status cuDeviceGetUuid_v2(char (*uuid)[16], int device) {
    std::memcpy(*uuid, NAME, sizeof(NAME));
    return known(device);
}

EMULATOR_API Status cuDeviceTotalMem_v2(size_t *bytes, int device) {
    *bytes = emulator::memory_use().limit;
    return known(device);
}

EMULATOR_API Status cuDeviceGetAttribute(int *value, int attribute, int device) {
    const auto found = attributes().find(attribute);
    *value = found == attributes().end() ? 0 : found->second;
    return known(device);
}

EMULATOR_API Status cuDevicePrimaryCtxRetain(Context **context, int device) {
    *context = &primary;
    return known(device);
}

EMULATOR_API Status cuDevicePrimaryCtxRelease_v2(int device) { return known(device); }

EMULATOR_API Status cuCtxSetCurrent(Context *context) {
    if (context && context != &primary) {
        return INVALID_CONTEXT;
    }
    current = context;
    return initialised() ? SUCCESS : NOT_INITIALIZED;
}

EMULATOR_API Status cuCtxGetCurrent(Context **context) {
    *context = current;
    return initialised() ? SUCCESS : NOT_INITIALIZED;
}

EMULATOR_API Status cuCtxGetDevice(int *device) {
    *device = 0;
    return has_context() ? SUCCESS : INVALID_CONTEXT;
}

EMULATOR_API Status cuCtxSetFlags(unsigned) { return ready(); }

EMULATOR_API Status cuCtxSynchronize() {
    device().wait();
    emulator::host_waits_for_all();
    return ready();
}

EMULATOR_API Status cuCtxGetStreamPriorityRange(int *least, int *greatest) {
    *least = *greatest = 0;
    return ready();
}

EMULATOR_API Status cuProfilerStart() { return ready(); }
EMULATOR_API Status cuProfilerStop() { return ready(); }
