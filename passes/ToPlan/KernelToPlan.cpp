// SPDX-License-Identifier: Apache-2.0
//
// Numbers everything a launch names and writes one plan op for each entry of the plan's tables. It decides nothing:
// places, sizes and grids stand in the kernel level, and a reference by symbol becomes a number. Only what a program
// uses gets a number, so parts of interleaved weights and unused declarations do not reach the plan. It runs after
// kernels are outlined, since a kernel's number is its place in the library. Tables have the order of the module and
// never that of addresses, so equal modules give equal plans.

#include "dialects/Kernel/IR/KernelNames.h"
#include "dialects/Plan/IR/Plan.h"
#include "passes/ToPlan/Passes.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/TypeSwitch.h"

#define DEBUG_TYPE "yupana-kernel-to-plan"

namespace yupana {
#define GEN_PASS_DEF_KERNELTOPLANPASS
#include "passes/ToPlan/Passes.h.inc"
} // namespace yupana

using namespace mlir;
using namespace yupana;

namespace {

/// Numbers everything a launch can name. MapVectors, since numbers are the order in the plan.
struct Tables {
  llvm::MapVector<StringAttr, int64_t> weights;
  llvm::MapVector<StringAttr, kernel::CacheGroupOp> groups;
  llvm::MapVector<kernel::BufferOp, int64_t> buffers;
  llvm::MapVector<StringAttr, kernel::FuncOp> kernels;
};

struct KernelToPlanPass : yupana::impl::KernelToPlanPassBase<KernelToPlanPass> {
  using Base::Base;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto models = module.getOps<lm::ModelOp>();
    auto libraries = module.getOps<kernel::LibraryOp>();
    arena = module->getAttrOfType<IntegerAttr>(kernel::arenaBytesName);
    if (!llvm::hasSingleElement(models) || !llvm::hasSingleElement(libraries) || !arena) {
      module.emitError() << "module has no lm.model, no kernel.library or no " << kernel::arenaBytesName
                         << ", expected plan-memory and outline-kernels to have run";
      return signalPassFailure();
    }
    library = *libraries.begin();
    collectTables();
    OpBuilder builder(*models.begin());
    buildModel(builder, *models.begin());
    builder.setInsertionPointToEnd(module.getBody());
    buildWeightsAndGroups(builder);
    if (failed(buildTarget(builder)))
      return signalPassFailure();
    eraseKernelLevel();
  }

private:
  //===--------------------------------------------------------------------===//
  // Numbering
  //===--------------------------------------------------------------------===//

  void collectTables() {
    llvm::DenseSet<StringAttr> used;
    getOperation().walk([&](kernel::WeightOp view) { used.insert(view.getWeightAttr().getAttr()); });
    for (Operation &op : *getOperation().getBody()) {
      auto symbol = dyn_cast<SymbolOpInterface>(op);
      if (isa<lm::WeightOp, lm::InterleavedOp, lm::TableOp>(op) && used.contains(symbol.getNameAttr()))
        tables.weights.insert({symbol.getNameAttr(), tables.weights.size()});
      else if (auto group = dyn_cast<kernel::CacheGroupOp>(op))
        tables.groups.insert({group.getSymNameAttr(), group});
    }
    for (auto func : library.getBody().getOps<kernel::FuncOp>())
      tables.kernels.insert({func.getSymNameAttr(), func});
    collectBuffers();
  }

  /// A buffer that several programs name has an entry for each, with the launches of that program.
  void collectBuffers() {
    for (auto program : getOperation().getOps<kernel::ProgramOp>()) {
      for (auto buffer : program.getBody().getOps<kernel::BufferOp>())
        tables.buffers.insert({buffer, tables.buffers.size()});
      for (auto result : program.getBody().getOps<kernel::ResultOp>())
        if (auto buffer = result.getView().getDefiningOp<kernel::BufferOp>())
          resultBuffers[result.getKind()] = tables.buffers.lookup(buffer);
    }
  }

  //===--------------------------------------------------------------------===//
  // Building
  //===--------------------------------------------------------------------===//

  void buildModel(OpBuilder &builder, lm::ModelOp model) {
    plan::ModelOp::create(builder, model.getLoc(), model.getName(), model.getArchitecture(), model.getVocabulary(),
                          model.getHidden(), model.getLayers(), model.getParameters(), precision, model.getBeginToken(),
                          model.getStopTokens(), model.getGenerationAttr(), maxContext, maxBatch, maxStepTokens,
                          maxLogitRows, model.getActiveParametersAttr());
  }

  void buildWeightsAndGroups(OpBuilder &builder) {
    for (auto &[name, index] : tables.weights) {
      Operation *parameter = getOperation().lookupSymbol(name);
      plan::WeightOp::create(builder, parameter->getLoc(), FlatSymbolRefAttr::get(name),
                             builder.getStringAttr(lm::getParameterLayout(parameter)));
    }
    for (auto &[name, group] : tables.groups)
      plan::CacheGroupOp::create(builder, group.getLoc(), name, group.getLayersAttr(), group.getChunkAttr(),
                                 group.getPageTokensAttr(), group.getPageBytesAttr());
  }

