// SPDX-License-Identifier: Apache-2.0
#ifndef YUPANA_COMPILER_EXPORT_WEIGHTDIGEST_H
#define YUPANA_COMPILER_EXPORT_WEIGHTDIGEST_H

#include "compiler/Export/Export.h"
#include "compiler/Export/Pieces.h"
#include "compiler/Export/WeightSection.h"

#include <memory>
#include <vector>

namespace yupana {

/// SHA-256 of the bytes of each weight, in ascending order, as if they had been written to a file of their own: it
/// depends neither on threads nor on the size of pieces. `options` gives threads and who is told; nothing is written.
/// Errors are those of the pieces, and ExitCode::Interrupted.
Result<std::vector<Digest>> digestWeights(llvm::ArrayRef<std::unique_ptr<PieceMaker>> weights,
                                          const ExportOptions &options);

} // namespace yupana

#endif // YUPANA_COMPILER_EXPORT_WEIGHTDIGEST_H
