#include "order.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "memory.h"
#include "report.h"

namespace emulator {

namespace {

struct Access {
    StreamId stream;
    uint64_t time;
    Caller caller;
    Role role;

    std::string verb() const { return caller.verb ? caller.verb : role == Role::Writes ? "writes" : "reads"; }
    std::string who() const {
        const std::string where = stream == LEGACY_STREAM ? "the default stream" : "stream " + std::to_string(stream);
        return std::string(caller.kind) + caller.name + " on " + where;
    }
};

// The accesses to an allocation that others may still have to wait for: the last change, and who has read since.
struct History {
    bool is_of_stream = false;
    std::optional<Access> change;
    std::vector<Access> reads;

    // One that `clock` does not know, and that the role does not go with.
    const Access *unordered(const Clock &clock, Role role) const {
        const auto is_unknown = [&](const Access &access) { return clock[access.stream] < access.time; };
        if (change && is_unknown(*change)) {
            return &*change;
        }
        const auto read = std::find_if(reads.begin(), reads.end(), is_unknown);
        return role == Role::Writes && read != reads.end() ? &*read : nullptr;
    }

    void add(const Access &access) {
        if (access.role == Role::Writes) {
            change = access;
            reads.clear();
            return;
        }
        const auto of_stream = [&](const Access &read) { return read.stream == access.stream; };
        const auto before = std::find_if(reads.begin(), reads.end(), of_stream);
        if (before == reads.end()) {
            reads.push_back(access);
        } else {
            *before = access;
        }
    }
};

struct Timeline {
    bool is_blocking;
    Clock clock;
    // How often the host had waited when this stream last took over what it knows.
    uint64_t host_waits = 0;
};

struct Order {
    std::mutex mutex;
    std::map<StreamId, Timeline> streams{{LEGACY_STREAM, {false, {}}}};
    StreamId next = LEGACY_STREAM + 1;
    // What streams did that are no more.
    Clock ended, ended_blocking;
    Clock host;
    uint64_t host_waits = 0;
    std::map<const void *, History> histories;

    // The stream as the next call on it finds it.
    Timeline &at(StreamId id) {
        Timeline &stream = streams.at(id);
        if (stream.host_waits != host_waits) {
            stream.host_waits = host_waits;
            stream.clock.join(host);
        }
        if (stream.is_blocking) {
            stream.clock.join(streams.at(LEGACY_STREAM).clock);
        }
        if (id == LEGACY_STREAM) {
            stream.clock.join(ended_blocking);
            for (const auto &[other_id, other] : streams) {
                if (other.is_blocking) {
                    stream.clock.join(other.clock);
                }
            }
        }
        return stream;
    }

    void tell_host(const Clock &clock) {
        host.join(clock);
        host_waits++;
    }

    void check(const Clock &clock, const Access &access, const Allocation &allocation, const History &history) const {
        const Access *other = history.unordered(clock, access.role);
        if (other) {
            report_and_exit(access.who() + " " + access.verb() + " an allocation of " + std::to_string(allocation.bytes) +
                            " bytes in no order with " + other->who() + ", which " + other->verb() + " it");
        }
    }

    void touch(StreamId id, const Caller &caller, const std::vector<Touch> &touches) {
        Timeline &stream = at(id);
        const uint64_t time = stream.clock.tick(id);
        for (const Touch &touch : touches) {
            const std::optional<Allocation> allocation = allocation_of(touch.address);
            if (allocation && touch.role != Role::Value) {
                const Access access{id, time, caller, touch.role};
                History &history = histories[allocation->start];
                check(stream.clock, access, *allocation, history);
                history.add(access);
            }
        }
    }
};

// Never destroyed: host objects may make calls while the process ends.
Order &order() {
    static Order *const order = new Order;
    return *order;
}

using Lock = std::lock_guard<std::mutex>;

bool begins_at(const void *address) {
    const std::optional<Allocation> found = allocation_of(address);
    return found && found->start == address;
}

}  // namespace

uint64_t Clock::tick(unsigned stream) {
    if (stream >= times.size()) {
        times.resize(stream + 1);
    }
    return ++times[stream];
}

void Clock::join(const Clock &other) {
    if (times.size() < other.times.size()) {
        times.resize(other.times.size());
    }
    std::transform(other.times.begin(), other.times.end(), times.begin(), times.begin(),
                   [](uint64_t a, uint64_t b) { return std::max(a, b); });
}

StreamId begin_stream(bool is_blocking) {
    const Lock lock(order().mutex);
    order().streams[order().next] = {is_blocking, {}};
    return order().next++;
}

void end_stream(StreamId stream) {
    const Lock lock(order().mutex);
    const Timeline &last = order().at(stream);
    order().ended.join(last.clock);
    if (last.is_blocking) {
        order().ended_blocking.join(last.clock);
    }
    order().streams.erase(stream);
}

Clock clock_of(StreamId stream) {
    const Lock lock(order().mutex);
    return order().at(stream).clock;
}

void wait(StreamId stream, const Clock &event) {
    const Lock lock(order().mutex);
    order().at(stream).clock.join(event);
}

void host_waits(StreamId stream) {
    const Lock lock(order().mutex);
    order().tell_host(order().at(stream).clock);
}

void host_waits(const Clock &event) {
    const Lock lock(order().mutex);
    order().tell_host(event);
}

void host_waits_for_all() {
    const Lock lock(order().mutex);
    Order &all = order();
    all.tell_host(all.ended);
    for (const auto &[id, stream] : all.streams) {
        all.tell_host(stream.clock);
    }
}

void touch(StreamId stream, const Caller &caller, const std::vector<Touch> &touches) {
    const Lock lock(order().mutex);
    order().touch(stream, caller, touches);
}

void touch_first(StreamId stream, const void *allocation) {
    const Lock lock(order().mutex);
    order().touch(stream, {"cuMemAllocAsync", "", "allocates"}, {{allocation, Role::Writes}});
    order().histories[allocation].is_of_stream = true;
}

void touch_last(StreamId stream, const void *allocation) {
    const Lock lock(order().mutex);
    if (!begins_at(allocation)) {
        return;
    }
    order().touch(stream, {"cuMemFreeAsync", "", "frees"}, {{allocation, Role::Writes}});
    order().histories.erase(allocation);
}

void touch_last_by_host(const void *allocation) {
    const Lock lock(order().mutex);
    const auto found = order().histories.find(allocation);
    if (found == order().histories.end() || !begins_at(allocation)) {
        return;
    }
    const Access *other = found->second.unordered(order().host, Role::Writes);
    if (found->second.is_of_stream && other) {
        report_and_exit("cuMemFree frees an allocation of " + std::to_string(allocation_of(allocation)->bytes) +
                        " bytes before the host has waited for " + other->who() + ", which " + other->verb() + " it");
    }
    order().histories.erase(found);
}

}  // namespace emulator
