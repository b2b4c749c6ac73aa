// SPDX-License-Identifier: Apache-2.0
//
// A block of five warps. The fifth fetches weights and nothing else, the others multiply and end cells: a file each.
// Here is what holds for the launch: which launches have the form, how much memory they need, and who does which part.
#include "compiler/Codegen/GPU/GemmDecode.h"

#include "compiler/Codegen/Common/Dispatch.h"
#include "compiler/Codegen/GPU/GemmDecodeFrame.h"
#include "compiler/Codegen/GPU/Numerics.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

//===----------------------------------------------------------------------===//
// What passes ask
//===----------------------------------------------------------------------===//

SmallVector<kernel::GemmOp> cuda::decodeMembers(kernel::LaunchedOpInterface launch) {
  SmallVector<kernel::GemmOp> members;
  if (auto gemm = dyn_cast<kernel::GemmOp>(launch.getOperation()))
    members.push_back(gemm);
  else if (auto parallel = dyn_cast<kernel::ParallelOp>(launch.getOperation()))
    for (Operation &op : parallel.getBody().front()) {
      auto member = dyn_cast<kernel::GemmOp>(op);
      if (!member)
        return {};
      members.push_back(member);
    }
  bool all = llvm::all_of(members, [](kernel::GemmOp member) {
    kernel::GPUAttr config = gpuConfigOf(member);
    return config && config.getForm() == kernel::GPUForm::Decode && config.getTileDepth() != 0;
  });
  return all ? members : SmallVector<kernel::GemmOp>();
}

int64_t cuda::mostDecodeBlocks(ArrayRef<kernel::GemmOp> members) {
  // Two for each of the multiprocessors that the largest devices have.
  constexpr int64_t most = 384;
  int64_t units = 0;
  for (kernel::GemmOp op : members) {
    DecodeMember member(op, gpuConfigOf(op));
    int64_t experts = op.getExperts() ? std::min(op.getExpertCount(), member.tileRows) : 1;
    units += member.cells * member.cellUnits() * experts;
  }
  return std::min(most, units);
}

SmallVector<kernel::ViewType> cuda::decodeWorkspaces(ArrayRef<kernel::GemmOp> members) {
  int64_t blocks = mostDecodeBlocks(members), elements = 0, routed = 0;
  for (kernel::GemmOp op : members) {
    DecodeMember member(op, gpuConfigOf(op));
    elements = std::max(elements, member.ranges * member.tileRows * member.cellRows());
    routed += member.byExpert;
  }
  // A block has a share of the units with experts and one of those without, and may begin a cell in each.
  int64_t places = routed > 0 && routed < static_cast<int64_t>(members.size()) ? 2 * blocks : blocks;
  MLIRContext *context = members.front()->getContext();
  auto size = [&](int64_t value) { return lm::DimAttr::get(context, value); };
  return {kernel::ViewType::get(context, {size(places), size(elements)}, Float32Type::get(context), "row-major"),
          kernel::ViewType::get(context, {size(places)}, IntegerType::get(context, 32), "row-major")};
}

//===----------------------------------------------------------------------===//
// The launch
//===----------------------------------------------------------------------===//

static LogicalResult check(DecodeFrame &frame, kernel::LaunchedOpInterface launch) {
  KernelEmitter &e = frame.e;
  SmallVector<kernel::GemmOp> ops;
  kernel::GemmOp first = frame.members.front().op;
  for (DecodeMember &member : frame.members) {
    kernel::GemmOp op = member.op;
    ops.push_back(op);
    FailureOr<kernel::GPUAttr> config = e.config(op);
    if (failed(config) || failed(checkNumerics(op, numericsOf(op), "GPUs")))
      return failure();
    bool fits = op.getProductCount() == 1 && &op.getWeightType(0).getForm() == &schema::kTile64x128 &&
                op.getWeightType(0).getElementType().isBF16() && !op.getOrder();
    if (!fits)
      return op.emitOpError() << "has form decode, which multiplies one bfloat16 weight in form "
                              << schema::kTile64x128.id << " by rows that are not sorted";
    if (config->getThreads() != DecodeFrame::readers + warpLanes || !llvm::isPowerOf2_64(member.tileRows) ||
        config->getTileFeatures() != schema::kTile64x128.tile_rows ||
        config->getStages() != gpuConfigOf(first).getStages())
      return op.emitOpError() << "is configured by " << *config << ", expected form decode with a tile of "
                              << schema::kTile64x128.tile_rows << " features, rows that are a power of two, "
                              << DecodeFrame::readers + warpLanes << " threads and the stages of its launch";
  }
  if (frame.layout.bytes > e.target.gpu().sharedBlockBytes)
    return launch->emitOpError() << "needs " << frame.layout.bytes << " bytes of shared memory, a block of "
                                 << e.target.name << " has " << e.target.gpu().sharedBlockBytes;
  SmallVector<kernel::ViewType> expected = decodeWorkspaces(ops);
  if (!llvm::equal(ValueRange(launch.getGivenWorkspaces()).getTypes(), expected))
    return launch->emitOpError() << "has form decode, expected workspaces " << expected[0] << " and " << expected[1];
  return success();
}

/// The first warp does, and tells the readers and the fetching warp.
static void listAllExperts(DecodeFrame &frame) {
  KernelEmitter &e = frame.e;
  e.when(e.equal(e.warp, e.integer(0)), [&] {
    for (auto [index, member] : llvm::enumerate(frame.members))
      if (member.byExpert)
        listExperts(e, member, frame.place(frame.layout.lists[index]));
    e.syncWarp();
    e.when(e.equal(e.lane, e.integer(0)), [&] { e.arrive(frame.place(frame.layout.listed)); });
  });
  e.barrier();
}

LogicalResult cuda::emitDecode(KernelEmitter &e, kernel::LaunchedOpInterface launch, ArrayRef<kernel::GemmOp> ops) {
  DecodeFrame frame(e, ops);
  if (failed(check(frame, launch)))
    return failure();
  SmallVector<Value> workspaces = launch.getGivenWorkspaces();
  frame.sums = workspaces[0];
  frame.counters = workspaces[1];
  frame.blockSums = cast<kernel::ViewType>(frame.sums.getType()).getDimSize(1);
  frame.memory = e.shared(frame.layout.bytes, sharedAlignment);
  frame.stream.emplace(e, frame.place(frame.layout.ring), frame.place(frame.layout.barriers),
                       gpuConfigOf(ops.front()).getStages(), DecodeFrame::readers / warpLanes);
  if (frame.hasExperts())
    e.when(e.equal(e.thread, e.integer(0)), [&] { e.initBarrier(frame.place(frame.layout.listed), 1); });
  frame.stream->prepare();
  e.barrier();
  frame.placeKnownUnits();
  LogicalResult result = success();
  e.waitLater();
  e.when(
      e.less(e.thread, e.integer(DecodeFrame::readers)),
      [&] {
        int64_t all = e.threads;
        e.threads = DecodeFrame::readers;
        e.waitForEarlier();
        if (frame.hasExperts())
          listAllExperts(frame);
        frame.placeRoutedUnits();
        result = readUnits(frame);
        e.threads = all;
      },
      [&] {
        if (!frame.stream->fetchesByOneLane())
          return fetchUnits(frame);
        e.when(e.equal(e.lane, e.integer(0)), [&] { fetchUnits(frame); });
      });
  return result;
}
