// SPDX-License-Identifier: Apache-2.0
//
// The metadata of a plan: the ops of the plan level as the FlatBuffer of runtime/schema/plan.fbs.
#ifndef YUPANA_COMPILER_EXPORT_METADATA_H
#define YUPANA_COMPILER_EXPORT_METADATA_H

#include "compiler/Export/WeightSection.h"
#include "dialects/Plan/IR/Plan.h"

namespace yupana {

/// The ops of a module that become tables, in the order of their numbers.
struct PlanOps {
  plan::ModelOp model;
  llvm::SmallVector<plan::WeightOp, 0> weights;
  llvm::SmallVector<mlir::Operation *, 0> parameters; ///< What each weight names: an lm.weight or an lm.table.
  llvm::SmallVector<plan::CacheGroupOp> groups;
  llvm::SmallVector<plan::TargetOp> targets;
};

/// Gathers them. ExitCode::Internal when there is not one model and at least one target, each with code.
Result<PlanOps> collectPlanOps(mlir::ModuleOp module);

/// Where the file has what the metadata points at.
struct PlanPlaces {
  uint32_t firstCodeSection = 0; ///< Of the first target; one section per target follows another.
  uint32_t weightSection = 0;
  llvm::ArrayRef<WeightSection::Placement> weights;
};

/// The finished FlatBuffer; the same for the same arguments. ExitCode::Internal when a number does not fit its field or
/// the whole is larger than a reader accepts.
Result<std::vector<uint8_t>> writeMetadata(const PlanOps &ops, const PlanPlaces &places, const std::string &producer);

} // namespace yupana

#endif // YUPANA_COMPILER_EXPORT_METADATA_H
