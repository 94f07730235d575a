// Modules, functions and their launches. Any image is as good as another: it has every kernel that was built.
#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "driver.h"

using namespace driver;
using emulator::Failure;

namespace driver {

struct Module {};

struct Function {
    const emulator::Kernel *kernel;
    int dynamic_bytes_allowed = SHARED_BYTES;
};

}  // namespace driver

namespace {

struct LaunchConfig {
    unsigned grid[3], block[3], shared_bytes;
    Stream *stream;
    void *attributes;
    unsigned attribute_count;
};

enum FunctionAttribute { MOST_THREADS = 0, REGISTERS = 4, PTX = 5, BINARY = 6, MOST_DYNAMIC_BYTES = 8, CARVEOUT = 9 };

// One for each kernel, and never destroyed: hosts keep pointers to them.
Function *function_of(const emulator::Kernel *kernel) {
    static std::mutex mutex;
    static auto *const functions = new std::map<const emulator::Kernel *, std::unique_ptr<Function>>;
    const std::lock_guard<std::mutex> lock(mutex);
    std::unique_ptr<Function> &function = (*functions)[kernel];
    if (!function) {
        function.reset(new Function{kernel});
    }
    return function.get();
}

Status load(Module **module) {
    if (fails(Failure::OldDriver)) {
        return UNSUPPORTED_PTX_VERSION;
    }
    if (fails(Failure::ModuleLoad)) {
        return NO_BINARY_FOR_GPU;
    }
    *module = new Module;
    return SUCCESS;
}

Status check(const Function &function, const dim3 &grid, const dim3 &block, unsigned shared_bytes) {
    const uint64_t threads = (uint64_t)block.x * block.y * block.z;
    if (grid.x == 0 || grid.y == 0 || grid.z == 0 || threads == 0) {
        return INVALID_VALUE;
    }
    if (grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535) {
        return INVALID_VALUE;
    }
    if (block.x > 1024 || block.y > 1024 || block.z > 64 || threads > emulator::MOST_THREADS) {
        return INVALID_VALUE;
    }
    if ((int64_t)shared_bytes > function.dynamic_bytes_allowed) {
        return INVALID_VALUE;
    }
    return threads > function.kernel->most_threads ? LAUNCH_OUT_OF_RESOURCES : SUCCESS;
}

// What a structure points to is taken to be read: its type does not tell.
void touch(Stream *stream, const emulator::Kernel &kernel, void **values) {
    std::vector<emulator::Touch> touches;
    for (size_t i = 0; i < kernel.parameter_count; i++) {
        const auto [role, words] = kernel.parameters[i];
        const void *const *first = static_cast<const void *const *>(values[i]);
        if (role != emulator::Role::Value) {
            touches.push_back({*first, role});
        }
        for (size_t word = 0; word < words; word++) {
            touches.push_back({first[word], emulator::Role::Reads});
        }
    }
    emulator::touch(order_of(stream), {kernel.name, "kernel "}, touches);
}

Status launch(Function *function, const LaunchConfig &config, void **parameters) {
    Status status = ready_on(config.stream);
    if (status != SUCCESS) {
        return status;
    }
    const dim3 grid(config.grid[0], config.grid[1], config.grid[2]);
    const dim3 block(config.block[0], config.block[1], config.block[2]);
    status = check(*function, grid, block, config.shared_bytes);
    if (status != SUCCESS || (function->kernel->parameter_count > 0 && !parameters)) {
        return status != SUCCESS ? status : INVALID_VALUE;
    }
    emulator::settle();
    if (fails(Failure::Launch)) {
        device().broken = true;
        return LAUNCH_FAILED;
    }
    touch(config.stream, *function->kernel, parameters);
    return device().launch({function->kernel, grid, block, config.shared_bytes, parameters, 0}) ? SUCCESS
                                                                                                : LAUNCH_FAILED;
}

int blocks_of_multiprocessor(const Function &function, int threads, size_t dynamic_bytes) {
    if (threads < 1 || threads > (int)function.kernel->most_threads) {
        return 0;
    }
    const int warps = (threads + (int)emulator::WARP - 1) / (int)emulator::WARP;
    const int by_threads = THREADS_OF_MULTIPROCESSOR / ((int)emulator::WARP * warps);
    const int by_memory = (int)(SHARED_BYTES_OF_MULTIPROCESSOR / (dynamic_bytes + SHARED_BYTES_RESERVED));
    return std::min({by_threads, by_memory, BLOCKS_OF_MULTIPROCESSOR});
}

}  // namespace

