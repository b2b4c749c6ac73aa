// SPDX-License-Identifier: Apache-2.0
//
// Every checkpoint that the tests share: what its configuration is read as, and where its tensors are.
#include "frontends/Llama4/Checkpoint.h"
#include "test/frontends/LayerStrings.h"
#include "test/frontends/TestFiles.h"

#include <algorithm>

using namespace yupana;
using namespace yupana::llama4;
using namespace yupana::test;

namespace {

/// The folder of a case, as a test's name may be written.
template <typename Case> std::string folderName(const testing::TestParamInfo<Case> &info) {
  std::string name = info.param.folder;
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return !std::isalnum(c); }, '_');
  return name;
}

/// What a checkpoint of the shared folder must be read as; layers as in the strings above.
struct Expected {
  const char *folder;
  uint64_t vocab, hidden, heads, kvHeads, headDim, expertWidth, denseWidth, experts, topK;
  const char *rope, *chunked, *norm, *moe;
  uint64_t chunk;
  double theta, factor, floorScale, attnScale;
  bool tied, vision;
  WeightType type;
};

constexpr WeightType bf16 = WeightType::BF16, f16 = WeightType::F16, f32 = WeightType::F32;
const Expected expectedConfigs[] = {
    {"nano", 1536,   128,    4,   2,   32, 64,  128, 16,    1,    "rrr.",
     "ccc.", "nnn.", "mmmm", 128, 1e4, 16, 128, 0.1, false, true, bf16},
    {"parity/scout", 256,    64,     4,  2,   16, 32, 96,  16,    1,    "rrr.",
     "ccc.",         "nnn.", "mmmm", 48, 5e5, 16, 24, 0.1, false, true, bf16},
    {"parity/maverick",
     256,
     64,
     4,
     2,
     16,
     16,
     96,
     128,
     1,
     "rrr.",
     "ccc.",
     "....",
     ".m.m",
     8192,
     5e5,
     0,
     8192,
     0.1,
     false,
     true,
     bf16},
    {"parity/dense", 256,    64,     4, 2,   16, 32,   96,  0,     1,     "rrrr",
     "....",         "....", "....", 0, 5e5, 0,  8192, 0.1, false, false, bf16},
    {"parity/top2", 256,    64,     4,  2,   16, 32, 96,  8,     2,     "rrr.",
     "ccc.",        "nnn.", "mmmm", 32, 5e5, 0,  16, 0.1, false, false, f32},
    {"parity/first-rope",
     256,
     64,
     4,
     2,
     32,
     32,
     96,
     16,
     1,
     "rrr.",
     "ccc.",
     "nnn.",
     "mmmm",
     64,
     5e5,
     8,
     8192,
     0.1,
     false,
     false,
     f16},
    {"parity/new-keys",
     256,
     64,
     4,
     2,
     16,
     32,
     96,
     16,
     1,
     "r.rr",
     "c.cc",
     "n.nn",
     ".mm.",
     40,
     1e4,
     16,
     40,
     0.3,
     false,
     false,
     bf16},
    {"parity/odd", 131,    72,     10, 2,   32, 40, 88,  5,     1,     "rrr.",
     "ccc.",       "nnn.", ".m.m", 19, 5e5, 0,  7,  0.1, false, false, bf16},
    {"parity/tied", 256,    64,     4, 1,   32, 32,   96,  0,    1,     "rrrr",
     "....",        "nnnn", "....", 0, 5e5, 0,  8192, 0.1, true, false, bf16},
    {"parity/per-expert",
     256,
     64,
     4,
     2,
     16,
     32,
     96,
     6,
     1,
     "rrr.",
     "ccc.",
     "nnn.",
     "mmmm",
     32,
     5e5,
     0,
     16,
     0.1,
     false,
     false,
     bf16},
    {"parity/ties", 256,  64,   4,    2,   16, 32,   96,  8,     1,     "r.",
     "c.",          "n.", "mm", 8192, 5e5, 0,  8192, 0.1, false, false, bf16},
    {"parity/border", 256,   32,  2, 1, 16, 32, 96, 4, 1, "r.", "c.", "n.", "mm", 8192, 5e5, 0, 8192, 0.1,
     false,           false, bf16},
    {"parity/wide-heads",
     256,
     160,
     5,
     1,
     128,
     64,
     96,
     4,
     1,
     "rrr.",
     "ccc.",
     "nnn.",
     "mmmm",
     64,
     5e5,
     16,
     32,
     0.1,
     false,
     false,
     bf16},
};

class SharedConfig : public testing::TestWithParam<Expected> {};

