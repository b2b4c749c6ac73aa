// SPDX-License-Identifier: Apache-2.0
//
// Weights on their way from checkpoint tensors into packed forms, a bounded window at a time.
#ifndef YUPANA_COMPILER_EXPORT_WEIGHTSTREAM_H
#define YUPANA_COMPILER_EXPORT_WEIGHTSTREAM_H

#include "compiler/Export/Pieces.h"
#include "compiler/Export/WeightMap.h"

#include <memory>

namespace yupana {

/// Elements of one window: with what is read and what is packed, at most 4 MiB per thread, so that they stay in a
/// second-level cache or near it on their way from the file to the file.
inline constexpr uint64_t weightWindowElements = uint64_t{1} << 19;

/// The bytes of an `lm.weight` or `lm.interleaved` in its packed form: float32 or bfloat16 in the form of
/// runtime/schema/forms.h that its layout names; row-major without one. Finds the tensors in `source`, which must
/// outlive the result, and compares their shapes and types with the weight's: ExitCode::InvalidInput. No window holds
/// more than `windowElements` elements or, if that is more, one tile of the form.
Result<std::unique_ptr<PieceMaker>> streamWeight(mlir::Operation *parameter, const TensorSource &source,
                                                 uint64_t windowElements = weightWindowElements);

} // namespace yupana

#endif // YUPANA_COMPILER_EXPORT_WEIGHTSTREAM_H
