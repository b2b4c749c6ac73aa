// SPDX-License-Identifier: Apache-2.0
#include "frontends/Llama4/Config.h"
#include "test/frontends/LayerStrings.h"
#include "test/frontends/TestFiles.h"

using namespace yupana;
using namespace yupana::llama4;
using namespace yupana::test;

namespace {

/// A text-only config.json with these members beside the two that name the model.
std::string textOnly(std::string_view members) {
  return fmt::format(R"({{"architectures":["Llama4ForCausalLM"],"model_type":"llama4_text"{}{}}})",
                     members.empty() ? "" : ",", members);
}

ModelConfig parsed(std::string_view text) {
  auto config = parseConfig(text, "config.json");
  if (!config.ok()) {
    ADD_FAILURE() << config.error().message;
    return {};
  }
  return std::move(config).value();
}

TextConfig parsedText(std::string_view members) { return parsed(textOnly(members)).text; }

TEST(Llama4Config, AbsentKeysHaveTheFormatsDefaults) {
  ModelConfig model = parsed(textOnly(""));
  const TextConfig &c = model.text;
  EXPECT_EQ(c.vocabSize, 202048u);
  EXPECT_EQ(c.hiddenSize, 5120u);
  EXPECT_EQ(c.layers.size(), 48u);
  EXPECT_EQ(c.heads, 40u);
  EXPECT_EQ(c.kvHeads, 8u);
  EXPECT_EQ(c.headDim, 128u);
  EXPECT_EQ(c.expertWidth, 8192u);
  EXPECT_EQ(c.denseWidth, 16384u);
  EXPECT_EQ(c.experts, 16u);
  EXPECT_EQ(c.topK, 1u);
  EXPECT_EQ(c.maxPositions, 131072u);
  EXPECT_EQ(c.rmsEps, 1e-5);
  EXPECT_EQ(c.ropeTheta, 500000);
  EXPECT_FALSE(c.ropeScaling);
  EXPECT_FALSE(c.tiedEmbeddings);
  EXPECT_FALSE(c.attentionBias);
  EXPECT_FALSE(c.weightType);
  ASSERT_TRUE(c.temperature);
  EXPECT_EQ(c.temperature->floorScale, 8192);
  EXPECT_EQ(c.temperature->attnScale, 0.1);
  EXPECT_EQ(c.bosToken, 1u);
  EXPECT_EQ(c.eosTokens, std::vector<uint64_t>{2});
  EXPECT_FALSE(c.padToken);
  EXPECT_EQ(ropeString(c).substr(0, 8), "rrr.rrr.");
  EXPECT_EQ(chunkString(c), "ccc.ccc.ccc.ccc.ccc.ccc.ccc.ccc.ccc.ccc.ccc.ccc.");
  EXPECT_EQ(c.layers[0].chunk, 8192u);
  EXPECT_EQ(normString(c).substr(0, 4), "nnn.");
  EXPECT_EQ(temperatureString(c).substr(0, 4), "...t");
  EXPECT_EQ(moeString(c), std::string(48, 'm'));
  EXPECT_FALSE(model.hasVision);
  EXPECT_TRUE(model.notes.empty());
}

TEST(Llama4Config, ScoutAsPublished) {
  ModelConfig model = parsed(R"({"architectures":["Llama4ForConditionalGeneration"],"model_type":"llama4",
    "boi_token_index":200080,"eoi_token_index":200081,"image_token_index":200092,"torch_dtype":"bfloat16",
    "tie_word_embeddings":false,"transformers_version":"4.51.0","vision_config":{"model_type":"llama4_vision_model"},
    "text_config":{"attention_bias":false,"attention_chunk_size":8192,"attention_dropout":0.0,"bos_token_id":200000,
    "eos_token_id":[200001,200007,200008],"for_llm_compressor":false,"head_dim":128,"hidden_act":"silu",
    "hidden_size":5120,"initializer_range":0.02,"interleave_moe_layer_step":1,"intermediate_size":8192,
    "intermediate_size_mlp":16384,"max_position_embeddings":10485760,"model_type":"llama4_text","no_rope_layers":[],
    "num_attention_heads":40,"num_experts_per_tok":1,"num_hidden_layers":48,"num_key_value_heads":8,
    "num_local_experts":16,"output_router_logits":false,"pad_token_id":200018,"rms_norm_eps":1e-05,
    "rope_scaling":{"factor":16.0,"high_freq_factor":1.0,"low_freq_factor":1.0,
    "original_max_position_embeddings":8192,"rope_type":"llama3"},"rope_theta":500000.0,"router_aux_loss_coef":0.001,
    "router_jitter_noise":0.0,"torch_dtype":"bfloat16","use_cache":true,"use_qk_norm":true,"vocab_size":202048}})");
  const TextConfig &c = model.text;
  EXPECT_TRUE(model.hasVision);
  EXPECT_TRUE(model.notes.empty());
  EXPECT_EQ(c.maxPositions, 10485760u);
  ASSERT_TRUE(c.ropeScaling);
  EXPECT_EQ(c.ropeScaling->factor, 16);
  EXPECT_EQ(c.ropeScaling->lowFreqFactor, 1);
  EXPECT_EQ(c.ropeScaling->highFreqFactor, 1);
  EXPECT_EQ(c.ropeScaling->originalMaxPositions, 8192u);
  EXPECT_EQ(c.weightType, WeightType::BF16);
  EXPECT_EQ(c.bosToken, 200000u);
  EXPECT_EQ(c.padToken, 200018u);
  EXPECT_EQ(model.stopTokens(), (std::vector<uint64_t>{200001, 200007, 200008}));
}

