// SPDX-License-Identifier: Apache-2.0
#include "frontends/Llama4/Checkpoint.h"
#include "frontends/Llama4/TensorNames.h"
#include "test/frontends/TestFiles.h"

#include <algorithm>
#include <functional>

using namespace yupana;
using namespace yupana::llama4;
using namespace yupana::test;

namespace {

/// One dense and one MoE layer: hidden 4, two heads of 2, one key/value head, dense width 6, expert width 3.
TextConfig smallConfig() {
  TextConfig config;
  config.vocabSize = 5;
  config.hiddenSize = 4;
  config.heads = 2;
  config.kvHeads = 1;
  config.headDim = 2;
  config.denseWidth = 6;
  config.expertWidth = 3;
  config.experts = 2;
  config.topK = 1;
  config.layers.resize(2);
  config.layers[1].isMoE = true;
  return config;
}

/// The tensors that smallConfig() needs, experts fused, without a prefix.
std::vector<NamedTensor> smallTensors() {
  std::vector<NamedTensor> out = {{"model.embed_tokens.weight", "BF16", {5, 4}, 2},
                                  {"model.norm.weight", "F32", {4}, 4},
                                  {"lm_head.weight", "F16", {5, 4}, 2}};
  auto add = [&](std::string name, std::vector<uint64_t> shape) { out.push_back({std::move(name), "BF16", shape, 2}); };
  for (const char *layer : {"model.layers.0.", "model.layers.1."}) {
    std::string path = layer;
    add(path + "input_layernorm.weight", {4});
    add(path + "post_attention_layernorm.weight", {4});
    add(path + "self_attn.q_proj.weight", {4, 4});
    add(path + "self_attn.k_proj.weight", {2, 4});
    add(path + "self_attn.v_proj.weight", {2, 4});
    add(path + "self_attn.o_proj.weight", {4, 4});
  }
  const std::string dense = "model.layers.0.feed_forward.", moe = "model.layers.1.feed_forward.";
  add(dense + "gate_proj.weight", {6, 4});
  add(dense + "up_proj.weight", {6, 4});
  add(dense + "down_proj.weight", {4, 6});
  add(moe + "router.weight", {2, 4});
  add(moe + "experts.gate_up_proj", {2, 4, 6});
  add(moe + "experts.down_proj", {2, 3, 4});
  add(moe + "shared_expert.gate_proj.weight", {3, 4});
  add(moe + "shared_expert.up_proj.weight", {3, 4});
  add(moe + "shared_expert.down_proj.weight", {4, 3});
  return out;
}

/// A checkpoint on disk with the tensors it is given. The result of find() stays valid as long as this.
struct SmallCheckpoint {
  explicit SmallCheckpoint(const std::vector<NamedTensor> &tensors) {
    folder.write("model.safetensors", containerOf(tensors));
    auto opened = SafetensorsCheckpoint::open(folder.path());
    if (opened.ok())
      checkpoint.emplace(std::move(opened).value());
    else
      ADD_FAILURE() << opened.error().message;
  }
  Result<TextTensors> find(const TextConfig &config) { return findTextTensors(config, *checkpoint); }

