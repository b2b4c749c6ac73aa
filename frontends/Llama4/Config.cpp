// SPDX-License-Identifier: Apache-2.0
//
// Every field is read by its name, with the default of the published implementation, and then held against the others.
// A field that would change the result and is not supported is refused by name; one that changes nothing is a note.
#include "frontends/Llama4/Config.h"

#include "compiler/Support/File.h"
#include "compiler/Support/Json.h"
#include "frontends/Llama4/ConfigFields.h"

#include <algorithm>

using namespace yupana;
using namespace yupana::llama4;
using nlohmann::json;

// Far above any model, low enough that products of two sizes fit 64 bits and that a list per layer can be made.
static constexpr uint64_t maxLayers = 16384;
static constexpr uint64_t maxWidth = uint64_t(1) << 24;
static constexpr uint64_t maxHeads = 65536;
static constexpr uint64_t maxExperts = 65536;
static constexpr uint64_t maxTokens = (uint64_t(1) << 31) - 1;
/// Leaves out zero, infinities and NaN: such numbers divide others.
static constexpr Bounds<double> anyPositive{1e-300, 1e300};
// A configuration has a few kilobytes; with a list for each of many layers it may have some more.
static constexpr uint64_t maxConfigBytes = 16 << 20;

bool TextConfig::anyMoE() const {
  return std::any_of(layers.begin(), layers.end(), [](const LayerConfig &layer) { return layer.isMoE; });
}

bool TextConfig::anyRope() const {
  return std::any_of(layers.begin(), layers.end(), [](const LayerConfig &layer) { return layer.usesRope; });
}

std::vector<uint64_t> ModelConfig::stopTokens() const {
  // An empty list says nothing, as a missing one.
  bool generationNames = generation && generation->eosTokens && !generation->eosTokens->empty();
  std::vector<uint64_t> stops = generationNames ? *generation->eosTokens : text.eosTokens;
  // Trainers set the tokenizer's token and leave the ids of the base model in the other files.
  if (tokenizerEos)
    stops.push_back(*tokenizerEos);
  std::sort(stops.begin(), stops.end());
  stops.erase(std::unique(stops.begin(), stops.end()), stops.end());
  return stops;
}

/// Defaults are those of Llama4TextConfig in transformers: a file may leave out any field that has its default.
static void readSizes(ConfigFields &fields, TextConfig &config) {
  config.vocabSize = fields.count("vocab_size", 202048, {1, maxTokens});
  config.hiddenSize = fields.count("hidden_size", 5120, {1, maxWidth});
  config.expertWidth = fields.count("intermediate_size", 8192, {1, maxWidth});
  config.denseWidth = fields.count("intermediate_size_mlp", 16384, {1, maxWidth});
  config.layers.resize(fields.count("num_hidden_layers", 48, {1, maxLayers}));
  config.maxPositions = fields.count("max_position_embeddings", 131072, {1, maxTokens});
  config.experts = fields.count("num_local_experts", 16, {0, maxExperts});
  config.topK = fields.count("num_experts_per_tok", 1, {0, maxExperts});
  config.rmsEps = fields.number("rms_norm_eps", 1e-5, {1e-30, 1});
  config.tiedEmbeddings = fields.flag("tie_word_embeddings", false);
  config.attentionBias = fields.flag("attention_bias", false);

  config.heads = fields.count("num_attention_heads", 40, {1, maxHeads});
  config.kvHeads = fields.optionalCount("num_key_value_heads", 8, {1, maxHeads}).value_or(config.heads);
  // Query heads share key heads in groups of the same size.
  if (config.heads % config.kvHeads != 0)
    fields.errors().fail(ExitCode::InvalidInput, "{} is {}, expected a multiple of {}, which is {}",
                         fields.name("num_attention_heads"), config.heads, fields.name("num_key_value_heads"),
                         config.kvHeads);
  // Absent and null differ in the published format: absent is 128, null is derived.
  if (std::optional<uint64_t> headDim = fields.optionalCount("head_dim", 128, {1, maxHeads}))
    config.headDim = *headDim;
  else if (config.hiddenSize % config.heads == 0)
    config.headDim = config.hiddenSize / config.heads;
  else
    fields.errors().fail(ExitCode::InvalidInput, "{} is null and {} {} is not a multiple of {} {}",
                         fields.name("head_dim"), fields.name("hidden_size"), config.hiddenSize,
                         fields.name("num_attention_heads"), config.heads);
}

