// SPDX-License-Identifier: Apache-2.0
#ifndef YUPANA_COMPILER_DRIVER_MERGEPLANS_H
#define YUPANA_COMPILER_DRIVER_MERGEPLANS_H

#include "compiler/Support/Error.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <vector>

namespace yupana {

/// Joins plan-level modules of one model, each for targets of its own, into the first of them. A weight of the same
/// parameter in the same packed form is stored once, a cache group of the same layers and pages is shared, and the
/// arguments of later targets are renumbered. ExitCode::Internal when the modules describe different models. There is
/// at least one module, and all are of one context.
Result<mlir::OwningOpRef<mlir::ModuleOp>> mergePlanModules(std::vector<mlir::OwningOpRef<mlir::ModuleOp>> modules);

} // namespace yupana

#endif // YUPANA_COMPILER_DRIVER_MERGEPLANS_H
