// SPDX-License-Identifier: Apache-2.0

#include "dialects/Kernel/IR/Kernel.h"
#include "passes/ToKernel/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#define DEBUG_TYPE "yupana-verify-kernel-form"

namespace yupana {
#define GEN_PASS_DEF_VERIFYKERNELFORMPASS
#include "passes/ToKernel/Passes.h.inc"
} // namespace yupana

using namespace mlir;
using namespace yupana;

namespace {

/// Follows the launches of the programs in order; buffers are known by name, since programs share them by name.
class WriteOrder {
public:
  LogicalResult visit(kernel::LaunchedOpInterface op) {
    kernel::Accesses accesses = kernel::getAccesses(op);
    for (Value view : accesses.reads)
      if (failed(checkRead(op, view)))
        return failure();
    for (Value view : accesses.writes)
      if (failed(checkWrite(op, view)))
        return failure();
    return success();
  }

private:
  LogicalResult checkRead(Operation *op, Value view) {
    auto buffer = view.getDefiningOp<kernel::BufferOp>();
    if (!buffer || writers.contains(buffer.getName()))
      return success();
    InFlightDiagnostic diag = op->emitOpError() << "reads buffer \"" << buffer.getName() << "\" before it is written";
    diag.attachNote(buffer.getLoc()) << "buffer is named here";
    return diag;
  }

  LogicalResult checkWrite(Operation *op, Value view) {
    if (isa<kernel::CacheType>(view.getType()) || view.getDefiningOp<kernel::HistoryOp>())
      return success();
    auto buffer = view.getDefiningOp<kernel::BufferOp>();
    if (!buffer)
      return op->emitOpError() << "writes " << view
                               << ", expected a kernel.buffer, a kernel.cache or the kernel.history";
    auto [writer, isFirst] = writers.try_emplace(buffer.getName(), op);
    if (isFirst)
      return success();
    InFlightDiagnostic diag = op->emitOpError() << "writes buffer \"" << buffer.getName() << "\" again";
    diag.attachNote(writer->second->getLoc()) << "first written here";
    return diag;
  }

  llvm::StringMap<Operation *> writers;
};

struct VerifyKernelFormPass : yupana::impl::VerifyKernelFormPassBase<VerifyKernelFormPass> {
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      function.emitError() << "function @" << function.getName() << " is left, expected kernel programs alone";
      return signalPassFailure();
    }
    WriteOrder order;
    for (auto program : getOperation().getOps<kernel::ProgramOp>()) {
      for (Operation &op : program.getBody().front()) {
        if (!isa<kernel::KernelDialect>(op.getDialect())) {
          InFlightDiagnostic diag = op.emitOpError() << "is not of the kernel level";
          diag.attachNote(program.getLoc()) << "in this program";
          return signalPassFailure();
        }
        if (auto launched = dyn_cast<kernel::LaunchedOpInterface>(op); launched && failed(order.visit(launched)))
          return signalPassFailure();
      }
    }
  }
};

} // namespace
