// The order of things that have none: drawn anew from a seed.
#pragma once

#include <cstdint>
#include <numeric>

namespace emulator {

class Random {
public:
    explicit Random(uint64_t seed = 0) : state(mix(seed + 0x9e3779b97f4a7c15u)) {}

    // splitmix64's finisher: every bit of the result hangs on every bit of `bits`.
    static uint64_t mix(uint64_t bits) {
        bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9u;
        bits = (bits ^ bits >> 27) * 0x94d049bb133111ebu;
        return bits ^ bits >> 31;
    }

    uint64_t next() { return mix(state += 0x9e3779b97f4a7c15u); }

private:
    uint64_t state;
};

// An order of 0 to `count`, in constant space: place -> (factor place + offset) mod count.
class Order {
public:
    Order(uint64_t count, Random &random) : count(count), offset(random.next() % count) {
        do {
            factor = count == 1 ? 1 : 1 + random.next() % (count - 1);
        } while (std::gcd(factor, count) != 1);
    }

    uint64_t operator[](uint64_t place) const {
        return (uint64_t)(((unsigned __int128)factor * place + offset) % count);
    }

private:
    uint64_t count, factor, offset;
};

}  // namespace emulator
