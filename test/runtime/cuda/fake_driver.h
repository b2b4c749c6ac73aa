// SPDX-License-Identifier: Apache-2.0
//
// A CUDA driver for tests of the runtime's own part: its GPUs run the kernels of the test model, which are compiled
// into it, and their memory is the host's. Asynchronous work is put off to the moment somebody waits for it, so that a
// buffer reused too early shows; every call can be made to fail; what is alive is counted. It interprets nothing: code
// is told by its first bytes.

#ifndef YUPANA_TEST_RUNTIME_CUDA_FAKE_DRIVER_H
#define YUPANA_TEST_RUNTIME_CUDA_FAKE_DRIVER_H

#include <cstdint>
#include <map>
#include <string>

namespace yupana::test {

/// What the driver is, set before a test, and what it saw. One per process, guarded by the driver's own lock while
/// calls run.
struct FakeDriver {
  int version = 13000;
  int gpus = 2;
  int capability[2] = {90, 80};
  int init_result = 0;
  int max_threads = 1024;       // of a block of any kernel
  int max_shared = 232448;      // of a block
  bool takes_cubins = true;     // else cuLibraryLoadData answers with CUDA_ERROR_NO_BINARY_FOR_GPU
  bool takes_ptx = true;        // else with CUDA_ERROR_UNSUPPORTED_PTX_VERSION
  std::string missing;          // a function that cuGetProcAddress does not find
  uint64_t memory = 1ull << 30; // of a GPU
  int64_t fail_at = -1;         // this call fails, counted from 0
  int fail_with = 719;          // CUDA_ERROR_LAUNCH_FAILED
  bool stays_failed = false;    // and all after it, as after the loss of a GPU

  int64_t calls = 0;
  std::string failed; // the name of the call that was made to fail
  std::string misuse; // the first thing that no driver would allow; empty when there was none
  int64_t allocations = 0, copies_in = 0, copies_out = 0, launches = 0, graph_launches = 0; // since the beginning
  int64_t early_launches = 0;           // that may begin before the one before them has ended
  uint64_t used = 0;                    // bytes of all GPUs
  std::map<std::string, int64_t> given; // how often each call gave a stream something to do, but for events

  // Alive:
  int64_t contexts = 0, blocks = 0, pinned = 0, streams = 0, events = 0, libraries = 0, graphs = 0;
  int64_t alive() const { return contexts + blocks + pinned + streams + events + libraries + graphs; }
};

__attribute__((visibility("default"))) FakeDriver &fake_driver();

} // namespace yupana::test

#endif
