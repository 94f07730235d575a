// A part in place of the whole, for work of sizes that no host can do: the first, the last, and a few drawn between.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "random.h"

namespace emulator {

// How many are drawn from now on, or that all is done.
void sample(std::optional<uint64_t> drawn);
bool is_sampling();

// The numbers below `count` that are to be worked on, each once.
std::vector<uint64_t> sampled(uint64_t count, Random random);

// Calls `work` with the offset and length of what is to be worked on of `bytes`: all at once, or pieces of PIECE bytes, which
// are the same for the same number of bytes. What is filled and then copied is therefore there.
constexpr size_t PIECE = 4096;
void in_pieces(size_t bytes, const std::function<void(size_t offset, size_t length)> &work);

}  // namespace emulator
