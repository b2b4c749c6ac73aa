// SPDX-License-Identifier: Apache-2.0
//
// Closes the bufferize phase: every buffer has its place, within its arena, and buffers of one name have the same place
// in every program: the logits that one program writes are read by the next at the address it knows. That buffers which
// are alive together do not overlap is checked by the runtime when it verifies a plan, because a plan may come from
// anywhere. The runtime has no allocator to fall back on: what has no place here has none at all. Places that were
// written by hand pass the same checks.

#include "dialects/Kernel/IR/Kernel.h"
#include "dialects/Kernel/IR/KernelNames.h"
#include "passes/Bufferize/Passes.h"

#define DEBUG_TYPE "yupana-verify-no-unplanned-memory"

namespace yupana {
#define GEN_PASS_DEF_VERIFYNOUNPLANNEDMEMORYPASS
#include "passes/Bufferize/Passes.h.inc"
} // namespace yupana

using namespace mlir;
using namespace yupana;

namespace {

struct VerifyNoUnplannedMemoryPass : yupana::impl::VerifyNoUnplannedMemoryPassBase<VerifyNoUnplannedMemoryPass> {
  void runOnOperation() override {
    auto arena = getOperation()->getAttrOfType<IntegerAttr>(kernel::arenaBytesName);
    if (!arena) {
      getOperation().emitError() << "module has no " << kernel::arenaBytesName << ", expected plan-memory to have run";
      return signalPassFailure();
    }
    auto workspace = getOperation()->getAttrOfType<IntegerAttr>(kernel::workspaceBytesName);
    llvm::DenseMap<StringAttr, kernel::BufferOp> firsts;
    WalkResult result = getOperation().walk([&](kernel::BufferOp buffer) -> WalkResult {
      if (!buffer.getOffset())
        return buffer.emitOpError() << "has no offset, expected plan-memory to have run";
      auto bytes = buffer.getWorkspace() ? workspace : arena;
      if (!bytes || *buffer.getArena() != buffer.getWorkspace())
        return buffer.emitOpError() << "lies in arena " << *buffer.getArena() << ", expected buffers in 0 and "
                                    << "workspaces in 1, with " << kernel::workspaceBytesName << " on the module";
      if (static_cast<int64_t>(*buffer.getOffset()) >= bytes.getInt())
        return buffer.emitOpError() << "lies at " << *buffer.getOffset() << " of an arena of " << bytes.getInt()
                                    << " bytes";
      kernel::BufferOp first = firsts.try_emplace(buffer.getNameAttr(), buffer).first->second;
      if (first.getOffset() == buffer.getOffset())
        return WalkResult::advance();
      InFlightDiagnostic diag = buffer.emitOpError() << "lies at " << *buffer.getOffset()
                                                     << ", under the same name another lies at " << *first.getOffset();
      diag.attachNote(first.getLoc()) << "the other buffer";
      return diag;
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