  TemporaryFolder folder;
  std::optional<SafetensorsCheckpoint> checkpoint;
};

NamedTensor &named(std::vector<NamedTensor> &tensors, std::string_view name) {
  return *std::find_if(tensors.begin(), tensors.end(), [&](const NamedTensor &tensor) { return tensor.name == name; });
}

TEST(Llama4Checkpoint, FindsEveryTensor) {
  SmallCheckpoint small(smallTensors());
  auto tensors = small.find(smallConfig());
  ASSERT_TRUE(tensors) << tensors.error().message;
  EXPECT_EQ(tensors->prefix, "");
  EXPECT_TRUE(tensors->notes.empty());
  EXPECT_FALSE(tensors->allF32);
  ASSERT_EQ(tensors->layers.size(), 2u);
  const LayerTensors &dense = tensors->layers[0], &moe = tensors->layers[1];
  EXPECT_EQ(dense.dense.down->name, "model.layers.0.feed_forward.down_proj.weight");
  EXPECT_EQ(dense.router, nullptr);
  EXPECT_EQ(dense.shared.gate, nullptr);
  EXPECT_EQ(dense.qBias, nullptr);
  EXPECT_EQ(moe.dense.gate, nullptr);
  EXPECT_TRUE(moe.experts.fused());
  EXPECT_EQ(moe.experts.down->shape, (std::vector<uint64_t>{2, 3, 4}));
  EXPECT_EQ(moe.shared.up->name, "model.layers.1.feed_forward.shared_expert.up_proj.weight");
  uint64_t bytes = 0;
  for (const TensorInfo &info : small.checkpoint->tensors())
    bytes += info.bytes;
  EXPECT_EQ(tensors->bytes, bytes);
}

TEST(Llama4Checkpoint, PrefixAndVision) {
  std::vector<NamedTensor> tensors = smallTensors();
  for (NamedTensor &tensor : tensors)
    tensor.name = "language_model." + tensor.name;
  tensors.push_back({"vision_model.class_embedding", "BF16", {3}, 2});
  tensors.push_back({"multi_modal_projector.linear_1.weight", "BF16", {4, 3}, 2});
  SmallCheckpoint small(tensors);
  auto found = small.find(smallConfig());
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->prefix, "language_model.");
  EXPECT_EQ(found->visionTensors, 2u);
  ASSERT_EQ(found->notes.size(), 1u);
  EXPECT_NE(found->notes[0].find("2 vision tensors"), std::string::npos);
}

TEST(Llama4Checkpoint, ExpertsOneByOne) {
  std::vector<NamedTensor> tensors = smallTensors();
  tensors.erase(std::remove_if(tensors.begin(), tensors.end(),
                               [](const NamedTensor &t) { return t.name.find("experts.") != std::string::npos; }),
                tensors.end());
  for (unsigned expert = 0; expert < 2; ++expert) {
    std::string path = fmt::format("model.layers.1.feed_forward.experts.{}.", expert);
    tensors.push_back({path + "gate_proj.weight", "BF16", {3, 4}, 2});
    tensors.push_back({path + "up_proj.weight", "BF16", {3, 4}, 2});
    tensors.push_back({path + "down_proj.weight", "BF16", {4, 3}, 2});
  }
  SmallCheckpoint small(tensors);
  auto found = small.find(smallConfig());
  ASSERT_TRUE(found) << found.error().message;
  const ExpertTensors &experts = found->layers[1].experts;
  EXPECT_FALSE(experts.fused());
  ASSERT_EQ(experts.each.size(), 2u);
  EXPECT_EQ(experts.each[1].up->name, "model.layers.1.feed_forward.experts.1.up_proj.weight");

  tensors.pop_back();
  SmallCheckpoint incomplete(tensors);
  expectError(incomplete.find(smallConfig()), ExitCode::InvalidInput, {"experts.1.down_proj.weight", "[4, 3]"});
}

TEST(Llama4Checkpoint, TiedEmbeddingNeedsNoHead) {
  std::vector<NamedTensor> tensors = smallTensors();
  TextConfig config = smallConfig();
  config.tiedEmbeddings = true;
  SmallCheckpoint both(tensors);
  auto found = both.find(config);
  ASSERT_TRUE(found) << found.error().message;
  // Its type is another: whatever it holds, it is not the embedding.
  ASSERT_NE(found->lmHead, nullptr);
  ASSERT_EQ(found->notes.size(), 1u);
  EXPECT_NE(found->notes[0].find("'lm_head.weight' has other values than"), std::string::npos);
  tensors.erase(tensors.begin() + 2);
  SmallCheckpoint one(tensors);
  EXPECT_TRUE(one.find(config).ok());
  expectError(one.find(smallConfig()), ExitCode::InvalidInput, {"'lm_head.weight'", "[5, 4]"});
}

