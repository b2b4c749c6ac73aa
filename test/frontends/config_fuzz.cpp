// SPDX-License-Identifier: Apache-2.0
//
// Arbitrary bytes as config.json and generation_config.json. What is accepted must hold to the header's promises.
#include "frontends/Llama4/Config.h"

#include <cstdlib>

using namespace yupana;
using namespace yupana::llama4;

static void require(bool condition) {
  if (!condition)
    std::abort();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view text(reinterpret_cast<const char *>(data), size);
  std::vector<std::string> notes;
  (void)parseGenerationConfig(text, "generation_config.json", 1000, notes);
  auto model = parseConfig(text, "config.json");
  if (!model)
    return 0;
  const TextConfig &config = model->text;
  require(config.vocabSize > 0 && config.hiddenSize > 0 && config.denseWidth > 0 && config.expertWidth > 0);
  require(config.kvHeads > 0 && config.heads > 0 && config.heads % config.kvHeads == 0 && config.headDim > 0);
  require(!config.layers.empty() && config.ropeTheta > 0 && config.rmsEps > 0);
  require(!config.anyRope() || config.headDim % 2 == 0);
  require(!config.anyMoE() || (config.topK >= 1 && config.topK <= config.experts));
  require(!config.temperature || config.temperature->floorScale > 0);
  require(!config.ropeScaling || config.ropeScaling->highFreqFactor >= config.ropeScaling->lowFreqFactor);
  for (uint64_t token : config.eosTokens)
    require(token < config.vocabSize);
  return 0;
}
