#include "report.h"

#include <unistd.h>

#include <cstdio>
#include <mutex>

namespace emulator {

namespace {
std::mutex mutex;
std::string last;
}  // namespace

void report(const std::string &sentence) {
    std::fprintf(stderr, "emulated device: %s\n", sentence.c_str());
    const std::lock_guard<std::mutex> lock(mutex);
    last = sentence;
}

void report_and_exit(const std::string &sentence) {
    const std::string line = "emulated device: " + sentence + "\n";
    if (write(STDERR_FILENO, line.data(), line.size()) < 0) {
        _exit(UNSAFE + 1);
    }
    _exit(UNSAFE);
}

std::string last_report() {
    const std::lock_guard<std::mutex> lock(mutex);
    return last;
}

void forget_report() {
    const std::lock_guard<std::mutex> lock(mutex);
    last.clear();
}

}  // namespace emulator
