// SPDX-License-Identifier: Apache-2.0
//
// Verifiers of the plan level. They check what the exporter writes without looking: numbers fit the fields of
// runtime/schema/plan.fbs, indices are within their tables, buffers within their arenas. The runtime checks the same
// and more when it opens a plan, because files come from anywhere; here the error still has a location in the IR.

#include "dialects/Plan/IR/Plan.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OpImplementation.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::plan;

#define GET_OP_CLASSES
#include "dialects/Plan/IR/PlanOps.cpp.inc"

/// All five are fields of 32 bits in a plan.
LogicalResult ModelOp::verify() {
  for (auto [name, value] : {std::pair<StringRef, uint64_t>{"context", getMaxContext()},
                             {"batch", getMaxBatch()},
                             {"tokens", getMaxStepTokens()},
                             {"rows", getMaxLogitRows()},
                             {"vocabulary", getVocabulary()}})
    if (value < 1 || value > UINT32_MAX)
      return emitOpError() << name << " is " << static_cast<int64_t>(value) << ", expected 1 to 2^32 - 1";
  return success();
}

/// The op that it names has been verified with all of its shapes.
LogicalResult plan::WeightOp::verifySymbolUses(SymbolTableCollection &symbols) {
  return success(lm::lookupParameter(*this, getParameterAttr(), symbols) != nullptr);
}

LogicalResult plan::CacheGroupOp::verify() {
  if (getLayers().empty() || static_cast<int64_t>(getChunk()) < 0 || static_cast<int64_t>(getPageTokens()) < 1 ||
      static_cast<int64_t>(getPageBytes()) < 1)
    return emitOpError() << "has " << getLayers().size() << " layers, chunk " << static_cast<int64_t>(getChunk())
                         << ", page_tokens " << static_cast<int64_t>(getPageTokens()) << " and page_bytes "
                         << static_cast<int64_t>(getPageBytes()) << "; expected layers and positive pages";
  return success();
}

//===----------------------------------------------------------------------===//
// Tables of a target
//===----------------------------------------------------------------------===//

/// All four are fields of 32 bits.
LogicalResult KernelImageAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t image, int64_t registers,
                                      int64_t shared, int64_t spills) {
  for (auto [name, value] : {std::pair<StringRef, int64_t>{"image", image},
                             {"registers", registers},
                             {"shared", shared},
                             {"spills", spills}})
    if (value < 0 || value > UINT32_MAX)
      return emitError() << name << " is " << value << ", expected 0 to 2^32 - 1";
  return success();
}

LogicalResult ImageOp::verify() {
  if (getCode().empty())
    return emitOpError() << "has no bytes, expected code";
  return success();
}

LogicalResult ArenaOp::verify() {
  if (static_cast<int64_t>(getSize()) < 1)
    return emitOpError() << "has " << static_cast<int64_t>(getSize()) << " bytes, expected at least one";
  return success();
}

/// Sizes of 64 bits are unsigned in C++: a negative one in the text is a large one here.
LogicalResult KernelOp::verify() {
  int64_t scratch = getScratch(), arguments = getNumArguments();
  if (getSymbol().empty() || scratch < 0 || arguments < 0 || arguments > UINT32_MAX)
    return emitOpError() << "is called '" << getSymbol() << "', with " << scratch << " bytes of scratch memory and "
                         << arguments << " arguments; expected a name and sizes from 0";
  return success();
}

/// Blocks and shared memory are a GPU's; a launch on a CPU has neither. 1024 threads are the most of a block on any
/// GPU.
LogicalResult LaunchOp::verify() {
  int64_t threads = getThreads(), shared = getShared();
  if (threads < 0 || threads > 1024 || shared < 0 || shared > UINT32_MAX || (threads == 0 && shared != 0))
    return emitOpError() << "has blocks of " << threads << " threads and " << shared
                         << " bytes of shared memory, expected 1 to 1024 threads, or none of either";
  return success();
}

LogicalResult ProgramOp::verify() {
  int64_t maxTokens = getMaxTokens();
  if (maxTokens < 1 || maxTokens > UINT32_MAX)
    return emitOpError() << "is for steps of " << maxTokens << " tokens, expected 1 to 2^32 - 1";
  return success();
}

//===----------------------------------------------------------------------===//
// Target
//===----------------------------------------------------------------------===//

/// How many entries each table has that an argument may index.
struct TableSizes {
  int64_t buffers = 0, kernels = 0, weights = 0, groups = 0;
};

/// Buffers and kernels are the target's, weights and groups the plan's.
static TableSizes countTables(TargetOp target) {
  TableSizes sizes;
  for (Operation &op : target.getBody().front()) {
    sizes.buffers += isa<BufferOp>(op);
    sizes.kernels += isa<KernelOp>(op);
  }
  for (Operation &op : *target->getBlock()) {
    sizes.weights += isa<WeightOp>(op);
    sizes.groups += isa<CacheGroupOp>(op);
  }
  return sizes;
}

/// Before any table is indexed by it.
static LogicalResult checkIndex(Operation *op, StringRef table, int64_t index, int64_t size) {
  if (index >= 0 && index < size)
    return success();
  return op->emitOpError() << "names " << table << " " << index << ", there are " << size;
}

