// SPDX-License-Identifier: Apache-2.0
//
// The back end of the CUDA GPUs.
#ifndef YUPANA_COMPILER_CODEGEN_GPU_GPUBACKEND_H
#define YUPANA_COMPILER_CODEGEN_GPU_GPUBACKEND_H

#include "compiler/Codegen/BackEnd.h"

namespace yupana::codegen {

class GPUBackEnd : public BackEnd {
public:
  using BackEnd::BackEnd;

  llvm::StringRef getWeightForm(mlir::Type elementType) const override;
  llvm::StringRef getCacheLayout(mlir::Type elementType) const override;
  int64_t getPairRun() const override { return 8; }
  int64_t getMaxPartialFeatures() const override { return 64; }
  bool hoistsRowScale() const override { return true; }
  kernel::NumericsAttr getNumerics(kernel::LaunchedOpInterface op) const override;
  kernel::NumericsAttr getProgramNumerics(kernel::LaunchedOpInterface op, int64_t maxTokens) const override;
  llvm::SmallVector<int64_t> getStepBuckets(int64_t maxTokens) const override;
  bool holdsGroups(kernel::GemmOp gemm, int64_t group) const override;
  bool joinsSharedProducts(int64_t maxTokens) const override { return false; }
  bool sortsRows(int64_t maxTokens) const override;
  kernel::ConfigAttrInterface chooseConfig(kernel::LaunchedOpInterface op, int64_t maxTokens) const override;
  llvm::SmallVector<kernel::ConfigAttrInterface> listConfigs(kernel::LaunchedOpInterface op,
                                                             int64_t maxTokens) const override;
  kernel::GridAttr getGrid(kernel::LaunchedOpInterface op) const override;
  kernel::GridAttr getSharedGrid(kernel::ParallelOp op) const override;
  llvm::SmallVector<kernel::ViewType> getWorkspaces(kernel::LaunchedOpInterface launch) const override;
  bool runsHere() const override;
  llvm::ArrayRef<plan::ImageFormat> getImageFormats() const override;
  Result<CompiledLibrary> compileLibrary(kernel::LibraryOp library, const CodegenOptions &options) const override;
};

/// Appends a back end for every target of GPUs.
void addGPUBackEnds(std::vector<std::unique_ptr<BackEnd>> &list);

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_GPU_GPUBACKEND_H
