// SPDX-License-Identifier: Apache-2.0
//
// A cell is one token and one key head. Its positions are walked segment by segment, at absolute multiples of the
// segment's length, so the bits of a row depend on its position alone. Keys and values are read from their pages as
// they lie, row-major.
#include "compiler/Codegen/GPU/Attention.h"

#include "compiler/Codegen/GPU/Kernels.h"
#include "compiler/Codegen/GPU/Numerics.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

//===----------------------------------------------------------------------===//
// The cell
//===----------------------------------------------------------------------===//

AttentionCell::AttentionCell(KernelEmitter &e, kernel::AttentionOp op)
    : e(e), op(op), cache(op.getKeys().getType()), width(cache.getWidth()), heads(cache.getHeads()),
      group(op.getQuery().getType().getDimSize(1) / (heads * width)), bytes(cache.getElementBytes()),
      scale(op.getScale().convertToDouble()) {}

void AttentionCell::enter(Value atToken, Value atHead) {
  token = atToken;
  keyHead = atHead;
  position = positionOf(token);
  sequence = e.loadFrom(op.getSequences(), e.i32, e.element(e.address(op.getSequences()), e.widen(token), 4));
  low = lowOf(position);
}

void AttentionCell::enterSequence(Value ofSequence, Value atHead) {
  sequence = ofSequence;
  keyHead = atHead;
}

Value AttentionCell::positionOf(Value token) {
  return e.loadFrom(op.getPositions(), e.i32, e.element(e.address(op.getPositions()), e.widen(token), 4));
}

Value AttentionCell::lowOf(Value position) {
  int64_t chunk = op.getChunk();
  return chunk ? e.mul(e.div(position, chunk), chunk) : e.integer(0);
}

Value AttentionCell::page(Value position) {
  int64_t entries = op.getPages().getType().getDimSize(1);
  Value entry = e.add(e.mul(e.widen(sequence), entries), e.widen(e.div(position, cache.getPageTokens())));
  return e.loadFrom(op.getPages(), e.i32, e.element(e.address(op.getPages()), entry, 4));
}

Value AttentionCell::firstHead() const { return e.mul(e.widen(e.add(e.mul(token, heads), keyHead)), group); }

//===----------------------------------------------------------------------===//
// States
//===----------------------------------------------------------------------===//

OpEmitter::Values SoftmaxState::flat() const {
  OpEmitter::Values all(largest);
  all.append(totals);
  all.append(sums);
  return all;
}

SoftmaxState SoftmaxState::of(ValueRange flat, size_t heads) {
  return {OpEmitter::Values(flat.take_front(heads)), OpEmitter::Values(flat.slice(heads, heads)),
          OpEmitter::Values(flat.drop_front(2 * heads))};
}

SoftmaxState cuda::mergeStates(KernelEmitter &e, const SoftmaxState &before, const SoftmaxState &segment,
                               function_ref<size_t(size_t)> headOf) {
  SoftmaxState merged;
  OpEmitter::Values ofBefore, ofSegment;
  auto join = [&](Value x, Value y, size_t head) {
    return e.fadd(e.fmul(x, ofBefore[head]), e.fmul(y, ofSegment[head]));
  };
  for (auto [head, x, y] : llvm::enumerate(before.largest, segment.largest)) {
    merged.largest.push_back(e.fmax(x, y));
    ofBefore.push_back(e.exp(e.fsub(x, merged.largest[head])));
    ofSegment.push_back(e.exp(e.fsub(y, merged.largest[head])));
    merged.totals.push_back(join(before.totals[head], segment.totals[head], head));
  }
  for (auto [i, x, y] : llvm::enumerate(before.sums, segment.sums))
    merged.sums.push_back(join(x, y, headOf(i)));
  return merged;
}

//===----------------------------------------------------------------------===//
// The walk
//===----------------------------------------------------------------------===//

/// All segments of the cell, one after the other.
static void emitCell(AttentionCell &cell, AttentionForm &form, int64_t segment) {
  KernelEmitter &e = cell.e;
  Value end = e.add(cell.position, 1);
  if (!segment)
    return form.write(form.compute(cell.low, end));
  SoftmaxState none = form.zero();
  size_t heads = none.largest.size();
  OpEmitter::Values all = e.loop(e.div(cell.low, segment), e.add(e.div(cell.position, segment), 1), 1, none.flat(),
                                 [&](Value index, ValueRange carried) {
                                   Value start = e.mul(index, segment);
                                   SoftmaxState state =
                                       form.compute(e.max(cell.low, start), e.min(end, e.add(start, segment)));
                                   return form.merge(SoftmaxState::of(carried, heads), state).flat();
                                 });
  form.write(SoftmaxState::of(all, heads));
}

//===----------------------------------------------------------------------===//
// The template
//===----------------------------------------------------------------------===//