/// All four fields are needed: the published code has no defaults for them.
static RopeScaling readLlama3Scaling(ConfigFields &rope) {
  for (const char *key : {"factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"})
    if (!rope.has(key))
      rope.errors().fail(ExitCode::InvalidInput, "{} is missing", rope.name(key));
  RopeScaling scaling;
  scaling.factor = rope.number("factor", 1, anyPositive);
  scaling.lowFreqFactor = rope.number("low_freq_factor", 1, anyPositive);
  scaling.highFreqFactor = rope.number("high_freq_factor", 1, anyPositive);
  scaling.originalMaxPositions = rope.count("original_max_position_embeddings", 1, {1, maxTokens});
  // Frequencies between the two bounds are blended, so the bounds must not be crossed.
  if (scaling.highFreqFactor < scaling.lowFreqFactor)
    rope.errors().fail(ExitCode::InvalidInput, "{} is {}, expected at least {}, which is {}",
                       rope.name("high_freq_factor"), scaling.highFreqFactor, rope.name("low_freq_factor"),
                       scaling.lowFreqFactor);
  return scaling;
}

/// What an object of RoPE parameters means, whatever its spelling.
struct RopeMeaning {
  std::string key; ///< Of the object, for messages.
  std::optional<double> theta;
  std::optional<RopeScaling> scaling; ///< Empty for frequencies as they are.
};

/// Reads `key` if it is there and not empty. `rope_type` counts before its older name `type`, as in transformers.
static std::optional<RopeMeaning> readRopeObject(ConfigFields &fields, const std::string &key,
                                                 std::vector<std::string> &unknown) {
  const json *object = fields.child(key);
  if (!object || object->empty())
    return std::nullopt;
  ConfigFields rope(*object, fields.pathOf(key) + ".", fields.errors());
  RopeMeaning meaning{key, rope.optionalNumber("rope_theta", anyPositive), std::nullopt};
  // transformers 5 may have an object for each type of layer here, whose layers then rotate in different ways.
  for (const char *layerType : {"full_attention", "chunked_attention", "sliding_attention"})
    rope.refuseUnless(layerType, {});
  rope.refuseUnless("partial_rotary_factor", {1});
  std::optional<std::string> type = rope.optionalText("rope_type"), olderType = rope.optionalText("type");
  if (type && olderType && *type != *olderType)
    rope.errors().note("{} is {} and {} is {}, of which the former counts", rope.name("rope_type"), inQuotes(*type),
                       rope.name("type"), inQuotes(*olderType));
  if (!type)
    type = olderType;
  // Who names a factor means a scaling; without a type it is not known which one.
  if (!type && rope.has("factor"))
    rope.errors().fail(ExitCode::InvalidInput, "{} is missing", rope.name("rope_type"));
  if (type == "llama3")
    meaning.scaling = readLlama3Scaling(rope);
  else if (type && *type != "default")
    rope.errors().fail(ExitCode::Unsupported, "{} is {}, supported are 'default' and 'llama3'", rope.name("rope_type"),
                       inQuotes(*type));
  // Dividing by one changes no frequency.
  if (meaning.scaling && meaning.scaling->factor == 1)
    meaning.scaling.reset();
  // Noted together with those of other objects, so that a file has one such note.
  for (std::string &name : rope.unknownKeys())
    unknown.push_back(std::move(name));
  return meaning;
}

