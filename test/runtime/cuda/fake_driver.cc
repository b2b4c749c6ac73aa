// SPDX-License-Identifier: Apache-2.0

#include "test/runtime/cuda/fake_driver.h"

#include "runtime/device/cuda/driver.h"

#include <cstdlib>
#include <cstring>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

extern "C" {
using TestKernel = void(void *const *, const unsigned *, unsigned, unsigned, void *);
TestKernel test_embed, test_append, test_attend_full, test_attend_chunk, test_logits, test_sample;
}

// What the runtime's handles point at.
struct CUctx_st {
  int gpu;
  int64_t retained;
};
struct CUstream_st {
  CUctx_st *context;
  std::list<std::function<void()>> work;
  uint64_t done; // how many pieces of work have been
  CUgraph_st *capture = nullptr;
  std::thread::id client = std::this_thread::get_id(); // a context belongs to one thread at a time
};
struct CUevent_st {
  CUstream_st *stream;
  uint64_t place; // of the stream's work, after which it is done
};
struct CUgraph_st {
  std::list<std::function<void()>> work;
};
struct CUgraphExec_st {
  std::list<std::function<void()>> work;
};
struct CUkern_st {
  const char *name;
  TestKernel *function;
  unsigned arguments;
  int dynamic_shared;
};
struct CUlib_st {
  std::vector<CUkern_st> kernels; // of its own: what one context sets is not seen by another's library
};

