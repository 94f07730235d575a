#include "sample.h"

#include <algorithm>
#include <atomic>
#include <numeric>
#include <set>

namespace emulator {

namespace {

constexpr int64_t ALL = -1;
std::atomic<int64_t> drawn{ALL};

}  // namespace

void sample(std::optional<uint64_t> count) { drawn = count ? (int64_t)*count : ALL; }

bool is_sampling() { return drawn != ALL; }

std::vector<uint64_t> sampled(uint64_t count, Random random) {
    const int64_t between = drawn;
    if (between == ALL || count <= (uint64_t)between + 2) {
        std::vector<uint64_t> all(count);
        std::iota(all.begin(), all.end(), 0);
        return all;
    }
    std::set<uint64_t> some{0, count - 1};
    while (some.size() < (uint64_t)between + 2) {
        some.insert(random.next() % count);
    }
    return {some.begin(), some.end()};
}

void in_pieces(size_t bytes, const std::function<void(size_t, size_t)> &work) {
    if (!is_sampling()) {
        work(0, bytes);
        return;
    }
    const size_t pieces = (bytes + PIECE - 1) / PIECE;
    for (const uint64_t piece : sampled(pieces, Random(bytes))) {
        const size_t offset = piece * PIECE;
        work(offset, std::min(PIECE, bytes - offset));
    }
}

}  // namespace emulator
