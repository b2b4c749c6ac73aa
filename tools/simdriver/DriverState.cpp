// SPDX-License-Identifier: Apache-2.0
//
// Work on streams runs as late as it may: when something waits for it. So a host that uses a buffer again too early, or
// reads a result before it waited, sees on every run what a GPU would show it only sometimes. Every entry point passes
// through enter(), which counts calls, fails the one that a test has chosen and refuses everything after an error that
// a real context does not survive.

#include "tools/simdriver/DriverState.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

using namespace yupana;
using namespace yupana::simdriver;

namespace {

thread_local std::vector<void *> contextStack;

uint64_t variable(const char *name, uint64_t otherwise) {
  const char *text = getenv(name);
  return text && *text ? strtoull(text, nullptr, 10) : otherwise;
}

/// Errors after which nothing of the context can be used.
bool isSticky(Result result) { return result >= IllegalAddress && result <= LaunchFailed && result != OutOfResources; }

} // namespace

State &simdriver::state() {
  // Never destroyed: threads of the host may still call while the process ends.
  static State *instance = [] {
    auto *made = new State;
    made->failAt = variable("YUPANA_SIM_FAIL_CALL", ~uint64_t{0});
    made->copyBandwidth = variable("YUPANA_SIM_COPY_BANDWIDTH", 0);
    made->failWith = static_cast<Result>(variable("YUPANA_SIM_FAIL_RESULT", OutOfMemory));
    return made;
  }();
  return *instance;
}

ptx::Device &simdriver::device() {
  State &s = state();
  if (!s.device)
    s.device = std::make_unique<ptx::Device>(s.options);
  return *s.device;
}

void simdriver::print(std::string text) {
  for (char &c : text)
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\n') || static_cast<unsigned char>(c) >= 0x7f)
      c = '?';
  fprintf(stderr, "simdriver: %s\n", text.c_str());
}

Result simdriver::die(Result result, const std::string &report) {
  State &s = state();
  s.report = report;
  print(report);
  if (isSticky(result))
    s.dead = result;
  return result;
}

Result simdriver::enter(bool context, const std::function<Result()> &body) {
  State &s = state();
  std::lock_guard<std::recursive_mutex> lock(s.mutex);
  if (s.calls++ == s.failAt) {
    if (isSticky(s.failWith))
      s.dead = s.failWith;
    return s.failWith;
  }
  if (!s.initialized)
    return NotInitialized;
  if (context && (contextStack.empty() || !contextStack.back() || !isLive(contextStack.back(), Kind::Context)))
    return InvalidContext;
  if (context && s.dead)
    return s.dead;
  return body();
}

bool simdriver::isLive(void *handle, Kind kind) {
  auto found = state().live.find(handle);
  return found != state().live.end() && found->second == kind;
}

Stream *simdriver::streamOf(void *handle) {
  if (reinterpret_cast<uintptr_t>(handle) <= 2)
    return &state().nullStream;
  return isLive(handle, Kind::Stream) ? static_cast<Stream *>(handle) : nullptr;
}

Result simdriver::drain(Stream *stream, const std::function<bool()> &until) {
  while (!stream->queue.empty() && !(until && until())) {
    Work work = std::move(stream->queue.front());
    stream->queue.pop_front();
    State &s = state();
    s.running = stream;
    Result result = work.run();
    s.launched = work.isLaunch ? stream : nullptr;
    if (result)
      return result;
  }
  return Success;
}

void simdriver::sleepUntil(const std::function<Time()> &moment) {
  Time until;
  {
    std::lock_guard<std::recursive_mutex> lock(state().mutex);
    until = moment();
  }
  std::this_thread::sleep_until(until);
}

Result simdriver::drainAll(bool nonBlockingToo) {
  State &s = state();
  for (Stream *stream : s.streams)
    if (stream->blocking || nonBlockingToo)
      if (Result result = drain(stream))
        return result;
  return drain(&s.nullStream);
}

Result simdriver::enqueue(Stream *stream, Work work) {
  State &s = state();
  if (stream->capture) {
    stream->capture->work.push_back(std::move(work));
    return Success;
  }
  // Order between the null stream and the blocking ones: what was given before is done before.
  if (stream == &s.nullStream) {
    for (Stream *other : s.streams)
      if (other->blocking)
        if (Result result = drain(other))
          return result;
  } else if (stream->blocking) {
    if (Result result = drain(&s.nullStream))
      return result;
  }
  stream->queue.push_back(std::move(work));
  return Success;
}

//===----------------------------------------------------------------------===//
// The driver and its only context
//===----------------------------------------------------------------------===//

YUPANA_ENTRY cuInit(unsigned flags) {
  State &s = state();
  std::lock_guard<std::recursive_mutex> lock(s.mutex);
  bool was = s.initialized;
  s.initialized = true;
  int result = enter(false, [&]() -> Result { return flags ? InvalidValue : Success; });
  s.initialized = was || result == Success;
  return result;
}

