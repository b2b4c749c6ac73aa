// SPDX-License-Identifier: Apache-2.0
//
// Turns the diagnostics of MLIR into one sentence for the user. The first error counts: those after it are mostly its
// consequences. Without a collector MLIR would print to the standard error, with the op in full, which can fill pages.

#include "compiler/Driver/Diagnostics.h"

#include "mlir/IR/Location.h"

using namespace mlir;
using namespace yupana;

/// "line 3, column 7: " for a place in a file, else nothing.
static std::string placeOf(Location location) {
  if (auto place = location->findInstanceOf<FileLineColLoc>())
    return fmt::format("line {}, column {}: ", place.getLine(), place.getColumn());
  return "";
}

DiagnosticCollector::DiagnosticCollector(MLIRContext &context)
    : handler(&context, [this](Diagnostic &diagnostic) {
        // Everything is handled here, also what is dropped, or MLIR would print it.
        if (diagnostic.getSeverity() == DiagnosticSeverity::Remark)
          remarks.push_back(diagnostic.str());
        if (diagnostic.getSeverity() != DiagnosticSeverity::Error || !first.empty())
          return success();
        first = placeOf(diagnostic.getLocation()) + diagnostic.str();
        // Notes name the other op of a contradiction, which a sentence has room for.
        for (Diagnostic &note : diagnostic.getNotes())
          first += "; " + note.str();
        return success();
      }) {}

Error DiagnosticCollector::takeError(ExitCode code, std::string_view what) {
  // A pass that fails without a diagnostic is a fault, which a test should find by this sentence.
  Error error = makeError(code, "{}: {}", what, first.empty() ? "failed without saying why" : first);
  first.clear();
  return error;
}
