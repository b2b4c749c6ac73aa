// SPDX-License-Identifier: Apache-2.0
//
// What the stand-in for the CUDA driver keeps between calls. One lock holds it all; work on streams is kept as closures
// until something waits for it.
#ifndef YUPANA_TOOLS_SIMDRIVER_DRIVERSTATE_H
#define YUPANA_TOOLS_SIMDRIVER_DRIVERSTATE_H

#include "tools/simdriver/PtxSim.h"

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>

namespace yupana::simdriver {

using Address = unsigned long long;

/// Numbers of CUresult that are given.
enum Result : int {
  Success = 0,
  InvalidValue = 1,
  OutOfMemory = 2,
  NotInitialized = 3,
  InvalidDevice = 101,
  InvalidImage = 200,
  InvalidContext = 201,
  NoBinaryForGpu = 209,
  InvalidPtx = 218,
  UnsupportedPtxVersion = 222,
  InvalidHandle = 400,
  NotFound = 500,
  NotReady = 600,
  IllegalAddress = 700,
  OutOfResources = 701,
  LaunchTimeout = 702,
  MisalignedAddress = 716,
  LaunchFailed = 719,
  NotSupported = 801,
  CaptureUnsupported = 900,
  CaptureInvalidated = 901,
  GraphUpdateFailure = 910,
  InvalidClusterSize = 912,
};

enum class Kind { Context, Stream, Event, Library, Function, Graph, GraphExec, HostMemory, DeviceMemory };

using Time = std::chrono::steady_clock::time_point;

struct Stream;

/// One thing that a stream will do. `topology` tells updates of graphs what may replace what.
struct Work {
  std::string topology;
  std::function<Result()> run;
  bool isLaunch = false;
};

struct Graph {
  std::vector<Work> work;
};

struct Event {
  /// Counts records; `done` is the last that has happened.
  uint64_t recorded = 0, done = 0;
  Stream *stream = nullptr;
  Graph *capture = nullptr; ///< Recorded in a capture, which a waiting stream joins.
  Time time;
  Time ready{}; ///< When the copies before its last record have come through the bus.
};

struct Stream {
  /// A capture that was begun and never ended goes with its stream.
  ~Stream() {
    if (captureOrigin)
      delete capture;
  }

  bool blocking = true; ///< Ordered with the null stream.
  std::deque<Work> queue;
  Graph *capture = nullptr;
  bool captureOrigin = false;
  Time ready{}; ///< When its copies have come through the bus.
};

struct Function {
  std::shared_ptr<const ptx::Program> program;
  ptx::KernelInfo info;
  std::string name;
  int dynamicShared = 48 << 10; ///< What launches may ask for.
};

struct Library {
  ptx::Module module;
  std::map<std::string, Function *> functions;
};

/// A driver in this process.
struct State {
  std::recursive_mutex mutex;
  ptx::Options options = ptx::Options::fromEnvironment();
  std::unique_ptr<ptx::Device> device;
  bool initialized = false;
  int contextUses = 0;
  /// What ended the context; every later call answers with it until the context goes.
  Result dead = Success;
  std::string report;
  std::map<void *, Kind> live;
  std::set<Stream *> streams;
  Stream nullStream;
  std::map<Address, size_t> memory;

  /// The stream whose last work was a launch, which is the last of all.
  Stream *launched = nullptr;
  Stream *running = nullptr; ///< Whose work is being done.

  /// Bytes per second between host and device, 0: no limit; when the bus is free again.
  uint64_t copyBandwidth = 0;
  Time busFree{};

  // Failures on demand.
  uint64_t calls = 0, failAt = ~uint64_t{0};
  Result failWith = OutOfMemory;
};

State &state();

/// Runs the body of an entry point: the lock, a failure on demand, the state of the driver. `context`: there must be a
/// current context.
Result enter(bool context, const std::function<Result()> &body);

/// Remembers and prints a report; the context is dead from here on.
Result die(Result result, const std::string &report);
/// Writes a line to standard error. Text of a module may be in it: what is not printable ASCII becomes a question mark.
void print(std::string text);

bool isLive(void *handle, Kind kind);
template <class T> T *keep(T *handle, Kind kind) {
  state().live[handle] = kind;
  return handle;
}
/// The stream of a handle: null, 1 (legacy) and 2 (per thread) mean the null stream. Null if there is no such stream.
Stream *streamOf(void *handle);

/// Adds work to a stream, or to the graph that it captures.
Result enqueue(Stream *stream, Work work);
/// Does what a stream was given, up to its end or until `until` says so.
Result drain(Stream *stream, const std::function<bool()> &until = nullptr);
/// Sleeps until a moment that is read under the lock, without holding it.
void sleepUntil(const std::function<Time()> &moment);
/// The null stream waits for the blocking streams, and they for it.
Result drainAll(bool nonBlockingToo);
ptx::Device &device();

/// The function of this name for cuGetProcAddress, or null.
void *entryPoint(const std::string &name);

} // namespace yupana::simdriver

/// Numbers of calls counted so far; the call after `index` more fails with `result`; what is alive; the last report;
/// how fast copies between host and device are, 0: at once.
extern "C" {
__attribute__((visibility("default"))) unsigned long long yupana_sim_calls(void);
__attribute__((visibility("default"))) void yupana_sim_fail(unsigned long long index, int result);
__attribute__((visibility("default"))) unsigned long long yupana_sim_live(void);
__attribute__((visibility("default"))) const char *yupana_sim_report(void);
__attribute__((visibility("default"))) void yupana_sim_copy_bandwidth(unsigned long long bytesPerSecond);
}

#define YUPANA_ENTRY extern "C" __attribute__((visibility("default"))) int

#endif // YUPANA_TOOLS_SIMDRIVER_DRIVERSTATE_H