YUPANA_ENTRY cuDriverGetVersion(int *version) {
  *version = 13000;
  return Success;
}

YUPANA_ENTRY cuDevicePrimaryCtxRetain(void **context, int number) {
  return enter(false, [&]() -> Result {
    if (number != 0)
      return InvalidDevice;
    State &s = state();
    static int primary;
    if (s.contextUses++ == 0)
      keep(&primary, Kind::Context);
    *context = &primary;
    return Success;
  });
}

static void destroy(void *handle, Kind kind) {
  switch (kind) {
  case Kind::Context: // no object of its own
    return;
  case Kind::Stream:
    delete static_cast<Stream *>(handle);
    return;
  case Kind::Event:
    delete static_cast<Event *>(handle);
    return;
  case Kind::Library:
    delete static_cast<Library *>(handle);
    return;
  case Kind::Function:
    delete static_cast<Function *>(handle);
    return;
  case Kind::Graph:
  case Kind::GraphExec:
    delete static_cast<Graph *>(handle);
    return;
  case Kind::HostMemory:
    free(handle);
    return;
  case Kind::DeviceMemory:
    device().release(reinterpret_cast<Address>(handle));
    return;
  }
}

/// The end of the context. What a dead one still held nobody could have freed, so it goes; what a living one held stays
/// counted, as something that was forgotten.
static void endContext(State &s) {
  for (Stream *stream : s.streams)
    stream->queue.clear();
  s.nullStream.queue.clear();
  if (s.dead) {
    for (auto &[handle, kind] : s.live)
      destroy(handle, kind);
    s.live.clear();
    s.streams.clear();
  }
  s.dead = Success;
  for (auto entry = s.live.begin(); entry != s.live.end();)
    entry = entry->second == Kind::Context ? s.live.erase(entry) : std::next(entry);
}

YUPANA_ENTRY cuDevicePrimaryCtxRelease_v2(int) {
  return enter(false, [&]() -> Result {
    State &s = state();
    if (s.contextUses == 0)
      return InvalidContext;
    if (--s.contextUses == 0)
      endContext(s);
    return Success;
  });
}

YUPANA_ENTRY cuDevicePrimaryCtxReset_v2(int) {
  return enter(false, [&]() -> Result {
    State &s = state();
    s.dead = Success;
    for (Stream *stream : s.streams)
      stream->queue.clear();
    s.nullStream.queue.clear();
    return Success;
  });
}

YUPANA_ENTRY cuDevicePrimaryCtxGetState(int, unsigned *flags, int *active) {
  return enter(false, [&]() -> Result {
    *flags = 0;
    *active = state().contextUses > 0;
    return Success;
  });
}

YUPANA_ENTRY cuDevicePrimaryCtxSetFlags_v2(int, unsigned) {
  return enter(false, [&]() -> Result { return Success; });
}

YUPANA_ENTRY cuCtxPushCurrent_v2(void *context) {
  return enter(false, [&]() -> Result {
    if (!isLive(context, Kind::Context))
      return InvalidContext;
    contextStack.push_back(context);
    return Success;
  });
}

YUPANA_ENTRY cuCtxPopCurrent_v2(void **context) {
  return enter(false, [&]() -> Result {
    if (contextStack.empty())
      return InvalidContext;
    if (context)
      *context = contextStack.back();
    contextStack.pop_back();
    return Success;
  });
}

YUPANA_ENTRY cuCtxSetCurrent(void *context) {
  return enter(false, [&]() -> Result {
    if (context && !isLive(context, Kind::Context))
      return InvalidContext;
    if (contextStack.empty())
      contextStack.push_back(context);
    else
      contextStack.back() = context;
    return Success;
  });
}

YUPANA_ENTRY cuCtxGetCurrent(void **context) {
  return enter(false, [&]() -> Result {
    *context = contextStack.empty() ? nullptr : contextStack.back();
    return Success;
  });
}

YUPANA_ENTRY cuCtxGetDevice(int *number) {
  return enter(true, [&]() -> Result {
    *number = 0;
    return Success;
  });
}

YUPANA_ENTRY cuCtxSynchronize() {
  return enter(true, [&]() -> Result { return drainAll(true); });
}

//===----------------------------------------------------------------------===//
// For tests
//===----------------------------------------------------------------------===//

unsigned long long yupana_sim_calls(void) { return state().calls; }

void yupana_sim_fail(unsigned long long index, int result) {
  State &s = state();
  std::lock_guard<std::recursive_mutex> lock(s.mutex);
  s.failAt = index == ~0ull ? ~uint64_t{0} : s.calls + index;
  s.failWith = static_cast<Result>(result);
}

unsigned long long yupana_sim_live(void) { return state().live.size(); }
void yupana_sim_copy_bandwidth(unsigned long long bytesPerSecond) {
  std::lock_guard<std::recursive_mutex> lock(state().mutex);
  state().copyBandwidth = bytesPerSecond;
}
const char *yupana_sim_report(void) { return state().report.c_str(); }
