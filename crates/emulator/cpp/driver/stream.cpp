// Streams and events. All work but copies out of pinned memory is done by the time its call returns.
#include <chrono>
#include <mutex>
#include <set>

#include "driver.h"

using namespace driver;

namespace driver {

struct Stream {
    emulator::StreamId id;
};

struct Event {
    bool timed;
    bool recorded;
    std::chrono::steady_clock::time_point at;
    emulator::Clock known;
};

}  // namespace driver

namespace {

// Objects that a host has created and not yet destroyed.
template <class T>
class Handles {
public:
    T *add(T value) {
        const std::lock_guard<std::mutex> lock(mutex);
        return *live.insert(new T(value)).first;
    }

    bool has(T *handle) {
        const std::lock_guard<std::mutex> lock(mutex);
        return live.count(handle) != 0;
    }

    bool remove(T *handle) {
        const std::lock_guard<std::mutex> lock(mutex);
        if (live.erase(handle) == 0) {
            return false;
        }
        delete handle;
        return true;
    }

private:
    std::mutex mutex;
    std::set<T *> live;
};

Handles<Stream> &streams() {
    static auto *const handles = new Handles<Stream>;
    return *handles;
}

Handles<Event> &events() {
    static auto *const handles = new Handles<Event>;
    return *handles;
}

// The legacy stream by its three names; a thread's own is taken for it as well.
bool is_default(Stream *stream) {
    constexpr uintptr_t LAST_DEFAULT = 2;
    return (uintptr_t)stream <= LAST_DEFAULT;
}

// The host is told that all that was asked of the stream is done.
Status host_knows(Stream *stream) {
    const Status status = ready_on(stream);
    if (status == SUCCESS) {
        emulator::host_waits(order_of(stream));
    }
    return status;
}

Status ready_with(Event *event) {
    const Status status = ready();
    return status == SUCCESS && !events().has(event) ? INVALID_HANDLE : status;
}

}  // namespace

bool driver::is_stream(Stream *stream) { return is_default(stream) || streams().has(stream); }

emulator::StreamId driver::order_of(Stream *stream) { return is_default(stream) ? emulator::LEGACY_STREAM : stream->id; }

EMULATOR_API Status cuStreamCreate(Stream **stream, unsigned flags) {
    constexpr unsigned NON_BLOCKING = 1;
    const Status status = ready();
    if (status == SUCCESS) {
        *stream = streams().add({emulator::begin_stream((flags & NON_BLOCKING) == 0)});
    }
    return status;
}

EMULATOR_API Status cuStreamCreateWithPriority(Stream **stream, unsigned flags, int) {
    return cuStreamCreate(stream, flags);
}

EMULATOR_API Status cuStreamDestroy_v2(Stream *stream) {
    if (!streams().has(stream)) {
        return INVALID_HANDLE;
    }
    emulator::end_stream(stream->id);
    streams().remove(stream);
    return SUCCESS;
}

EMULATOR_API Status cuStreamSynchronize(Stream *stream) {
    device().wait();
    return host_knows(stream);
}

EMULATOR_API Status cuStreamQuery(Stream *stream) { return host_knows(stream); }

EMULATOR_API Status cuStreamWaitEvent(Stream *stream, Event *event, unsigned) {
    Status status = ready_on(stream);
    status = status == SUCCESS ? ready_with(event) : status;
    if (status == SUCCESS) {
        emulator::wait(order_of(stream), event->known);
    }
    return status;
}

EMULATOR_API Status cuStreamIsCapturing(Stream *stream, int *status) {
    *status = 0;
    return ready_on(stream);
}

EMULATOR_API Status cuLaunchHostFunc(Stream *stream, void (*function)(void *), void *argument) {
    const Status status = ready_on(stream);
    if (status == SUCCESS) {
        function(argument);
    }
    return status;
}

EMULATOR_API Status cuEventCreate(Event **event, unsigned flags) {
    constexpr unsigned DISABLE_TIMING = 2;
    *event = events().add({(flags & DISABLE_TIMING) == 0, false, {}, {}});
    return ready();
}

EMULATOR_API Status cuEventDestroy_v2(Event *event) { return events().remove(event) ? SUCCESS : INVALID_HANDLE; }

EMULATOR_API Status cuEventRecord(Event *event, Stream *stream) {
    Status status = ready_on(stream);
    status = status == SUCCESS ? ready_with(event) : status;
    if (status == SUCCESS) {
        event->recorded = true;
        event->known = emulator::clock_of(order_of(stream));
        event->at = std::chrono::steady_clock::now();
    }
    return status;
}

// For what nobody has recorded, nobody waits.
EMULATOR_API Status cuEventSynchronize(Event *event) {
    const Status status = ready_with(event);
    if (status == SUCCESS && event->recorded) {
        device().wait();
        emulator::host_waits(event->known);
    }
    return status;
}

EMULATOR_API Status cuEventQuery(Event *event) {
    const Status status = ready_with(event);
    if (status == SUCCESS) {
        emulator::host_waits(event->known);
    }
    return status;
}

EMULATOR_API Status cuEventElapsedTime_v2(float *milliseconds, Event *begin, Event *end) {
    for (Event *event : {begin, end}) {
        const Status status = ready_with(event);
        if (status != SUCCESS) {
            return status;
        }
        if (!event->timed || !event->recorded) {
            return INVALID_HANDLE;
        }
    }
    *milliseconds = std::chrono::duration<float, std::milli>(end->at - begin->at).count();
    return SUCCESS;
}