/// Two objects may both be there, written by two versions of one program, if they mean the same.
static void compareRope(ConfigFields &fields, const RopeMeaning &a, const RopeMeaning &b) {
  auto compare = [&](const char *field, auto first, auto second) {
    if (first != second)
      fields.errors().fail(ExitCode::InvalidInput, "{} is {}, but {} is {}", fields.name(a.key + "." + field), first,
                           fields.name(b.key + "." + field), second);
  };
  auto typeOf = [](const RopeMeaning &meaning) { return meaning.scaling ? "'llama3'" : "'default'"; };
  // By meaning: a scaling by one was taken away and equals no scaling.
  compare("rope_type", std::string_view(typeOf(a)), std::string_view(typeOf(b)));
  if (a.theta && b.theta)
    compare("rope_theta", *a.theta, *b.theta);
  if (!a.scaling || !b.scaling)
    return;
  compare("factor", a.scaling->factor, b.scaling->factor);
  compare("low_freq_factor", a.scaling->lowFreqFactor, b.scaling->lowFreqFactor);
  compare("high_freq_factor", a.scaling->highFreqFactor, b.scaling->highFreqFactor);
  compare("original_max_position_embeddings", a.scaling->originalMaxPositions, b.scaling->originalMaxPositions);
}

/// RoPE parameters stand under `rope_scaling`, with `rope_theta` beside it, or under `rope_parameters`, with
/// `rope_theta` inside; files converted between the two may have both.
static void readRope(ConfigFields &fields, TextConfig &config, std::vector<std::string> &unknown) {
  std::optional<double> beside = fields.optionalNumber("rope_theta", anyPositive);
  std::optional<RopeMeaning> newer = readRopeObject(fields, "rope_parameters", unknown);
  std::optional<RopeMeaning> older = readRopeObject(fields, "rope_scaling", unknown);
  if (newer && older)
    compareRope(fields, *newer, *older);
  // If both are there, they mean the same, or an error stands in the log.
  for (const std::optional<RopeMeaning> *meaning : {&newer, &older}) {
    if (!*meaning)
      continue;
    config.ropeScaling = (*meaning)->scaling;
    if (!(*meaning)->theta)
      continue;
    if (beside && *beside != *(*meaning)->theta)
      fields.errors().fail(ExitCode::InvalidInput, "{} is {}, but {} is {}", fields.name("rope_theta"), *beside,
                           fields.name((*meaning)->key + ".rope_theta"), *(*meaning)->theta);
    beside = (*meaning)->theta;
  }
  config.ropeTheta = beside.value_or(500000);
}

/// A list with an entry for each layer, or null when it is absent or null. Files cut down to fewer layers keep the long
/// list, of which the first entries count; a shorter one is an error.
static const json *readPerLayer(ConfigFields &fields, const char *key, size_t layers, bool emptyIsAbsent) {
  const json *given = fields.list(key);
  if (!given || (given->empty() && emptyIsAbsent))
    return nullptr;
  if (given->size() < layers) {
    fields.errors().fail(ExitCode::InvalidInput, "{} has {} entries, expected one for each of {} layers",
                         fields.name(key), given->size(), layers);
    return nullptr;
  }
  if (given->size() > layers)
    fields.errors().note("{} has {} entries for {} layers, of which the first {} count", fields.name(key),
                         given->size(), layers, layers);
  return given;
}

/// Which layers rotate: a list of 1 (RoPE) and 0 (none), or derived from an interval when it is absent, null or empty.
static void readRopeLayers(ConfigFields &fields, TextConfig &config) {
  const json *given = readPerLayer(fields, "no_rope_layers", config.layers.size(), /*emptyIsAbsent=*/true);
  uint64_t interval = 4;
  if (given)
    // Known, so that it is not reported; not read, since the list decides and files have any number beside it.
    fields.know({"no_rope_layer_interval"});
  else
    interval = fields.count("no_rope_layer_interval", 4, {1, maxTokens});
  for (size_t i = 0; i < config.layers.size(); ++i) {
    if (!given) {
      // As the published class derives its list: of every `interval` layers the last one does not rotate.
      config.layers[i].usesRope = (i + 1) % interval != 0;
      continue;
    }
    const json &entry = (*given)[i];
    if (entry != 0 && entry != 1 && !entry.is_boolean()) {
      fields.errors().fail(ExitCode::InvalidInput, "{} has an entry that is {}, expected 0 or 1",
                           fields.name("no_rope_layers"),
                           entry.is_number() ? jsonText(entry) : std::string(jsonTypeName(entry)));
      return;
    }
    config.layers[i].usesRope = entry == 1 || entry == true;
  }
}

