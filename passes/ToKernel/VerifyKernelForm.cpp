// SPDX-License-Identifier: Apache-2.0
//
// Closes the to-kernel phase, and the fuse phase once more: every buffer of a program has one writer, before its
// readers. This is SSA for memory, and later passes rely on it: fusions move a writer to its reader without alias
// analysis, and memory planning takes a lifetime to be the interval from the writer to the last reader. Caches and the
// history are exempt, since what earlier steps left there is read before this step appends. A workspace counts as
// written by each launch that touches it, so that two launches cannot share one by accident.

#include "dialects/Kernel/IR/Kernel.h"
#include "passes/ToKernel/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringSet.h"

#define DEBUG_TYPE "yupana-verify-kernel-form"

namespace yupana {
#define GEN_PASS_DEF_VERIFYKERNELFORMPASS
#include "passes/ToKernel/Passes.h.inc"
} // namespace yupana

using namespace mlir;
using namespace yupana;

namespace {

/// Follows the launches of one program in order. A buffer is written in every program that does not take it from an
/// earlier one, whose result it is.
class WriteOrder {
public:
  explicit WriteOrder(const llvm::StringSet<> &results) : results(results) {}

  LogicalResult visit(kernel::LaunchedOpInterface op) {
    kernel::Accesses accesses = op.getAccesses();
    for (Value view : accesses.all)
      if (kernel::isWorkspace(view) && failed(checkWrite(op, view)))
        return failure();
    for (Value view : accesses.reads)
      if (failed(checkRead(op, view)))
        return failure();
    for (Value view : accesses.writes)
      if (!kernel::isWorkspace(view) && failed(checkWrite(op, view)))
        return failure();
    return success();
  }

private:
  LogicalResult checkRead(Operation *op, Value view) {
    auto buffer = view.getDefiningOp<kernel::BufferOp>();
    if (!buffer || writers.contains(buffer.getName()) || results.contains(buffer.getName()))
      return success();
    InFlightDiagnostic diag = op->emitOpError() << "reads buffer \"" << buffer.getName() << "\" before it is written";
    diag.attachNote(buffer.getLoc()) << "buffer is named here";
    return diag;
  }

  /// One writer for each buffer of a program. A workspace has one user, which both reads and writes it.
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
    bool workspace = kernel::isWorkspace(view);
    InFlightDiagnostic diag = op->emitOpError() << (workspace ? "uses workspace" : "writes buffer") << " \""
                                                << buffer.getName() << "\" again";
    diag.attachNote(writer->second->getLoc()) << "first " << (workspace ? "used" : "written") << " here";
    return diag;
  }

  const llvm::StringSet<> &results; ///< Of the programs before this one.
  llvm::StringMap<Operation *> writers;
};

struct VerifyKernelFormPass : yupana::impl::VerifyKernelFormPassBase<VerifyKernelFormPass> {
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      function.emitError() << "function @" << function.getName() << " is left, expected kernel programs alone";
      return signalPassFailure();
    }
    llvm::StringSet<> results;
    for (auto program : getOperation().getOps<kernel::ProgramOp>()) {
      WriteOrder order(results);
      for (Operation &op : program.getBody().front()) {
        if (!isa<kernel::KernelDialect>(op.getDialect())) {
          InFlightDiagnostic diag = op.emitOpError() << "is not of the kernel level";
          diag.attachNote(program.getLoc()) << "in this program";
          return signalPassFailure();
        }
        if (auto launched = dyn_cast<kernel::LaunchedOpInterface>(op); launched && failed(order.visit(launched)))
          return signalPassFailure();
      }
      for (auto result : program.getBody().getOps<kernel::ResultOp>())
        if (auto buffer = result.getView().getDefiningOp<kernel::BufferOp>())
          results.insert(buffer.getName());
    }
  }
};

} // namespace
