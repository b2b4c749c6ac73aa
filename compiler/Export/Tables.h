// SPDX-License-Identifier: Apache-2.0
//
// Tables computed at compile time: `lm.table`.
#ifndef YUPANA_COMPILER_EXPORT_TABLES_H
#define YUPANA_COMPILER_EXPORT_TABLES_H

#include "compiler/Export/Pieces.h"
#include "dialects/LM/IR/LM.h"

#include <memory>
#include <vector>

namespace yupana {

/// The frequency in radians per position of each pair of a head of `dim` features, scaled as `rope` says; in float64.
std::vector<double> ropeFrequencies(lm::RopeAttr rope, int64_t dim);

/// The values of a table as float32, row-major: each is computed in float64 and rounded once.
std::unique_ptr<PieceMaker> makeTable(lm::TableOp table);

} // namespace yupana

#endif // YUPANA_COMPILER_EXPORT_TABLES_H