/// Which layers see only their own chunk: `layer_types`, or those with RoPE when it is absent or null.
static void readChunks(ConfigFields &fields, TextConfig &config) {
  std::optional<uint64_t> chunk = fields.optionalCount("attention_chunk_size", 8192, {1, maxTokens});
  const json *types = readPerLayer(fields, "layer_types", config.layers.size(), /*emptyIsAbsent=*/false);
  for (size_t i = 0; i < config.layers.size(); ++i) {
    bool chunked = config.layers[i].usesRope;
    if (types) {
      const json &type = (*types)[i];
      chunked = type == "chunked_attention";
      if (!chunked && type != "full_attention")
        fields.errors().fail(type.is_string() ? ExitCode::Unsupported : ExitCode::InvalidInput,
                             "{} has {} for layer {}, supported are 'chunked_attention' and "
                             "'full_attention'",
                             fields.name("layer_types"),
                             type.is_string() ? inQuotes(type.get<std::string>()) : jsonTypeName(type), i);
    }
    // A chunk size of null leaves these layers with plain causal attention.
    if (chunked)
      config.layers[i].chunk = chunk;
  }
}

/// Norm and temperature go by rotation, as in the published model: rotated layers normalise queries and keys, the
/// others scale queries by position.
static void readTemperatureAndNorm(ConfigFields &fields, TextConfig &config) {
  bool qkNorm = fields.flag("use_qk_norm", true);
  // Files of the first release have the integer 4 here.
  bool tuned = fields.truth("attn_temperature_tuning", true);
  TemperatureTuning tuning;
  // Positions are divided by it.
  tuning.floorScale = fields.number("floor_scale", 8192, {1e-3, 1e15});
  tuning.attnScale = fields.number("attn_scale", 0.1, {-1e6, 1e6});
  if (tuned)
    config.temperature = tuning;
  for (LayerConfig &layer : config.layers) {
    layer.qkNorm = qkNorm && layer.usesRope;
    layer.temperatureTuned = tuned && !layer.usesRope;
  }
}

/// `moe_layers` wins whatever the step says; an empty list or a step of zero is a dense model.
static void readMoELayers(ConfigFields &fields, TextConfig &config) {
  const json *given = fields.list("moe_layers");
  if (!given) {
    // Zero must not reach the remainder.
    uint64_t step = fields.count("interleave_moe_layer_step", 1, {0, maxLayers});
    for (size_t i = 0; step != 0 && i < config.layers.size(); ++i)
      config.layers[i].isMoE = (i + 1) % step == 0;
    return;
  }
  fields.know({"interleave_moe_layer_step"});
  for (const json &entry : *given) {
    std::optional<uint64_t> index = wholeNumber(entry);
    if (!index) {
      fields.errors().fail(ExitCode::InvalidInput, "{} has an entry that is {}, expected layer indices",
                           fields.name("moe_layers"),
                           entry.is_number() ? jsonText(entry) : std::string(jsonTypeName(entry)));
      return;
    }
    // Files cut down to fewer layers keep the long list.
    if (*index < config.layers.size())
      config.layers[*index].isMoE = true;
  }
}

/// Tokens that begin and end a text, and the one that fills up a batch.
static void readTokens(ConfigFields &fields, TextConfig &config) {
  auto first = [&](const char *key) -> std::optional<uint64_t> {
    std::optional<std::vector<uint64_t>> ids = fields.tokens(key, config.vocabSize);
    return ids && !ids->empty() ? std::optional(ids->front()) : std::nullopt;
  };
  // The class defaults of absent keys, where the vocabulary has them; null is none.
  config.bosToken = first("bos_token_id");
  if (fields.absent("bos_token_id") && config.vocabSize > 1)
    config.bosToken = 1;
  config.eosTokens = fields.tokens("eos_token_id", config.vocabSize).value_or(std::vector<uint64_t>());
  if (fields.absent("eos_token_id") && config.vocabSize > 2)
    config.eosTokens = {2};
  config.padToken = first("pad_token_id");
}

