// SPDX-License-Identifier: Apache-2.0
//
// Eight threads share a token row, each with 16 bytes of it, so that a warp reads four whole lines of 128 bytes. Rows
// that are multiplied as they lie are copied asynchronously, like weights. Others are computed element by element in
// registers; loads along k are done for a whole chunk at once where its address is aligned. Sums over a row of memory
// need a warp, so they are computed before, once for all steps of K, and wait in shared memory.
#include "compiler/Codegen/GPU/GemmInput.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

namespace {

constexpr int64_t chunkBytes = schema::kChunkBytes;
constexpr int64_t rowBytes = schema::kTile64x128.row_bytes;
constexpr int64_t rowChunks = rowBytes / chunkBytes;

} // namespace

Value RowBlock::row(KernelEmitter &e, Value index) const {
  return list ? e.load(e.i32, e.element(list, index, 4)) : e.add(begin, index);
}

GemmInput::GemmInput(KernelEmitter &e, kernel::GemmOp op, unsigned product, int64_t tileRows, Team team, bool copies,
                     Value values)
    : e(e), region(op.getInputs()[product]), yielded(cast<kernel::YieldOp>(region.front().getTerminator()).getValue()),
      tileRows(tileRows), depth(op.getDepth(product)),
      chunkElements(chunkBytes / static_cast<int64_t>(op.getWeightType(product).getElementBytes())), team(team),
      values(values), chunk(e.rem(team.index, rowChunks)) {
  Value view = op.getPlainInput(product);
  if (copies && view && (!cast<kernel::ViewType>(view.getType()).isRowMajor() || depth % chunkElements == 0))
    copied = view;
}

//===----------------------------------------------------------------------===//
// Before the first step
//===----------------------------------------------------------------------===//

LogicalResult GemmInput::emitRowSums(const RowBlock &rows) {
  SmallVector<kernel::RowSumOp> sums(region.getOps<kernel::RowSumOp>());
  if (sums.empty())
    return success();
  LogicalResult result = success();
  Value isFirstLane = e.equal(e.lane, e.integer(0));
  auto emitRow = [&](Value index) {
    ScalarRegion row(e, region, region.getArgument(1));
    row.bind(region.getArgument(0), rows.row(e, index));
    SmallVector<Value> roots = llvm::map_to_vector(sums, [](kernel::RowSumOp sum) -> Value { return sum.getResult(); });
    SmallVector<Operation *> ops = row.slice(roots);
    result = row.emitInvariant(ops, isFirstLane);
    if (succeeded(result) && llvm::any_of(ops, [&](Operation *inner) { return row.isVarying(inner); }))
      result = sums.front().emitOpError() << "adds another row for every k, which is not supported on a GPU";
    if (failed(result))
      return;
    e.when(isFirstLane, [&] {
      for (auto [i, root] : llvm::enumerate(roots))
        e.store(row.get(root), e.element(e.at(values, static_cast<int64_t>(i) * tileRows * 4), index, 4));
    });
  };
  e.loop(e.warp, rows.count, e.threads / warpLanes, {}, [&](Value index, ValueRange) -> OpEmitter::Values {
    emitRow(index);
    return {};
  });
  return result;
}

LogicalResult GemmInput::enter(const RowBlock &rows) {
  threadRows.clear();
  Value first = e.div(team.index, rowChunks), last = e.sub(rows.count, e.integer(1));
  int64_t apart = team.count / rowChunks;
  for (int64_t begin = 0; begin < tileRows; begin += apart) {
    Row row;
    row.index = e.add(first, begin);
    row.row = rows.row(e, e.min(row.index, last));
    row.exists = e.less(row.index, rows.count);
    if (!copied) {
      row.region.emplace(e, region, region.getArgument(1));
      row.region->bind(region.getArgument(0), row.row);
      Value place = e.min(row.index, last);
      for (auto [i, sum] : llvm::enumerate(region.getOps<kernel::RowSumOp>()))
        row.region->bind(sum.getResult(),
                         e.load(e.f32, e.element(e.at(values, static_cast<int64_t>(i) * tileRows * 4), place, 4)));
      // An input region has no effects, so no lane leads.
      if (failed(row.region->emitInvariant(row.region->slice(yielded), Value())))
        return failure();
    }
    threadRows.push_back(std::move(row));
  }
  return success();
}

//===----------------------------------------------------------------------===//
// One step
//===----------------------------------------------------------------------===//