// Equal bytes are tied, other bytes are another matrix. containerOf() counts bytes up, so that data 256 apart is equal.
TEST(Llama4Checkpoint, TiedHeadIsCompared) {
  TextConfig config = smallConfig();
  config.tiedEmbeddings = true;
  for (unsigned gap : {0u, 216u}) {
    std::vector<NamedTensor> tensors = smallTensors();
    NamedTensor head = tensors[2];
    head.type = "BF16";
    tensors.erase(tensors.begin() + 2);
    tensors.insert(tensors.begin() + 1, {"v_head.summary.bias", "U8", {gap}, 1});
    tensors.insert(tensors.begin() + 2, head);
    SmallCheckpoint small(tensors);
    auto found = small.find(config);
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(found->lmHead == nullptr, gap == 216);
    EXPECT_EQ(found->notes.size(), gap == 216 ? 1u : 2u); // of the value head, and of the head that differs
  }
}

TEST(Llama4Checkpoint, DeclaresAHeadThatIsKnown) {
  ModelConfig model;
  model.text = smallConfig();
  model.text.tiedEmbeddings = true;
  auto declared = declareTextTensors(model, {"model.embed_tokens.weight", "lm_head.weight"});
  ASSERT_TRUE(declared) << declared.error().message;
  EXPECT_NE(declared->lmHead, nullptr);
}

/// smallTensors() without the routed experts.
std::vector<NamedTensor> withoutExperts() {
  std::vector<NamedTensor> tensors = smallTensors();
  tensors.erase(std::remove_if(tensors.begin(), tensors.end(),
                               [](const NamedTensor &t) { return t.name.find(".experts.") != std::string::npos; }),
                tensors.end());
  return tensors;
}
const std::string expertsPath = "model.layers.1.feed_forward.experts.";

TEST(Llama4Checkpoint, ExpertsInLists) {
  std::vector<NamedTensor> tensors = withoutExperts();
  for (unsigned expert = 0; expert < 2; ++expert) {
    tensors.push_back({fmt::format("{}gate_projs.{}.weight", expertsPath, expert), "BF16", {3, 4}, 2});
    tensors.push_back({fmt::format("{}up_projs.{}.weight", expertsPath, expert), "BF16", {3, 4}, 2});
    tensors.push_back({fmt::format("{}down_projs.{}.weight", expertsPath, expert), "BF16", {4, 3}, 2});
  }
  SmallCheckpoint small(tensors);
  auto found = small.find(smallConfig());
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_EQ(found->layers[1].experts.each.size(), 2u);
  EXPECT_EQ(found->layers[1].experts.each[1].down->name, expertsPath + "down_projs.1.weight");
}

TEST(Llama4Checkpoint, StackedExperts) {
  std::vector<NamedTensor> tensors = withoutExperts();
  tensors.push_back({expertsPath + "down_proj.weight", "BF16", {2, 4, 3}, 2});
  std::vector<NamedTensor> fused = tensors;
  tensors.push_back({expertsPath + "gate_proj.weight", "BF16", {2, 3, 4}, 2});
  tensors.push_back({expertsPath + "up_proj.weight", "BF16", {2, 3, 4}, 2});
  SmallCheckpoint stacked(tensors);
  auto found = stacked.find(smallConfig());
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->layers[1].experts.up->name, expertsPath + "up_proj.weight");
  EXPECT_TRUE(found->layers[1].experts.outputsFirst);
  EXPECT_FALSE(found->layers[1].experts.fused());

  fused.push_back({expertsPath + "gate_up_proj.weight", "BF16", {2, 6, 4}, 2});
  SmallCheckpoint both(fused);
  found = both.find(smallConfig());
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_TRUE(found->layers[1].experts.fused());
  EXPECT_TRUE(found->layers[1].experts.outputsFirst);
}

TEST(Llama4Checkpoint, OtherExpertsAreNamed) {
  std::vector<NamedTensor> tensors = withoutExperts();
  tensors.push_back({expertsPath + "w1.weight", "BF16", {2, 3, 4}, 2});
  SmallCheckpoint small(tensors);
  expectError(small.find(smallConfig()), ExitCode::InvalidInput,
              {"no tensor '" + expertsPath + "gate_up_proj'", "beside it is '" + expertsPath + "w1.weight'"});
}

std::vector<NamedTensor> renamed(const std::function<std::string(const std::string &)> &name) {
  std::vector<NamedTensor> tensors = smallTensors();
  for (NamedTensor &tensor : tensors)
    tensor.name = name(tensor.name);
  return tensors;
}

