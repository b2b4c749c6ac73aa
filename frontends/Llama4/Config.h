// SPDX-License-Identifier: Apache-2.0
//
// config.json and generation_config.json of the Llama 4 family, with everything that a compiler derives from them.
// Absent keys have the defaults of the published format, not those of one model.
#ifndef YUPANA_FRONTENDS_LLAMA4_CONFIG_H
#define YUPANA_FRONTENDS_LLAMA4_CONFIG_H

#include "compiler/Support/Error.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace yupana::llama4 {

/// Scaling of RoPE frequencies of type "llama3". With wavelength w = 2 pi / f of a frequency f and o =
/// originalMaxPositions: f stays where w < o / highFreqFactor, becomes f / factor where w > o / lowFreqFactor, and in
/// between (empty when both factors are equal) is interpolated by s = (o / w - low) / (high - low) to
/// (1 - s) f / factor + s f. highFreqFactor >= lowFreqFactor > 0.
struct RopeScaling {
  double factor = 1;
  double lowFreqFactor = 1;
  double highFreqFactor = 1;
  uint64_t originalMaxPositions = 0;
};

/// Queries of layers without RoPE, at position p counted from 0, are multiplied by
/// 1 + attnScale * ln(1 + floor((p + 1) / floorScale)). floorScale > 0.
struct TemperatureTuning {
  double floorScale = 8192;
  double attnScale = 0.1;
};

struct LayerConfig {
  bool usesRope = true;          ///< Adjacent pairs (2i, 2i+1) of queries and keys are rotated.
  bool qkNorm = false;           ///< Queries and keys are RMS-normalised per head after RoPE, without weights.
  bool temperatureTuned = false; ///< TextConfig::temperature applies to the queries of this layer.
  bool isMoE = false;            ///< Router, experts and shared expert; else one dense SwiGLU.
  /// Positions i and j see one another only if i / chunk == j / chunk (and j <= i). Empty: plain causal attention.
  std::optional<uint64_t> chunk;
};

/// How weights were stored according to the config; tensors may differ and then count.
enum class WeightType { F32, F16, BF16 };

/// The text model. All sizes are positive unless said otherwise.
struct TextConfig {
  uint64_t vocabSize = 0;
  uint64_t hiddenSize = 0;
  uint64_t heads = 0;       ///< A multiple of kvHeads: query head h uses key/value head h / (heads / kvHeads).
  uint64_t kvHeads = 0;     ///<
  uint64_t headDim = 0;     ///< Even when a layer uses RoPE. heads * headDim need not be hiddenSize.
  uint64_t denseWidth = 0;  ///< Inner width of dense layers (intermediate_size_mlp).
  uint64_t expertWidth = 0; ///< Inner width of routed and of shared experts (intermediate_size).
  uint64_t experts = 0;     ///< 0 only if no layer is MoE.
  uint64_t topK = 0;        ///< 1..experts if a layer is MoE.
  uint64_t maxPositions = 0;
  double rmsEps = 1e-5;
  double ropeTheta = 500000;
  std::optional<RopeScaling> ropeScaling;
  std::optional<TemperatureTuning> temperature;
  bool tiedEmbeddings = false; ///< The output matrix is the embedding.
  bool attentionBias = false;  ///< q, k, v and o projections have a bias.
  std::optional<WeightType> weightType;
  std::optional<uint64_t> bosToken;
  /// None, one or several, all below vocabSize. Null is none; absent is 2, the default of the format.
  std::vector<uint64_t> eosTokens;
  std::optional<uint64_t> padToken;
  std::vector<LayerConfig> layers; ///< One per layer, at least one.

  bool anyMoE() const;
  bool anyRope() const;
};

/// What generation_config.json says. Where it is silent about how tokens are chosen, the defaults are those of the
/// format (transformers' GenerationConfig): that an absent `top_k` is 50 is part of what its author tried.
struct GenerationConfig {
  std::optional<std::vector<uint64_t>> eosTokens;
  std::optional<uint64_t> bosToken;
  bool doSample = false;        ///< Else the best token is taken.
  double temperature = 1;       ///< >= 0
  uint64_t topK = 50;           ///< 0, or null in the file: no limit
  double topP = 1;              ///< 0..1
  double minP = 0;              ///< 0..1
  double repetitionPenalty = 1; ///< > 0
};

/// Both files of a checkpoint folder.
struct ModelConfig {
  TextConfig text;
  std::optional<GenerationConfig> generation;
  bool hasVision = false;         ///< config.json describes a vision tower, which this reader leaves out.
  bool isNested = false;          ///< The text model stands in `text_config`: it is one part of a larger model.
  std::vector<std::string> notes; ///< Sentences for the user about what was read and has no effect.
  /// The `eos_token` of tokenizer_config.json, which the tokenizer's reader resolves; below vocabSize.
  std::optional<uint64_t> tokenizerEos;

  /// Tokens that end every reply, ascending and once each. Those of generation_config.json count, as transformers'
  /// generate() has it; where it names none (absent, null or an empty list) those of config.json, at the top if they
  /// stand there, else in `text_config`. The tokenizer's own ends a reply, too, whatever ids the others name: trainers
  /// set it and leave the ids of the base model behind. In chats the end of a turn is one more (runtime/text/chat.h).
  std::vector<uint64_t> stopTokens() const;
};

/// Parses the text of a config.json, of Llama4ForConditionalGeneration (with `text_config`) or of Llama4ForCausalLM
/// (all at the top). ExitCode::InvalidInput for what is missing, of the wrong type or contradicts itself;
/// ExitCode::Unsupported, naming the key, for what would change the result and is not supported. `file` names the text
/// in errors and notes.
Result<ModelConfig> parseConfig(std::string_view text, std::string_view file);

/// Parses the text of a generation_config.json. Token ids must be below `vocabSize`; larger ones are left out with a
/// note.
Result<GenerationConfig> parseGenerationConfig(std::string_view text, std::string_view file, uint64_t vocabSize,
                                               std::vector<std::string> &notes);

/// Reads FOLDER/config.json and, if it exists, FOLDER/generation_config.json.
Result<ModelConfig> readModelConfig(const std::string &folder);

} // namespace yupana::llama4

#endif // YUPANA_FRONTENDS_LLAMA4_CONFIG_H
