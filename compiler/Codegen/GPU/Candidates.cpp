// SPDX-License-Identifier: Apache-2.0
//
// What a tuner may try for a GPU. Each candidate is the usual choice with one or two of its numbers changed, and keeps
// the form, since forms may round differently: what is timed here computes the same bits, as the two forms that read
// panels do. Numbers that generators fix stay as they are. What a device cannot have is left out: a ring that the
// shared memory does not hold, blocks that would find fewer registers than their accumulators need.
#include "compiler/Codegen/GPU/Choices.h"
#include "compiler/Codegen/GPU/GPUBackEnd.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

namespace {

cuda::GPUChoice choiceOf(kernel::GPUAttr config) {
  return {config.getForm(),      config.getTileFeatures(), config.getTileRows(),
          config.getTileDepth(), config.getStages(),       config.getThreads(),
          config.getBlocks(),    config.getRows(),         config.getCluster()};
}

/// The configs of one op, none twice, in the order in which they are added.
class Candidates {
public:
  explicit Candidates(kernel::GPUAttr usual) : usual(usual), configs{usual} {}

  void add(const cuda::GPUChoice &choice) {
    auto config = kernel::GPUAttr::get(usual.getContext(), usual.getChip(), choice.form, choice.tileFeatures,
                                       choice.tileRows, choice.tileDepth, choice.stages, choice.threads, choice.blocks,
                                       choice.rows, choice.cluster);
    if (!llvm::is_contained(configs, kernel::ConfigAttrInterface(config)))
      configs.push_back(config);
  }
  SmallVector<kernel::ConfigAttrInterface> take() { return std::move(configs); }

private:
  kernel::GPUAttr usual;
  SmallVector<kernel::ConfigAttrInterface> configs;
};

/// True if a multiprocessor holds the blocks: their shared memory, and registers for accumulators, addresses and the
/// weights of a step.
bool fits(const GpuFacts &gpu, const cuda::GemmShape &shape, const cuda::GPUChoice &choice) {
  constexpr int64_t registers = 65536, reservedBytes = 1024;
  // The form `decode` has several chains for each sum.
  int64_t otherRegisters = choice.form == kernel::GPUForm::Decode ? 100 : 80;
  int64_t bytes = cuda::gemmSharedBytes(shape, choice);
  if (bytes > gpu.sharedBlockBytes || choice.blocks * (bytes + reservedBytes) > gpu.sharedBlockBytes + reservedBytes)
    return false;
  // Where panels are read, registers are handed to the warpgroups that multiply, whose tiles were chosen to fit.
  if (cuda::readsPanels(choice.form, choice.tileFeatures))
    return choice.blocks == 1;
  int64_t sums = shape.products * choice.tileFeatures * choice.tileRows / 128;
  return registers / (choice.blocks * choice.threads) >= sums + otherRegisters;
}

/// Rows of a tile, stages of its ring and blocks that share a multiprocessor. Where blocks share out the work of
/// several products, these have one ring: as many stages for all, and rows that each has for itself. All of a launch
/// run in clusters or none, so only a product alone tries the other.
void addProducts(Candidates &candidates, kernel::GemmOp gemm, const GpuFacts &gpu, int64_t maxTokens,
                 const cuda::GPUChoice &usual) {
  bool shares = usual.form == kernel::GPUForm::Decode;
  cuda::GemmShape shape = cuda::shapeOf(gemm, maxTokens);
  SmallVector<int64_t> rowCounts = {usual.tileRows};
  constexpr int64_t leastRows = 8;
  if (!shares && usual.tileRows > leastRows)
    rowCounts.push_back(usual.tileRows / 2);
  for (int64_t blocks : {usual.blocks, usual.blocks == 1 ? int64_t{2} : usual.blocks - 1, usual.blocks + 2})
    for (int64_t rows : rowCounts)
      for (int64_t stages : {usual.stages, usual.stages - 1, usual.stages + 2, usual.stages + 4}) {
        cuda::GPUChoice choice = usual;
        choice.tileRows = rows;
        choice.stages = stages;
        choice.blocks = blocks;
        bool all = stages >= 2 && llvm::all_of(cuda::productsBeside(gemm), [&](kernel::GemmOp member) {
                     if (!shares)
                       return fits(gpu, shape, choice);
                     cuda::GemmShape other = cuda::shapeOf(member, maxTokens);
                     cuda::GPUChoice its = cuda::chooseGemm(gpu, other);
                     its.stages = stages;
                     its.blocks = blocks;
                     return fits(gpu, other, its);
                   });
        if (all)
          candidates.add(choice);
      }
  if (cuda::readsPanels(usual.form, usual.tileFeatures))
    candidates.add(cuda::takeTurns(gpu, shape, usual));
  if (usual.cluster > 1 && cuda::productsBeside(gemm).size() == 1) {
    cuda::GPUChoice choice = usual;
    choice.cluster = 1;
    candidates.add(choice);
  }
}

/// True if a multiprocessor holds the blocks of attention: their shared memory, and registers for queries, scores,
/// weights and weighted values.
bool fits(const GpuFacts &gpu, const cuda::AttentionShape &shape, const cuda::GPUChoice &choice) {
  constexpr int64_t registers = 65536, reservedBytes = 1024, otherRegisters = 100;
  int64_t bytes = choice.blocks * (cuda::attentionSharedBytes(shape, choice) + reservedBytes);
  if (bytes > gpu.sharedBlockBytes + reservedBytes)
    return false;
  return registers / (choice.blocks * choice.threads) >= 3 * shape.width / 4 + otherRegisters;
}

/// Stages of the ring, and blocks that share a multiprocessor; rows of a tile of tokens where warps multiply it.
void addAttention(Candidates &candidates, kernel::AttentionOp op, const GpuFacts &gpu, const cuda::GPUChoice &usual) {
  if (usual.form == kernel::GPUForm::SIMT)
    return;
  cuda::AttentionShape shape = cuda::shapeOf(op);
  SmallVector<int64_t> rowCounts = {usual.tileRows};
  if (shape.byTiles && usual.form == kernel::GPUForm::MMA)
    rowCounts.append({64, 128});
  for (int64_t rows : rowCounts)
    for (int64_t blocks : {usual.blocks, int64_t{1}, int64_t{2}, int64_t{3}})
      for (int64_t stages : {usual.stages, usual.stages - 1, usual.stages + 1, usual.stages + 4}) {
        cuda::GPUChoice choice = shape.byTiles ? cuda::tokenTileOf(shape, usual.form, rows) : usual;
        choice.stages = stages;
        choice.blocks = blocks;
        if (stages >= 2 && fits(gpu, shape, choice))
          candidates.add(choice);
      }
}

/// True if values of several lanes are added: how many threads do so is part of how they are added.
bool addsUp(kernel::MapOp map) {
  return llvm::any_of(map.getBody().front(), [](Operation &op) { return isa<kernel::SumOp, kernel::RowSumOp>(op); });
}

/// Rows of a cell, and threads of a block.
void addRows(Candidates &candidates, const cuda::GPUChoice &usual, bool anyThreads) {
  SmallVector<int64_t> threadCounts = {usual.threads};
  if (anyThreads)
    threadCounts.append({usual.threads / 2, usual.threads * 2});
  for (int64_t threads : threadCounts)
    for (int64_t rows : {usual.rows, usual.rows * 4, usual.rows / 4, usual.rows * 2, usual.rows / 2}) {
      cuda::GPUChoice choice = usual;
      choice.threads = threads;
      choice.rows = rows;
      if (rows >= 1)
        candidates.add(choice);
    }
}

} // namespace

SmallVector<kernel::ConfigAttrInterface> GPUBackEnd::listConfigs(kernel::LaunchedOpInterface op,
                                                                 int64_t maxTokens) const {
  auto config = cast<kernel::GPUAttr>(chooseConfig(op, maxTokens));
  cuda::GPUChoice usual = choiceOf(config);
  Candidates candidates(config);
  if (auto gemm = dyn_cast<kernel::GemmOp>(op.getOperation()))
    addProducts(candidates, gemm, getTarget().gpu(), maxTokens, usual);
  else if (auto map = dyn_cast<kernel::MapOp>(op.getOperation()))
    addRows(candidates, usual, !addsUp(map));
  else if (auto attention = dyn_cast<kernel::AttentionOp>(op.getOperation()))
    addAttention(candidates, attention, getTarget().gpu(), usual);
  else if (isa<kernel::RouteOp>(op.getOperation()) && usual.form == kernel::GPUForm::SIMT)
    addRows(candidates, usual, /*anyThreads=*/false);
  return candidates.take();
}
