// The threads of one block: who runs next, who waits for whom.
#pragma once

#include <string>

#include "../kernel/machine.h"
#include "fiber.h"
#include "random.h"
#include "region.h"

namespace emulator {

constexpr unsigned MOST_THREADS = 1024;
constexpr unsigned MOST_SHARED_BYTES = 227 * 1024;

struct Launch {
    const Kernel *kernel;
    dim3 grid_size, block_size;
    size_t shared_bytes;
    void **parameters;
    uint64_t seed;
};

// What lanes of a warp do together.
enum class Meeting : unsigned char { Barrier, Shuffle, Ballot, MultiplyAdd };

// What a lane brings to a meeting and takes from it. Apart, since a lane may bring the next before others took this.
struct Deposit {
    uint64_t given, taken;
    unsigned source;
    float *d;
    uint4 a;
    uint2 b;
};

struct Thread {
    ThreadPosition position;
    unsigned warp, lane;
    Fiber fiber;
};

// Lanes that wait for others in `mask`.
struct Group {
    Meeting meeting;
    unsigned mask, arrived;
};

struct Warp {
    // Lanes by bits: not ended; may go on; wait at the barrier of the block.
    unsigned live, ready, at_barrier;
    // Lane after lane, in the order (factor place + offset) ^ flip.
    unsigned factor, offset, flip, place;
    unsigned groups;
    Group group[WARP];
    Deposit deposit[WARP];
};

// Runs one block after another on the OS thread that owns it.
class Block {
public:
    static Block &of_this_thread();

    // False if threads wait for what cannot come; complaint() says who.
    bool run(const Launch &launch, uint64_t index);
    const std::string &complaint() const { return sentence; }

    void wait_for_block();
    void meet(Meeting meeting, unsigned mask);
    Deposit &deposit();
    void *dynamic_shared_memory() const { return shared->data(); }

    // For reports: the kernel, the block and the thread that runs; empty when none does.
    std::string whereabouts() const;

private:
    Block();
    static void thread_main();
    void prepare(const Launch &launch, uint64_t index);
    void prepare_thread(unsigned index);
    void fill_shared_memory(const Launch &launch);
    void check_shared_memory() const;
    void end_thread();
    void release_block();
    void finish(Warp &warp, Group &group);
    void finish_complete_groups(Warp &warp);
    void shuffle_order(Warp &warp);
    Thread *pick();
    Thread *pick_lane(unsigned warp);
    void yield();
    void give_up();
    std::string waiting() const;
    void require_whole_warp(const Warp &warp, unsigned lanes);

    const Launch *launch = nullptr;
    BlockPosition position{};
    Random random;
    Fiber home;
    Thread *running = nullptr;
    unsigned threads = 0, warps = 0, live = 0, at_barrier = 0, ready_warps = 0, current_warp = 0;
    bool stuck = false;
    std::string sentence;
    Region *const shared, *const stacks;
    Thread thread[MOST_THREADS];
    Warp warp[MOST_THREADS / WARP];
};

// The block that runs on this OS thread; null outside of kernels.
extern EMULATOR_THREAD_LOCAL Block *running_block;

// D += A B for the fragments of a whole warp.
void multiply_fragments(Deposit (&lanes)[WARP]);

}  // namespace emulator
