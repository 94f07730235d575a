// The device as a whole: its kernels, what is running on it, how it fails, what it counts.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "block.h"
#include "pending.h"

namespace emulator {

// In the order of the host's type of the same name.
enum class Failure : int { None, NoDevice, OldDriver, OutOfMemory, ModuleLoad, Launch, Nvrtc };

class Device {
public:
    static Device &the();

    void declare(const Kernel *kernel);
    const Kernel *find(const std::string &name) const;

    // False if it fails; then nothing works any more until the failure is taken back.
    bool launch(Launch launch);

    // The host waits for all that it has asked for.
    void wait() {
        waits++;
        settle();
    }
    void reset_counts();
    std::map<std::string, uint64_t> launches() const;

    std::atomic<Failure> failure{Failure::None};
    std::atomic<bool> broken{false};
    std::atomic<uint64_t> seed{0};
    std::atomic<uint64_t> waits{0};

private:
    std::map<std::string, const Kernel *> kernels;
    mutable std::mutex mutex;
    std::map<std::string, uint64_t> counts;
    uint64_t ordinal = 0;
};

}  // namespace emulator
