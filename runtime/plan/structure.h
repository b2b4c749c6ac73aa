// SPDX-License-Identifier: Apache-2.0
//
// The structure of the metadata: every offset, size and alignment, before anything in it is read by its meaning.

#ifndef YUPANA_RUNTIME_PLAN_STRUCTURE_H
#define YUPANA_RUNTIME_PLAN_STRUCTURE_H

#include "runtime/base/status.h"

#include <cstdint>

namespace yupana::runtime {

/// True if `metadata` is a FlatBuffer of plan.fbs, as FlatBuffers' own verifier sees it, whose objects, each counted as
/// often as it is referred to, take no more bytes than there are, and whose vectors are aligned to their elements.
/// Whoever walks the tree then does work in proportion to its bytes: in a FlatBuffer two references may lead to one
/// object, and a few thousand of them on each of a few levels to any number of visits.
bool check_structure(const uint8_t *metadata, uint64_t bytes, const Report &report);

namespace internal {

enum class FieldKind : uint8_t { scalar, string, table, scalars, strings, tables };

/// A field of a table of plan.fbs.
struct Field {
  FieldKind kind;
  /// Bytes of a scalar, or of an element that is a scalar or a struct; the number of a table.
  uint8_t of;
  bool required;
  /// Of elements that need more than the four bytes which every vector is aligned to.
  uint8_t alignment = 4;
};

enum TableNumber : uint8_t {
  kGenerationTable,
  kModelTable,
  kLimitsTable,
  kWeightPartTable,
  kWeightTable,
  kCacheGroupTable,
  kArenaTable,
  kBufferTable,
  kKernelTable,
  kLaunchTable,
  kStepProgramTable,
  kTargetTable,
  kPlanTable,
  kTableCount
};

/// The fields of a table, in the order of their declaration. A test compares them with what flatc knows of plan.fbs.
const Field *fields_of(TableNumber table, uint32_t *out_count);

} // namespace internal

} // namespace yupana::runtime

#endif