TEST(Llama4Config, MoELayers) {
  EXPECT_EQ(moeString(parsedText(R"("num_hidden_layers":6,"interleave_moe_layer_step":2)")), ".m.m.m");
  EXPECT_EQ(moeString(parsedText(R"("num_hidden_layers":6,"interleave_moe_layer_step":0)")), "......");
  EXPECT_EQ(moeString(parsedText(R"("num_hidden_layers":6,"moe_layers":[],"interleave_moe_layer_step":0)")), "......");
  // The list wins over the step; null is as if it were absent; layers beyond the last are ignored.
  EXPECT_EQ(moeString(parsedText(R"("num_hidden_layers":6,"moe_layers":[0,4,9],"interleave_moe_layer_step":2)")),
            "m...m.");
  EXPECT_EQ(moeString(parsedText(R"("num_hidden_layers":6,"moe_layers":null,"interleave_moe_layer_step":3)")),
            "..m..m");
  EXPECT_FALSE(parsedText(R"("moe_layers":[],"num_local_experts":0)").anyMoE());
}

TEST(Llama4Config, RopeLayersAndChunks) {
  EXPECT_EQ(ropeString(parsedText(R"("num_hidden_layers":6,"no_rope_layers":null)")), "rrr.rr");
  EXPECT_EQ(ropeString(parsedText(R"("num_hidden_layers":6,"no_rope_layers":[],"no_rope_layer_interval":2)")),
            "r.r.r.");
  EXPECT_EQ(ropeString(parsedText(R"("num_hidden_layers":3,"no_rope_layers":[0,1,1])")), ".rr");
  EXPECT_EQ(chunkString(parsedText(R"("num_hidden_layers":3,"no_rope_layers":[0,1,1])")), ".cc");
  EXPECT_EQ(chunkString(parsedText(R"("num_hidden_layers":3,"attention_chunk_size":null)")), "...");
  TextConfig mixed = parsedText(R"("num_hidden_layers":3,"no_rope_layers":[0,1,1],"attention_chunk_size":40,)"
                                R"("layer_types":["chunked_attention","full_attention","chunked_attention"])");
  EXPECT_EQ(chunkString(mixed), "c.c");
  EXPECT_EQ(mixed.layers[0].chunk, 40u);
  EXPECT_EQ(normString(mixed), ".nn");
  EXPECT_EQ(temperatureString(mixed), "t..");
}

TEST(Llama4Config, TemperatureFlagMayBeANumber) {
  EXPECT_TRUE(parsedText(R"("attn_temperature_tuning":4)").temperature);
  EXPECT_FALSE(parsedText(R"("attn_temperature_tuning":0)").temperature);
  EXPECT_FALSE(parsedText(R"("attn_temperature_tuning":false)").temperature);
  EXPECT_EQ(temperatureString(parsedText(R"("num_hidden_layers":4,"attn_temperature_tuning":false)")), "....");
}

