// SPDX-License-Identifier: Apache-2.0
//
// Arbitrary bytes as a chat template. What is recognised must render as the template does, which recognition has held
// it to, and have something to go on from.
#include "frontends/ChatTemplate/ChatTemplate.h"

#include <cstdlib>

using namespace yupana;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::string begin = "<s>", end = "</s>";
  auto format = recognizeChatTemplate({reinterpret_cast<const char *>(data), size}, &begin, &end);
  if (format && (format->generation.empty() || format->end.empty()))
    std::abort();
  return 0;
}
