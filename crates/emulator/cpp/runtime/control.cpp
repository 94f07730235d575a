// What the tests' side of the host sets and reads.
#include <algorithm>
#include <cstring>

#include "calls.h"
#include "device.h"
#include "fault.h"
#include "memory.h"
#include "report.h"
#include "sample.h"

using namespace emulator;

EMULATOR_API void emulator_start() { watch_for_faults(); }

EMULATOR_API void emulator_seed(uint64_t seed) { Device::the().seed = seed; }

EMULATOR_API void emulator_memory_limit(uint64_t bytes) { limit_memory(bytes); }

// Negative: all is done.
EMULATOR_API void emulator_sample(int64_t drawn) {
    sample(drawn < 0 ? std::nullopt : std::optional<uint64_t>((uint64_t)drawn));
}

EMULATOR_API void emulator_fail(int failure) {
    Device::the().failure = static_cast<Failure>(failure);
    Device::the().broken = false;
    forget_report();
}

EMULATOR_API uint64_t emulator_synchronizations() { return Device::the().waits; }

EMULATOR_API uint64_t emulator_peak_memory() { return memory_use().most; }

EMULATOR_API void emulator_reset_counts() {
    Device::the().reset_counts();
    forget_calls();
}

// Calls `each` for every kernel that was launched, in the order of their names.
EMULATOR_API void emulator_launches(void (*each)(void *context, const char *name, uint64_t count), void *context) {
    for (const auto &[name, count] : Device::the().launches()) {
        each(context, name.c_str(), count);
    }
}

// Calls `each` for every kind of call that was made, in their order.
EMULATOR_API void emulator_calls(void (*each)(void *context, const char *name, const char *options, const char *shape),
                                 void *context) {
    for (const CallKind &kind : noted_calls()) {
        each(context, kind.name.c_str(), kind.options.c_str(), kind.shape.c_str());
    }
}

// Copies as much of the last report as there is room for, ends it with a zero, and returns its length.
EMULATOR_API uint64_t emulator_report(char *to, uint64_t room) {
    const std::string report = last_report();
    if (room > 0) {
        const size_t length = std::min<size_t>(report.size(), room - 1);
        std::memcpy(to, report.data(), length);
        to[length] = 0;
    }
    return report.size();
}