TEST(Llama4Checkpoint, WrappersAroundAllNames) {
  for (const char *wrapper : {"_orig_mod.", "module.", "_fsdp_wrapped_module.", "base_model.model.", "model.",
                              "module._orig_mod.", "model.language_model.", "_orig_mod.module.model."}) {
    SmallCheckpoint small(renamed([&](const std::string &name) { return wrapper + name; }));
    auto found = small.find(smallConfig());
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(found->embedding->name, std::string(wrapper) + "model.embed_tokens.weight");
    ASSERT_EQ(found->notes.size(), 1u) << wrapper;
    EXPECT_NE(found->notes[0].find("all tensors are named with '"), std::string::npos) << found->notes[0];
    std::set<std::string, std::less<>> names;
    for (const TensorInfo &info : small.checkpoint->tensors())
      names.insert(info.name);
    ModelConfig model;
    model.text = smallConfig();
    auto declared = declareTextTensors(model, names);
    ASSERT_TRUE(declared) << declared.error().message;
    for (const TensorInfo &info : *declared->declared)
      EXPECT_TRUE(names.count(info.name)) << info.name;
  }
}

TEST(Llama4Checkpoint, WrappersInsideNames) {
  SmallCheckpoint small(renamed([](const std::string &name) {
    std::string out = name;
    if (size_t at = out.find("self_attn."); at != std::string::npos)
      out.insert(at, "_checkpoint_wrapped_module.");
    if (size_t at = out.find("layers.1."); at != std::string::npos)
      out.insert(at + 9, "_fsdp_wrapped_module._orig_mod.");
    return out;
  }));
  auto found = small.find(smallConfig());
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->layers[1].q->name, "model.layers.1._fsdp_wrapped_module._orig_mod._checkpoint_wrapped_module.self_"
                                      "attn.q_proj.weight");
  EXPECT_EQ(found->notes.size(), 1u);
}

/// In less than the test's time limit: names are as long as a header lets them be.
TEST(Llama4Checkpoint, AsManyWrappersAsFitAHeader) {
  std::string wrapped = "x.";
  for (int i = 0; i < 2000000; ++i)
    wrapped += "_orig_mod.";
  wrapped += "y";
  auto names = TensorNames::find({wrapped});
  ASSERT_TRUE(names) << names.error().message;
  EXPECT_EQ(names->stored("x.y"), wrapped);
}

TEST(Llama4Checkpoint, WrappersThatDoNotFit) {
  // Some names with, some without.
  SmallCheckpoint mixed(
      renamed([](const std::string &name) { return (name == "lm_head.weight" ? "" : "_orig_mod.") + name; }));
  expectError(mixed.find(smallConfig()), ExitCode::InvalidInput, {"'lm_head.weight'", "'_orig_mod.'"});
  // Two tensors of one name.
  std::vector<NamedTensor> tensors = smallTensors();
  tensors.push_back({"model.layers.0._orig_mod.input_layernorm.weight", "BF16", {4}, 2});
  SmallCheckpoint twice(tensors);
  expectError(twice.find(smallConfig()), ExitCode::InvalidInput,
              {"'model.layers.0._orig_mod.input_layernorm.weight'", "'model.layers.0.input_layernorm.weight'"});
  tensors.back().name = "_orig_mod.model.norm.weight";
  SmallCheckpoint other(tensors);
  expectError(other.find(smallConfig()), ExitCode::InvalidInput, {"'_orig_mod.model.norm.weight'", "no place"});
  // Of another model.
  SmallCheckpoint foreign(renamed([](const std::string &name) { return "transformer." + name; }));
  expectError(foreign.find(smallConfig()), ExitCode::InvalidInput,
              {"no tensor 'language_model.model.embed_tokens.weight'",
               "an embedding is there as 'transformer.model.embed_tokens.weight'"});
}

