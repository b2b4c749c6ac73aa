// SPDX-License-Identifier: Apache-2.0
//
// How tokens are chosen.
#ifndef YUPANA_TOOLS_YUPANARUN_SAMPLING_H
#define YUPANA_TOOLS_YUPANARUN_SAMPLING_H

#include "runtime/text/generate.h"
#include "tools/yupana-run/Session.h"

namespace yupana {

/// Fills in the sampling parameters of `request`, whose max_new_tokens is set: as the user says, else as the plan does.
/// Flags that are then without effect are told on standard error.
void chooseSampling(const Session &session, const Options &options, text::Request &request);

} // namespace yupana

#endif // YUPANA_TOOLS_YUPANARUN_SAMPLING_H
