// SPDX-License-Identifier: Apache-2.0
//
// Each parameter is what the user says, else what the plan recommends, which comes from the checkpoint's
// generation_config.json. A plan that does not recommend sampling has temperature 0: the best token.

#include "tools/yupana-run/Sampling.h"

#include <algorithm>
#include <cfloat>
#include <string>
#include <utility>

using namespace yupana;

/// Tells of flags that are without effect because the best token is taken.
static void noteUnusedFlags(const Options &options, const text::Request &request) {
  if (request.temperature > 0 || !request.max_new_tokens)
    return;
  for (auto [name, given] : {std::pair<const char *, bool>{"--top-k", options.topK.has_value()},
                             {"--top-p", options.topP.has_value()},
                             {"--min-p", options.minP.has_value()}})
    if (given)
      note(std::string(name) + " has no effect: the temperature is 0, so the best token is taken");
}

void yupana::chooseSampling(const Session &session, const Options &options, text::Request &request) {
  yupana_model_info_t model;
  model.size = sizeof model;
  yupana_plan_model(session.plan(), &model);
  request.temperature = options.temperature.value_or(model.do_sample ? model.temperature : 0);
  request.top_k = options.topK.value_or(model.top_k);
  // To the library 0 is no limit; the smallest number above it keeps the best token alone.
  request.top_p = std::max(options.topP.value_or(model.top_p), FLT_MIN);
  request.min_p = options.minP.value_or(model.min_p);
  request.repetition_penalty = options.repetitionPenalty.value_or(model.repetition_penalty);
  request.seed = options.seed;
  noteUnusedFlags(options, request);
}
