// SPDX-License-Identifier: Apache-2.0
//
// Random weights are finite, of the magnitude that keeps activations in bounds, and zero where no element lies.
#include "tools/yupana-bench/RandomWeights.h"

#include "runtime/schema/format.h"
#include "runtime/schema/forms.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <string>

using namespace yupana;

namespace {

struct Weight {
  std::string layout;
  std::vector<uint64_t> shape;
  bool isBf16 = false;
  uint32_t run = 0;
  std::string source = "model.layers.0.self_attn.q_proj.weight";

  schema::PackedShape packedShape() const {
    schema::PackedShape packed;
    EXPECT_TRUE(schema::packed_shape(shape, isBf16 ? 2 : 4, &packed));
    if (run)
      packed.rows = schema::interleaved_rows(packed.rows / 2, run);
    return packed;
  }
  uint64_t bytes() const {
    uint64_t size = 0;
    EXPECT_TRUE(schema::packed_bytes(*schema::find_form(layout), packedShape(), &size));
    return size;
  }
};

/// Metadata with these weights and nothing else of interest.
class Plan {
public:
  explicit Plan(const std::vector<Weight> &weights) {
    schema::PlanT plan;
    plan.producer = "test";
    plan.model = std::make_unique<schema::ModelT>();
    plan.limits = std::make_unique<schema::LimitsT>();
    for (const Weight &weight : weights) {
      auto entry = std::make_unique<schema::WeightT>();
      entry->name = "w";
      entry->element = weight.isBf16 ? schema::ElementType::bf16 : schema::ElementType::f32;
      entry->shape = weight.shape;
      entry->layout = weight.layout;
      entry->section = schema::kNoSection;
      entry->size = schema::find_form(weight.layout) ? weight.bytes() : 4096;
      entry->source = weight.source;
      entry->run = weight.run;
      plan.weights.push_back(std::move(entry));
    }
    builder.Finish(schema::Plan::Pack(builder, &plan));
  }
  const schema::Plan &root() const { return *schema::GetPlan(builder.GetBufferPointer()); }

private:
  flatbuffers::FlatBufferBuilder builder;
};

float valueAt(const std::vector<uint8_t> &bytes, uint64_t index, bool isBf16) {
  uint32_t bits = 0;
  if (isBf16)
    std::memcpy(reinterpret_cast<uint8_t *>(&bits) + 2, &bytes[index * 2], 2);
  else
    std::memcpy(&bits, &bytes[index * 4], 4);
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

std::vector<uint8_t> filled(RandomWeights &random, const Weight &weight, uint32_t index = 0) {
  std::vector<uint8_t> bytes(weight.bytes(), 0xAB);
  EXPECT_TRUE(random.fill(index, bytes.data(), bytes.size())) << weight.layout;
  return bytes;
}

/// Every element of `weight` by its address, then what is left over, which is padding.
void check(const Weight &weight, double mean, double deviation) {
  Plan plan({weight});
  RandomWeights random(plan.root());
  std::vector<uint8_t> bytes = filled(random, weight);
  const schema::PackedForm &form = *schema::find_form(weight.layout);
  schema::PackedShape shape = weight.packedShape(), logical = shape;
  ASSERT_TRUE(schema::packed_shape(weight.shape, shape.element_bytes, &logical));
  schema::NumberMath math;
  std::vector<bool> met(bytes.size() / shape.element_bytes);
  double sum = 0, squares = 0, count = 0;
  for (uint64_t batch = 0; batch < logical.batches; ++batch)
    for (uint64_t n = 0; n < logical.rows; ++n)
      for (uint64_t k = 0; k < logical.depth; ++k) {
        uint64_t pairs = logical.rows / 2;
        uint64_t row = !weight.run ? n : schema::interleaved_row(math, n % pairs, weight.run) + n / pairs * weight.run;
        uint64_t at = schema::element_index(form, shape, batch, row, k);
        met[at] = true;
        float value = valueAt(bytes, at, weight.isBf16);
        ASSERT_TRUE(std::isfinite(value));
        sum += value;
        squares += (value - mean) * (value - mean);
        ++count;
      }
  EXPECT_NEAR(sum / count, mean, 5 * deviation / std::sqrt(count) + 0.005 * deviation) << weight.layout;
  EXPECT_NEAR(std::sqrt(squares / count), deviation, 0.05 * deviation) << weight.layout;
  for (uint64_t at = 0; at < met.size(); ++at)
    if (!met[at]) {
      ASSERT_EQ(valueAt(bytes, at, weight.isBf16), 0) << weight.layout << " padding at " << at;
    }
}

TEST(RandomWeights, MatricesKeepTheMagnitudeOfWhatTheyMultiply) {
  check({"row-major", {48, 300}}, 0, 1 / std::sqrt(300));
  check({"row-major", {48, 300}, true}, 0, 1 / std::sqrt(300));
  check({"panel32", {3, 70, 129}}, 0, 1 / std::sqrt(129));
  check({"panel32x2", {3, 70, 129}, true}, 0, 1 / std::sqrt(129));
  check({"tile64x128", {2, 70, 129}, true}, 0, 1 / std::sqrt(129));
  check({"tile64x128", {2, 130, 65}}, 0, 1 / std::sqrt(65));
}

TEST(RandomWeights, PaddingOfPairsIsZero) {
  check({"panel32x2", {2, 2 * 21, 129}, true, 16}, 0, 1 / std::sqrt(129));
  check({"panel32", {2 * 40, 77}, false, 16}, 0, 1 / std::sqrt(77));
  check({"tile64x128", {2 * 21, 129}, true, 8}, 0, 1 / std::sqrt(129));
}

TEST(RandomWeights, GainsLieNearOneAndBiasesNearZero) {
  Weight gain{"row-major", {5120}, true};
  gain.source = "model.layers.0.input_layernorm.weight";
  check(gain, 1, 0.1 / std::sqrt(3));
  Weight bias{"row-major", {4096}};
  bias.source = "model.layers.0.self_attn.q_proj.bias";
  check(bias, 0, 1 / std::sqrt(4096));
}

TEST(RandomWeights, SamePlanGivesTheSameValuesAndWeightsDiffer) {
  Weight weight{"panel32", {64, 64}};
  Plan plan({weight, weight});
  RandomWeights first(plan.root()), second(plan.root());
  EXPECT_EQ(filled(first, weight, 1), filled(second, weight, 1));
  EXPECT_NE(filled(first, weight, 0), filled(first, weight, 1));
}

TEST(RandomWeights, LargeWeightsDoNotRepeatByRows) {
  Weight weight{"row-major", {1024, 1024}};
  Plan plan({weight});
  RandomWeights random(plan.root());
  std::vector<uint8_t> bytes = filled(random, weight);
  for (size_t row = 1; row < 1024; ++row)
    ASSERT_NE(std::memcmp(&bytes[row * 4096], bytes.data(), 4096), 0) << row;
}

TEST(RandomWeights, LargeWeightsRepeatAfterABlock) {
  Weight large{"row-major", {1024, 1024}}, padded{"tile64x128", {1024, 1025}, true}, small{"row-major", {64, 64}};
  Plan plan({large, padded, small});
  RandomWeights random(plan.root());
  std::vector<uint8_t> whole = filled(random, large);
  uint64_t period = random.period(0);
  ASSERT_TRUE(period > 0 && period < whole.size()) << period;
  for (size_t at = period; at < whole.size(); ++at)
    ASSERT_EQ(whole[at], whole[at - period]) << at;
  std::vector<uint8_t> first(period);
  EXPECT_TRUE(random.fill(0, first.data(), period));
  EXPECT_EQ(std::memcmp(first.data(), whole.data(), period), 0);
  EXPECT_EQ(random.period(1), 0u) << "padding is zero";
  EXPECT_EQ(random.period(2), 0u);
}

TEST(RandomWeights, RefusesWhatItDoesNotKnow) {
  Weight unknown{"panel7", {8, 8}}, odd{"panel32", {24, 8}, false, 5};
  Plan plan({unknown, odd});
  RandomWeights random(plan.root());
  std::vector<uint8_t> bytes(1 << 16);
  EXPECT_FALSE(random.fill(0, bytes.data(), 4096));
  EXPECT_FALSE(random.fill(1, bytes.data(), odd.bytes()));
  Weight weight{"panel32", {64, 64}};
  Plan good({weight});
  RandomWeights other(good.root());
  EXPECT_FALSE(other.fill(0, bytes.data(), weight.bytes() - 4));
}

} // namespace