/// Ids beside `text_config` count before those in it, unless they are null: so transformers makes a generation config
/// of the two.
static void readOuterTokens(ConfigFields &top, TextConfig &config) {
  if (std::optional<std::vector<uint64_t>> ids = top.tokens("eos_token_id", config.vocabSize))
    config.eosTokens = std::move(*ids);
  for (auto [key, token] : {std::pair("bos_token_id", &config.bosToken), std::pair("pad_token_id", &config.padToken)})
    if (std::optional<std::vector<uint64_t>> ids = top.tokens(key, config.vocabSize); ids && !ids->empty())
      *token = ids->front();
}

static std::optional<WeightType> readWeightType(ConfigFields &fields) {
  // Both are read before one is chosen: a name that was never asked for would be reported as unknown. Other types,
  // as quantised files have them, say nothing here: each tensor has its own.
  std::optional<std::string> older = fields.optionalText("torch_dtype");
  std::optional<std::string> newer = fields.optionalText("dtype");
  const std::optional<std::string> &name = newer ? newer : older;
  if (name == "float32")
    return WeightType::F32;
  if (name == "float16")
    return WeightType::F16;
  if (name == "bfloat16")
    return WeightType::BF16;
  return std::nullopt;
}

/// Keys that belong to other models or to forms of this one that are not supported. Most would be ignored by the
/// model's own code, but a file that sets them asks for something else than Llama 4 computes.
static void refuseUnsupported(ConfigFields &fields) {
  // transformers knows `swish` as another name of SiLU. An empty object means no quantisation.
  fields.refuseUnless("hidden_act", {"silu", "swish"});
  fields.refuseUnless("quantization_config", {json::object()});
  fields.refuseUnless("compression_config", {json::object()});
  fields.refuseUnless("partial_rotary_factor", {1});
  for (const char *key : {"mlp_bias", "use_sliding_window", "is_encoder_decoder", "add_cross_attention",
                          "add_router_probs", "norm_topk_prob", "attn_logit_softcapping", "final_logit_softcapping"})
    fields.refuseUnless(key, {false});
  for (const char *key : {"sliding_window", "n_group", "topk_group", "scoring_func", "topk_method", "pruned_heads"})
    fields.refuseUnless(key, {json::object()});
  for (const char *key : {"routed_scaling_factor", "logit_scale", "embedding_multiplier", "residual_multiplier"})
    fields.refuseUnless(key, {1});
}

/// Keys that say nothing about what the model computes: what transformers writes into every configuration, and settings
/// of training and of generation.
static void knowHarmless(ConfigFields &fields) {
  fields.know({"attention_dropout",
               "initializer_range",
               "router_aux_loss_coef",
               "router_jitter_noise",
               "output_router_logits",
               "use_cache",
               "for_llm_compressor",
               "cache_implementation",
               "transformers_version",
               "architectures",
               "model_type",
               "_name_or_path",
               "_attn_implementation_autoset",
               "auto_map",
               "return_dict",
               "output_hidden_states",
               "output_attentions",
               "torchscript",
               "use_bfloat16",
               "tf_legacy_loss",
               "tie_encoder_decoder",
               "cross_attention_hidden_size",
               "is_decoder",
               "max_length",
               "min_length",
               "do_sample",
               "early_stopping",
               "num_beams",
               "num_beam_groups",
               "diversity_penalty",
               "temperature",
               "top_k",
               "top_p",
               "typical_p",
               "repetition_penalty",
               "length_penalty",
               "no_repeat_ngram_size",
               "encoder_no_repeat_ngram_size",
               "bad_words_ids",
               "num_return_sequences",
               "output_scores",
               "return_dict_in_generate",
               "forced_bos_token_id",
               "forced_eos_token_id",
               "remove_invalid_values",
               "exponential_decay_length_penalty",
               "suppress_tokens",
               "begin_suppress_tokens",
               "chunk_size_feed_forward",
               "finetuning_task",
               "id2label",
               "label2id",
               "problem_type",
               "tokenizer_class",
               "prefix",
               "decoder_start_token_id",
               "sep_token_id",
               "task_specific_params",
               "ep_plan",
               "base_model_tp_plan",
               "unsloth_fixed",
               "unsloth_version"});
}