/// How far beyond the address a kernel reads or writes is not known here; the runtime checks that it begins inside.
static LogicalResult checkLaunch(LaunchOp launch, const TableSizes &sizes, ArrayRef<KernelOp> kernels) {
  if (failed(checkIndex(launch, "kernel", launch.getKernel(), sizes.kernels)))
    return failure();
  KernelOp kernel = kernels[launch.getKernel()];
  if (kernel.getNumArguments() != launch.getArguments().size()) {
    InFlightDiagnostic diag = launch.emitOpError() << "passes " << launch.getArguments().size()
                                                   << " arguments to a kernel that takes " << kernel.getNumArguments();
    diag.attachNote(kernel.getLoc()) << "kernel is declared here";
    return diag;
  }
  for (auto argument : launch.getArguments().getAsRange<ArgumentAttr>()) {
    int64_t size = 0;
    switch (argument.getKind()) {
    case ArgumentKind::Buffer:
      size = sizes.buffers;
      break;
    case ArgumentKind::Weight:
      size = sizes.weights;
      break;
    case ArgumentKind::Cache:
    case ArgumentKind::PageTable:
      size = sizes.groups;
      break;
    case ArgumentKind::Input:
      size = kernel::getMaxEnumValForStepInput() + 1;
      break;
    case ArgumentKind::History:
      size = 1;
      break;
    }
    if (failed(checkIndex(launch, stringifyArgumentKind(argument.getKind()), argument.getIndex(), size)))
      return failure();
    if (argument.getOffset() < 0)
      return launch.emitOpError() << "adds " << argument.getOffset() << " bytes to an address, expected none or more";
  }
  return success();
}

static LogicalResult checkBuffer(BufferOp buffer, ArrayRef<ArenaOp> arenas) {
  if (failed(checkIndex(buffer, "arena", buffer.getArena(), arenas.size())))
    return failure();
  ArenaOp arena = arenas[buffer.getArena()];
  // Written so that no sum can overflow.
  if (buffer.getOffset() > arena.getSize() || buffer.getSize() > arena.getSize() - buffer.getOffset()) {
    InFlightDiagnostic diag = buffer.emitOpError() << "takes " << buffer.getSize() << " bytes at " << buffer.getOffset()
                                                   << " of an arena of " << arena.getSize();
    diag.attachNote(arena.getLoc()) << "arena is declared here";
    return diag;
  }
  if (buffer.getFirst() > buffer.getLast())
    return buffer.emitOpError() << "lives from launch " << buffer.getFirst() << " to " << buffer.getLast();
  return success();
}

/// Entries of one name are one value, at one place and in ranges of launches that do not meet: each program has an
/// entry for the logits, which the one writes and the other reads.
static LogicalResult checkEntries(TargetOp target) {
  llvm::StringMap<SmallVector<BufferOp, 1>> values;
  for (auto buffer : target.getBody().getOps<BufferOp>()) {
    SmallVector<BufferOp, 1> &entries = values[buffer.getName()];
    for (BufferOp other : entries) {
      bool samePlace = std::tuple(buffer.getArena(), buffer.getOffset(), buffer.getSize()) ==
                       std::tuple(other.getArena(), other.getOffset(), other.getSize());
      if (samePlace && (buffer.getFirst() > other.getLast() || other.getFirst() > buffer.getLast()))
        continue;
      InFlightDiagnostic diag = buffer.emitOpError()
                                << "has the name " << buffer.getNameAttr()
                                << " of another entry, expected the same place and launches that do not meet";
      diag.attachNote(other.getLoc()) << "the other entry is here";
      return diag;
    }
    entries.push_back(buffer);
  }
  return success();
}

/// An image per format: the runtime takes the first that its device reads, and a second would never run.
static LogicalResult checkImages(KernelOp kernel, ArrayRef<ImageOp> images) {
  if (!kernel.getImages())
    return success();
  SmallVector<ImageFormat> formats;
  for (auto use : kernel.getImages()->getAsRange<KernelImageAttr>()) {
    if (failed(checkIndex(kernel, "image", use.getImage(), images.size())))
      return failure();
    ImageOp image = images[use.getImage()];
    if (llvm::is_contained(formats, image.getFormat())) {
      InFlightDiagnostic diag = kernel.emitOpError() << "has a second image of format "
                                                     << stringifyImageFormat(image.getFormat()) << ", expected one";
      diag.attachNote(image.getLoc()) << "image is declared here";
      return diag;
    }
    if (kernel.getWaits() && image.getFormat() == ImageFormat::ElfX86)
      return kernel.emitOpError() << "waits for the launch before it, which code for a GPU alone can";
    formats.push_back(image.getFormat());
  }
  return success();
}

LogicalResult TargetOp::verifyRegions() {
  TableSizes sizes = countTables(*this);
  auto images = llvm::to_vector(getBody().getOps<ImageOp>());
  auto arenas = llvm::to_vector(getBody().getOps<ArenaOp>());
  auto kernels = llvm::to_vector(getBody().getOps<KernelOp>());
  for (auto buffer : getBody().getOps<BufferOp>())
    if (failed(checkBuffer(buffer, arenas)))
      return failure();
  if (failed(checkEntries(*this)))
    return failure();
  for (KernelOp kernel : kernels)
    if (failed(checkImages(kernel, images)))
      return failure();
  for (auto program : getBody().getOps<ProgramOp>())
    for (auto launch : program.getBody().getOps<LaunchOp>())
      if (failed(checkLaunch(launch, sizes, kernels)))
        return failure();
  if (failed(checkIndex(*this, "logits buffer", getLogits(), sizes.buffers)))
    return failure();
  return checkIndex(*this, "sampled buffer", getSampled(), sizes.buffers);
}