TEST(Llama4Config, RopeParametersInBothSpellings) {
  TextConfig newer = parsedText(R"("rope_parameters":{"rope_type":"default","rope_theta":10000.0})");
  EXPECT_EQ(newer.ropeTheta, 10000);
  EXPECT_FALSE(newer.ropeScaling);
  TextConfig older = parsedText(R"("rope_theta":7,"rope_scaling":{"type":"llama3","factor":8,"low_freq_factor":1,)"
                                R"("high_freq_factor":4,"original_max_position_embeddings":8192})");
  EXPECT_EQ(older.ropeTheta, 7);
  ASSERT_TRUE(older.ropeScaling);
  EXPECT_EQ(older.ropeScaling->highFreqFactor, 4);
  EXPECT_FALSE(parsedText(R"("rope_scaling":null,"rope_parameters":{})").ropeScaling);
  EXPECT_EQ(parsedText(R"("rope_theta":3,"rope_parameters":{"rope_type":"default"})").ropeTheta, 3);
}

// Two versions of one program may have written both objects: they are compared by what they mean.
TEST(Llama4Config, RopeInBothPlacesMeansTheSame) {
  TextConfig both = parsedText(
      R"("rope_theta":1e4,"rope_scaling":{"type":"llama3","rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,)"
      R"("high_freq_factor":4,"original_max_position_embeddings":32.0},"rope_parameters":{"rope_theta":10000,)"
      R"("rope_type":"llama3","factor":8,"low_freq_factor":1,"high_freq_factor":4.0,)"
      R"("original_max_position_embeddings":32,"partial_rotary_factor":1.0})");
  EXPECT_EQ(both.ropeTheta, 10000);
  ASSERT_TRUE(both.ropeScaling);
  EXPECT_EQ(both.ropeScaling->factor, 8);
  EXPECT_EQ(both.ropeScaling->originalMaxPositions, 32u);
  // A factor of one scales nothing.
  EXPECT_FALSE(parsedText(R"("rope_scaling":{"type":"default"},"rope_parameters":{"rope_type":"llama3","factor":1,)"
                          R"("low_freq_factor":1,"high_freq_factor":1,"original_max_position_embeddings":32})")
                   .ropeScaling);
  ModelConfig named = parsed(textOnly(R"("rope_scaling":{"type":"linear","rope_type":"default"})"));
  EXPECT_FALSE(named.text.ropeScaling);
  ASSERT_EQ(named.notes.size(), 1u);
  EXPECT_NE(named.notes[0].find("'rope_scaling.rope_type' is 'default'"), std::string::npos) << named.notes[0];
}

TEST(Llama4Config, WholeNumbersHoweverWritten) {
  ModelConfig model = parsed(textOnly(R"("hidden_size":64.0,"num_attention_heads":1e1,"num_key_value_heads":1E1,)"
                                      R"("vocab_size":2.56e2,"num_hidden_layers":2.0,"moe_layers":[1.0],)"
                                      R"("no_rope_layers":[0.0,1.0],"eos_token_id":[3.0,4],"head_dim":32.0)"));
  EXPECT_EQ(model.text.hiddenSize, 64u);
  EXPECT_EQ(model.text.heads, 10u);
  EXPECT_EQ(model.text.vocabSize, 256u);
  EXPECT_EQ(moeString(model.text), ".m");
  EXPECT_EQ(ropeString(model.text), ".r");
  EXPECT_EQ(model.text.eosTokens, (std::vector<uint64_t>{3, 4}));
}

