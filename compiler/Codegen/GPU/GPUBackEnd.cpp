// SPDX-License-Identifier: Apache-2.0
//
// What the passes are answered for GPUs: one tile form for the weights of all of them, one program for decoding and one
// for prompts, and a block for each cell of a grid.
#include "compiler/Codegen/GPU/GPUBackEnd.h"

#include "compiler/Codegen/GPU/Choices.h"
#include "compiler/Codegen/GPU/CodegenGPU.h"
#include "compiler/Codegen/GPU/Devices.h"
#include "compiler/Codegen/GPU/GemmDecode.h"
#include "compiler/Codegen/GPU/GemmPanels.h"
#include "compiler/Codegen/GPU/GemmTurns.h"
#include "compiler/Codegen/GPU/Numerics.h"
#include "compiler/Codegen/GPU/SampleLayout.h"
#include "dialects/Kernel/Transforms/GridBuilder.h"

#include "llvm/ADT/TypeSwitch.h"

#include <numeric>

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

StringRef GPUBackEnd::getWeightForm(Type) const { return schema::kTile64x128.id; }

StringRef GPUBackEnd::getCacheLayout(Type) const { return schema::kCacheRowMajor.id; }

kernel::NumericsAttr GPUBackEnd::getNumerics(kernel::LaunchedOpInterface op) const { return cuda::numericsOf(op); }

/// Steps of more tokens than decoding has attend from several of them at once. Ranges of K come with blocks that share
/// out the work of a launch, so either all products of a program have them or none.
kernel::NumericsAttr GPUBackEnd::getProgramNumerics(kernel::LaunchedOpInterface op, int64_t maxTokens) const {
  kernel::NumericsAttr numerics = op.getNumericsAttr();
  auto program = op->getParentOfType<kernel::ProgramOp>();
  if (!program || numerics != cuda::numericsOf(op))
    return numerics;
  if (auto attention = dyn_cast<kernel::AttentionOp>(op.getOperation()))
    return maxTokens > cuda::decodeTokens && cuda::shapeOf(attention).takesMatrices()
               ? cuda::tileNumerics(op->getContext())
               : numerics;
  if (!isa<kernel::GemmOp>(op.getOperation()))
    return numerics;
  WalkResult all = program.walk([&](kernel::GemmOp gemm) {
    return cuda::takesShares(getTarget().gpu(), gemm, maxTokens) ? WalkResult::advance() : WalkResult::interrupt();
  });
  if (all.wasInterrupted())
    return numerics;
  return kernel::NumericsAttr::get(op->getContext(), cuda::decodeRange, numerics.getOrder(), numerics.getPartials(),
                                   numerics.getBlock());
}

/// Where panels are fetched by one thread, rows of a prompt are worth a launch that puts them into panels.
bool GPUBackEnd::sortsRows(int64_t maxTokens) const {
  return maxTokens > cuda::decodeTokens && cuda::hasWarpgroupProducts(getTarget().gpu());
}

SmallVector<int64_t> GPUBackEnd::getStepBuckets(int64_t maxTokens) const {
  if (maxTokens <= cuda::decodeTokens)
    return {maxTokens};
  return {cuda::decodeTokens, maxTokens};
}

bool GPUBackEnd::holdsGroups(kernel::GemmOp gemm, int64_t group) const {
  cuda::GemmShape shape = cuda::shapeOf(gemm, 1);
  shape.cellTiles = std::lcm(gemm.getTileFeatures(), group) / gemm.getTileFeatures();
  return cuda::fitsGemm(getTarget().gpu(), shape);
}

//===----------------------------------------------------------------------===//
// Choices
//===----------------------------------------------------------------------===//

