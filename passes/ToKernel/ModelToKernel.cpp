// SPDX-License-Identifier: Apache-2.0
//
// Turns each function of the model level into a program, and every tensor into a view: arguments are inputs of a step,
// results of ops are buffers that one kernel writes. One op becomes one launch or a few, nothing is fused and the
// target is asked for the size of pages alone, so that what follows has one simple form to match. Each buffer gets a
// single writer, so that a pass finds what computed a value by its stores as it would in SSA. It opens the kernel
// level: a function that the runtime could not call is refused here, where its name and its arguments are still those
// of the frontend.

#include "dialects/Kernel/Transforms/TargetPass.h"
#include "passes/ToKernel/KernelBuilder.h"
#include "passes/ToKernel/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"

#define DEBUG_TYPE "yupana-model-to-kernel"

namespace yupana {
#define GEN_PASS_DEF_MODELTOKERNELPASS
#include "passes/ToKernel/Passes.h.inc"
} // namespace yupana

using namespace mlir;
using namespace yupana;

namespace {

/// How the runtime calls a function of the model level: what each argument is, and what its result.
struct Signature {
  StringRef name;
  kernel::Function function;
  kernel::ResultKind result;
  /// The input each argument stands for; none: the logits that @step left behind.
  SmallVector<std::optional<kernel::StepInput>> arguments;
};

const Signature signatures[] = {
    {"step",
     kernel::Function::Step,
     kernel::ResultKind::Logits,
     {kernel::StepInput::TokenIds, kernel::StepInput::TokenPositions, kernel::StepInput::TokenSequences,
      kernel::StepInput::LogitRows}},
    {"sample",
     kernel::Function::Sample,
     kernel::ResultKind::Sampled,
     {std::nullopt, kernel::StepInput::RowTemperatures, kernel::StepInput::RowTopK, kernel::StepInput::RowTopP,
      kernel::StepInput::RowMinP, kernel::StepInput::RowPenalties, kernel::StepInput::RowSeeds,
      kernel::StepInput::RowSequences, kernel::StepInput::RowPositions, kernel::StepInput::RowSlots}},
};

/// The buffer that hands the logits from one program to the next, by name.
constexpr StringLiteral logitsName = "logits";

FailureOr<Signature> signatureOf(func::FuncOp function) {
  for (const Signature &signature : signatures) {
    if (signature.name != function.getName())
      continue;
    if (signature.arguments.size() != function.getNumArguments() || function.getNumResults() != 1)
      return function.emitError() << "@" << function.getName() << " has " << function.getNumArguments()
                                  << " arguments and " << function.getNumResults() << " results, expected "
                                  << signature.arguments.size() << " and 1";
    return signature;
  }
  return function.emitError() << "function @" << function.getName() << ", expected @step or @sample";
}

/// Views are sized by names: every dynamic dimension needs one.
LogicalResult checkNames(func::FuncOp function) {
  auto check = [](Value value, Location loc) -> LogicalResult {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (!type || llvm::all_of(lm::getDims(type), [](lm::DimAttr dim) { return dim != nullptr; }))
      return success();
    return emitError(loc) << "value is " << type << ", expected its dynamic dimensions to be named by #lm.dims";
  };
  for (BlockArgument argument : function.getArguments())
    if (failed(check(argument, argument.getLoc())))
      return failure();
  for (Operation &op : function.getBody().front())
    for (Value result : op.getResults())
      if (failed(check(result, op.getLoc())))
        return failure();
  return success();
}

struct ModelToKernelPass : kernel::TargetPass<yupana::impl::ModelToKernelPassBase<ModelToKernelPass>> {
  using TargetPass::TargetPass;

  void runOnModule(const kernel::TargetModel &model) override {
    pageTokens = model.getPageTokens();
    for (auto function : llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>()))
      if (failed(lowerFunction(function)))
        return signalPassFailure();
  }

  LogicalResult lowerFunction(func::FuncOp function) {
    FailureOr<Signature> signature = signatureOf(function);
    if (failed(signature) || failed(checkNames(function)))
      return failure();
    Location loc = function.getLoc();
    OpBuilder builder(function);
    auto program = kernel::ProgramOp::create(builder, loc, function.getName(), signature->function, maxStepTokens);
    builder.createBlock(&program.getBody());
    KernelBuilder kernels(builder, {maxContext, pageTokens});
    nameArguments(function, *signature, kernels);

    for (Operation &op : function.getBody().front().without_terminator())
      if (failed(isa<moe::MoEDialect>(op.getDialect()) ? lowerMoEOp(&op, kernels) : lowerLMOp(&op, kernels)))
        return failure();

    Value result = kernels.view(function.getBody().front().getTerminator()->getOperand(0));
    // Sampling reads the logits of the step before it: both programs find the buffer by this name.
    if (signature->result == kernel::ResultKind::Logits)
      result.getDefiningOp<kernel::BufferOp>().setName(logitsName);
    kernel::ResultOp::create(builder, loc, signature->result, result);
    function.erase();
    return success();
  }

  void nameArguments(func::FuncOp function, const Signature &signature, KernelBuilder &kernels) {
    for (auto [argument, input] : llvm::zip_equal(function.getArguments(), signature.arguments)) {
      kernel::ViewType type = kernels.viewType(argument.getType());
      Value view;
      if (input)
        view = kernel::InputOp::create(kernels.builder, argument.getLoc(), type, *input);
      else
        view = kernel::BufferOp::create(kernels.builder, argument.getLoc(), type,
                                        kernels.builder.getStringAttr(logitsName));
      kernels.setView(argument, view);
    }
  }

  int64_t pageTokens = 0;
};

} // namespace
