// SPDX-License-Identifier: Apache-2.0
//
// Streams, events and graphs. A captured graph is the list of what the stream was given, in that order: order within a
// stream is all that the runtime relies on, so edges between parallel branches are not kept. An event remembers how
// often it was recorded and how many of these records have been reached; waiting for it runs its stream up to there.

#include "tools/simdriver/DriverState.h"

#include <fmt/format.h>
#include <utility>

using namespace yupana;
using namespace yupana::simdriver;

//===----------------------------------------------------------------------===//
// Streams
//===----------------------------------------------------------------------===//

YUPANA_ENTRY cuStreamCreate(void **stream, unsigned flags) {
  return enter(true, [&]() -> Result {
    auto *made = keep(new Stream, Kind::Stream);
    made->blocking = !(flags & 1);
    state().streams.insert(made);
    *stream = made;
    return Success;
  });
}

YUPANA_ENTRY cuStreamCreateWithPriority(void **stream, unsigned flags, int) { return cuStreamCreate(stream, flags); }

YUPANA_ENTRY cuStreamDestroy_v2(void *handle) {
  return enter(true, [&]() -> Result {
    if (!isLive(handle, Kind::Stream))
      return InvalidHandle;
    auto *stream = static_cast<Stream *>(handle);
    Result result = drain(stream);
    for (auto &[other, kind] : state().live)
      if (kind == Kind::Event && static_cast<Event *>(other)->stream == stream)
        static_cast<Event *>(other)->stream = nullptr;
    state().streams.erase(stream);
    state().live.erase(stream);
    delete stream;
    return result;
  });
}

YUPANA_ENTRY cuStreamSynchronize(void *handle) {
  sleepUntil([&] {
    Stream *stream = streamOf(handle);
    return stream ? stream->ready : Time{};
  });
  return enter(true, [&]() -> Result {
    Stream *stream = streamOf(handle);
    if (!stream)
      return InvalidHandle;
    if (stream->capture)
      return CaptureUnsupported;
    return stream == &state().nullStream ? drainAll(false) : drain(stream);
  });
}

/// Each question lets one piece of work happen, so that a host that asks again and again comes to an end.
YUPANA_ENTRY cuStreamQuery(void *handle) {
  return enter(true, [&]() -> Result {
    Stream *stream = streamOf(handle);
    if (!stream)
      return InvalidHandle;
    if (stream->capture)
      return CaptureUnsupported;
    if (stream->queue.empty())
      return Success;
    bool once = false;
    Result result = drain(stream, [&] { return std::exchange(once, true); });
    return result ? result : NotReady;
  });
}

//===----------------------------------------------------------------------===//
// Events
//===----------------------------------------------------------------------===//

YUPANA_ENTRY cuEventCreate(void **event, unsigned) {
  return enter(true, [&]() -> Result {
    *event = keep(new Event, Kind::Event);
    return Success;
  });
}

/// What was recorded is reached first, so that work which still names the event finds it dead and need not wait.
YUPANA_ENTRY cuEventDestroy_v2(void *handle) {
  return enter(true, [&]() -> Result {
    if (!isLive(handle, Kind::Event))
      return InvalidHandle;
    auto *event = static_cast<Event *>(handle);
    Result result = event->stream ? drain(event->stream, [&] { return event->done == event->recorded; }) : Success;
    state().live.erase(event);
    delete event;
    return result;
  });
}

YUPANA_ENTRY cuEventRecord(void *handle, void *streamHandle) {
  return enter(true, [&]() -> Result {
    Stream *stream = streamOf(streamHandle);
    if (!stream || !isLive(handle, Kind::Event))
      return InvalidHandle;
    auto *event = static_cast<Event *>(handle);
    event->capture = stream->capture;
    if (stream->capture)
      return Success;
    uint64_t number = ++event->recorded;
    event->stream = stream;
    event->ready = stream->ready;
    return enqueue(stream, {"record", [event, number]() -> Result {
                              if (isLive(event, Kind::Event)) {
                                event->done = number;
                                event->time = std::chrono::steady_clock::now();
                              }
                              return Success;
                            }});
  });
}

static Result waitFor(Event *event, uint64_t number) {
  if (event->done >= number || !event->stream)
    return Success;
  return drain(event->stream, [&] { return event->done >= number; });
}

YUPANA_ENTRY cuEventSynchronize(void *handle) {
  sleepUntil([&] { return isLive(handle, Kind::Event) ? static_cast<Event *>(handle)->ready : Time{}; });
  return enter(true, [&]() -> Result {
    if (!isLive(handle, Kind::Event))
      return InvalidHandle;
    auto *event = static_cast<Event *>(handle);
    return event->capture ? CaptureUnsupported : waitFor(event, event->recorded);
  });
}

YUPANA_ENTRY cuEventQuery(void *handle) {
  return enter(true, [&]() -> Result {
    if (!isLive(handle, Kind::Event))
      return InvalidHandle;
    auto *event = static_cast<Event *>(handle);
    if (event->done == event->recorded || !event->stream)
      return Success;
    bool once = false;
    Result result = drain(event->stream, [&] { return std::exchange(once, true); });
    return result ? result : NotReady;
  });
}

