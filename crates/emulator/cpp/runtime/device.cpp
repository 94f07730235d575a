#include "device.h"

#include "calls.h"
#include "fault.h"
#include "memory.h"
#include "pool.h"
#include "report.h"
#include "sample.h"

namespace emulator {

Device &Device::the() {
    // Never destroyed: host objects may use it while the process ends.
    static Device *const device = new Device;
    return *device;
}

void Device::declare(const Kernel *kernel) {
    const std::lock_guard<std::mutex> lock(mutex);
    if (!kernels.emplace(kernel->name, kernel).second) {
        report_and_exit(std::string("two kernels are named ") + kernel->name + "; names must differ");
    }
}

const Kernel *Device::find(const std::string &name) const {
    const std::lock_guard<std::mutex> lock(mutex);
    const auto found = kernels.find(name);
    return found == kernels.end() ? nullptr : found->second;
}

bool Device::launch(Launch launch) {
    // One kernel at a time, whatever stream it is on.
    const std::lock_guard<std::mutex> lock(mutex);
    if (counts[launch.kernel->name]++ == 0) {
        note_call({launch.kernel->name, "", ""});
    }
    launch.seed = Random::mix(seed) ^ Random::mix(++ordinal);
    Random random(launch.seed);
    const uint64_t all = (uint64_t)launch.grid_size.x * launch.grid_size.y * launch.grid_size.z;
    const bool is_part = is_sampling();
    const std::vector<uint64_t> part = is_part ? sampled(all, random) : std::vector<uint64_t>();
    const uint64_t blocks = is_part ? part.size() : all;
    const Order order(blocks, random);
    std::atomic<bool> stuck{false};
    in_parallel(blocks, [&](size_t place) {
        watch_for_faults();
        Block &block = Block::of_this_thread();
        const uint64_t index = is_part ? part[order[place]] : order[place];
        if (!stuck && !block.run(launch, index) && !stuck.exchange(true)) {
            report(block.complaint());
        }
    });
    const std::string overrun = find_overrun();
    if (!overrun.empty()) {
        report_and_exit(std::string("kernel ") + launch.kernel->name + " wrote " + overrun);
    }
    broken = broken || stuck;
    return !stuck;
}

void Device::reset_counts() {
    const std::lock_guard<std::mutex> lock(mutex);
    counts.clear();
    ordinal = 0;
    waits = 0;
    forget_peak();
}

std::map<std::string, uint64_t> Device::launches() const {
    const std::lock_guard<std::mutex> lock(mutex);
    return counts;
}

}  // namespace emulator

EMULATOR_API void emulator_declare(const emulator::Kernel *kernel) { emulator::Device::the().declare(kernel); }
