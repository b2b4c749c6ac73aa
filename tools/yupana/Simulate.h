// SPDX-License-Identifier: Apache-2.0
//
// `yupana verify --simulate`: the GPU code of a plan on the stand-in for the CUDA driver, tools/simdriver.
#ifndef YUPANA_TOOLS_YUPANA_SIMULATE_H
#define YUPANA_TOOLS_YUPANA_SIMULATE_H

#include "tools/yupana/OpenedPlan.h"

#include <optional>

namespace yupana {

/// The file of the stand-in: `given`, else libyupana-simdriver.so beside this program or in ../lib of its folder.
/// ExitCode::MissingFile when it is not there, ExitCode::Usage for a library that is no stand-in.
Result<std::string> findStandIn(const std::optional<std::string> &given);

/// Runs a few steps (prompts, pieces of prompts, single tokens, drawn tokens) of every GPU target of the plan, or of
/// `target` alone unless it is empty, each in a process of its own as a GPU of its capability. Compares logits with
/// those of the best CPU target that this machine runs, where the plan has one, and prints a line for each target.
/// ExitCode::InvalidInput for a fault that the stand-in finds, for logits that are not finite or differ, and for a plan
/// without weights; ExitCode::DoesNotFit when there is no GPU target, or no PTX for one.
Result<void> simulate(const OpenedPlan &plan, const std::string &target, const std::string &standIn);

} // namespace yupana

#endif // YUPANA_TOOLS_YUPANA_SIMULATE_H
