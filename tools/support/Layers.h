// SPDX-License-Identifier: Apache-2.0
//
// Which layer a launch works for: a plan has launches and no layers.
#ifndef YUPANA_TOOLS_SUPPORT_LAYERS_H
#define YUPANA_TOOLS_SUPPORT_LAYERS_H

#include "runtime/schema/plan_generated.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace yupana {

/// The number in "layers.N.rest", which is how frontends name the weights of a layer.
std::optional<uint32_t> layerInName(std::string_view name);

/// "layers.3.experts.gate+up_4" -> "experts.gate+up": less the layer, less the number that keeps the names of several
/// forms apart, and less the words on how the rows of a rotation are stored.
std::string shortWeightName(std::string_view name);

/// The first `longest` bytes of `text`, in UTF-8, or up to three less so that no character is cut, and "..." behind
/// them; all of a text that is no longer. For names that a report repeats as often as something refers to them.
std::string shortened(std::string_view text, size_t longest);

/// True for what was computed at compile time: its source then says how, "rope table: ...", and names no tensor.
bool isTable(const schema::Weight &weight);

/// True if the grid depends on the rows of logits and on no other size of the step.
bool runsOverRows(const schema::Launch &launch);

/// The decoder layer that each launch of `program` works for; nothing for those before and after the layers. Weights
/// tell by their names, "layers.N."; a launch without weights works for the layer of the one before it, unless it runs
/// over rows of logits alone.
std::vector<std::optional<uint32_t>> layersOf(const schema::Plan &plan, const schema::StepProgram &program);

} // namespace yupana

#endif // YUPANA_TOOLS_SUPPORT_LAYERS_H
