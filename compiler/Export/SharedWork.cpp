// SPDX-License-Identifier: Apache-2.0
//
// Threads claim the next item when they are done with one, so that none waits for another; what an item leaves behind
// must not depend on who made it or when.

#include "compiler/Export/SharedWork.h"

#include <algorithm>
#include <system_error>
#include <thread>

using namespace yupana;

Error SharedWork::interrupted() const {
  return makeError(ExitCode::Interrupted, "{}: interrupted, nothing was written", options.outputPath);
}

/// The first failure counts. The others end with their current item.
void SharedWork::fail(Error error) {
  std::lock_guard guard(lock);
  stopped = true;
  if (!failure)
    failure = std::move(error);
}

void SharedWork::report() {
  if (!options.progress)
    return;
  // Whoever finds another thread reporting goes on: progress is for the eye and need not be complete.
  std::unique_lock guard(lock, std::try_to_lock);
  auto now = std::chrono::steady_clock::now();
  if (!guard || now - lastReport < std::chrono::milliseconds(100))
    return;
  lastReport = now;
  // Called under the lock, so that callers see one thread at a time.
  if (options.progress(done, totalBytes))
    return;
  stopped = true;
  if (!failure)
    failure = interrupted();
}

void SharedWork::advance(uint64_t bytes) {
  done += bytes;
  report();
}

/// The caller works as well, so that one job needs no other thread.
Result<void> SharedWork::run(uint64_t count, Item item, unsigned mostThreads) {
  auto work = [&] {
    PieceMemory memory;
    while (!stopped) {
      // In ascending order, which keeps reads and writes near one another.
      uint64_t index = next++;
      if (index >= count)
        return;
      if (Result<void> made = item(index, memory); !made)
        return fail(made.takeError());
    }
  };
  uint64_t workers = std::max<uint64_t>(1, std::min<uint64_t>({options.jobs, mostThreads, count}));
  std::vector<std::thread> threads;
  // Where the system has no thread left, those that it gave have to do.
  try {
    for (uint64_t i = 1; i < workers; ++i)
      threads.emplace_back(work);
  } catch (const std::system_error &) {
  }
  work();
  for (std::thread &thread : threads)
    thread.join();
  // The last report, which the limit of ten a second may have left out.
  if (!failure && options.progress && !options.progress(done, totalBytes))
    failure = interrupted();
  if (failure)
    return std::move(*failure);
  return {};
}
