// SPDX-License-Identifier: Apache-2.0
//
// All memory of the runtime comes through an Allocator and is owned by a Memory or an Array.

#ifndef YUPANA_RUNTIME_BASE_MEMORY_H
#define YUPANA_RUNTIME_BASE_MEMORY_H

#include "runtime/base/checked.h"
#include "runtime/base/status.h"

#include <cstddef>
#include <new>
#include <type_traits>

namespace yupana::runtime {

inline constexpr uint64_t kCacheLine = 64;
inline constexpr uint64_t kHugePage = uint64_t{2} << 20;

/// The caller's allocator, or the C library.
class Allocator {
public:
  /// INVALID_ARGUMENT when `from` is incomplete. `from` may be null.
  static Code adopt(const yupana_allocator_t *from, Allocator *out_allocator, yupana_status_t *out_status);

  /// True for the C library.
  bool is_system() const;

  /// Null when there is no memory, and for 0 bytes.
  void *alloc(uint64_t bytes, uint64_t alignment) const;
  void free(void *memory, uint64_t bytes, uint64_t alignment) const;

private:
  yupana_allocator_t table_ = {};
};

/// One allocation.
class Memory {
public:
  Memory() = default;
  Memory(const Memory &) = delete;
  Memory &operator=(const Memory &) = delete;
  ~Memory() { reset(); }

  /// OUT_OF_MEMORY names `what`. The bytes are not initialised.
  Code allocate(const Allocator &allocator, uint64_t bytes, uint64_t alignment, const char *what,
                yupana_status_t *out_status);
  /// Room for `count` elements of `element_bytes` bytes, all zero; at least one byte, so that the address of an empty
  /// array can be formed.
  Code allocate_elements(const Allocator &allocator, uint64_t count, uint64_t element_bytes, const char *what,
                         yupana_status_t *out_status);
  void reset();
  void zero();
  /// Asks the system for huge pages where the allocation is large and aligned for them.
  void advise_huge_pages();

  uint8_t *data() const { return static_cast<uint8_t *>(data_); }
  uint64_t size() const { return bytes_; }

private:
  Allocator allocator_;
  void *data_ = nullptr;
  uint64_t bytes_ = 0;
  uint64_t alignment_ = 0;
};

/// A zeroed array of plain values, of a length fixed once.
template <typename T> class Array {
  static_assert(std::is_trivially_destructible_v<T>);

public:
  Code allocate(const Allocator &allocator, uint64_t count, const char *what, yupana_status_t *out_status) {
    Code code = memory_.allocate_elements(allocator, count, sizeof(T), what, out_status);
    count_ = code ? 0 : count;
    return code;
  }

  T *data() const { return reinterpret_cast<T *>(memory_.data()); }
  uint64_t size() const { return count_; }
  uint64_t bytes() const { return memory_.size(); }
  T &operator[](uint64_t i) const { return data()[i]; }
  T *begin() const { return data(); }
  T *end() const { return data() + count_; }

private:
  Memory memory_;
  uint64_t count_ = 0;
};

/// An object in memory of `allocator`, constructed empty; null when there is none.
template <typename T> T *create_object(const Allocator &allocator) {
  void *memory = allocator.alloc(sizeof(T), alignof(T) < kCacheLine ? kCacheLine : alignof(T));
  return memory ? ::new (memory) T() : nullptr;
}
template <typename T> void destroy_object(const Allocator &allocator, T *object) {
  object->~T();
  allocator.free(object, sizeof(T), alignof(T) < kCacheLine ? kCacheLine : alignof(T));
}

/// Copies what the caller's structure has room for and restores the size the caller gave; for output structures.
template <typename T> void copy_sized(T *out, const T &from) {
  size_t given = out->size;
  size_t bytes = given < sizeof(T) ? given : sizeof(T);
  __builtin_memcpy(static_cast<void *>(out), &from, bytes);
  if (bytes >= sizeof(size_t))
    out->size = given;
}

/// Reads a structure of a caller that may have been compiled with a shorter or longer one; missing members are zero.
template <typename T> T read_sized(const T *in) {
  T value = {};
  size_t bytes = in->size < sizeof(T) ? in->size : sizeof(T);
  __builtin_memcpy(static_cast<void *>(&value), in, bytes);
  return value;
}

} // namespace yupana::runtime

#endif
