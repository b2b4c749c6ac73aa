// SPDX-License-Identifier: Apache-2.0
#include "compiler/Support/CheckedMath.h"
#include "compiler/Support/Error.h"
#include "compiler/Support/FileKind.h"
#include "compiler/Support/Json.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <memory>

using namespace yupana;

namespace {

constexpr uint64_t largest = ~uint64_t(0);

TEST(CheckedMath, StopsAt64Bits) {
  EXPECT_EQ(checkedAdd(largest - 1, uint64_t(1)), largest);
  EXPECT_EQ(checkedAdd(largest, uint64_t(1)), std::nullopt);
  EXPECT_EQ(checkedMul(uint64_t(1) << 32, (uint64_t(1) << 32) - 1), (uint64_t(1) << 32) * ((uint64_t(1) << 32) - 1));
  EXPECT_EQ(checkedMul(uint64_t(1) << 32, uint64_t(1) << 32), std::nullopt);
  EXPECT_EQ(checkedMul(checkedAdd(largest, uint64_t(1)), std::optional<uint64_t>(0)), std::nullopt);
  EXPECT_EQ(checkedAlign(257, 256), 512u);
  EXPECT_EQ(checkedAlign(512, 256), 512u);
  EXPECT_EQ(checkedAlign(largest, 256), std::nullopt);
}

TEST(CheckedMath, RangeInside) {
  EXPECT_TRUE(rangeInside(0, 0, 0));
  EXPECT_TRUE(rangeInside(4, 6, 10));
  EXPECT_TRUE(rangeInside(10, 0, 10));
  EXPECT_FALSE(rangeInside(4, 7, 10));
  EXPECT_FALSE(rangeInside(11, 0, 10));
  EXPECT_FALSE(rangeInside(1, largest, 10));
}

Result<std::unique_ptr<int>> makeInt(int value) {
  if (value < 0)
    return makeError(ExitCode::Usage, "{} is negative", value);
  return std::make_unique<int>(value);
}

Result<int> sumOf(int a, int b) {
  YUPANA_ASSIGN_OR_RETURN(std::unique_ptr<int> first, makeInt(a));
  YUPANA_ASSIGN_OR_RETURN(std::unique_ptr<int> second, makeInt(b));
  return *first + *second;
}

Result<void> check(int value) {
  YUPANA_RETURN_IF_ERROR(makeInt(value));
  return {};
}

TEST(Result, CarriesValuesAndErrors) {
  EXPECT_EQ(*sumOf(1, 2), 3);
  auto failed = sumOf(1, -2);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ExitCode::Usage);
  EXPECT_EQ(withContext(failed.takeError(), "sum").message, "sum: -2 is negative");
  EXPECT_TRUE(check(0));
  EXPECT_EQ(check(-1).error().message, "-1 is negative");
}

TEST(Json, WholeNumbers) {
  auto whole = [](std::string_view text) { return wholeNumber(*parseJson(text, "x")); };
  for (const char *text : {"32", "32.0", "3.2e1", "320e-1"})
    EXPECT_EQ(whole(text), 32u) << text;
  EXPECT_EQ(whole("-0.0"), 0u);
  EXPECT_EQ(whole("18446744073709551615"), UINT64_MAX);
  for (const char *text : {"32.5", "-1", "-1.0", "1e20", "NaN", "Infinity", "true", "null", "\"32\"", "[32]"})
    EXPECT_FALSE(whole(text)) << text;
}

TEST(Json, NumbersAsPythonWritesThem) {
  auto parsed = parseJson(R"({"NaN": [NaN, -Infinity, Infinity], "b": "NaN \\\" -Infinity", "c": 0.0e-2})", "x");
  ASSERT_TRUE(parsed) << parsed.error().message;
  const nlohmann::json &numbers = (*parsed)["NaN"];
  EXPECT_TRUE(std::isnan(numbers[0].get<double>()));
  EXPECT_EQ(jsonText(numbers[1]), "-Infinity");
  EXPECT_EQ(jsonText(numbers[2]), "Infinity");
  EXPECT_EQ((*parsed)["b"], "NaN \\\" -Infinity");
  EXPECT_EQ((*parsed)["c"], 0.0);
  for (const char *bad : {"nan", "NaNs", "+Infinity", "- Infinity", "{NaN: 1}", "1NaN", "NaN1"})
    EXPECT_FALSE(parseJson(bad, "x").ok()) << bad;
}

TEST(FileKind, KnowsWhatHasNoMark) {
  for (std::string_view text : {"", "{}", "version 2", "IQ== 0\nIg== 1\n", "\n\n\n", "GGU", "\n\x0e\n\x7f", "PK"})
    EXPECT_FALSE(recognizeFileKind(text)) << text;
}

TEST(Error, TextFromFilesIsMadeHarmless) {
  EXPECT_EQ(inQuotes("a b"), "'a b'");
  EXPECT_EQ(inQuotes("a\n\x1b[0m\xff"), "'a\\x0a\\x1b[0m\\xff'");
  EXPECT_EQ(inQuotes(std::string(200, 'x')), "'" + std::string(120, 'x') + "…'");
}

} // namespace
