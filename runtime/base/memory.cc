// SPDX-License-Identifier: Apache-2.0
//
// Memory comes from the caller's allocator or from the C library, and whoever owns it returns it with the size and
// alignment it was asked for, so that an allocator need not keep them. Nothing is allocated after a context is
// prepared: every Memory and Array has its size from the plan's limits. Failures name what the memory was for and how
// much was asked.

#include "runtime/base/memory.h"

#include <cstdlib>
#include <cstring>
#include <sys/mman.h>

namespace yupana::runtime {

namespace {

void *system_alloc(void *, size_t bytes, size_t alignment) {
  void *memory = nullptr;
  // posix_memalign refuses alignments below that of a pointer.
  size_t least = alignment < sizeof(void *) ? sizeof(void *) : alignment;
  return posix_memalign(&memory, least, bytes) == 0 ? memory : nullptr;
}

void system_free(void *, void *memory, size_t, size_t) { ::free(memory); }

} // namespace

Code Allocator::adopt(const yupana_allocator_t *from, Allocator *out_allocator, yupana_status_t *out_status) {
  if (!from) {
    out_allocator->table_ = {sizeof(yupana_allocator_t), nullptr, system_alloc, system_free};
    return YUPANA_STATUS_OK;
  }
  // By size, so that callers of earlier versions, whose table was shorter, are refused and not misread.
  if (from->size < sizeof(yupana_allocator_t) || !from->alloc || !from->free)
    return runtime::fail(out_status, YUPANA_STATUS_INVALID_ARGUMENT,
                         "the allocator has %zu bytes; expected at least %zu with both functions set", from->size,
                         sizeof(yupana_allocator_t));
  out_allocator->table_ = *from;
  return YUPANA_STATUS_OK;
}

bool Allocator::is_system() const { return table_.alloc == system_alloc; }

void *Allocator::alloc(uint64_t bytes, uint64_t alignment) const {
  // Allocators differ in what they give for nothing.
  return bytes == 0 ? nullptr : table_.alloc(table_.user, bytes, alignment);
}

void Allocator::free(void *memory, uint64_t bytes, uint64_t alignment) const {
  if (memory)
    table_.free(table_.user, memory, bytes, alignment);
}

Code Memory::allocate(const Allocator &allocator, uint64_t bytes, uint64_t alignment, const char *what,
                      yupana_status_t *out_status) {
  reset();
  void *memory = allocator.alloc(bytes, alignment);
  if (!memory)
    return fail(out_status, YUPANA_STATUS_OUT_OF_MEMORY, "no memory for %s: %llu bytes were asked for", what,
                static_cast<unsigned long long>(bytes));
  // Kept with the memory: whoever frees it must name the same size and alignment.
  allocator_ = allocator;
  data_ = memory;
  bytes_ = bytes;
  alignment_ = alignment;
  return YUPANA_STATUS_OK;
}

Code Memory::allocate_elements(const Allocator &allocator, uint64_t count, uint64_t element_bytes, const char *what,
                               yupana_status_t *out_status) {
  uint64_t bytes;
  // More than the address space holds is not there, either.
  if (!checked_mul(count, element_bytes, &bytes))
    return fail(out_status, YUPANA_STATUS_OUT_OF_MEMORY, "%s: %llu elements do not fit in memory", what,
                static_cast<unsigned long long>(count));
  // A length of zero is legal and still gives an address.
  if (Code code = allocate(allocator, bytes ? bytes : 1, kCacheLine, what, out_status))
    return code;
  zero();
  return YUPANA_STATUS_OK;
}

void Memory::reset() {
  if (data_)
    allocator_.free(data_, bytes_, alignment_);
  data_ = nullptr;
  bytes_ = 0;
}

void Memory::zero() { memset(data_, 0, bytes_); }

void Memory::advise_huge_pages() {
  // Advice only: a system without huge pages runs the same plan, slower.
  if (bytes_ >= kHugePage && alignment_ >= kHugePage)
    madvise(data_, bytes_ & ~(kHugePage - 1), MADV_HUGEPAGE);
}

} // namespace yupana::runtime
