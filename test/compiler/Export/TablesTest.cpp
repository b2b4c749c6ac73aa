// SPDX-License-Identifier: Apache-2.0

#include "compiler/Export/Tables.h"
#include "test/compiler/Export/TestSource.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace yupana;
using namespace yupana::test;

namespace {

/// The values of the first table of a module, pieces made from the last to the first.
std::vector<float> valuesOf(mlir::ModuleOp module) {
  std::unique_ptr<PieceMaker> table = makeTable(*module.getOps<lm::TableOp>().begin());
  std::vector<float> values(table->bytes() / sizeof(float), NAN);
  PieceMemory memory;
  for (uint64_t piece = table->pieces(); piece-- > 0;)
    EXPECT_TRUE(table->make(piece, memory, [&](uint64_t offset, const void *data, uint64_t size) -> Result<void> {
      std::memcpy(reinterpret_cast<char *>(values.data()) + offset, data, size);
      return {};
    }));
  return values;
}

std::vector<double> frequenciesOf(const std::string &rope, int64_t dim) {
  TestContext context;
  auto module = context.parse("lm.table @t from #lm.rope_table<" + rope + ", dim = " + std::to_string(dim) +
                              ", count = 1, step = 1> as tensor<1x" + std::to_string(dim / 2) + "x2xf32>");
  auto table = *module->getOps<lm::TableOp>().begin();
  return ropeFrequencies(mlir::cast<lm::RopeTableAttr>(table.getGenerator()).getRope(), dim);
}

TEST(Tables, FrequenciesWithoutScaling) {
  std::vector<double> found = frequenciesOf("#lm.rope<theta = 5.0e5>", 128);
  ASSERT_EQ(found.size(), 64u);
  EXPECT_EQ(found[0], 1.0);
  EXPECT_EQ(found[1], 0.8146172338565447);
  EXPECT_EQ(found[63], 2.455140791131609e-06);
}

TEST(Tables, FrequenciesOfEqualBounds) {
  // Nothing lies between the bounds: pairs up to 34 keep their frequency, the others turn 16 times slower.
  std::vector<double> plain = frequenciesOf("#lm.rope<theta = 5.0e5>", 128);
  std::vector<double> found =
      frequenciesOf("#lm.rope<theta = 5.0e5, scaling = <factor = 16.0, low = 1.0, high = 1.0, original = 8192>>", 128);
  for (size_t pair = 0; pair < 64; ++pair)
    EXPECT_EQ(found[pair], pair <= 34 ? plain[pair] : plain[pair] / 16) << pair;
}

TEST(Tables, FrequenciesBetweenBounds) {
  const double divisors[] = {1.2075, 1.5534, 2.0263, 2.6945, 3.6843, 5.2573};
  std::vector<double> plain = frequenciesOf("#lm.rope<theta = 5.0e5>", 128);
  std::vector<double> found =
      frequenciesOf("#lm.rope<theta = 5.0e5, scaling = <factor = 8.0, low = 1.0, high = 4.0, original = 8192>>", 128);
  for (size_t pair = 0; pair < 64; ++pair) {
    double divisor = pair <= 28 ? 1 : pair >= 35 ? 8 : divisors[pair - 29];
    EXPECT_NEAR(plain[pair] / found[pair], divisor, 1e-4) << pair;
  }
}

TEST(Tables, RopeRowsAreTurns) {
  TestContext context;
  auto module = context.parse("lm.table @t from #lm.rope_table<#lm.rope<theta = 1.0e4>, dim = 6, count = 40000, "
                              "step = 256> as tensor<40000x3x2xf32>");
  std::vector<float> values = valuesOf(*module);
  ASSERT_EQ(values.size(), 240000u);
  for (size_t row = 0; row < 40000; row += 397)
    for (size_t pair = 0; pair < 3; ++pair) {
      long double frequency = std::pow(1.0e4, -2.0 * static_cast<double>(pair) / 6);
      long double angle = static_cast<long double>(row) * 256 * frequency;
      EXPECT_NEAR(values[row * 6 + pair * 2], static_cast<double>(std::cos(angle)), 1e-7) << row << " " << pair;
      EXPECT_NEAR(values[row * 6 + pair * 2 + 1], static_cast<double>(std::sin(angle)), 1e-7) << row << " " << pair;
    }
}

TEST(Tables, Temperatures) {
  TestContext context;
  auto module = context.parse("lm.table @t from #lm.temperature_table<scale = 0.1, count = 1281> as tensor<1281xf32>");
  std::vector<float> values = valuesOf(*module);
  ASSERT_EQ(values.size(), 1281u);
  EXPECT_EQ(values[0], 1.0f);
  EXPECT_FLOAT_EQ(values[1], 1.0693147f);
  EXPECT_FLOAT_EQ(values[2], 1.1098612f);
  EXPECT_FLOAT_EQ(values[16], 1.2833213f);
  EXPECT_FLOAT_EQ(values[128], 1.4859812f);
  EXPECT_FLOAT_EQ(values[1280], 1.7155396f);
}

} // namespace
