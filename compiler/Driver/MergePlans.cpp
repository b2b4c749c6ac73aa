// SPDX-License-Identifier: Apache-2.0
//
// Makes one plan of those of several targets. Weights, cache groups and the model are tables of the plan, which all
// targets index; each target's module has numbered them for itself, so that the arguments of its launches are
// renumbered here. A weight is stored once where name, chain and packed form are equal: two levels of x86 share all
// weights, and a CPU and a GPU share the row-major ones. Targets keep the order in which they are given.

#include "compiler/Driver/MergePlans.h"

#include "dialects/Plan/IR/Plan.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/DenseMap.h"

using namespace mlir;
using namespace yupana;

namespace {

/// Takes modules one after the other into the first.
class Merger {
public:
  explicit Merger(ModuleOp module) : into(module), symbols(module), builder(module.getContext()) {
    for (auto weight : module.getOps<plan::WeightOp>())
      noteWeight(weight, symbols.lookup(weight.getParameter()));
    for (auto group : module.getOps<plan::CacheGroupOp>())
      groups.insert({group->getAttrDictionary(), static_cast<int64_t>(groups.size())});
  }

  Result<void> take(ModuleOp from);

private:
  /// The number of a weight among those met so far, and whether it is the first time. Two are one when everything
  /// about their parameters is equal, name and chain, and so is the packed form.
  std::pair<int64_t, bool> noteWeight(plan::WeightOp weight, Operation *parameter) {
    auto [entry, isNew] = weights.insert(
        {{parameter->getAttrDictionary(), weight.getLayoutAttr()}, static_cast<int64_t>(weights.size())});
    return {entry->second, isNew};
  }

  int64_t placeWeight(plan::WeightOp weight, Operation *parameter);
  int64_t placeGroup(plan::CacheGroupOp group);
  void renumber(plan::TargetOp target, ArrayRef<int64_t> weightNumbers, ArrayRef<int64_t> groupNumbers);
  /// Tables are appended after those there are; targets come last.
  void insertBeforeTargets() { builder.setInsertionPoint(*into.getOps<plan::TargetOp>().begin()); }

  ModuleOp into;
  SymbolTable symbols;
  OpBuilder builder;
  llvm::DenseMap<std::pair<Attribute, Attribute>, int64_t> weights;
  llvm::DenseMap<Attribute, int64_t> groups;
};

int64_t Merger::placeWeight(plan::WeightOp weight, Operation *parameter) {
  auto [number, isNew] = noteWeight(weight, parameter);
  if (!isNew)
    return number;
  insertBeforeTargets();
  // The halves of an interleaved weight come with it, unless a weight before it has brought them.
  if (auto interleaved = dyn_cast<lm::InterleavedOp>(parameter))
    for (FlatSymbolRefAttr part : {interleaved.getFirstAttr(), interleaved.getSecondAttr()})
      if (!symbols.lookup(part.getAttr()))
        symbols.insert(SymbolTable::lookupNearestSymbolFrom(parameter, part)->clone(), builder.getInsertionPoint());
  // Another packed form of a parameter that is there already: the symbol table finds a free name.
  StringAttr name = symbols.insert(parameter->clone(), builder.getInsertionPoint());
  plan::WeightOp::create(builder, weight.getLoc(), FlatSymbolRefAttr::get(name), weight.getLayoutAttr());
  return number;
}

/// Groups are equal by all that they say, layers and pages: targets whose pages differ have groups of their own.
int64_t Merger::placeGroup(plan::CacheGroupOp group) {
  auto [entry, isNew] = groups.insert({group->getAttrDictionary(), static_cast<int64_t>(groups.size())});
  if (isNew) {
    insertBeforeTargets();
    builder.clone(*group);
  }
  return entry->second;
}

/// Buffers, kernels and inputs are the target's own and keep their numbers.
void Merger::renumber(plan::TargetOp target, ArrayRef<int64_t> weightNumbers, ArrayRef<int64_t> groupNumbers) {
  target.walk([&](plan::LaunchOp launch) {
    SmallVector<Attribute> arguments;
    for (auto argument : launch.getArguments().getAsRange<plan::ArgumentAttr>()) {
      int64_t index = argument.getIndex();
      if (argument.getKind() == plan::ArgumentKind::Weight)
        index = weightNumbers[index];
      else if (argument.getKind() == plan::ArgumentKind::Cache || argument.getKind() == plan::ArgumentKind::PageTable)
        index = groupNumbers[index];
      arguments.push_back(
          plan::ArgumentAttr::get(launch.getContext(), argument.getKind(), index, argument.getOffset()));
    }
    launch.setArgumentsAttr(builder.getArrayAttr(arguments));
  });
}

/// Appends what `from` has and `into` lacks, and moves its target over.
Result<void> Merger::take(ModuleOp from) {
  auto ours = into.getOps<plan::ModelOp>(), theirs = from.getOps<plan::ModelOp>();
  // One import made them all, so a difference is a fault of a pass that changed the model for a target.
  if (ours.empty() || theirs.empty() || (*ours.begin())->getAttrDictionary() != (*theirs.begin())->getAttrDictionary())
    return makeError(ExitCode::Internal, "the plans of two targets describe different models");
  SymbolTable theirSymbols(from);
  SmallVector<int64_t> weightNumbers, groupNumbers;
  // In the order of the module, which is that of the numbers in its launches.
  for (auto weight : from.getOps<plan::WeightOp>())
    weightNumbers.push_back(placeWeight(weight, theirSymbols.lookup(weight.getParameter())));
  for (auto group : from.getOps<plan::CacheGroupOp>())
    groupNumbers.push_back(placeGroup(group));
  for (auto target : llvm::make_early_inc_range(from.getOps<plan::TargetOp>())) {
    renumber(target, weightNumbers, groupNumbers);
    // Moved, not cloned: images may have many megabytes.
    target->remove();
    into.getBody()->push_back(target);
  }
  return {};
}

} // namespace

Result<OwningOpRef<ModuleOp>> yupana::mergePlanModules(std::vector<OwningOpRef<ModuleOp>> modules) {
  Merger merger(*modules.front());
  for (size_t i = 1; i < modules.size(); ++i)
    YUPANA_RETURN_IF_ERROR(merger.take(*modules[i]));
  return std::move(modules.front());
}