TEST(Llama4Checkpoint, AttentionBias) {
  std::vector<NamedTensor> tensors = smallTensors();
  TextConfig config = smallConfig();
  config.attentionBias = true;
  SmallCheckpoint without(tensors);
  expectError(without.find(config), ExitCode::InvalidInput, {"q_proj.bias", "[4]"});
  for (const char *layer : {"0", "1"})
    for (const char *part : {"q", "k", "v", "o"})
      tensors.push_back({fmt::format("model.layers.{}.self_attn.{}_proj.bias", layer, part),
                         "F32",
                         {*part == 'q' || *part == 'o' ? 4u : 2u},
                         4});
  SmallCheckpoint with(tensors);
  auto found = with.find(config);
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->layers[1].kBias->shape, std::vector<uint64_t>{2});
  // The file would be computed differently with the bias and without.
  expectError(with.find(smallConfig()), ExitCode::InvalidInput, {"_proj.bias'", "'attention_bias' is false"});
}

TEST(Llama4Checkpoint, WrongShape) {
  std::vector<NamedTensor> tensors = smallTensors();
  named(tensors, "model.layers.1.feed_forward.experts.gate_up_proj").shape = {2, 6, 4};
  SmallCheckpoint small(tensors);
  expectError(small.find(smallConfig()), ExitCode::InvalidInput,
              {"model.safetensors", "gate_up_proj'", "[2, 6, 4]", "[2, 4, 6]"});
}

TEST(Llama4Checkpoint, UnsupportedTypes) {
  for (auto [type, bytes] : {std::pair("F8_E4M3", 1u), std::pair("F64", 8u), std::pair("I32", 4u)}) {
    std::vector<NamedTensor> tensors = smallTensors();
    NamedTensor &tensor = named(tensors, "model.layers.0.self_attn.k_proj.weight");
    tensor.type = type;
    tensor.elementBytes = bytes;
    SmallCheckpoint small(tensors);
    expectError(small.find(smallConfig()), ExitCode::Unsupported, {"k_proj.weight'", type, "BF16"});
  }
}

TEST(Llama4Checkpoint, QuantisedCheckpoints) {
  for (const char *name :
       {"model.layers.0.self_attn.q_proj.weight_scale", "model.layers.1.feed_forward.experts.gate_up_proj_weight_scale",
        "model.layers.0.self_attn.q_proj.weight_packed", "model.layers.0.self_attn.k_proj.k_scale",
        "model.layers.1.feed_forward.experts.0.up_proj.weight.quant_state.bitsandbytes__nf4"}) {
    std::vector<NamedTensor> tensors = smallTensors();
    tensors.push_back({name, "F32", {1}, 4});
    SmallCheckpoint small(tensors);
    expectError(small.find(smallConfig()), ExitCode::Unsupported, {name, "quantised"});
  }
}

TEST(Llama4Checkpoint, TensorsWithoutASayAreNoted) {
  std::vector<NamedTensor> tensors = smallTensors();
  tensors.push_back({"model.layers.0.self_attn.rotary_emb.inv_freq", "F32", {1}, 4});
  tensors.push_back({"rotary.inv_freq", "F32", {1}, 4});
  tensors.push_back({"v_head.summary.weight", "F32", {1, 4}, 4});
  SmallCheckpoint small(tensors);
  auto found = small.find(smallConfig());
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_EQ(found->notes.size(), 1u);
  EXPECT_NE(found->notes[0].find("3 tensors"), std::string::npos) << found->notes[0];
  EXPECT_NE(found->notes[0].find("'model.layers.0.self_attn.rotary_emb.inv_freq'"), std::string::npos);
}

// What has no place would be missed by nobody, and the results would not be those of the file.
TEST(Llama4Checkpoint, OtherTensorsAreRefused) {
  for (auto [name, reason] :
       {std::pair("model.layers.2.input_layernorm.weight", "'num_hidden_layers' is 2 in config.json"),
        std::pair("model.layers.0.feed_forward.router.weight", "no place in the model"),
        std::pair("model.layers.1.feed_forward.experts.3.gate_proj.weight", "no place in the model"),
        std::pair("mtp.norm.weight", "no place in the model"),
        std::pair("model.layers.0.self_attn.q_proj.lora_A.weight", "LoRA adapter"),
        std::pair("model.layers.0.self_attn.q_proj.base_layer.weight", "LoRA adapter")}) {
    std::vector<NamedTensor> tensors = smallTensors();
    tensors.push_back({name, "BF16", {4}, 2});
    SmallCheckpoint small(tensors);
    expectError(small.find(smallConfig()), ExitCode::InvalidInput, {"model.safetensors", name, reason});
  }
}