kernel::ConfigAttrInterface GPUBackEnd::chooseConfig(kernel::LaunchedOpInterface op, int64_t maxTokens) const {
  constexpr int64_t usualThreads = 128, rowThreads = 256;
  cuda::GPUChoice choice =
      llvm::TypeSwitch<Operation *, cuda::GPUChoice>(op)
          .Case(
              [&](kernel::GemmOp gemm) { return cuda::chooseGemm(getTarget().gpu(), cuda::shapeOf(gemm, maxTokens)); })
          .Case([&](kernel::MapOp map) { return cuda::chooseMap(map.getGroups(), map.getWidth()); })
          .Case([&](kernel::AttentionOp attention) {
            bool isAlone = !isa<kernel::ParallelOp>(op->getParentOp());
            return cuda::chooseAttention(getTarget().gpu(), cuda::shapeOf(attention), maxTokens, isAlone);
          })
          .Case([&](kernel::RouteOp route) { return cuda::chooseRoute(route, maxTokens); })
          .Case([&](kernel::GroupOp) { return cuda::chooseFixed(rowThreads); })
          .Case([&](kernel::SampleOp) { return cuda::chooseSample(); })
          .Default([&](Operation *) { return cuda::chooseFixed(usualThreads); });
  MLIRContext *context = op->getContext();
  return kernel::GPUAttr::get(context, StringAttr::get(context, getName()), choice.form, choice.tileFeatures,
                              choice.tileRows, choice.tileDepth, choice.stages, choice.threads, choice.blocks,
                              choice.rows, choice.cluster);
}

/// As many blocks as run at once, and no more than there can be units; none for no rows.
static kernel::GridAttr gridOfShares(ArrayRef<kernel::GemmOp> members) {
  int64_t most = cuda::mostDecodeBlocks(members), blocks = std::numeric_limits<int64_t>::max();
  kernel::GridBuilder rows(members.front()->getContext());
  for (kernel::GemmOp member : members) {
    rows.add(kernel::GridBuilder(member->getContext()).dim(member.getRows()).get());
    blocks = std::min(blocks, cast<kernel::GPUAttr>(member.getConfigAttr()).getBlocks());
  }
  return kernel::GridBuilder(members.front()->getContext())
      .multiprocessors()
      .times(blocks)
      .min(rows.times(most).get())
      .min(most)
      .get();
}

/// As many blocks as run at once, and no more than there can be units; whole clusters, as many units are.
static kernel::GridAttr gridOfPanels(ArrayRef<kernel::GemmOp> members) {
  kernel::GemmOp first = members.front();
  auto config = cast<kernel::GPUAttr>(first.getConfigAttr());
  kernel::GridBuilder units(first.getContext());
  for (kernel::GemmOp member : members)
    units.add(cuda::panelUnits(member, config.getTileRows()));
  return kernel::GridBuilder(first.getContext())
      .multiprocessors()
      .times(config.getBlocks())
      .ceilDiv(config.getCluster())
      .times(config.getCluster())
      .min(units.get())
      .get();
}

kernel::GridAttr GPUBackEnd::getSharedGrid(kernel::ParallelOp op) const {
  if (SmallVector<kernel::GemmOp> members = cuda::decodeMembers(op); !members.empty())
    return gridOfShares(members);
  SmallVector<kernel::GemmOp> members = cuda::panelMembers(op);
  return members.empty() ? kernel::GridAttr() : gridOfPanels(members);
}

/// A block for each key head and token, or tile of tokens, of which every sequence may end one early; where blocks
/// share the segments of all of them, as many as run at once.
static kernel::GridAttr attentionGrid(kernel::AttentionOp op, kernel::GPUAttr config) {
  cuda::AttentionShape shape = cuda::shapeOf(op);
  if (shape.byTiles) {
    kernel::GridBuilder tiles(op.getContext()), sequences(op.getContext());
    tiles.dim(op.getRows()).ceilDiv(cuda::tileTokens(shape, config.getTileRows()));
    return tiles.add(sequences.dim(op.getPages().getType().getDims()[0]).get()).times(shape.heads).get();
  }
  kernel::GridBuilder cells(op.getContext());
  cells.dim(op.getRows()).times(shape.heads);
  if (config.getForm() != kernel::GPUForm::Decode)
    return cells.get();
  kernel::GridAttr units = cells.times(shape.mostSegments()).get();
  return kernel::GridBuilder(op.getContext()).multiprocessors().times(config.getBlocks()).min(units).get();
}

