#include "calls.h"

#include <mutex>
#include <utility>

namespace emulator {

namespace {

struct Noted {
    std::mutex mutex;
    std::set<CallKind> kinds;
};

// Never destroyed: host objects may make calls while the process ends.
Noted &noted() {
    static Noted *const noted = new Noted;
    return *noted;
}

}  // namespace

void note_call(CallKind kind) {
    const std::lock_guard<std::mutex> lock(noted().mutex);
    noted().kinds.insert(std::move(kind));
}

std::set<CallKind> noted_calls() {
    const std::lock_guard<std::mutex> lock(noted().mutex);
    return noted().kinds;
}

void forget_calls() {
    const std::lock_guard<std::mutex> lock(noted().mutex);
    noted().kinds.clear();
}

std::string size_class(int64_t size) {
    int power = 0;
    while (((int64_t)1 << power) < size) {
        power++;
    }
    return size < 2 ? std::to_string(size) : "2^" + std::to_string(power);
}

}  // namespace emulator