  LogicalResult buildTarget(OpBuilder &builder) {
    Location loc = library.getLoc();
    for (auto kind : {kernel::ResultKind::Logits, kernel::ResultKind::Sampled})
      if (!resultBuffers.count(kind))
        return getOperation().emitError() << "no program names its result " << kernel::stringifyResultKind(kind);
    auto target = plan::TargetOp::create(builder, loc, library.getTargetAttr(),
                                         builder.getI64IntegerAttr(resultBuffers[kernel::ResultKind::Logits]),
                                         builder.getI64IntegerAttr(resultBuffers[kernel::ResultKind::Sampled]));
    OpBuilder inside(&getContext());
    inside.createBlock(&target.getBody());
    plan::ArenaOp::create(inside, loc, "activations", arena.getInt(), /*workspace=*/false);
    if (auto workspace = getOperation()->getAttrOfType<IntegerAttr>(kernel::workspaceBytesName))
      plan::ArenaOp::create(inside, loc, "workspace", workspace.getInt(), /*workspace=*/true);
    for (auto &[buffer, index] : tables.buffers)
      if (failed(buildBuffer(inside, buffer)))
        return failure();
    // Images, and how much scratch and shared memory a kernel needs, are there once code is generated.
    for (auto &[name, func] : tables.kernels)
      plan::KernelOp::create(inside, func.getLoc(), name.getValue(), /*scratch=*/0, func.getBody().getNumArguments(),
                             /*waits=*/false,
                             /*images=*/ArrayAttr());
    for (auto program : getOperation().getOps<kernel::ProgramOp>())
      buildProgram(inside, program);
    return success();
  }

  static LogicalResult buildBuffer(OpBuilder &builder, kernel::BufferOp op) {
    if (!op.getOffset() || !op.getSize())
      return op.emitOpError() << "has no offset or size, expected plan-memory to have run";
    plan::BufferOp::create(builder, op.getLoc(), op.getName(), *op.getArena(), *op.getOffset(), *op.getSize(),
                           *op.getFirst(), *op.getLast());
    return success();
  }

  void buildProgram(OpBuilder &builder, kernel::ProgramOp program) {
    auto op = plan::ProgramOp::create(builder, program.getLoc(), program.getFunction(), program.getMaxTokens());
    OpBuilder inside(&getContext());
    inside.createBlock(&op.getBody());
    for (auto launch : program.getBody().getOps<kernel::LaunchOp>()) {
      auto arguments = llvm::map_to_vector(launch.getOperands(), [&](Value view) { return argument(view); });
      int64_t kernel = tables.kernels.find(launch.getKernel().getLeafReference()) - tables.kernels.begin();
      plan::LaunchOp::create(inside, launch.getLoc(), kernel, launch.getGrid(), inside.getArrayAttr(arguments),
                             launch.getThreads());
    }
  }

  Attribute argument(Value view) {
    auto make = [&](plan::ArgumentKind kind, int64_t index, int64_t offset = 0) -> Attribute {
      return plan::ArgumentAttr::get(&getContext(), kind, index, offset);
    };
    auto groupIndex = [&](FlatSymbolRefAttr group) {
      return tables.groups.find(group.getAttr()) - tables.groups.begin();
    };
    return llvm::TypeSwitch<Operation *, Attribute>(view.getDefiningOp())
        .Case([&](kernel::BufferOp op) { return make(plan::ArgumentKind::Buffer, tables.buffers.lookup(op)); })
        .Case([&](kernel::WeightOp op) {
          return make(plan::ArgumentKind::Weight, tables.weights.lookup(op.getWeightAttr().getAttr()));
        })
        .Case([&](kernel::CacheOp op) {
          return make(plan::ArgumentKind::Cache, groupIndex(op.getGroupAttr()), op.getOffset().value_or(0));
        })
        .Case(
            [&](kernel::PageTableOp op) { return make(plan::ArgumentKind::PageTable, groupIndex(op.getGroupAttr())); })
        .Case([&](kernel::HistoryOp) { return make(plan::ArgumentKind::History, 0); })
        .Case([&](kernel::InputOp op) { return make(plan::ArgumentKind::Input, static_cast<int64_t>(op.getInput())); });
  }

  void eraseKernelLevel() {
    for (Operation &op : llvm::make_early_inc_range(*getOperation().getBody()))
      if (isa<kernel::ProgramOp, kernel::CacheGroupOp, lm::CacheOp, lm::ModelOp>(op))
        op.erase();
    getOperation()->removeAttr(kernel::arenaBytesName);
    getOperation()->removeAttr(kernel::workspaceBytesName);
  }

  Tables tables;
  kernel::LibraryOp library;
  IntegerAttr arena;
  std::map<kernel::ResultKind, int64_t> resultBuffers;
};

} // namespace