EMULATOR_API Status cuModuleLoadData(Module **module, const void *image) {
    const Status status = image ? ready() : INVALID_VALUE;
    return status == SUCCESS ? load(module) : status;
}

EMULATOR_API Status cuModuleLoadDataEx(Module **module, const void *image, unsigned, int *, void **) {
    return cuModuleLoadData(module, image);
}

EMULATOR_API Status cuModuleLoad(Module **module, const char *path) {
    std::FILE *file = std::fopen(path, "rb");
    if (!file) {
        return FILE_NOT_FOUND;
    }
    std::fclose(file);
    return cuModuleLoadData(module, path);
}

EMULATOR_API Status cuModuleUnload(Module *module) {
    delete module;
    return SUCCESS;
}

EMULATOR_API Status cuModuleGetFunction(Function **function, Module *module, const char *name) {
    if (!module) {
        return INVALID_HANDLE;
    }
    const emulator::Kernel *kernel = device().find(name);
    if (!kernel) {
        return NOT_FOUND;
    }
    *function = function_of(kernel);
    return ready();
}

EMULATOR_API Status cuFuncGetAttribute(int *value, int attribute, Function *function) {
    switch (attribute) {
    case MOST_THREADS:
        *value = (int)function->kernel->most_threads;
        break;
    case REGISTERS:
        *value = 32;
        break;
    case PTX:
    case BINARY:
        *value = 90;
        break;
    case MOST_DYNAMIC_BYTES:
        *value = function->dynamic_bytes_allowed;
        break;
    default:
        *value = 0;
    }
    return ready();
}

EMULATOR_API Status cuFuncSetAttribute(Function *function, int attribute, int value) {
    if (attribute == MOST_DYNAMIC_BYTES) {
        if (value < 0 || value > (int)emulator::MOST_SHARED_BYTES) {
            return INVALID_VALUE;
        }
        function->dynamic_bytes_allowed = value;
    } else if (attribute != CARVEOUT) {
        return INVALID_VALUE;
    }
    return ready();
}

EMULATOR_API Status cuFuncSetCacheConfig(Function *, int) { return ready(); }

EMULATOR_API Status cuLaunchKernel(Function *function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                                   unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
                                   Stream *stream, void **parameters, void **) {
    return launch(function,
                  {{grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared_bytes, stream, nullptr, 0},
                  parameters);
}

EMULATOR_API Status cuLaunchKernelEx(const LaunchConfig *config, Function *function, void **parameters, void **) {
    return launch(function, *config, parameters);
}

EMULATOR_API Status cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks, Function *function, int threads,
                                                                         size_t dynamic_bytes, unsigned) {
    *blocks = blocks_of_multiprocessor(*function, threads, dynamic_bytes);
    return ready();
}

EMULATOR_API Status cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, Function *function, int threads,
                                                                size_t dynamic_bytes) {
    return cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, function, threads, dynamic_bytes, 0);
}

EMULATOR_API Status cuOccupancyMaxPotentialBlockSizeWithFlags(int *grid, int *threads, Function *function,
                                                              size_t (*bytes_of)(int), size_t dynamic_bytes,
                                                              int most_threads, unsigned) {
    const int allowed = (int)function->kernel->most_threads;
    *threads = most_threads > 0 ? std::min(most_threads, allowed) : allowed;
    const size_t bytes = bytes_of ? bytes_of(*threads) : dynamic_bytes;
    *grid = MULTIPROCESSORS * blocks_of_multiprocessor(*function, *threads, bytes);
    return ready();
}

EMULATOR_API Status cuOccupancyMaxPotentialBlockSize(int *grid, int *threads, Function *function,
                                                     size_t (*bytes_of)(int), size_t dynamic_bytes,
                                                     int most_threads) {
    return cuOccupancyMaxPotentialBlockSizeWithFlags(grid, threads, function, bytes_of, dynamic_bytes, most_threads,
                                                     0);
}

EMULATOR_API Status cuOccupancyAvailableDynamicSMemPerBlock(size_t *bytes, Function *, int blocks, int) {
    if (blocks < 1) {
        return INVALID_VALUE;
    }
    *bytes = std::min<size_t>(SHARED_BYTES_OF_MULTIPROCESSOR / blocks - SHARED_BYTES_RESERVED,
                              emulator::MOST_SHARED_BYTES);
    return ready();
}