/// What holds of several fields together. It runs last, when all of them are read.
static void checkMixture(ConfigFields &fields, const TextConfig &config) {
  if (config.anyRope() && config.headDim % 2 != 0)
    fields.errors().fail(ExitCode::InvalidInput, "{} is {}, RoPE needs an even number", fields.name("head_dim"),
                         config.headDim);
  if (!config.anyMoE())
    return;
  if (config.experts == 0)
    fields.errors().fail(ExitCode::InvalidInput,
                         "{} is 0, but some layers are mixtures of experts by 'moe_layers' or "
                         "'interleave_moe_layer_step'",
                         fields.name("num_local_experts"));
  if (config.topK == 0 || config.topK > config.experts)
    fields.errors().fail(ExitCode::InvalidInput, "{} is {}, expected 1 to {}, the number of experts",
                         fields.name("num_experts_per_tok"), config.topK, config.experts);
}

static void readTextConfig(ConfigFields &fields, TextConfig &config, std::vector<std::string> &unknown) {
  // What would change the result comes first, so that it is what a user reads. Sizes come before the lists per
  // layer, which are held against the depth, and before tokens, which are held against the vocabulary; rotation comes
  // before chunks, norm and temperature, which go by it.
  refuseUnsupported(fields);
  knowHarmless(fields);
  readSizes(fields, config);
  readRope(fields, config, unknown);
  readRopeLayers(fields, config);
  readChunks(fields, config);
  readTemperatureAndNorm(fields, config);
  readMoELayers(fields, config);
  readTokens(fields, config);
  config.weightType = readWeightType(fields);
  checkMixture(fields, config);
}

/// Refuses other models by `architectures` and `model_type`; either may be missing, not both.
static void checkModelKind(ConfigFields &fields, bool nested) {
  const json *architectures = fields.list("architectures");
  std::optional<std::string> type = fields.optionalText("model_type");
  if (architectures && !architectures->empty() &&
      std::none_of(architectures->begin(), architectures->end(), [](const json &name) {
        return name == "Llama4ForConditionalGeneration" || name == "Llama4ForCausalLM";
      }))
    fields.errors().fail(
        ExitCode::Unsupported, "{} is {}, supported are 'Llama4ForConditionalGeneration' and 'Llama4ForCausalLM'",
        fields.name("architectures"),
        inQuotes(architectures->front().is_string() ? architectures->front().get<std::string>()
                                                    : std::string(jsonTypeName(architectures->front()))));
  if (type && *type != "llama4" && *type != "llama4_text")
    fields.errors().fail(ExitCode::Unsupported, "{} is {}, supported are 'llama4' and 'llama4_text'",
                         fields.name("model_type"), inQuotes(*type));
  if (!type && (!architectures || architectures->empty()))
    fields.errors().fail(ExitCode::InvalidInput, "{} is missing", fields.name("model_type"));
  // The outer form was named and its inner object is missing: reading sizes from the top would find defaults alone.
  if (type == "llama4" && !nested)
    fields.errors().fail(ExitCode::InvalidInput, "{} is 'llama4', but there is no 'text_config'",
                         fields.name("model_type"));
}

Result<ModelConfig> llama4::parseConfig(std::string_view text, std::string_view file) {
  YUPANA_ASSIGN_OR_RETURN(json root, parseJson(text, file));
  if (!root.is_object())
    return makeError(ExitCode::InvalidInput, "{}: is {}, expected an object", file, jsonTypeName(root));
  ConfigLog log(file);
  ModelConfig model;
  std::vector<std::string> unknown;
  ConfigFields top(root, "", log);
  const json *nested = top.child("text_config");
  checkModelKind(top, nested != nullptr);
  if (!nested) {
    readTextConfig(top, model.text, unknown);
  } else {
    ConfigFields fields(*nested, "text_config.", log);
    std::optional<std::string> type = fields.optionalText("model_type");
    if (type && *type != "llama4_text" && *type != "llama4")
      log.fail(ExitCode::Unsupported, "{} is {}, supported are 'llama4_text' and 'llama4'", fields.name("model_type"),
               inQuotes(*type));
    readTextConfig(fields, model.text, unknown);
    for (std::string &key : fields.unknownKeys())
      unknown.push_back(std::move(key));
    // Fields of the text model may also stand outside of text_config, where older files have them.
    refuseUnsupported(top);
    knowHarmless(top);
    std::optional<WeightType> outer = readWeightType(top);
    if (!model.text.weightType)
      model.text.weightType = outer;
    model.isNested = true;
    model.hasVision = top.child("vision_config") != nullptr;
    // The text model ties its matrices by its own flag; this one has no effect beside it.
    top.know({"tie_word_embeddings", "boi_token_index", "eoi_token_index", "image_token_index", "boi_token_id",
              "eoi_token_id", "image_token_id"});
    readOuterTokens(top, model.text);
  }
  if (log.failed())
    // Before the notes: after an error defaults stand in for values, and notes would speak of these.
    return log.takeError();
  // Last, when everything that is read has been asked for.
  for (std::string &key : top.unknownKeys())
    unknown.push_back(std::move(key));
  if (!unknown.empty())
    log.note("unknown keys have no effect: {}", fmt::join(unknown, ", "));
  model.notes = log.takeNotes();
  return model;
}

