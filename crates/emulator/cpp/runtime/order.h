// Which calls come before which. All work is done when its call returns, whatever stream it is on; so that a wait that is missing
// shows all the same, calls on different streams that use one allocation, at least one of them to change it, must be ordered by
// events, by waits of the host, or by the legacy default stream. Of vector clocks: Mattern, Virtual Time and Global States of
// Distributed Systems, 1989.
#pragma once

#include <cstdint>
#include <vector>

#include "../kernel/machine.h"

namespace emulator {

// How many calls on each stream are known to be over.
class Clock {
public:
    uint64_t operator[](unsigned stream) const { return stream < times.size() ? times[stream] : 0; }
    uint64_t tick(unsigned stream);
    void join(const Clock &other);

private:
    std::vector<uint64_t> times;
};

// Streams by the order of their creation.
using StreamId = unsigned;
// Ordered with all streams that are blocking.
constexpr StreamId LEGACY_STREAM = 0;

StreamId begin_stream(bool is_blocking);
// What was asked of it may still be going on.
void end_stream(StreamId stream);

// What an event knows that is recorded now.
Clock clock_of(StreamId stream);
void wait(StreamId stream, const Clock &event);
void host_waits(StreamId stream);
void host_waits(const Clock &event);
void host_waits_for_all();

// An access by an address in an allocation; others are none.
struct Touch {
    const void *address;
    Role role;
};

// Ends the process if a call on another stream with one of these allocations is in no order with this one. Names must live as
// long as the process. `kind` comes before the name, `verb` in place of "reads" or "writes".
struct Caller {
    const char *name;
    const char *kind = "";
    const char *verb = nullptr;
};
void touch(StreamId stream, const Caller &caller, const std::vector<Touch> &touches);

// The same for an allocation as a whole that begins or ends in a stream's order; or that is freed by the host, which must know
// that nothing on a stream uses it any more, if it began in a stream's order.
void touch_first(StreamId stream, const void *allocation);
void touch_last(StreamId stream, const void *allocation);
void touch_last_by_host(const void *allocation);

}  // namespace emulator