/// Attention from several tokens at once.
static LogicalResult checkTileConfig(kernel::AttentionOp op, kernel::GPUAttr config, const AttentionShape &shape,
                                     const GpuFacts &gpu) {
  constexpr int64_t warpgroupRows = 128;
  kernel::GPUForm form = config.getForm();
  bool isWarpgroups = form == kernel::GPUForm::WGMMA;
  if (form != kernel::GPUForm::MMA && !(isWarpgroups && hasWarpgroupTiles(gpu, shape)))
    return op.emitError() << "has form " << kernel::stringifyGPUForm(form) << ", expected mma"
                          << (hasWarpgroupTiles(gpu, shape) ? " or wgmma" : "") << " for tiles of tokens";
  int64_t rows = isWarpgroups ? warpgroupRows : llvm::alignTo(config.getTileRows(), int64_t(16));
  GPUChoice expected = tokenTileOf(shape, form, rows);
  if (config.getTileFeatures() != expected.tileFeatures || config.getTileRows() != expected.tileRows ||
      config.getTileDepth() != expected.tileDepth || config.getThreads() != expected.threads)
    return op.emitError() << "has config " << config << ", expected a tile of " << expected.tileFeatures << " x "
                          << expected.tileRows << " x " << expected.tileDepth << " and " << expected.threads
                          << " threads";
  // What is largest is found before scores are scaled.
  if (op.getScale().isNegative() || op.getScale().isZero())
    return op.emitError() << "has scale " << op.getScale().convertToDouble() << ", expected a positive one";
  if (!op.getWorkspaces().empty())
    return op.emitError() << "has " << op.getWorkspaces().size() << " workspaces, expected none";
  return success();
}

/// What is chosen by hand or by a tuner has to fit the generator, and the workspaces have to be there.
static LogicalResult checkConfig(kernel::AttentionOp op, kernel::GPUAttr config, const AttentionShape &shape) {
  bool isSplit = config.getForm() == kernel::GPUForm::Decode;
  bool isMatrix = isSplit || config.getForm() == kernel::GPUForm::MMA;
  GPUChoice expected = tileOf(shape, isSplit);
  if (isMatrix != shape.takesMatrices() || (config.getForm() == kernel::GPUForm::SIMT) == isMatrix)
    return op.emitError() << "has form " << kernel::stringifyGPUForm(config.getForm()) << ", expected "
                          << (shape.takesMatrices() ? "mma or decode" : "simt") << " for " << op.getKeys().getType();
  if (isMatrix && (config.getTileFeatures() != expected.tileFeatures || config.getTileRows() != expected.tileRows ||
                   config.getTileDepth() != expected.tileDepth || config.getThreads() != expected.threads))
    return op.emitError() << "has config " << config << ", expected a tile of " << expected.tileFeatures << " x "
                          << expected.tileRows << " x " << expected.tileDepth << " and " << expected.threads
                          << " threads";
  if (isSplit && isa<kernel::ParallelOp>(op->getParentOp()))
    return op.emitError() << "has form decode, whose blocks are those of a launch, but is one of several in its launch";
  SmallVector<kernel::ViewType> expectedSpaces = isSplit ? workspacesOf(op) : SmallVector<kernel::ViewType>();
  if (TypeRange(op.getWorkspaces()) != TypeRange(SmallVector<Type>(expectedSpaces.begin(), expectedSpaces.end())))
    return op.emitError() << "has " << op.getWorkspaces().size() << " workspaces, expected "
                          << (isSplit ? "those of its states and arrivals" : "none");
  return success();
}

LogicalResult cuda::emitTemplate(KernelEmitter &e, kernel::AttentionOp op) {
  // Loads and asynchronous copies take 16 bytes of a key.
  constexpr int64_t keyLoadBytes = 16;
  FailureOr<kernel::GPUAttr> config = e.config(op);
  if (failed(config))
    return failure();
  kernel::CacheType keys = op.getKeys().getType();
  if (keys.getLayout() != schema::kCacheRowMajor.id)
    return op.emitError() << "reads a cache in layout " << keys.getLayout() << ", a GPU kernel takes "
                          << schema::kCacheRowMajor.id;
  if (int64_t bytes = keys.getPageBytes(); bytes == 0 || bytes % keyLoadBytes)
    return op.emitError() << "reads pages of " << bytes << " bytes, expected the positive multiple of " << keyLoadBytes
                          << " that a cache group gives";
  if (op.getOut().getType() != op.getQuery().getType())
    return op.emitError() << "writes " << op.getOut().getType() << ", a GPU kernel takes the query's "
                          << op.getQuery().getType();
  AttentionShape shape = shapeOf(op);
  AttentionCell cell(e, op);
  if (shape.byTiles) {
    if (failed(checkTileConfig(op, *config, shape, e.target.gpu())))
      return failure();
    config->getForm() == kernel::GPUForm::MMA ? emitWarpTiles(cell, *config) : emitWarpgroupTiles(cell, *config);
    return success();
  }
  if (failed(checkConfig(op, *config, shape)))
    return failure();
  std::unique_ptr<AttentionForm> form = config->getForm() == kernel::GPUForm::SIMT
                                            ? createLaneAttention(cell)
                                            : createMatrixAttention(cell, config->getStages());
  int64_t segment = cuda::numericsOf(op).getSegment();
  if (config->getForm() == kernel::GPUForm::Decode) {
    emitSharedSegments(cell, *form, shape);
    return success();
  }
  cell.enter(e.div(e.cell, cell.heads), e.rem(e.cell, cell.heads));
  form->forHeads([&] { emitCell(cell, *form, segment); });
  return success();
}
