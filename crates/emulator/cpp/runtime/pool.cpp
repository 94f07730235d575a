#include "pool.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

namespace emulator {

namespace {

// Each has two mappings for each of 1024 stacks, and a process has 65,530.
constexpr unsigned MOST_THREADS = 8;

class Pool {
public:
    Pool() {
        const unsigned threads = std::clamp(std::thread::hardware_concurrency(), 1u, MOST_THREADS);
        for (unsigned i = 0; i < threads; i++) {
            std::thread([this] { serve(); }).detach();
        }
        size = threads;
    }

    void run(size_t items, const std::function<void(size_t)> &function) {
        const std::lock_guard<std::mutex> alone(callers);
        std::unique_lock<std::mutex> lock(mutex);
        work = &function;
        count = items;
        next = 0;
        working = size;
        round++;
        begin.notify_all();
        end.wait(lock, [this] { return working == 0; });
    }

private:
    void serve() {
        uint64_t seen = 0;
        for (;;) {
            std::unique_lock<std::mutex> lock(mutex);
            begin.wait(lock, [&] { return round != seen; });
            seen = round;
            lock.unlock();
            for (size_t i = next++; i < count; i = next++) {
                (*work)(i);
            }
            lock.lock();
            if (--working == 0) {
                end.notify_one();
            }
        }
    }

    std::mutex callers, mutex;
    std::condition_variable begin, end;
    const std::function<void(size_t)> *work = nullptr;
    size_t count = 0;
    std::atomic<size_t> next{0};
    unsigned size = 0, working = 0;
    uint64_t round = 0;
};

}  // namespace

void in_parallel(size_t count, const std::function<void(size_t)> &work) {
    // Never destroyed: its threads outlive main.
    static Pool *const pool = new Pool;
    pool->run(count, work);
}

}  // namespace emulator
