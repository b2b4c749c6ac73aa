// SPDX-License-Identifier: Apache-2.0
//
// Loader of host code: ELF shared objects of the one shape that Yupana's code generator writes. Position independent
// code and constants only: no needed library, no relocation, no initialiser, no thread-local or writable data, no
// indirect function, no undefined symbol, no page both writable and executable.

#ifndef YUPANA_RUNTIME_DEVICE_CPU_ELF_H
#define YUPANA_RUNTIME_DEVICE_CPU_ELF_H

#include "runtime/base/memory.h"

namespace yupana::runtime {

/// Code in memory, ready to be called.
class ElfImage {
public:
  ElfImage() = default;
  ElfImage(const ElfImage &) = delete;
  ElfImage &operator=(const ElfImage &) = delete;
  ~ElfImage() { unload(); }

  /// Checks `file` whole and copies it into pages of its own; `file` is not needed afterwards. Nothing of it is run.
  /// `file` is aligned to 8 bytes. INVALID_DATA, OUT_OF_MEMORY.
  Code load(const uint8_t *file, uint64_t bytes, const Report &report);
  void unload();

  /// Address of the exported function `symbol`, or null.
  void *find_function(const char *symbol) const;

  /// Bytes of address space.
  uint64_t bytes() const { return bytes_; }

private:
  friend class ElfCheck;

  uint8_t *base_ = nullptr;
  uint64_t bytes_ = 0;
  // Offsets from base_ that have been checked.
  uint64_t symbols_ = 0;
  uint32_t symbol_count_ = 0;
  uint64_t strings_ = 0;
  uint64_t strings_bytes_ = 0;
};

} // namespace yupana::runtime

#endif
