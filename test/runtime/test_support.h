// SPDX-License-Identifier: Apache-2.0
//
// A reader of bytes in memory, an allocator that counts and can fail, and owners for the C objects.

#ifndef YUPANA_TEST_RUNTIME_TEST_SUPPORT_H
#define YUPANA_TEST_RUNTIME_TEST_SUPPORT_H

#include "test/runtime/plan_builder.h"
#include "yupana/yupana.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace yupana::test {

/// An empty structure of the API with its size set.
template <typename T> T sized() {
  T out = {};
  out.size = sizeof(out);
  return out;
}

/// Reads from `bytes`, which must stay. Counts what happens to it.
struct MemoryReader {
  explicit MemoryReader(const Bytes &bytes) : bytes(&bytes) {
    reader.size = sizeof(reader);
    reader.user = this;
    reader.name = "memory.yplan";
    reader.total = bytes.size();
    reader.read = [](void *user, void *dst, uint64_t count, uint64_t offset) {
      auto *self = static_cast<MemoryReader *>(user);
      if (offset > self->bytes->size() || count > self->bytes->size() - offset)
        return 0;
      if (offset < self->unreadable_end && offset + count > self->unreadable_begin)
        return 0;
      if (count)
        memcpy(dst, self->bytes->data() + offset, count);
      self->bytes_read += count;
      return 1;
    };
    reader.close = [](void *user) { ++static_cast<MemoryReader *>(user)->closed; };
  }

  const Bytes *bytes;
  yupana_reader_t reader = {};
  std::atomic<uint64_t> bytes_read{0};
  std::atomic<int> closed{0};
  uint64_t unreadable_begin = 0, unreadable_end = 0;
};

/// Fails the allocation numbered `fail_at` (from 0) and counts those alive. What it hands out is filled with a pattern.
struct CountingAllocator {
  CountingAllocator() {
    table.size = sizeof(table);
    table.user = this;
    table.alloc = [](void *user, size_t bytes, size_t alignment) -> void * {
      auto *self = static_cast<CountingAllocator *>(user);
      if (self->count++ == self->fail_at)
        return nullptr;
      void *memory = nullptr;
      if (posix_memalign(&memory, alignment < sizeof(void *) ? sizeof(void *) : alignment, bytes) != 0)
        return nullptr;
      memset(memory, 0xA5, bytes);
      ++self->alive;
      self->alive_bytes += static_cast<int64_t>(bytes);
      return memory;
    };
    table.free = [](void *user, void *memory, size_t bytes, size_t) {
      auto *self = static_cast<CountingAllocator *>(user);
      --self->alive;
      self->alive_bytes -= static_cast<int64_t>(bytes);
      free(memory);
    };
  }

  yupana_allocator_t table = {};
  std::atomic<int64_t> count{0};
  std::atomic<int64_t> alive{0};
  std::atomic<int64_t> alive_bytes{0};
  int64_t fail_at = -1;
};

struct PlanDeleter {
  void operator()(yupana_plan_t *plan) const { yupana_plan_release(plan); }
};
struct ContextDeleter {
  void operator()(yupana_context_t *context) const { yupana_context_release(context); }
};
using PlanOwner = std::unique_ptr<yupana_plan_t, PlanDeleter>;
using ContextOwner = std::unique_ptr<yupana_context_t, ContextDeleter>;

/// A plan opened from a memory reader, with the status of opening it.
struct OpenedPlan {
  explicit OpenedPlan(const Bytes &bytes, const yupana_allocator_t *allocator = nullptr) : source(bytes) {
    yupana_plan_t *opened = nullptr;
    code = yupana_plan_open(&source.reader, allocator, &opened, &status);
    plan.reset(opened);
  }

  MemoryReader source;
  yupana_status_t status = {};
  yupana_status_code_t code;
  PlanOwner plan;
};

inline ContextOwner make_context(yupana_plan_t *plan, yupana_context_options_t options = {},
                                 yupana_status_t *status = nullptr, const yupana_allocator_t *allocator = nullptr) {
  options.size = sizeof(options);
  yupana_context_t *context = nullptr;
  yupana_context_create(plan, &options, allocator, &context, status);
  return ContextOwner(context);
}

} // namespace yupana::test

#endif