YUPANA_ENTRY cuEventElapsedTime(float *milliseconds, void *begin, void *end) {
  return enter(true, [&]() -> Result {
    if (!isLive(begin, Kind::Event) || !isLive(end, Kind::Event))
      return InvalidHandle;
    auto *first = static_cast<Event *>(begin), *second = static_cast<Event *>(end);
    if (first->done != first->recorded || second->done != second->recorded)
      return NotReady;
    *milliseconds = std::chrono::duration<float, std::milli>(second->time - first->time).count();
    return Success;
  });
}
YUPANA_ENTRY cuEventElapsedTime_v2(float *milliseconds, void *begin, void *end) {
  return cuEventElapsedTime(milliseconds, begin, end);
}

YUPANA_ENTRY cuStreamWaitEvent(void *streamHandle, void *handle, unsigned) {
  return enter(true, [&]() -> Result {
    Stream *stream = streamOf(streamHandle);
    if (!stream || !isLive(handle, Kind::Event))
      return InvalidHandle;
    auto *event = static_cast<Event *>(handle);
    if (event->capture) {
      stream->capture = event->capture;
      return Success;
    }
    if (stream->capture || event->recorded == 0 || event->stream == stream)
      return Success;
    uint64_t number = event->recorded;
    return enqueue(stream, {"wait", [event, number]() -> Result {
                              return isLive(event, Kind::Event) ? waitFor(event, number) : Success;
                            }});
  });
}

//===----------------------------------------------------------------------===//
// Graphs
//===----------------------------------------------------------------------===//

YUPANA_ENTRY cuStreamBeginCapture_v2(void *handle, int) {
  return enter(true, [&]() -> Result {
    Stream *stream = streamOf(handle);
    if (!stream || stream == &state().nullStream || stream->capture)
      return stream ? CaptureUnsupported : InvalidHandle;
    stream->capture = new Graph;
    stream->captureOrigin = true;
    return Success;
  });
}

YUPANA_ENTRY cuStreamEndCapture(void *handle, void **graph) {
  return enter(true, [&]() -> Result {
    Stream *stream = streamOf(handle);
    if (!stream || !stream->capture || !stream->captureOrigin)
      return stream ? InvalidValue : InvalidHandle;
    Graph *captured = stream->capture;
    for (Stream *other : state().streams)
      if (other->capture == captured)
        other->capture = nullptr;
    stream->captureOrigin = false;
    *graph = keep(captured, Kind::Graph);
    return Success;
  });
}

YUPANA_ENTRY cuStreamIsCapturing(void *handle, int *status) {
  return enter(true, [&]() -> Result {
    Stream *stream = streamOf(handle);
    if (!stream)
      return InvalidHandle;
    *status = stream->capture != nullptr;
    return Success;
  });
}

YUPANA_ENTRY cuGraphInstantiateWithFlags(void **exec, void *handle, unsigned long long) {
  return enter(true, [&]() -> Result {
    if (!isLive(handle, Kind::Graph))
      return InvalidHandle;
    *exec = keep(new Graph(*static_cast<Graph *>(handle)), Kind::GraphExec);
    return Success;
  });
}

YUPANA_ENTRY cuGraphLaunch(void *handle, void *streamHandle) {
  return enter(true, [&]() -> Result {
    Stream *stream = streamOf(streamHandle);
    if (!stream || !isLive(handle, Kind::GraphExec))
      return InvalidHandle;
    for (const Work &work : static_cast<Graph *>(handle)->work)
      if (Result result = enqueue(stream, work))
        return result;
    return Success;
  });
}

/// As in cuda.h: what became of an update.
struct GraphUpdateInfo {
  int result;
  void *node, *from;
};

YUPANA_ENTRY cuGraphExecUpdate_v2(void *execHandle, void *graphHandle, GraphUpdateInfo *info) {
  return enter(true, [&]() -> Result {
    if (!isLive(execHandle, Kind::GraphExec) || !isLive(graphHandle, Kind::Graph))
      return InvalidHandle;
    auto *exec = static_cast<Graph *>(execHandle), *graph = static_cast<Graph *>(graphHandle);
    bool same = exec->work.size() == graph->work.size();
    for (size_t i = 0; same && i < exec->work.size(); ++i)
      same = exec->work[i].topology == graph->work[i].topology;
    *info = {same ? 0 : 2, nullptr, nullptr};
    if (!same)
      return GraphUpdateFailure;
    exec->work = graph->work;
    return Success;
  });
}

static Result destroyGraph(void *handle, Kind kind) {
  if (!isLive(handle, kind))
    return InvalidHandle;
  state().live.erase(handle);
  delete static_cast<Graph *>(handle);
  return Success;
}
YUPANA_ENTRY cuGraphExecDestroy(void *exec) {
  return enter(true, [&] { return destroyGraph(exec, Kind::GraphExec); });
}
YUPANA_ENTRY cuGraphDestroy(void *graph) {
  return enter(true, [&] { return destroyGraph(graph, Kind::Graph); });
}
