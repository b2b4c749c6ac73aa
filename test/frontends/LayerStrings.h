// SPDX-License-Identifier: Apache-2.0
//
// Patterns of layers as strings, so that a test shows them as a whole: "rrr." is RoPE on all layers but the last.
#ifndef YUPANA_TEST_FRONTENDS_LAYERSTRINGS_H
#define YUPANA_TEST_FRONTENDS_LAYERSTRINGS_H

#include "frontends/Llama4/Config.h"

#include <string>

namespace yupana::test {

/// One character per layer, by `letter`.
template <typename Letter> std::string layerString(const llama4::TextConfig &config, Letter letter) {
  std::string out;
  for (const llama4::LayerConfig &layer : config.layers)
    out += letter(layer);
  return out;
}
inline std::string ropeString(const llama4::TextConfig &config) {
  return layerString(config, [](const llama4::LayerConfig &layer) { return layer.usesRope ? 'r' : '.'; });
}
inline std::string moeString(const llama4::TextConfig &config) {
  return layerString(config, [](const llama4::LayerConfig &layer) { return layer.isMoE ? 'm' : '.'; });
}
inline std::string chunkString(const llama4::TextConfig &config) {
  return layerString(config, [](const llama4::LayerConfig &layer) { return layer.chunk ? 'c' : '.'; });
}
inline std::string normString(const llama4::TextConfig &config) {
  return layerString(config, [](const llama4::LayerConfig &layer) { return layer.qkNorm ? 'n' : '.'; });
}
inline std::string temperatureString(const llama4::TextConfig &config) {
  return layerString(config, [](const llama4::LayerConfig &layer) { return layer.temperatureTuned ? 't' : '.'; });
}

} // namespace yupana::test

#endif // YUPANA_TEST_FRONTENDS_LAYERSTRINGS_H
