// SPDX-License-Identifier: Apache-2.0
#ifndef YUPANA_COMPILER_DRIVER_DIAGNOSTICS_H
#define YUPANA_COMPILER_DRIVER_DIAGNOSTICS_H

#include "compiler/Support/Error.h"

#include "mlir/IR/Diagnostics.h"

namespace yupana {

/// Collects what MLIR reports while it lives and makes one sentence of the first error. Warnings and remarks are
/// dropped: no pass of the compiler speaks to the user.
class DiagnosticCollector {
public:
  explicit DiagnosticCollector(mlir::MLIRContext &context);

  /// The first error, after "`what`: ", with its place in a file where it has one.
  Error takeError(ExitCode code, std::string_view what);

private:
  std::string first;
  mlir::ScopedDiagnosticHandler handler;
};

} // namespace yupana

#endif // YUPANA_COMPILER_DRIVER_DIAGNOSTICS_H