// As Python writes numbers that are not finite, where nothing depends on them.
TEST(Llama4Config, NonFiniteNumbersThatNobodyReads) {
  ModelConfig model = parsed(textOnly(R"("initializer_range":NaN,"router_jitter_noise":-Infinity,"use_cache":true,)"
                                      R"("attention_dropout": Infinity ,"_name_or_path":"NaN \" Infinity")"));
  EXPECT_TRUE(model.notes.empty());
}

TEST(Llama4Config, ListsLongerThanTheDepth) {
  ModelConfig model = parsed(textOnly(R"("num_hidden_layers":2,"no_rope_layers":[0,1,1],"moe_layers":[1,2],)"
                                      R"("layer_types":["full_attention","chunked_attention","other"])"));
  EXPECT_EQ(ropeString(model.text), ".r");
  EXPECT_EQ(chunkString(model.text), ".c");
  EXPECT_EQ(moeString(model.text), ".m");
  ASSERT_EQ(model.notes.size(), 2u);
  EXPECT_EQ(model.notes[0], "config.json: 'no_rope_layers' has 3 entries for 2 layers, of which the first 2 count");
}

TEST(Llama4Config, TypeOfTheTextConfig) {
  EXPECT_TRUE(parsed(R"({"model_type":"llama4","text_config":{"model_type":"llama4"}})").isNested);
}

// As transformers makes a generation config: what stands beside `text_config` counts unless it is null.
TEST(Llama4Config, TokensBesideTheTextConfig) {
  auto model = [](std::string_view outer, std::string_view inner) {
    return parsed(fmt::format(R"({{"model_type":"llama4",{}"text_config":{{"vocab_size":50{}}}}})", outer, inner));
  };
  EXPECT_EQ(model(R"("eos_token_id":7,)", R"(,"eos_token_id":[8,9])").stopTokens(), std::vector<uint64_t>{7});
  EXPECT_EQ(model(R"("eos_token_id":null,)", R"(,"eos_token_id":[9,8])").stopTokens(), (std::vector<uint64_t>{8, 9}));
  EXPECT_EQ(model(R"("eos_token_id":[5,4],)", "").stopTokens(), (std::vector<uint64_t>{4, 5}));
  EXPECT_EQ(model("", "").stopTokens(), std::vector<uint64_t>{2});
  EXPECT_TRUE(model("", R"(,"eos_token_id":null)").stopTokens().empty());
  EXPECT_EQ(model(R"("bos_token_id":3,)", R"(,"bos_token_id":4)").text.bosToken, 3u);
}

TEST(Llama4Config, StopTokensOfAllFiles) {
  ModelConfig model = parsed(textOnly(R"("eos_token_id":[5])"));
  std::vector<std::string> notes;
  auto generation = [&](std::string_view text) {
    model.generation = *parseGenerationConfig(text, "generation_config.json", 100, notes);
    return model.stopTokens();
  };
  EXPECT_EQ(generation(R"({"eos_token_id":6})"), std::vector<uint64_t>{6});
  for (const char *silent : {"{}", R"({"eos_token_id":null})", R"({"eos_token_id":[]})"})
    EXPECT_EQ(generation(silent), std::vector<uint64_t>{5}) << silent;
  model.tokenizerEos = 4;
  EXPECT_EQ(model.stopTokens(), (std::vector<uint64_t>{4, 5}));
  model.tokenizerEos = 5;
  EXPECT_EQ(model.stopTokens(), std::vector<uint64_t>{5});
}

TEST(Llama4Config, NullsThatMeanSomething) {
  TextConfig c = parsedText(R"("hidden_size":96,"num_attention_heads":6,"num_key_value_heads":null,"head_dim":null,)"
                            R"("bos_token_id":null,"eos_token_id":null)");
  EXPECT_EQ(c.kvHeads, 6u);
  EXPECT_EQ(c.headDim, 16u);
  EXPECT_FALSE(c.bosToken);
  EXPECT_TRUE(c.eosTokens.empty());
}

TEST(Llama4Config, UnknownKeysAreNamed) {
  ModelConfig model = parsed(textOnly(R"("colour":"red","rope_scaling":{"rope_type":"default","speed":1})"));
  ASSERT_EQ(model.notes.size(), 1u);
  for (const char *fragment : {"config.json", "'colour'", "'rope_scaling.speed'"})
    EXPECT_NE(model.notes[0].find(fragment), std::string::npos) << model.notes[0];
}

TEST(Llama4Config, TokensOutsideTheVocabularyAreNoted) {
  ModelConfig model = parsed(textOnly(R"("vocab_size":10,"eos_token_id":[9,10],"pad_token_id":-1)"));
  EXPECT_EQ(model.text.eosTokens, std::vector<uint64_t>{9});
  EXPECT_FALSE(model.text.padToken);
  EXPECT_EQ(model.notes.size(), 2u);
}

TEST(Llama4Config, GenerationConfig) {
  std::vector<std::string> notes;
  auto config = parseGenerationConfig(R"({"bos_token_id":1,"eos_token_id":[7,5],"do_sample":true,"temperature":0.6,
    "top_p":0.9,"top_k":null,"transformers_version":"4.51.0"})",
                                      "generation_config.json", 100, notes);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->eosTokens, (std::vector<uint64_t>{5, 7}));
  EXPECT_EQ(config->doSample, true);
  EXPECT_EQ(config->temperature, 0.6);
  EXPECT_EQ(config->topP, 0.9);
  EXPECT_EQ(config->topK, 0u);
  EXPECT_EQ(config->minP, 0);
  EXPECT_EQ(config->repetitionPenalty, 1);
  EXPECT_TRUE(notes.empty());
  auto one = parseGenerationConfig(R"({"eos_token_id":3,"top_k":40,"repetition_penalty":1.1,"min_p":0.05})",
                                   "generation_config.json", 100, notes);
  ASSERT_TRUE(one) << one.error().message;
  EXPECT_EQ(one->eosTokens, std::vector<uint64_t>{3});
  EXPECT_EQ(one->topK, 40u);
  EXPECT_EQ(one->repetitionPenalty, 1.1);
  EXPECT_EQ(one->minP, 0.05);
  expectError(parseGenerationConfig(R"({"top_p":2})", "generation_config.json", 100, notes), ExitCode::InvalidInput,
              {"generation_config.json", "'top_p' is 2"});
  for (const char *bad : {R"({"temperature":-1})", R"({"min_p":1.5})", R"({"top_k":-1})", R"({"repetition_penalty":0})",
                          R"({"do_sample":1})", R"({"temperature":"hot"})"})
    expectError(parseGenerationConfig(bad, "generation_config.json", 100, notes), ExitCode::InvalidInput,
                {"generation_config.json"});
}

