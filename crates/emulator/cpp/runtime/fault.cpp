#include "fault.h"

#include <signal.h>
#include <ucontext.h>

#include <mutex>
#include <string>

#include "block.h"
#include "pending.h"
#include "region.h"
#include "report.h"

namespace emulator {

namespace {

EMULATOR_THREAD_LOCAL const char *call = nullptr;

struct sigaction before_us;

// " writes ", " reads ", or what covers both.
const char *access_of([[maybe_unused]] void *context) {
#if defined(__x86_64__)
    const auto error = static_cast<ucontext_t *>(context)->uc_mcontext.gregs[REG_ERR];
    return error & 2 ? " writes " : " reads ";
#else
    return " touches ";
#endif
}

void on_fault(int signal, siginfo_t *info, void *context) {
    const Block *block = running_block;
    std::string who = block ? block->whereabouts() : call ? call : "";
    if (!who.empty()) {
        // The processor does not tell an address that is none.
        report_and_exit(who + (info->si_code == SI_KERNEL ? " touches an address that no memory can have"
                                                           : access_of(context) + place_of(info->si_addr)));
    }
    // Not ours: as if this handler had never been.
    sigaction(signal, &before_us, nullptr);
}

// The handler must not run on the stack of a fiber, which may be what has run out.
void give_signals_a_stack() {
    constexpr size_t BYTES = 64 * 1024;
    stack_t stack{};
    stack.ss_sp = new char[BYTES];
    stack.ss_size = BYTES;
    sigaltstack(&stack, nullptr);
}

}  // namespace

void watch_for_faults() {
    static std::once_flag once;
    std::call_once(once, [] {
        struct sigaction action {};
        action.sa_sigaction = on_fault;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK;
        sigaction(SIGSEGV, &action, &before_us);
    });
    static thread_local bool has_stack = false;
    if (!has_stack) {
        has_stack = true;
        give_signals_a_stack();
    }
}

Call::Call(const char *name) : outer(call) {
    settle();
    call = name;
}

Call::~Call() { call = outer; }

const char *current_call() { return call; }

}  // namespace emulator
