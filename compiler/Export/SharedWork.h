// SPDX-License-Identifier: Apache-2.0
//
// Work on many pieces by several threads: who claims which, who is told, and how it ends early.
#ifndef YUPANA_COMPILER_EXPORT_SHAREDWORK_H
#define YUPANA_COMPILER_EXPORT_SHAREDWORK_H

#include "compiler/Export/Export.h"
#include "compiler/Export/Pieces.h"

#include <atomic>
#include <chrono>
#include <mutex>

namespace yupana {

/// One run of work over `totalBytes` bytes, told to `options.progress`, on at most `options.jobs` threads.
class SharedWork {
public:
  using Item = llvm::function_ref<Result<void>(uint64_t index, PieceMemory &memory)>;

  SharedWork(const ExportOptions &options, uint64_t totalBytes) : options(options), totalBytes(totalBytes) {}

  /// Does items [0, count), claimed in ascending order by at most `mostThreads` threads; each thread has a memory of
  /// its own. Returns the first error, after which no item is begun; ExitCode::Interrupted when options.progress says
  /// so.
  Result<void> run(uint64_t count, Item item, unsigned mostThreads = UINT_MAX);

  /// Counts finished bytes and tells of them now and then. Any thread.
  void advance(uint64_t bytes);
  /// True once the work is to end early; for items that take long.
  bool isStopped() const { return stopped; }

private:
  void fail(Error error);
  void report();
  Error interrupted() const;

  const ExportOptions &options;
  uint64_t totalBytes;
  std::atomic<uint64_t> next{0};
  std::atomic<uint64_t> done{0};
  std::atomic<bool> stopped{false};
  std::mutex lock; ///< Guards `failure`, `lastReport` and the calls of options.progress.
  std::optional<Error> failure;
  std::chrono::steady_clock::time_point lastReport;
};

} // namespace yupana

#endif // YUPANA_COMPILER_EXPORT_SHAREDWORK_H
