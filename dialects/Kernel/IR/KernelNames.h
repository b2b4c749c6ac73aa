// SPDX-License-Identifier: Apache-2.0
//
// Names of attributes that passes leave on the module.

#ifndef YUPANA_DIALECTS_KERNEL_IR_KERNELNAMES_H
#define YUPANA_DIALECTS_KERNEL_IR_KERNELNAMES_H

#include "llvm/ADT/StringRef.h"

namespace yupana::kernel {

/// Bytes of arena 0, which all buffers but workspaces lie in, an i64; set by plan-memory.
inline constexpr llvm::StringLiteral arenaBytesName = "kernel.arena_bytes";

/// Bytes of arena 1, which workspaces lie in, an i64; set by plan-memory where there are any.
inline constexpr llvm::StringLiteral workspaceBytesName = "kernel.workspace_bytes";

} // namespace yupana::kernel

#endif
