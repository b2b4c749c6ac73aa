// SPDX-License-Identifier: Apache-2.0
//
// The back end of the x86-64 targets.
#ifndef YUPANA_COMPILER_CODEGEN_CPU_CPUBACKEND_H
#define YUPANA_COMPILER_CODEGEN_CPU_CPUBACKEND_H

#include "compiler/Codegen/BackEnd.h"

namespace yupana::codegen {

class CPUBackEnd : public BackEnd {
public:
  using BackEnd::BackEnd;

  llvm::StringRef getWeightForm(mlir::Type elementType) const override;
  llvm::StringRef getCacheLayout(mlir::Type elementType) const override;
  int64_t getPairRun() const override { return 16; }
  int64_t getCriticalStride() const override;
  int64_t getMaxPartialFeatures() const override { return 32; }
  kernel::NumericsAttr getNumerics(kernel::LaunchedOpInterface op) const override;
  bool programsAgree() const override { return true; }
  llvm::SmallVector<int64_t> getStepBuckets(int64_t maxTokens) const override;
  bool joinsSharedProducts(int64_t maxTokens) const override { return maxTokens == 1; }
  kernel::ConfigAttrInterface chooseConfig(kernel::LaunchedOpInterface op, int64_t maxTokens) const override;
  llvm::SmallVector<kernel::ConfigAttrInterface> listConfigs(kernel::LaunchedOpInterface op,
                                                             int64_t maxTokens) const override;
  kernel::GridAttr getGrid(kernel::LaunchedOpInterface op) const override;
  bool runsHere() const override;
  Result<CompiledLibrary> compileLibrary(kernel::LibraryOp library, const CodegenOptions &options) const override;
};

/// Appends a back end for every target of the CPU that code is generated for.
void addCPUBackEnds(std::vector<std::unique_ptr<BackEnd>> &list);

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_CPU_CPUBACKEND_H
