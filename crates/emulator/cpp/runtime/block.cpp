#include "block.h"

#include <cstring>

#include "report.h"
#include "shared.h"

EMULATOR_THREAD_LOCAL const emulator::ThreadPosition *emulator_thread = nullptr;

namespace emulator {

EMULATOR_THREAD_LOCAL Block *running_block = nullptr;

namespace {

// Apart by as much as a stack again, which nothing may touch; tops are moved by less than COLOURS.
constexpr size_t STACK_BYTES = 128 * 1024, COLOURS = 4096, STACK_STEP = 2 * STACK_BYTES;

Region *reserve(Region::Kind kind, size_t bytes) {
    Region *region = Region::reserve(kind, bytes);
    if (!region) {
        report_and_exit("the host has no address space for a block's threads");
    }
    return region;
}

std::string text(const uint3 &at) {
    return "(" + std::to_string(at.x) + ", " + std::to_string(at.y) + ", " + std::to_string(at.z) + ")";
}

uint3 unravel(uint64_t index, const dim3 &size) {
    return {(unsigned)(index % size.x), (unsigned)(index / size.x % size.y), (unsigned)(index / size.x / size.y)};
}

unsigned lowest(unsigned bits) { return (unsigned)__builtin_ctz(bits); }

}  // namespace

Block &Block::of_this_thread() {
    // Reachable from nowhere else and never destroyed: the pool's threads outlive main.
    static thread_local Block *const block = new Block;
    return *block;
}

Block::Block()
    : shared(reserve(Region::Kind::SharedMemory, MOST_SHARED_BYTES)),
      stacks(reserve(Region::Kind::Stacks, MOST_THREADS * STACK_STEP)) {
    for (unsigned i = 0; i < MOST_THREADS; i++) {
        if (!stacks->hold_stack((i + 1) * STACK_STEP - (STACK_BYTES + COLOURS), STACK_BYTES + COLOURS)) {
            report_and_exit("the host has no memory or mappings left for the stacks of a block's threads");
        }
    }
}

bool Block::run(const Launch &what, uint64_t index) {
    prepare(what, index);
    running_block = this;
    yield();
    running_block = nullptr;
    emulator_thread = nullptr;
    running = nullptr;
    check_shared_memory();
    return !stuck;
}

void Block::prepare(const Launch &what, uint64_t index) {
    launch = &what;
    random = Random(Random::mix(what.seed) ^ index);
    position = {unravel(index, what.grid_size), what.block_size, what.grid_size};
    threads = what.block_size.x * what.block_size.y * what.block_size.z;
    warps = (threads + WARP - 1) / WARP;
    live = threads;
    at_barrier = 0;
    stuck = false;
    ready_warps = warps == WARP ? ~0u : (1u << warps) - 1;
    for (unsigned i = 0; i < warps; i++) {
        const unsigned lanes = threads - i * WARP;
        const unsigned all = lanes >= WARP ? ~0u : (1u << lanes) - 1;
        warp[i].live = warp[i].ready = all;
        warp[i].at_barrier = warp[i].groups = 0;
        shuffle_order(warp[i]);
    }
    current_warp = (unsigned)(random.next() % warps);
    for (unsigned i = 0; i < threads; i++) {
        prepare_thread(i);
    }
    fill_shared_memory(what);
}

void Block::prepare_thread(unsigned index) {
    thread[index].position = {unravel(index, launch->block_size), &position};
    thread[index].warp = index / WARP;
    thread[index].lane = index % WARP;
    // Tops at the same place of every page would contend for the same lines of the cache.
    char *top = stacks->pages() + (index + 1) * STACK_STEP - index * 704 % COLOURS;
    thread[index].fiber.prepare(top - STACK_BYTES, top, thread_main);
}

void Block::fill_shared_memory(const Launch &what) {
    if (what.shared_bytes != shared->bytes() && !shared->hold(what.shared_bytes)) {
        report_and_exit("the host has no memory or mappings left for the shared memory of a block");
    }
    std::memset(shared->data(), 0xff, what.shared_bytes);
    fill_static_shared_memory(what.kernel->shared_memory());
}

void Block::check_shared_memory() const {
    const std::string overrun = shared->overrun();
    if (!overrun.empty()) {
        report_and_exit(std::string("kernel ") + launch->kernel->name + " wrote " + overrun);
    }
}

void Block::thread_main() {
    Block &block = *running_block;
    block.launch->kernel->call(block.launch->parameters);
    block.end_thread();
}

void Block::end_thread() {
    Warp &mine = warp[running->warp];
    mine.live &= ~(1u << running->lane);
    live--;
    finish_complete_groups(mine);
    release_block();
    yield();
}

void Block::wait_for_block() {
    warp[running->warp].at_barrier |= 1u << running->lane;
    at_barrier++;
    release_block();
    yield();
}

// Lets all go on once every thread that has not ended waits at the barrier.
void Block::release_block() {
    if (at_barrier == 0 || at_barrier != live) {
        return;
    }
    at_barrier = 0;
    for (unsigned i = 0; i < warps; i++) {
        warp[i].ready |= warp[i].at_barrier;
        warp[i].at_barrier = 0;
        shuffle_order(warp[i]);
        ready_warps |= warp[i].ready != 0 ? 1u << i : 0;
    }
}

void Block::meet(Meeting meeting, unsigned mask) {
    Warp &mine = warp[running->warp];
    const unsigned self = 1u << running->lane;
    Group *group = mine.group;
    while (group < mine.group + mine.groups && (group->mask != mask || group->meeting != meeting)) {
        group++;
    }
    if (group == mine.group + mine.groups) {
        *group = {meeting, mask, 0};
        mine.groups++;
    }
    group->arrived |= self;
    if ((mask & self) != 0 && (mask & mine.live) == group->arrived) {
        finish(mine, *group);
    }
    yield();
}

void Block::finish_complete_groups(Warp &mine) {
    for (unsigned i = 0; i < mine.groups;) {
        if ((mine.group[i].mask & mine.live) == mine.group[i].arrived) {
            finish(mine, mine.group[i]);
        } else {
            i++;
        }
    }
}

// The lane that arrives last does the work of all.
void Block::finish(Warp &mine, Group &group) {
    Deposit(&lanes)[WARP] = mine.deposit;
    const unsigned arrived = group.arrived;
    if (group.meeting == Meeting::Shuffle) {
        for (unsigned rest = arrived; rest != 0; rest &= rest - 1) {
            Deposit &lane = lanes[lowest(rest)];
            const unsigned source = lane.source % WARP;
            // What a lane outside of the group would give is not defined.
            lane.taken = arrived >> source & 1u ? lanes[source].given : ~(uint64_t)0;
        }
    } else if (group.meeting == Meeting::Ballot) {
        unsigned votes = 0;
        for (unsigned rest = arrived; rest != 0; rest &= rest - 1) {
            votes |= (unsigned)lanes[lowest(rest)].given << lowest(rest);
        }
        for (unsigned rest = arrived; rest != 0; rest &= rest - 1) {
            lanes[lowest(rest)].taken = votes;
        }
    } else if (group.meeting == Meeting::MultiplyAdd) {
        require_whole_warp(mine, arrived);
        multiply_fragments(lanes);
    }
    group = mine.group[--mine.groups];
    mine.ready |= arrived;
    ready_warps |= 1u << (unsigned)(&mine - warp);
    shuffle_order(mine);
}

void Block::require_whole_warp(const Warp &mine, unsigned lanes) {
    if (lanes != ~0u) {
        report_and_exit(std::string("kernel ") + launch->kernel->name + " multiplies fragments in warp " +
                        std::to_string(&mine - warp) + ", of which only " +
                        std::to_string(__builtin_popcount(lanes)) + " lanes take part; all 32 must");
    }
}

Deposit &Block::deposit() { return warp[running->warp].deposit[running->lane]; }

void Block::shuffle_order(Warp &mine) {
    const uint64_t bits = random.next();
    mine.factor = (unsigned)(bits & 31) | 1;
    mine.offset = (unsigned)(bits >> 5 & 31);
    mine.flip = (unsigned)(bits >> 10 & 31);
    mine.place = 0;
    if ((bits >> 15 & 15) == 0) {
        current_warp = (unsigned)((bits >> 32) % warps);
    }
}

Thread *Block::pick_lane(unsigned index) {
    Warp &mine = warp[index];
    for (;; mine.place++) {
        const unsigned lane = ((mine.factor * mine.place + mine.offset) % WARP) ^ mine.flip;
        if (mine.ready >> lane & 1u) {
            mine.ready &= ~(1u << lane);
            mine.place++;
            if (mine.ready == 0) {
                ready_warps &= ~(1u << index);
            }
            return &thread[index * WARP + lane];
        }
    }
}

Thread *Block::pick() {
    if (ready_warps == 0) {
        return nullptr;
    }
    if (!(ready_warps >> current_warp & 1u)) {
        const unsigned turn = (unsigned)random.next() % WARP;
        const unsigned turned = turn == 0 ? ready_warps : ready_warps >> turn | ready_warps << (WARP - turn);
        current_warp = (lowest(turned) + turn) % WARP;
    }
    return pick_lane(current_warp);
}

// Goes on with another thread, or with whoever called run() when there is none.
void Block::yield() {
    Thread *self = running, *next = pick();
    if (self && next == self) {
        return;
    }
    if (!next && live > 0) {
        give_up();
    }
    running = next;
    emulator_thread = next ? &next->position : nullptr;
    Fiber::change(self ? self->fiber : home, next ? next->fiber : home);
}

void Block::give_up() {
    stuck = true;
    sentence = std::string("kernel ") + launch->kernel->name + ", block " + text(position.index) +
               ", waits for what cannot come: " + waiting();
}

std::string Block::waiting() const {
    static const char *const names[] = {"__syncwarp", "a shuffle", "a vote", "multiply_add"};
    unsigned by_meeting[4] = {};
    for (unsigned i = 0; i < warps; i++) {
        for (unsigned j = 0; j < warp[i].groups; j++) {
            const Group &group = warp[i].group[j];
            by_meeting[(unsigned)group.meeting] += (unsigned)__builtin_popcount(group.arrived);
        }
    }
    std::string list;
    const auto add = [&](unsigned count, const std::string &where) {
        if (count > 0) {
            list += (list.empty() ? "" : ", ") + std::to_string(count) + (count == 1 ? " thread " : " threads ") + where;
        }
    };
    add(at_barrier, "at __syncthreads");
    for (unsigned i = 0; i < 4; i++) {
        add(by_meeting[i], std::string("at ") + names[i]);
    }
    add(threads - live, "ended");
    return list;
}

std::string Block::whereabouts() const {
    if (!running) {
        return {};
    }
    return std::string("kernel ") + launch->kernel->name + ", block " + text(position.index) + ", thread " +
           text(running->position.index) + ",";
}

}  // namespace emulator

