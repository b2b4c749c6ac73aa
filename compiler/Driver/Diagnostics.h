// SPDX-License-Identifier: Apache-2.0
#ifndef YUPANA_COMPILER_DRIVER_DIAGNOSTICS_H
#define YUPANA_COMPILER_DRIVER_DIAGNOSTICS_H

#include "compiler/Support/Error.h"

#include "mlir/IR/Diagnostics.h"

#include <string>
#include <vector>

namespace yupana {

/// Collects what MLIR reports while it lives and makes one sentence of the first error. Remarks are what passes have to
/// tell the user; warnings are dropped.
class DiagnosticCollector {
public:
  explicit DiagnosticCollector(mlir::MLIRContext &context);

  /// The first error, after "`what`: ", with its place in a file where it has one.
  Error takeError(ExitCode code, std::string_view what);

  /// All remarks, in order.
  std::vector<std::string> takeRemarks() { return std::move(remarks); }

private:
  std::string first;
  std::vector<std::string> remarks;
  mlir::ScopedDiagnosticHandler handler;
};

} // namespace yupana

#endif // YUPANA_COMPILER_DRIVER_DIAGNOSTICS_H