ModelConfig smallModel() {
  ModelConfig model;
  model.text = smallConfig();
  return model;
}

TEST(Llama4Checkpoint, DeclaresWhatItWouldFind) {
  SmallCheckpoint small(smallTensors());
  ModelConfig model = smallModel();
  model.text.weightType = WeightType::F16;
  auto declared = declareTextTensors(model);
  ASSERT_TRUE(declared) << declared.error().message;
  EXPECT_EQ(declared->prefix, "");
  EXPECT_FALSE(declared->allF32);
  EXPECT_TRUE(declared->layers[1].experts.fused());
  ASSERT_TRUE(declared->declared);
  EXPECT_EQ(declared->declared->size(), smallTensors().size());
  uint64_t bytes = 0;
  for (const TensorInfo &info : *declared->declared) {
    const TensorInfo *stored = small.checkpoint->find(info.name);
    ASSERT_TRUE(stored) << info.name;
    EXPECT_EQ(info.shape, stored->shape) << info.name;
    EXPECT_EQ(info.type, StoredType::F16) << info.name;
    bytes += info.bytes;
  }
  EXPECT_EQ(declared->bytes, bytes);
}

TEST(Llama4Checkpoint, DeclaresTheTypeOfTheConfig) {
  ModelConfig model = smallModel();
  EXPECT_EQ(declareTextTensors(model)->embedding->type, StoredType::BF16);
  model.text.weightType = WeightType::F32;
  EXPECT_EQ(declareTextTensors(model)->embedding->type, StoredType::F32);
  EXPECT_TRUE(declareTextTensors(model)->allF32);
}

TEST(Llama4Checkpoint, DeclaresBiasesAndTiedEmbeddings) {
  ModelConfig model = smallModel();
  model.text.attentionBias = true;
  model.text.tiedEmbeddings = true;
  auto declared = declareTextTensors(model);
  ASSERT_TRUE(declared) << declared.error().message;
  EXPECT_EQ(declared->layers[0].kBias->shape, std::vector<uint64_t>{2});
  EXPECT_EQ(declared->lmHead, nullptr);
}

TEST(Llama4Checkpoint, DeclaresAPrefixForAPartOfALargerModel) {
  ModelConfig model = smallModel();
  model.isNested = true;
  auto declared = declareTextTensors(model);
  ASSERT_TRUE(declared) << declared.error().message;
  EXPECT_EQ(declared->prefix, "language_model.");
  EXPECT_EQ(declared->lmHead->name, "language_model.lm_head.weight");
}

TEST(Llama4Checkpoint, DeclaresInTheFormOfKnownNames) {
  ModelConfig model = smallModel();
  model.isNested = true;
  auto declared = declareTextTensors(
      model, {"model.embed_tokens.weight", "model.layers.1.feed_forward.experts.0.gate_proj.weight"});
  ASSERT_TRUE(declared) << declared.error().message;
  EXPECT_EQ(declared->prefix, "");
  ASSERT_EQ(declared->layers[1].experts.each.size(), 2u);
  EXPECT_EQ(declared->layers[1].experts.each[1].down->name, "model.layers.1.feed_forward.experts.1.down_proj.weight");
  EXPECT_EQ(declared->layers[1].experts.each[1].down->shape, (std::vector<uint64_t>{4, 3}));
}

TEST(Llama4Checkpoint, DeclaresNoTensorThatNoFileCouldHold) {
  ModelConfig model = smallModel();
  model.text.vocabSize = uint64_t{1} << 60;
  expectError(declareTextTensors(model), ExitCode::InvalidInput, {"model.embed_tokens.weight", "2^63"});
}

TEST(SafetensorsCheckpoint, ExistsWhereTensorsAre) {
  TemporaryFolder folder;
  EXPECT_FALSE(SafetensorsCheckpoint::existsIn(folder.path("nowhere")));
  folder.write("model.safetensors.index.json", "{}");
  EXPECT_FALSE(SafetensorsCheckpoint::existsIn(folder.path()));
  folder.write("model-00001-of-00002.safetensors", "");
  EXPECT_TRUE(SafetensorsCheckpoint::existsIn(folder.path()));
}

} // namespace
