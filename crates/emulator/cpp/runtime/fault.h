// Accesses to memory that is not there: one sentence, and the end of the process.
#pragma once

namespace emulator {

void watch_for_faults();

// Names a library's function in reports, while it lives.
class Call {
public:
    explicit Call(const char *name);
    ~Call();
    Call(const Call &) = delete;
    Call &operator=(const Call &) = delete;

private:
    const char *outer;
};

// The function that this OS thread is in, or null. Threads that work for it must take the name over.
const char *current_call();

}  // namespace emulator