// Ways to choose tokens that are not supported are told of, unless they say what is done anyway.
TEST(Llama4Config, OtherWaysToChooseTokensAreNoted) {
  std::vector<std::string> notes;
  ASSERT_TRUE(parseGenerationConfig(R"({"num_beams":1,"typical_p":1.0,"no_repeat_ngram_size":0,"bad_words_ids":null,
    "suppress_tokens":[],"max_length":4096})",
                                    "generation_config.json", 100, notes));
  EXPECT_TRUE(notes.empty()) << notes[0];
  ASSERT_TRUE(parseGenerationConfig(R"({"num_beams":4,"no_repeat_ngram_size":3,"suppress_tokens":[7]})",
                                    "generation_config.json", 100, notes));
  ASSERT_EQ(notes.size(), 3u);
  EXPECT_EQ(notes[0], "generation_config.json: 'num_beams' is 4, which has no effect");
}

// What a generation_config leaves out has the defaults of the format.
TEST(Llama4Config, GenerationDefaults) {
  std::vector<std::string> notes;
  auto config = parseGenerationConfig("{}", "generation_config.json", 100, notes);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_FALSE(config->doSample);
  EXPECT_EQ(config->temperature, 1);
  EXPECT_EQ(config->topK, 50u);
  EXPECT_EQ(config->topP, 1);
  EXPECT_EQ(config->minP, 0);
  EXPECT_EQ(config->repetitionPenalty, 1);
}

TEST(Llama4Config, FolderWithoutConfig) {
  TemporaryFolder folder;
  expectError(readModelConfig(folder.path()), ExitCode::MissingFile, {"config.json", "No such file"});
  folder.write("config.json", textOnly(""));
  auto silent = readModelConfig(folder.path());
  ASSERT_TRUE(silent) << silent.error().message;
  EXPECT_FALSE(silent->generation);
  folder.write("generation_config.json", R"({"eos_token_id":5})");
  auto model = readModelConfig(folder.path());
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->stopTokens(), std::vector<uint64_t>{5});
}

struct BadConfig {
  const char *name;
  std::string text;
  ExitCode code;
  std::vector<std::string> fragments;
};

constexpr std::string_view llama3Rope = R"("rope_type":"llama3","factor":8,"low_freq_factor":1,"high_freq_factor":4,)"
                                        R"("original_max_position_embeddings":32)";

