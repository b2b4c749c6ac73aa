// SPDX-License-Identifier: Apache-2.0
//
// What typical steps of a plan move and compute, launch by launch, and what a machine would need for it.
#ifndef YUPANA_TOOLS_YUPANA_PLANWORK_H
#define YUPANA_TOOLS_YUPANA_PLANWORK_H

#include "tools/support/StepWork.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace yupana {

/// A launch of a step.
struct LaunchView {
  uint32_t number; ///< In its program.
  uint32_t kernel;
  std::optional<uint32_t> layer;
  std::string purpose;           ///< As StepWork says it.
  std::string tile;              ///< What one cell computes: "144 × 32", rows by features; empty if unknown.
  std::optional<uint32_t> cells; ///< Nothing where it depends on the device.
  Work work;
};

/// A step as people run it: a token behind others, or a prompt.
struct StepView {
  const char *name; ///< "decode", "prefill".
  uint64_t tokens, position;
  uint32_t program;
  std::vector<LaunchView> launches;

  Work total() const;
};

/// One of either. A decoded token stands behind half the longest context, at most 1,024 positions; a prompt is as long
/// as a step may be.
std::vector<StepView> stepViews(const schema::Plan &plan, const schema::Target &target);

/// A count as an integer; sizes in a plan that opens may still be of any kind, so it saturates.
uint64_t wholeNumber(double value);

/// A machine of a kind that a target is made for, by its data sheet: a scale to read plans by, and no promise.
struct ReferenceMachine {
  std::string_view target;
  std::string_view name;
  double bandwidth;           ///< Bytes/s.
  double bf16Flops, f32Flops; ///< FLOP/s, of bf16 products with float32 sums and of float32.

  double flops(std::string_view precision) const { return precision == "f32" ? f32Flops : bf16Flops; }
};

/// Null for a target of an unknown name.
const ReferenceMachine *findReferenceMachine(std::string_view target);

} // namespace yupana

#endif // YUPANA_TOOLS_YUPANA_PLANWORK_H