/// Other ways to choose tokens. They are defaults of the checkpoint, not the model: a note, not an error.
static void noteOtherWays(ConfigFields &fields) {
  for (const char *key : {"num_beams", "num_beam_groups", "typical_p", "encoder_repetition_penalty", "guidance_scale"})
    fields.noteUnless(key, {1});
  for (const char *key : {"epsilon_cutoff", "eta_cutoff", "penalty_alpha", "top_h", "no_repeat_ngram_size",
                          "encoder_no_repeat_ngram_size", "min_length", "min_new_tokens"})
    fields.noteUnless(key, {0});
  for (const char *key :
       {"bad_words_ids", "suppress_tokens", "begin_suppress_tokens", "sequence_bias", "force_words_ids", "constraints",
        "forced_bos_token_id", "forced_eos_token_id", "exponential_decay_length_penalty", "watermarking_config"})
    fields.noteUnless(key, {json::array(), json::object()});
}

Result<GenerationConfig> llama4::parseGenerationConfig(std::string_view text, std::string_view file, uint64_t vocabSize,
                                                       std::vector<std::string> &notes) {
  YUPANA_ASSIGN_OR_RETURN(json root, parseJson(text, file));
  if (!root.is_object())
    return makeError(ExitCode::InvalidInput, "{}: is {}, expected an object", file, jsonTypeName(root));
  ConfigLog log(file);
  ConfigFields fields(root, "", log);
  GenerationConfig config;
  config.eosTokens = fields.tokens("eos_token_id", vocabSize);
  if (std::optional<std::vector<uint64_t>> bos = fields.tokens("bos_token_id", vocabSize); bos && !bos->empty())
    config.bosToken = bos->front();
  // Null is as good as absent, as in transformers, which means the default; for `top_k` alone it means no limit.
  config.doSample = fields.optionalFlag("do_sample").value_or(config.doSample);
  config.temperature = fields.optionalNumber("temperature", {0, 1e6}).value_or(config.temperature);
  config.topK = fields.optionalCount("top_k", config.topK, {0, maxTokens}).value_or(0);
  config.topP = fields.optionalNumber("top_p", {0, 1}).value_or(config.topP);
  config.minP = fields.optionalNumber("min_p", {0, 1}).value_or(config.minP);
  // Logits are divided by it.
  config.repetitionPenalty = fields.optionalNumber("repetition_penalty", {1e-6, 1e6}).value_or(1);
  noteOtherWays(fields);
  if (log.failed())
    return log.takeError();
  for (std::string &note : log.takeNotes())
    notes.push_back(std::move(note));
  return config;
}

Result<ModelConfig> llama4::readModelConfig(const std::string &folder) {
  std::string path = folder + "/config.json";
  YUPANA_ASSIGN_OR_RETURN(std::string text, readWholeFile(path, maxConfigBytes));
  YUPANA_ASSIGN_OR_RETURN(ModelConfig model, parseConfig(text, path));
  path = folder + "/generation_config.json";
  // Base models often come without one.
  if (!pathExists(path))
    return model;
  YUPANA_ASSIGN_OR_RETURN(text, readWholeFile(path, maxConfigBytes));
  YUPANA_ASSIGN_OR_RETURN(model.generation, parseGenerationConfig(text, path, model.text.vocabSize, model.notes));
  return model;
}