std::vector<BadConfig> badConfigs() {
  auto text = [](std::string_view members) { return textOnly(members); };
  constexpr ExitCode invalid = ExitCode::InvalidInput, unsupported = ExitCode::Unsupported;
  return {
      {"NotJson", "{\n  \"a\": }", invalid, {"line 2, column"}},
      {"NotAnObject", "[]", invalid, {"a list, expected an object"}},
      {"ZeroByte", std::string("{}\0", 3), invalid, {"byte 2 is zero"}},
      {"KeyTwice", R"({"model_type":"llama4_text","model_type":"x"})", invalid, {"'model_type' stands twice"}},
      {"TooDeep", std::string(65, '['), invalid, {"nested deeper than 64"}},
      {"NoModelType", "{}", invalid, {"'model_type' is missing"}},
      {"NoTextConfig", R"({"model_type":"llama4"})", invalid, {"no 'text_config'"}},
      {"TextConfigIsList", R"({"model_type":"llama4","text_config":[]})", invalid, {"'text_config' is []"}},
      {"OtherArchitecture",
       R"({"architectures":["MixtralForCausalLM"],"model_type":"mixtral"})",
       unsupported,
       {"'MixtralForCausalLM'", "Llama4ForCausalLM"}},
      {"OtherModelType", R"({"model_type":"llama"})", unsupported, {"'llama'"}},
      {"OtherTextType", R"({"model_type":"llama4","text_config":{"model_type":"qwen"}})", unsupported, {"'qwen'"}},
      {"Activation", text(R"("hidden_act":"gelu")"), unsupported, {"'hidden_act' is \"gelu\""}},
      {"Quantised",
       text(R"("quantization_config":{"quant_method":"fp8"})"),
       unsupported,
       {"'quantization_config'", "fp8"}},
      {"QuantisedOutside",
       R"({"model_type":"llama4","text_config":{},"quantization_config":{"quant_method":"x"}})",
       unsupported,
       {"'quantization_config'"}},
      {"SlidingWindow", text(R"("sliding_window":4096)"), unsupported, {"'sliding_window' is 4096"}},
      {"PartialRotary", text(R"("partial_rotary_factor":0.5)"), unsupported, {"'partial_rotary_factor' is 0.5"}},
      {"Softcap", text(R"("final_logit_softcapping":30.0)"), unsupported, {"'final_logit_softcapping'"}},
      {"RouterScale", text(R"("routed_scaling_factor":2.5)"), unsupported, {"'routed_scaling_factor'"}},
      {"RopeLinear", text(R"("rope_scaling":{"type":"linear","factor":2.0})"), unsupported, {"'linear'", "'llama3'"}},
      {"RopeDynamic", text(R"("rope_scaling":{"rope_type":"dynamic","factor":2.0})"), unsupported, {"'dynamic'"}},
      {"RopeYarn", text(R"("rope_parameters":{"rope_type":"yarn","factor":2.0})"), unsupported, {"'yarn'"}},
      {"RopePerLayerType",
       text(R"("rope_parameters":{"full_attention":{"rope_type":"default"}})"),
       unsupported,
       {"'rope_parameters.full_attention'"}},
      {"RopePartial",
       text(R"("rope_parameters":{"rope_type":"default","partial_rotary_factor":0.5})"),
       unsupported,
       {"'rope_parameters.partial_rotary_factor'"}},
      {"RopeWithoutType", text(R"("rope_scaling":{"factor":2.0})"), invalid, {"'rope_scaling.rope_type' is missing"}},
      {"RopeIncomplete",
       text(R"("rope_scaling":{"rope_type":"llama3","factor":2.0})"),
       invalid,
       {"'rope_scaling.low_freq_factor' is missing"}},
      {"RopeFactorsReversed",
       text(R"("rope_scaling":{"rope_type":"llama3","factor":8,"low_freq_factor":4,"high_freq_factor":1,)"
            R"("original_max_position_embeddings":8192})"),
       invalid,
       {"'rope_scaling.high_freq_factor' is 1"}},
      {"RopeTwoTypes",
       text(fmt::format(R"("rope_scaling":{{"rope_type":"default"}},"rope_parameters":{{{}}})", llama3Rope)),
       invalid,
       {"'rope_parameters.rope_type' is 'llama3'", "'rope_scaling.rope_type' is 'default'"}},
      {"RopeTwoFactors",
       text(fmt::format(R"("rope_parameters":{{{}}},"rope_scaling":{{"type":"llama3","factor":16,"low_freq_factor":1,)"
                        R"("high_freq_factor":4,"original_max_position_embeddings":32}})",
                        llama3Rope)),
       invalid,
       {"'rope_parameters.factor' is 8", "'rope_scaling.factor' is 16"}},
      {"RopeTwoThetas",
       text(R"("rope_theta":7,"rope_parameters":{"rope_type":"default","rope_theta":8})"),
       invalid,
       {"'rope_theta' is 7", "'rope_parameters.rope_theta' is 8"}},
      {"RopeThetaZero", text(R"("rope_theta":0)"), invalid, {"'rope_theta' is 0"}},
      {"LayerTypeSliding",
       text(R"("num_hidden_layers":1,"layer_types":["sliding_attention"])"),
       unsupported,
       {"'sliding_attention'", "layer 0"}},
      {"LayerTypesTooFew",
       text(R"("num_hidden_layers":2,"layer_types":["full_attention"])"),
       invalid,
       {"'layer_types' has 1 entries", "2 layers"}},
      {"RopeLayersTooFew",
       text(R"("num_hidden_layers":3,"no_rope_layers":[1,1])"),
       invalid,
       {"'no_rope_layers' has 2 entries", "3 layers"}},
      {"LfsPointer",
       "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n",
       invalid,
       {"is a Git LFS pointer, expected JSON", "git lfs pull"}},
      {"WebPage", "\n<!DOCTYPE html><html></html>", invalid, {"is a web page, expected JSON"}},
      {"HiddenNan", text(R"("hidden_size":NaN)"), invalid, {"'hidden_size' is NaN"}},
      {"EpsilonInfinite", text(R"("rms_norm_eps":Infinity)"), invalid, {"'rms_norm_eps' is Infinity"}},
      {"EosIsNan", text(R"("eos_token_id":[NaN])"), invalid, {"'eos_token_id'", "token id"}},
      {"NanInWord", text(R"("a":NaNo)"), invalid, {"line 1, column"}},
      {"RopeLayersOfTwo", text(R"("num_hidden_layers":1,"no_rope_layers":[2])"), invalid, {"an entry that is 2"}},
      {"IntervalZero", text(R"("no_rope_layer_interval":0)"), invalid, {"'no_rope_layer_interval' is 0"}},
      {"MoELayerNegative", text(R"("moe_layers":[-1])"), invalid, {"'moe_layers'", "-1"}},
      {"MoELayersNumber", text(R"("moe_layers":3)"), invalid, {"'moe_layers' is 3, expected a list"}},
      {"NoExperts", text(R"("num_local_experts":0)"), invalid, {"'num_local_experts' is 0"}},
      {"TopKTooLarge",
       text(R"("num_local_experts":4,"num_experts_per_tok":5)"),
       invalid,
       {"'num_experts_per_tok' is 5", "1 to 4"}},
      {"HeadsDoNotDivide", text(R"("num_attention_heads":5,"num_key_value_heads":2)"), invalid, {"a multiple of"}},
      {"HeadDimOdd", text(R"("head_dim":33)"), invalid, {"'head_dim' is 33", "even"}},
      {"HeadDimNotDerived",
       text(R"("head_dim":null,"hidden_size":100,"num_attention_heads":8)"),
       invalid,
       {"'head_dim' is null"}},
      {"HiddenZero", text(R"("hidden_size":0)"), invalid, {"'hidden_size' is 0"}},
      {"HiddenNegative", text(R"("hidden_size":-64)"), invalid, {"'hidden_size' is -64"}},
      {"HiddenFraction", text(R"("hidden_size":64.5)"), invalid, {"'hidden_size' is 64.5"}},
      {"HiddenString", text(R"("hidden_size":"64")"), invalid, {"'hidden_size' is \"64\""}},
      {"HiddenNull", text(R"("hidden_size":null)"), invalid, {"'hidden_size' is null"}},
      {"LayersHuge", text(R"("num_hidden_layers":1000000000000)"), invalid, {"'num_hidden_layers' is 1000000000000"}},
      {"EpsilonZero", text(R"("rms_norm_eps":0)"), invalid, {"'rms_norm_eps' is 0"}},
      {"FloorScaleZero", text(R"("floor_scale":0)"), invalid, {"'floor_scale' is 0"}},
      {"ChunkZero", text(R"("attention_chunk_size":0)"), invalid, {"'attention_chunk_size' is 0"}},
      {"FlagIsNumber", text(R"("use_qk_norm":1)"), invalid, {"'use_qk_norm' is 1, expected true or false"}},
      {"EosIsString", text(R"("eos_token_id":"</s>")"), invalid, {"'eos_token_id'", "token id"}},
  };
}

class BadLlama4Config : public testing::TestWithParam<BadConfig> {};

TEST_P(BadLlama4Config, IsRefused) {
  std::vector<std::string> fragments = GetParam().fragments;
  fragments.push_back("some/config.json: ");
  expectError(parseConfig(GetParam().text, "some/config.json"), GetParam().code, fragments);
}

INSTANTIATE_TEST_SUITE_P(Texts, BadLlama4Config, testing::ValuesIn(badConfigs()),
                         [](const auto &info) { return std::string(info.param.name); });

} // namespace
