// What went wrong, as a sentence.
#pragma once

#include <string>

namespace emulator {

// The exit code of a process whose memory cannot be trusted any more.
constexpr int UNSAFE = 86;

// Prints the sentence and keeps it for the host.
void report(const std::string &sentence);
[[noreturn]] void report_and_exit(const std::string &sentence);
std::string last_report();
void forget_report();

}  // namespace emulator
