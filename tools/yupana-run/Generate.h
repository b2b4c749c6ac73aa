// SPDX-License-Identifier: Apache-2.0
//
// What generating and chatting share.
#ifndef YUPANA_TOOLS_YUPANARUN_GENERATE_H
#define YUPANA_TOOLS_YUPANARUN_GENERATE_H

#include "runtime/text/generate.h"
#include "tools/yupana-run/Session.h"

namespace yupana {

/// A request without a prompt, as the options say, else as the plan does. Flags of sampling that are then without
/// effect are told on standard error.
text::Request makeRequest(const Session &session, const Options &options);

/// Prepares the plan for this machine. Returns an exit code, after reporting what went wrong; the caller releases
/// `context`.
int createContext(const Session &session, const Options &options, yupana_context_t *&context);

} // namespace yupana

#endif // YUPANA_TOOLS_YUPANARUN_GENERATE_H
