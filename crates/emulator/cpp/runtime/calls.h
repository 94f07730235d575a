// What kinds of calls were made, for hosts that ask whether one part of a program made all that another makes.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <tuple>

namespace emulator {

struct CallKind {
    std::string name, options, shape;

    bool operator<(const CallKind &other) const {
        return std::tie(name, options, shape) < std::tie(other.name, other.options, other.shape);
    }
};

void note_call(CallKind kind);
std::set<CallKind> noted_calls();
void forget_calls();

// "0", "1", or "2^p" for what is above 2^(p-1) and no more than 2^p.
std::string size_class(int64_t size);

}  // namespace emulator