LogicalResult GemmInput::stage(Value to, Value step) {
  Value k = e.add(e.mul(step, rowChunks * chunkElements), e.mul(chunk, chunkElements));
  Value isInside = e.less(k, e.integer(depth));
  LogicalResult result = success();
  auto stageRows = [&] {
    for (const Row &row : threadRows) {
      Value swizzled = e.bitXor(chunk, e.rem(row.index, schema::kSwizzleRows));
      Value place = e.at(to, e.add(e.mul(row.index, rowBytes), e.mul(swizzled, chunkBytes)));
      if (copied) {
        copyChunk(row, place, k, isInside);
        continue;
      }
      FailureOr<Value> value = computeChunk(row, k);
      result = value;
      if (failed(result))
        return;
      Value keep = e.bitAnd(row.exists, isInside),
            zero = e.make<arith::ConstantOp>(cast<TypedAttr>(e.b.getZeroAttr(value->getType())));
      e.store(e.select(keep, *value, zero), place, chunkBytes);
    }
  };
  if (tileRows * rowChunks < team.count)
    e.when(e.less(team.index, e.integer(tileRows * rowChunks)), stageRows);
  else
    stageRows();
  return result;
}

void GemmInput::copyChunk(const Row &row, Value to, Value k, Value isInside) {
  auto type = cast<kernel::ViewType>(copied.getType());
  // The tail of a form of token rows holds zeros, up to the whole step.
  bool isRowMajor = type.isRowMajor();
  Value at = isRowMajor && depth % (rowChunks * chunkElements) != 0 ? e.min(k, e.integer(depth - chunkElements)) : k;
  Value keep = isRowMajor ? e.bitAnd(row.exists, isInside) : row.exists;
  e.copyAsync(to, elementAddress(e, copied, {row.row, at}), e.select(keep, e.integer(chunkBytes), e.integer(0)));
}

bool GemmInput::isChunkLoad(kernel::LoadOp load) const {
  kernel::ViewType view = load.getView().getType();
  int64_t bytes = static_cast<int64_t>(view.getElementBytes());
  return depth % chunkElements == 0 && view.isRowMajor() && (bytes == 2 || bytes == 4) && !load.getIndices().empty() &&
         load.getIndices().back() == region.getArgument(1) &&
         llvm::none_of(load.getIndices().drop_back(), [&](Value v) { return v == region.getArgument(1); }) &&
         view.getDimSize(view.getRank() - 1) * bytes % chunkBytes == 0;
}

GemmInput::ChunkLoad GemmInput::loadChunk(const ScalarRegion &row, kernel::LoadOp load, Value k) {
  int64_t bytes = static_cast<int64_t>(load.getView().getType().getElementBytes());
  int64_t wide = std::min(chunkElements, chunkBytes / bytes);
  SmallVector<Value> indices = llvm::map_to_vector(load.getIndices().drop_back(), [&](Value v) { return row.get(v); });
  indices.push_back(k);
  Value address = elementAddress(e, load.getView(), indices);
  ChunkLoad chunk{load, {}};
  for (int64_t begin = 0; begin < chunkElements; begin += wide) {
    auto type = VectorType::get({wide}, load.getValue().getType());
    Value loaded = e.loadFrom(load.getView(), type, e.at(address, begin * bytes), wide * bytes);
    for (int64_t i = 0; i < wide; ++i)
      chunk.elements.push_back(e.extract(loaded, i));
  }
  return chunk;
}

/// The chunk's elements as a vector; those beyond the depth are zero, unless the whole chunk is beyond it.
FailureOr<Value> GemmInput::computeChunk(const Row &row, Value k) {
  SmallVector<Operation *> ops = row.region->slice(yielded);
  bool wholeChunks = depth % chunkElements == 0, wholeSteps = depth % (rowChunks * chunkElements) == 0;
  Value first = wholeChunks && !wholeSteps ? e.min(k, e.integer(depth - chunkElements)) : k;
  SmallVector<ChunkLoad> chunks;
  for (Operation *inner : ops)
    if (auto load = dyn_cast<kernel::LoadOp>(inner);
        load && row.region->isVarying(load) && isChunkLoad(load) &&
        llvm::all_of(load.getIndices().drop_back(), [&](Value v) { return row.region->get(v); }))
      chunks.push_back(loadChunk(*row.region, load, first));
  SmallVector<Value> elements;
  for (int64_t i = 0; i < chunkElements; ++i) {
    ScalarRegion element = *row.region;
    Value own = e.add(first, i);
    element.bind(region.getArgument(1), wholeChunks ? own : e.min(own, e.integer(depth - 1)));
    for (const ChunkLoad &chunk : chunks) {
      kernel::LoadOp load = chunk.load;
      element.bind(load.getValue(), chunk.elements[i]);
    }
    if (failed(element.emitVarying(ops)))
      return failure();
    Value value = element.get(yielded);
    if (!wholeChunks)
      value = e.select(e.less(own, e.integer(depth)), value,
                       e.make<arith::ConstantOp>(cast<TypedAttr>(e.b.getZeroAttr(value.getType()))));
    elements.push_back(value);
  }
  return e.vector(elements);
}
