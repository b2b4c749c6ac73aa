// SPDX-License-Identifier: Apache-2.0
//
// What compiling one kernel gives, also as bytes: it is handed from one process to another and kept in a cache.
#ifndef YUPANA_COMPILER_CODEGEN_JOBS_COMPILEDKERNEL_H
#define YUPANA_COMPILER_CODEGEN_JOBS_COMPILEDKERNEL_H

#include "dialects/Plan/IR/Plan.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace yupana::codegen {

/// A kernel's code in one format. For ElfX86 the bytes are an object file that is not linked yet.
struct KernelCode {
  plan::ImageFormat format;
  std::string bytes;
  uint32_t registers = 0, sharedBytes = 0, spillBytes = 0; ///< As of a KernelImage.
};

struct CompiledKernel {
  std::vector<KernelCode> code; ///< One of a format at most.
  std::string llvmIR;           ///< The text it was made from, for those who ask to see it.
  int64_t scratchBytes = 0;     ///< As of a LibraryKernel.
  int64_t sharedBytes = 0;      ///< As of a LibraryKernel.
};

/// The kernel as bytes, the same for equal kernels on every machine of this byte order.
std::string packKernel(const CompiledKernel &kernel);

/// The kernel that packKernel() made `bytes` of; nothing if it cannot have.
std::optional<CompiledKernel> unpackKernel(llvm::StringRef bytes);

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_JOBS_COMPILEDKERNEL_H
