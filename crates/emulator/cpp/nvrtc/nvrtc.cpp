// Run-time compilation that compiles nothing: kernels were built with this library, and any image loads.
#include <cstring>
#include <string>

#include "../runtime/device.h"

namespace {

using Result = int;
enum : Result { SUCCESS = 0, INVALID_INPUT = 3, INVALID_PROGRAM = 4, COMPILATION = 6 };

constexpr char IMAGE[] = "// emulated image\n";

struct Program {
    bool compiled = false;
    std::string log;
};

template <class T>
Result give(Program *program, const T *from, size_t bytes, T *to) {
    if (!program || !program->compiled) {
        return INVALID_PROGRAM;
    }
    std::memcpy(to, from, bytes);
    return SUCCESS;
}

}  // namespace

EMULATOR_API Result nvrtcVersion(int *major, int *minor) {
    *major = 13;
    *minor = 0;
    return SUCCESS;
}

EMULATOR_API Result nvrtcCreateProgram(Program **program, const char *source, const char *, int header_count,
                                       const char *const *headers, const char *const *names) {
    if (!source || header_count < 0 || (header_count > 0 && (!headers || !names))) {
        return INVALID_INPUT;
    }
    *program = new Program;
    return SUCCESS;
}

EMULATOR_API Result nvrtcDestroyProgram(Program **program) {
    if (!program || !*program) {
        return INVALID_PROGRAM;
    }
    delete *program;
    *program = nullptr;
    return SUCCESS;
}

EMULATOR_API Result nvrtcCompileProgram(Program *program, int, const char *const *) {
    if (!program) {
        return INVALID_PROGRAM;
    }
    if (emulator::Device::the().failure == emulator::Failure::Nvrtc) {
        program->log = "error: this compiler was told to fail";
        return COMPILATION;
    }
    program->compiled = true;
    return SUCCESS;
}

EMULATOR_API Result nvrtcGetProgramLogSize(Program *program, size_t *bytes) {
    *bytes = program->log.size() + 1;
    return SUCCESS;
}

EMULATOR_API Result nvrtcGetProgramLog(Program *program, char *log) {
    std::memcpy(log, program->log.c_str(), program->log.size() + 1);
    return SUCCESS;
}

EMULATOR_API Result nvrtcGetPTXSize(Program *program, size_t *bytes) {
    const size_t size = sizeof(IMAGE);
    return give(program, &size, sizeof(size), bytes);
}

EMULATOR_API Result nvrtcGetPTX(Program *program, char *image) { return give(program, IMAGE, sizeof(IMAGE), image); }

EMULATOR_API Result nvrtcGetCUBINSize(Program *program, size_t *bytes) { return nvrtcGetPTXSize(program, bytes); }

EMULATOR_API Result nvrtcGetCUBIN(Program *program, char *image) { return nvrtcGetPTX(program, image); }

EMULATOR_API const char *nvrtcGetErrorString(Result result) {
    return result == SUCCESS       ? "NVRTC_SUCCESS"
           : result == COMPILATION ? "NVRTC_ERROR_COMPILATION"
                                   : "NVRTC_ERROR_INVALID_INPUT";
}