kernel::GridAttr GPUBackEnd::getGrid(kernel::LaunchedOpInterface op) const {
  auto config = dyn_cast_or_null<kernel::GPUAttr>(op.getConfigAttr());
  if (!config) {
    op->emitOpError() << "has config " << op.getConfigAttr() << ", expected #kernel.gpu for " << getName();
    return {};
  }
  kernel::GridBuilder grid(op->getContext());
  return llvm::TypeSwitch<Operation *, kernel::GridAttr>(op)
      .Case([&](kernel::GemmOp gemm) {
        if (config.getForm() == kernel::GPUForm::Decode)
          return gridOfShares(gemm);
        // Beside members of other forms its blocks are its own, whose number a kernel has to know.
        if (cuda::readsPanels(config))
          return isa<kernel::ParallelOp>(gemm->getParentOp()) ? cuda::panelUnits(gemm, config.getTileRows())
                                                              : gridOfPanels(gemm);
        if (gemm.getExperts())
          return grid.size(gemm.getCells()).times(gemm.getExpertCount()).get();
        return grid.dim(gemm.getRows()).ceilDiv(config.getTileRows()).times(gemm.getCells()).get();
      })
      .Case([&](kernel::MapOp map) { return grid.dim(map.getRows()).ceilDiv(config.getRows()).get(); })
      .Case([&](kernel::RouteOp route) {
        return grid.dim(route.getRows()).ceilDiv(config.getRows()).times(cuda::routeParts(route)).get();
      })
      .Case([&](kernel::AttentionOp attention) { return attentionGrid(attention, config); })
      .Case([&](kernel::GroupOp) { return grid.size(1).get(); })
      .Case([&](kernel::SampleOp sample) {
        int64_t parts = cuda::SampleLayout(sample.getLogits().getType().getDimSize(1)).parts;
        return grid.dim(sample.getRows()).times(cuda::SampleLayout::phases * parts).get();
      })
      .Default([](Operation *other) {
        other->emitOpError() << "has no grid on a GPU";
        return kernel::GridAttr();
      });
}

SmallVector<kernel::ViewType> GPUBackEnd::getWorkspaces(kernel::LaunchedOpInterface launch) const {
  auto config = dyn_cast_or_null<kernel::GPUAttr>(launch.getConfigAttr());
  auto attention = dyn_cast<kernel::AttentionOp>(launch.getOperation());
  if (attention && config && config.getForm() == kernel::GPUForm::Decode)
    return cuda::workspacesOf(attention);
  if (auto sample = dyn_cast<kernel::SampleOp>(launch.getOperation()))
    return cuda::workspacesOf(sample);
  if (auto route = dyn_cast<kernel::RouteOp>(launch.getOperation()))
    return cuda::workspacesOf(route);
  SmallVector<kernel::GemmOp> members = cuda::decodeMembers(launch);
  return members.empty() ? SmallVector<kernel::ViewType>() : cuda::decodeWorkspaces(members);
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

bool GPUBackEnd::runsHere() const {
  const GpuFacts &gpu = getTarget().gpu();
  return llvm::any_of(cuda::listCapabilities(), [&](unsigned device) {
    if (gpu.oneGeneration)
      return device == gpu.capability;
    return device / 10 == gpu.capability / 10 && device >= gpu.capability;
  });
}

ArrayRef<plan::ImageFormat> GPUBackEnd::getImageFormats() const {
  static constexpr plan::ImageFormat formats[] = {plan::ImageFormat::Cubin, plan::ImageFormat::Ptx};
  return formats;
}

Result<CompiledLibrary> GPUBackEnd::compileLibrary(kernel::LibraryOp library, const CodegenOptions &options) const {
  return compileGpuLibrary(library, getTarget(), options);
}

void codegen::addGPUBackEnds(std::vector<std::unique_ptr<BackEnd>> &list) {
  for (const Target &target : targets())
    if (!target.isCpu())
      list.push_back(std::make_unique<GPUBackEnd>(target));
}