EMULATOR_API void *emulator_dynamic_shared_memory() { return emulator::running_block->dynamic_shared_memory(); }

EMULATOR_API void emulator_block_barrier() { emulator::running_block->wait_for_block(); }

EMULATOR_API void emulator_warp_barrier(unsigned mask) {
    emulator::running_block->meet(emulator::Meeting::Barrier, mask);
}

EMULATOR_API uint64_t emulator_shuffle(unsigned mask, uint64_t bits, unsigned source) {
    emulator::Block &block = *emulator::running_block;
    emulator::Deposit &mine = block.deposit();
    mine.given = bits;
    mine.source = source;
    block.meet(emulator::Meeting::Shuffle, mask);
    return mine.taken;
}

EMULATOR_API unsigned emulator_ballot(unsigned mask, bool vote) {
    emulator::Block &block = *emulator::running_block;
    emulator::Deposit &mine = block.deposit();
    mine.given = vote;
    block.meet(emulator::Meeting::Ballot, mask);
    return (unsigned)mine.taken;
}

EMULATOR_API void emulator_multiply_add(float *d, uint4 a, uint2 b) {
    emulator::Block &block = *emulator::running_block;
    emulator::Deposit &mine = block.deposit();
    mine.d = d;
    mine.a = a;
    mine.b = b;
    block.meet(emulator::Meeting::MultiplyAdd, ~0u);
}
