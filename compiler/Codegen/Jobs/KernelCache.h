// SPDX-License-Identifier: Apache-2.0
#ifndef YUPANA_COMPILER_CODEGEN_JOBS_KERNELCACHE_H
#define YUPANA_COMPILER_CODEGEN_JOBS_KERNELCACHE_H

#include "compiler/Codegen/Jobs/CompiledKernel.h"
#include "compiler/Support/Error.h"

namespace yupana::codegen {

/// A folder that keeps compiled kernels, found again by everything they were made from. Several compilations may use
/// it at once: an entry appears whole or not at all. Nothing is ever removed.
class KernelCache {
public:
  /// Creates the folder when it does not exist; ExitCode::MissingFile when that is impossible.
  static Result<KernelCache> open(std::string folder);

  /// The kernel kept under `key`; nothing if there is none, or what there is was damaged.
  std::optional<CompiledKernel> find(llvm::StringRef key) const;
  /// Keeps a kernel under `key`. ExitCode::OutOfSpace when it cannot be written.
  Result<void> keep(llvm::StringRef key, const CompiledKernel &kernel) const;

private:
  explicit KernelCache(std::string folder) : folder(std::move(folder)) {}
  std::string pathOf(llvm::StringRef key) const;

  std::string folder;
};

/// Names this very compiler: two programs of equal name generate the same code. Part of every key.
const std::string &compilerIdentity();

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_JOBS_KERNELCACHE_H