TEST_P(SharedConfig, HasTheExpectedValues) {
  const Expected &e = GetParam();
  auto model = readModelConfig(modelFolder(e.folder));
  ASSERT_TRUE(model) << model.error().message;
  const TextConfig &c = model->text;
  EXPECT_EQ(c.vocabSize, e.vocab);
  EXPECT_EQ(c.hiddenSize, e.hidden);
  EXPECT_EQ(c.heads, e.heads);
  EXPECT_EQ(c.kvHeads, e.kvHeads);
  EXPECT_EQ(c.headDim, e.headDim);
  EXPECT_EQ(c.expertWidth, e.expertWidth);
  EXPECT_EQ(c.denseWidth, e.denseWidth);
  EXPECT_EQ(c.experts, e.experts);
  EXPECT_EQ(c.topK, e.topK);
  EXPECT_EQ(ropeString(c), e.rope);
  EXPECT_EQ(chunkString(c), e.chunked);
  EXPECT_EQ(normString(c), e.norm);
  EXPECT_EQ(moeString(c), e.moe);
  for (const LayerConfig &layer : c.layers)
    EXPECT_EQ(layer.chunk.value_or(e.chunk), e.chunk);
  EXPECT_EQ(c.ropeTheta, e.theta);
  EXPECT_EQ(c.ropeScaling ? c.ropeScaling->factor : 0, e.factor);
  ASSERT_TRUE(c.temperature);
  EXPECT_EQ(c.temperature->floorScale, e.floorScale);
  EXPECT_EQ(c.temperature->attnScale, e.attnScale);
  EXPECT_EQ(c.tiedEmbeddings, e.tied);
  EXPECT_EQ(model->hasVision, e.vision);
  EXPECT_EQ(c.weightType, e.type);
  EXPECT_TRUE(model->notes.empty()) << model->notes[0];
}

INSTANTIATE_TEST_SUITE_P(Folders, SharedConfig, testing::ValuesIn(expectedConfigs), folderName<Expected>);

TEST(Llama4Config, NanosGenerationConfig) {
  auto model = readModelConfig(modelFolder("nano"));
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->stopTokens(), (std::vector<uint64_t>{1473, 1479, 1480}));
  ASSERT_TRUE(model->generation);
  EXPECT_TRUE(model->generation->doSample);
  EXPECT_EQ(model->generation->temperature, 0.6);
  EXPECT_EQ(model->generation->topP, 0.9);
  EXPECT_EQ(model->text.bosToken, 1472u);
  EXPECT_EQ(model->text.padToken, 1490u);
}

struct SharedCase {
  const char *folder;
  const char *prefix;
  bool fused;
  bool vision;
  size_t files;
};

class SharedCheckpoint : public testing::TestWithParam<SharedCase> {};

TEST_P(SharedCheckpoint, HasEveryTensor) {
  const SharedCase &expected = GetParam();
  std::string folder = modelFolder(expected.folder);
  auto model = readModelConfig(folder);
  ASSERT_TRUE(model) << model.error().message;
  auto checkpoint = SafetensorsCheckpoint::open(folder);
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  EXPECT_EQ(checkpoint->files().size(), expected.files);
  auto tensors = findTextTensors(model->text, *checkpoint);
  ASSERT_TRUE(tensors) << tensors.error().message;
  EXPECT_EQ(tensors->prefix, expected.prefix);
  EXPECT_EQ(tensors->visionTensors > 0, expected.vision);
  EXPECT_EQ(tensors->notes.size(), expected.vision ? 1u : 0u);
  EXPECT_EQ(tensors->allF32, model->text.weightType == WeightType::F32);
  for (size_t i = 0; i < tensors->layers.size(); ++i) {
    if (model->text.layers[i].isMoE) {
      EXPECT_EQ(tensors->layers[i].experts.fused(), expected.fused);
    }
  }
  std::vector<char> row(tensors->embedding->bytes / model->text.vocabSize);
  EXPECT_TRUE(checkpoint->read(*tensors->embedding, tensors->embedding->bytes - row.size(), row.data(), row.size()));
}

/// What a folder without its tensors is taken to hold is what it holds; experts one by one are told by names alone.
TEST_P(SharedCheckpoint, DeclaresWhatItHolds) {
  const SharedCase &expected = GetParam();
  auto model = readModelConfig(modelFolder(expected.folder));
  ASSERT_TRUE(model) << model.error().message;
  auto checkpoint = SafetensorsCheckpoint::open(modelFolder(expected.folder));
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  std::set<std::string, std::less<>> names;
  for (const TensorInfo &info : checkpoint->tensors())
    names.insert(info.name);
  for (bool canonical : {true, false}) {
    if (canonical && !expected.fused)
      continue;
    auto declared = canonical ? declareTextTensors(*model) : declareTextTensors(*model, names);
    ASSERT_TRUE(declared) << declared.error().message;
    EXPECT_EQ(declared->prefix, expected.prefix);
    for (const TensorInfo &info : *declared->declared) {
      const TensorInfo *stored = checkpoint->find(info.name);
      ASSERT_TRUE(stored) << info.name;
      EXPECT_EQ(info.shape, stored->shape) << info.name;
      EXPECT_EQ(info.type, stored->type) << info.name;
    }
  }
}

constexpr const char *inside = "language_model.";
INSTANTIATE_TEST_SUITE_P(
    Folders, SharedCheckpoint,
    testing::Values(SharedCase{"nano", inside, true, true, 3}, SharedCase{"parity/scout", inside, true, true, 3},
                    SharedCase{"parity/maverick", inside, true, true, 2},
                    SharedCase{"parity/dense", "", true, false, 1}, SharedCase{"parity/top2", "", true, false, 1},
                    SharedCase{"parity/first-rope", "", true, false, 2},
                    SharedCase{"parity/new-keys", inside, true, false, 1}, SharedCase{"parity/odd", "", true, false, 1},
                    SharedCase{"parity/tied", "", true, false, 1},
                    SharedCase{"parity/per-expert", inside, false, false, 2},
                    SharedCase{"parity/ties", "", true, false, 1}, SharedCase{"parity/border", "", true, false, 1},
                    SharedCase{"parity/wide-heads", "", true, false, 1}),
    folderName<SharedCase>);

} // namespace
