// SPDX-License-Identifier: Apache-2.0
//
// Which tensors of a checkpoint, through which links, become which weight of a plan that lacks it.
#ifndef YUPANA_COMPILER_DRIVER_REFITPARTS_H
#define YUPANA_COMPILER_DRIVER_REFITPARTS_H

#include "compiler/Driver/OpenCheckpoint.h"
#include "runtime/schema/plan_generated.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace yupana {

/// A module with a `plan.weight` for every weight that the plan lacks, in the plan's order and under the plan's names,
/// and the `lm.weight` or `lm.interleaved` that each names, whose sources are tensors of the checkpoint. `plan` has
/// been checked by the runtime and is called `name` in errors. ExitCode::InvalidInput when the plan is made from
/// tensors that the checkpoint does not have, from fewer of them, or from others in shape.
Result<mlir::OwningOpRef<mlir::ModuleOp>> deriveWeights(mlir::MLIRContext &context, const schema::Plan &plan,
                                                        const std::string &name, const OpenedCheckpoint &checkpoint);

} // namespace yupana

#endif // YUPANA_COMPILER_DRIVER_REFITPARTS_H