namespace yupana::test {
namespace {

namespace cuda = runtime::cuda;
using cuda::Result;

constexpr Result kInvalidContext = static_cast<Result>(201);
constexpr Result kInvalidValue = static_cast<Result>(1);

std::recursive_mutex lock;
CUctx_st contexts[2] = {{0, 0}, {1, 0}};
thread_local std::vector<CUctx_st *> current;
std::map<uint64_t, size_t> blocks, pinned; // by address
std::set<CUstream_st *> streams;

const std::vector<CUkern_st> kKernels = {{"test_embed", test_embed, 7, 0},
                                         {"test_append", test_append, 5, 0},
                                         {"test_attend_full", test_attend_full, 5, 0},
                                         {"test_attend_chunk", test_attend_chunk, 5, 0},
                                         {"test_logits", test_logits, 4, 0},
                                         {"test_sample", test_sample, 11, 0}};

void misuse(const std::string &what) {
  if (fake_driver().misuse.empty())
    fake_driver().misuse = what;
}

/// Counts a call and decides whether it fails.
Result enter(const char *name, bool needs_context) {
  FakeDriver &driver = fake_driver();
  if (driver.calls++ == driver.fail_at)
    driver.failed = name;
  if (!driver.failed.empty() && (driver.stays_failed || driver.calls == driver.fail_at + 1))
    return static_cast<Result>(driver.fail_with);
  if (needs_context && (current.empty() || !current.back()->retained) && driver.failed.empty()) {
    misuse(std::string(name) + " without a context");
    return kInvalidContext;
  }
  return cuda::kSuccess;
}

bool inside(const std::map<uint64_t, size_t> &all, uint64_t address, size_t bytes) {
  auto above = all.upper_bound(address);
  if (above == all.begin())
    return false;
  auto [begin, length] = *--above;
  return address - begin <= length && bytes <= length - (address - begin);
}

/// Does the stream's work until `place` pieces have been.
void work_until(CUstream_st &stream, uint64_t place) {
  while (stream.done < place && !stream.work.empty()) {
    stream.work.front()();
    stream.work.pop_front();
    ++stream.done;
  }
}
void work_all(CUstream_st &stream) { work_until(stream, UINT64_MAX); }

/// Before memory is given back: a driver waits for all work, but nobody should need that for work of their own.
void end_work(const char *name) {
  for (CUstream_st *stream : streams) {
    if (!stream->work.empty() && fake_driver().failed.empty() && stream->context == current.back() &&
        stream->client == std::this_thread::get_id())
      misuse(std::string(name) + " while work is under way");
    work_all(*stream);
  }
}

void check_device(const char *name, uint64_t address, size_t bytes) {
  if (!inside(blocks, address, bytes))
    misuse(std::string(name) + " outside of any allocation");
}

} // namespace

FakeDriver &fake_driver() {
  static FakeDriver driver;
  return driver;
}

namespace {

Result init(unsigned) { return static_cast<Result>(fake_driver().init_result); }

Result error_name(Result result, const char **name) {
  *name = result == cuda::kLaunchFailed  ? "CUDA_ERROR_LAUNCH_FAILED"
          : result == cuda::kOutOfMemory ? "CUDA_ERROR_OUT_OF_MEMORY"
                                         : "CUDA_ERROR_UNKNOWN";
  return cuda::kSuccess;
}
Result error_string(Result, const char **text) {
  *text = "a failure on demand";
  return cuda::kSuccess;
}

Result version(int *version) {
  *version = fake_driver().version;
  return cuda::kSuccess;
}

Result device_count(int *count) {
  *count = fake_driver().gpus;
  return cuda::kSuccess;
}
Result device_get(cuda::Number *number, int ordinal) {
  *number = ordinal;
  return cuda::kSuccess;
}
Result device_name(char *name, int bytes, cuda::Number) {
  snprintf(name, static_cast<size_t>(bytes), "Fake GPU");
  return cuda::kSuccess;
}
Result device_attribute(int *value, cuda::DeviceAttribute attribute, cuda::Number number) {
  FakeDriver &driver = fake_driver();
  switch (attribute) {
  case cuda::kMultiprocessors:
    *value = 1 << 14; // the test model's grids are capped by it
    break;
  case cuda::kCapabilityMajor:
    *value = driver.capability[number] / 10;
    break;
  case cuda::kCapabilityMinor:
    *value = driver.capability[number] % 10;
    break;
  case cuda::kMaxSharedPerBlock:
    *value = driver.max_shared;
    break;
  }
  return cuda::kSuccess;
}

Result context_retain(cuda::Context *context, cuda::Number number) {
  *context = &contexts[number];
  ++contexts[number].retained;
  ++fake_driver().contexts;
  return cuda::kSuccess;
}
Result context_release(cuda::Number number) {
  if (contexts[number].retained-- == 0)
    misuse("a primary context released too often");
  --fake_driver().contexts;
  return cuda::kSuccess;
}
Result context_push(cuda::Context context) {
  current.push_back(context);
  return cuda::kSuccess;
}
Result context_pop(cuda::Context *context) {
  if (current.empty()) {
    misuse("cuCtxPopCurrent without a context");
    return kInvalidContext;
  }
  *context = current.back();
  current.pop_back();
  return cuda::kSuccess;
}

Result context_wait() {
  for (CUstream_st *stream : streams)
    if (!current.empty() && stream->context == current.back())
      work_all(*stream);
  return cuda::kSuccess;
}

Result memory_info(size_t *free, size_t *total) {
  *total = fake_driver().memory;
  *free = *total - fake_driver().used;
  return cuda::kSuccess;
}
Result allocate(cuda::Address *address, size_t bytes) {
  FakeDriver &driver = fake_driver();
  if (bytes == 0)
    return kInvalidValue;
  if (bytes > driver.memory - driver.used)
    return cuda::kOutOfMemory;
  void *memory = aligned_alloc(256, (bytes + 255) & ~size_t{255});
  memset(memory, 0xFF, bytes);
  *address = reinterpret_cast<cuda::Address>(memory);
  blocks[*address] = bytes;
  driver.used += bytes;
  ++driver.blocks;
  ++driver.allocations;
  return cuda::kSuccess;
}
Result release(cuda::Address address) {
  auto found = blocks.find(address);
  if (found == blocks.end()) {
    misuse("cuMemFree of something else");
    return kInvalidValue;
  }
  end_work("cuMemFree");
  fake_driver().used -= found->second;
  blocks.erase(found);
  free(reinterpret_cast<void *>(address));
  --fake_driver().blocks;
  return cuda::kSuccess;
}
Result allocate_host(void **memory, size_t bytes, unsigned) {
  *memory = aligned_alloc(4096, (bytes + 4095) & ~size_t{4095});
  memset(*memory, 0xFF, bytes);
  pinned[reinterpret_cast<uint64_t>(*memory)] = bytes;
  ++fake_driver().pinned;
  ++fake_driver().allocations;
  return cuda::kSuccess;
}
Result release_host(void *memory) {
  end_work("cuMemFreeHost");
  if (!pinned.erase(reinterpret_cast<uint64_t>(memory))) {
    misuse("cuMemFreeHost of something else");
    return kInvalidValue;
  }
  free(memory);
  --fake_driver().pinned;
  return cuda::kSuccess;
}

Result copy_in(cuda::Address to, const void *from, size_t bytes, cuda::Stream stream) {
  check_device("cuMemcpyHtoDAsync", to, bytes);
  ++fake_driver().copies_in;
  if (inside(pinned, reinterpret_cast<uint64_t>(from), bytes)) {
    stream->work.push_back([=] { memcpy(reinterpret_cast<void *>(to), from, bytes); });
  } else {
    // The driver has read pageable memory when it returns.
    const auto *first = static_cast<const uint8_t *>(from);
    std::vector<uint8_t> copy(first, first + bytes);
    stream->work.push_back([=] { memcpy(reinterpret_cast<void *>(to), copy.data(), bytes); });
  }
  return cuda::kSuccess;
}
Result copy_out(void *to, cuda::Address from, size_t bytes, cuda::Stream stream) {
  check_device("cuMemcpyDtoHAsync", from, bytes);
  ++fake_driver().copies_out;
  memset(to, 0xFF, bytes);
  stream->work.push_back([=] { memcpy(to, reinterpret_cast<void *>(from), bytes); });
  if (!inside(pinned, reinterpret_cast<uint64_t>(to), bytes))
    work_all(*stream);
  return cuda::kSuccess;
}
Result copy_within(cuda::Address to, cuda::Address from, size_t bytes, cuda::Stream stream) {
  check_device("cuMemcpyDtoDAsync", to, bytes);
  check_device("cuMemcpyDtoDAsync", from, bytes);
  stream->work.push_back([=] { memcpy(reinterpret_cast<void *>(to), reinterpret_cast<void *>(from), bytes); });
  return cuda::kSuccess;
}
Result fill(cuda::Address to, unsigned char value, size_t bytes, cuda::Stream stream) {
  check_device("cuMemsetD8Async", to, bytes);
  stream->work.push_back([=] { memset(reinterpret_cast<void *>(to), value, bytes); });
  return cuda::kSuccess;
}

Result create_stream(cuda::Stream *stream, unsigned flags) {
  if (flags != cuda::kStreamNonBlocking)
    misuse("a stream that waits for the default stream");
  *stream = new CUstream_st{current.back(), {}, 0, nullptr};
  streams.insert(*stream);
  ++fake_driver().streams;
  return cuda::kSuccess;
}
Result destroy_stream(cuda::Stream stream) {
  work_all(*stream);
  streams.erase(stream);
  if (stream->capture) { // one that could not be ended
    delete stream->capture;
    --fake_driver().graphs;
  }
  delete stream;
  --fake_driver().streams;
  return cuda::kSuccess;
}
Result wait_stream(cuda::Stream stream) {
  work_all(*stream);
  return cuda::kSuccess;
}
Result create_event(cuda::Event *event, unsigned) {
  *event = new CUevent_st{nullptr, 0};
  ++fake_driver().events;
  return cuda::kSuccess;
}
Result destroy_event(cuda::Event event) {
  delete event;
  --fake_driver().events;
  return cuda::kSuccess;
}
Result record_event(cuda::Event event, cuda::Stream stream) {
  *event = {stream, stream->done + stream->work.size()};
  return cuda::kSuccess;
}
Result wait_event(cuda::Event event) {
  if (event->stream)
    work_until(*event->stream, event->place);
  return cuda::kSuccess;
}
/// What was done between two events took a millisecond a piece.
Result elapsed(float *milliseconds, cuda::Event first, cuda::Event second) {
  if (!first->stream || first->stream != second->stream)
    misuse("the time between events that no stream has reached");
  *milliseconds = static_cast<float>(second->place - first->place);
  return cuda::kSuccess;
}

Result load_library(cuda::Library *library, const void *code, cuda::JitOption *options, void **values, unsigned count,
                    cuda::LibraryOption *, void **, unsigned) {
  const char *text = static_cast<const char *>(code);
  bool cubin = strncmp(text, "cubin", 5) == 0;
  if (cubin && !fake_driver().takes_cubins)
    return cuda::kNoBinaryForGpu;
  if (!cubin && text[0] != '.') {
    for (unsigned i = 0; i < count; ++i)
      if (options[i] == cuda::kErrorLogBuffer)
        strcpy(static_cast<char *>(values[i]), "line 1: no PTX\nline 2: none either");
    return cuda::kInvalidPtx;
  }
  if (!cubin && !fake_driver().takes_ptx)
    return cuda::kUnsupportedPtxVersion;
  *library = new CUlib_st{kKernels};
  ++fake_driver().libraries;
  return cuda::kSuccess;
}
Result unload_library(cuda::Library library) {
  delete library;
  --fake_driver().libraries;
  return cuda::kSuccess;
}
Result get_kernel(cuda::Kernel *kernel, cuda::Library library, const char *name) {
  for (CUkern_st &candidate : library->kernels)
    if (strcmp(candidate.name, name) == 0) {
      *kernel = &candidate;
      return cuda::kSuccess;
    }
  return cuda::kNotFound;
}
Result get_function(cuda::Function *function, cuda::Kernel kernel) {
  *function = reinterpret_cast<cuda::Function>(kernel);
  return cuda::kSuccess;
}
Result function_attribute(int *value, cuda::FunctionAttribute attribute, cuda::Function function) {
  *value = attribute == cuda::kMaxThreadsPerBlock ? fake_driver().max_threads
           : attribute == cuda::kSharedBytes      ? 512
                                                  : reinterpret_cast<CUkern_st *>(function)->dynamic_shared;
  return cuda::kSuccess;
}
Result set_function_attribute(cuda::Function function, cuda::FunctionAttribute attribute, int value) {
  if (attribute != cuda::kMaxDynamicSharedBytes)
    return kInvalidValue;
  reinterpret_cast<CUkern_st *>(function)->dynamic_shared = value;
  return cuda::kSuccess;
}
Result launch(const cuda::LaunchConfig *config, cuda::Function function, void **parameters, void **) {
  auto &kernel = *reinterpret_cast<CUkern_st *>(function);
  unsigned grid = config->grid[0], threads = config->block[0], shared = config->shared_bytes;
  cuda::Stream stream = config->stream;
  for (unsigned i = 0; i < config->attribute_count; ++i)
    if (config->attributes[i].name != cuda::kProgrammaticSerialization || config->attributes[i].value[0] != 1)
      misuse("a launch with an attribute that is not known");
  fake_driver().early_launches += config->attribute_count;
  if (!grid || !threads || shared > static_cast<unsigned>(kernel.dynamic_shared))
    misuse(std::string("a launch of ") + kernel.name + " that no GPU takes");
  std::vector<void *> arguments(kernel.arguments);
  std::vector<unsigned> sizes(3);
  for (unsigned i = 0; i < kernel.arguments; ++i)
    memcpy(&arguments[i], parameters[i], sizeof(void *));
  for (unsigned i = 0; i < 3; ++i)
    memcpy(&sizes[i], parameters[kernel.arguments + i], sizeof(unsigned));
  ++fake_driver().launches;
  (stream->capture ? stream->capture->work : stream->work).push_back([=] {
    float scratch[4] = {};
    kernel.function(arguments.data(), sizes.data(), 0, grid, scratch);
  });
  return cuda::kSuccess;
}

Result begin_capture(cuda::Stream stream, cuda::CaptureMode) {
  stream->capture = new CUgraph_st;
  ++fake_driver().graphs;
  return cuda::kSuccess;
}
Result end_capture(cuda::Stream stream, cuda::Graph *graph) {
  *graph = std::exchange(stream->capture, nullptr);
  return cuda::kSuccess;
}
Result destroy_graph(cuda::Graph graph) {
  delete graph;
  --fake_driver().graphs;
  return cuda::kSuccess;
}
Result instantiate(cuda::Executable *executable, cuda::Graph graph, uint64_t) {
  *executable = new CUgraphExec_st{graph->work};
  ++fake_driver().graphs;
  return cuda::kSuccess;
}
Result destroy_executable(cuda::Executable executable) {
  delete executable;
  --fake_driver().graphs;
  return cuda::kSuccess;
}
Result launch_graph(cuda::Executable executable, cuda::Stream stream) {
  stream->work.insert(stream->work.end(), executable->work.begin(), executable->work.end());
  ++fake_driver().graph_launches;
  return cuda::kSuccess;
}

// What is not as with most calls. Those that give something back, or wait for it, do so even where they fail, since no
// client asks twice.
const std::set<std::string> kUncounted = {"cuGetErrorName", "cuGetErrorString"};
const std::set<std::string> kWithoutContext = {"cuInit",
                                               "cuDriverGetVersion",
                                               "cuDeviceGetCount",
                                               "cuDeviceGet",
                                               "cuDeviceGetName",
                                               "cuDeviceGetAttribute",
                                               "cuDevicePrimaryCtxRetain",
                                               "cuCtxPushCurrent",
                                               "cuDevicePrimaryCtxRelease",
                                               "cuCtxPopCurrent"};
const std::set<std::string> kAlwaysDone = {"cuDevicePrimaryCtxRelease",
                                           "cuCtxPopCurrent",
                                           "cuCtxSynchronize",
                                           "cuMemFree",
                                           "cuMemFreeHost",
                                           "cuStreamDestroy",
                                           "cuStreamSynchronize",
                                           "cuEventDestroy",
                                           "cuEventSynchronize",
                                           "cuLibraryUnload",
                                           "cuGraphDestroy",
                                           "cuGraphExecDestroy"};

/// What gives a stream something to do. Only events are not counted: they are part of waiting.
const std::set<std::string> kGive = {"cuMemcpyHtoDAsync", "cuMemcpyDtoHAsync", "cuMemcpyDtoDAsync",
                                     "cuMemsetD8Async",   "cuLaunchKernelEx",  "cuGraphLaunch"};

/// The entry point of a function above: one call at a time, counted, failing on demand.
template <auto function> struct Entry;
template <typename... Parameters, Result (*function)(Parameters...)> struct Entry<function> {
  static inline const char *name;

  static Result call(Parameters... parameters) {
    std::lock_guard<std::recursive_mutex> guard(lock);
    if (kUncounted.count(name))
      return function(parameters...);
    Result failure = enter(name, !kWithoutContext.count(name));
    if (failure && !kAlwaysDone.count(name))
      return failure;
    if (kGive.count(name))
      ++fake_driver().given[name];
    Result result = function(parameters...);
    return failure ? failure : result;
  }
};

} // namespace
} // namespace yupana::test

extern "C" {

__attribute__((visibility("default"))) yupana::runtime::cuda::Result cuDriverGetVersion(int *version) {
  *version = yupana::test::fake_driver().version;
  return yupana::runtime::cuda::kSuccess;
}

__attribute__((visibility("default"))) yupana::runtime::cuda::Result
cuGetProcAddress_v2(const char *name, void **function, int, uint64_t, int *) {
  using namespace yupana::test;
  using namespace yupana::runtime::cuda;
#define YUPANA_FAKE_FUNCTION(member, symbol, parameters)                                                               \
  if (strcmp(name, symbol) == 0 && fake_driver().missing != symbol) {                                                  \
    Entry<member>::name = symbol;                                                                                      \
    Result(*typed) parameters = Entry<member>::call;                                                                   \
    *function = reinterpret_cast<void *>(typed);                                                                       \
    return kSuccess;                                                                                                   \
  }
  YUPANA_CUDA_FUNCTIONS(YUPANA_FAKE_FUNCTION)
#undef YUPANA_FAKE_FUNCTION
  return kNotFound;
}
}
