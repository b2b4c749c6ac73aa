// SPDX-License-Identifier: Apache-2.0
//
// Names of attributes that passes leave on the module.

#ifndef YUPANA_DIALECTS_KERNEL_IR_KERNELNAMES_H
#define YUPANA_DIALECTS_KERNEL_IR_KERNELNAMES_H

#include "llvm/ADT/StringRef.h"

namespace yupana::kernel {

/// Bytes of the arena that all buffers lie in, an i64; set by plan-memory.
inline constexpr llvm::StringLiteral arenaBytesName = "kernel.arena_bytes";

} // namespace yupana::kernel

#endif
