// SPDX-License-Identifier: Apache-2.0

#include "compiler/Codegen/CPU/Kernels.h"
#include "compiler/Codegen/CPU/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/TypeSwitch.h"

#define DEBUG_TYPE "yupana-kernel-to-llvm"

namespace yupana::codegen {
#define GEN_PASS_DEF_KERNELTOLLVMPASS
#include "compiler/Codegen/CPU/Passes.h.inc"
} // namespace yupana::codegen

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

FailureOr<int64_t> codegen::emitKernel(kernel::FuncOp func, const CpuTarget &target) {
  KernelEmitter e(func, target);
  LogicalResult result =
      llvm::TypeSwitch<Operation *, LogicalResult>(&func.getBody().front().front())
          .Case([&](kernel::MapOp op) { return emitMap(e, op); })
          .Case([&](kernel::GemmOp op) { return emitGemm(e, op); })
          .Case([&](kernel::AttentionOp op) { return emitAttention(e, op); })
          .Case([&](kernel::RouteOp op) { return emitRoute(e, op); })
          .Case([&](kernel::SortTokensOp op) { return emitSortTokens(e, op); })
          .Case([&](kernel::SampleOp op) { return emitSample(e, op); })
          .Default([](Operation *op) { return op->emitError() << "'" << op->getName() << "' has no CPU kernel"; });
  e.finish();
  if (failed(result))
    return failure();
  func.erase();
  return e.getScratchBytes();
}

namespace {

struct KernelToLLVMPass : yupana::codegen::impl::KernelToLLVMPassBase<KernelToLLVMPass> {
  void runOnOperation() override {
    for (kernel::LibraryOp library : getOperation().getOps<kernel::LibraryOp>()) {
      Result<const CpuTarget *> target = lookupCpuTarget(library.getTarget().str());
      if (!target) {
        library.emitError() << target.error().message;
        return signalPassFailure();
      }
      for (kernel::FuncOp func : llvm::make_early_inc_range(library.getOps<kernel::FuncOp>()))
        if (failed(emitKernel(func, **target)))
          return signalPassFailure();
    }
  }
};

} // namespace
