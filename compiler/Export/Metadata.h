// SPDX-License-Identifier: Apache-2.0
//
// The metadata of a plan: the ops of the plan level as the FlatBuffer of runtime/schema/plan.fbs.
#ifndef YUPANA_COMPILER_EXPORT_METADATA_H
#define YUPANA_COMPILER_EXPORT_METADATA_H

#include "compiler/Export/WeightSection.h"
#include "dialects/Plan/IR/Plan.h"
#include "runtime/schema/plan_generated.h"

#include <memory>

namespace yupana {

/// The ops of a module that become tables, in the order of their numbers.
struct PlanOps {
  plan::ModelOp model;
  llvm::SmallVector<plan::WeightOp, 0> weights;
  llvm::SmallVector<mlir::Operation *, 0> parameters; ///< What each weight names: an lm.weight or an lm.table.
  llvm::SmallVector<plan::CacheGroupOp> groups;
  llvm::SmallVector<plan::TargetOp> targets;
  llvm::SmallVector<plan::ImageOp> images; ///< Of all targets, target by target.
};

/// Gathers them. ExitCode::Internal when there is not one model and at least one target, or a kernel has no image.
Result<PlanOps> collectPlanOps(mlir::ModuleOp module);

/// Where the file has the packed bytes of a weight.
struct WeightPlace {
  uint32_t section = 0;                ///< schema::kNoSection: nowhere; the offset is then 0.
  uint64_t offset = 0;                 ///< From the start of the section.
  uint64_t bytes = 0;                  ///< As packed, whether they are in the file or not.
  llvm::ArrayRef<uint8_t> digest = {}; ///< What the metadata says of the bytes: 32 bytes, or nothing.
};

/// Where the file has what the metadata points at.
struct PlanPlaces {
  uint32_t firstImageSection = 0; ///< One section per image, in the order of PlanOps::images.
  llvm::ArrayRef<WeightPlace> weights;
};

/// The finished FlatBuffer; the same for the same arguments. ExitCode::Internal when a number does not fit its field or
/// the whole is larger than a reader accepts.
Result<std::vector<uint8_t>> writeMetadata(const PlanOps &ops, const PlanPlaces &places, const std::string &producer);

/// What the metadata says of a weight whose bytes lie at `place`.
Result<std::unique_ptr<schema::WeightT>> describeWeight(plan::WeightOp weight, mlir::Operation *parameter,
                                                        const WeightPlace &place);

/// The FlatBuffer of a plan. The bytes depend on what the plan says alone, not on where it comes from: those of
/// writeMetadata are made by this, too. ExitCode::Internal when they are more than a reader accepts.
Result<std::vector<uint8_t>> packMetadata(const schema::PlanT &plan);

} // namespace yupana

#endif // YUPANA_COMPILER_EXPORT_METADATA_H
