// SPDX-License-Identifier: Apache-2.0
//
// kernel.sample of every target draws the ids that the scalar reference draws, and those have the distributions they
// are meant to have.
#include "KernelHarness.h"
#include "SampleReference.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <set>

using namespace yupana;
using namespace yupana::test;

namespace {

constexpr float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
constexpr int64_t maxContext = 40;
/// Of a step, for targets that cut by it; those here do not.
constexpr int64_t maxRows = 8;

class Sample : public testing::TestWithParam<std::string> {
protected:
  /// Kernels that are interpreted get fewer rows.
  bool isGpu() const { return Rules{{GetParam(), false}}.isGpu(); }
};

using Row = SampleRow;

//===----------------------------------------------------------------------===//
// What is meant, in float64
//===----------------------------------------------------------------------===//

/// What every id weighs in the draw: 0 where it is dropped, 1 where it is the best.
std::vector<double> referenceWeights(const Row &row) {
  std::vector<float> logits = penalizedLogits(row);
  std::vector<double> x(logits.begin(), logits.end()), weights(x.size());
  std::vector<int32_t> ids = byLogit(x);
  if (row.topK > 0 && row.topK < static_cast<int64_t>(ids.size()))
    ids.resize(row.topK);
  double best = x[ids[0]], total = 0, mass = 0;
  for (int32_t id : ids)
    total += weights[id] = std::exp((x[id] - best) / row.temperature);
  size_t kept = 0;
  for (; kept < ids.size() && (kept == 0 || row.topP >= 1 || mass < row.topP * total); ++kept)
    mass += weights[ids[kept]];
  for (size_t i = kept; i < ids.size(); ++i)
    weights[ids[i]] = 0;
  for (double &weight : weights)
    if (weight < row.minP)
      weight = 0;
  return weights;
}

double drawn(const Row &row) { return static_cast<double>(philox(row.seed, row.sequence, row.position)) * 0x1p-64; }

//===----------------------------------------------------------------------===//
// The kernel
//===----------------------------------------------------------------------===//

std::string sampleKernel(int64_t vocabulary) {
  return fmt::format(R"(
    kernel.func @sample {{
    ^bb0(%l: !kernel.view<["R", {0}], f32>, %t: !kernel.view<["R"], f32>, %k: !kernel.view<["R"], i32>,
         %p: !kernel.view<["R"], f32>, %m: !kernel.view<["R"], f32>, %r: !kernel.view<["R"], f32>,
         %s: !kernel.view<["R"], i64>, %n: !kernel.view<["R"], i64>, %x: !kernel.view<["R"], i32>,
         %h: !kernel.view<["R"], i32>, %g: !kernel.view<["N", {1}], i32>, %i: !kernel.view<["R"], i32>):
      kernel.sample %l temperatures %t top_k %k top_p %p min_p %m penalties %r seeds %s sequences %n positions %x
        slots %h of %g into %i
        : !kernel.view<["R", {0}], f32>, !kernel.view<["R"], f32>, !kernel.view<["R"], i32>, !kernel.view<["R"], f32>,
          !kernel.view<["R"], f32>, !kernel.view<["R"], f32>, !kernel.view<["R"], i64>, !kernel.view<["R"], i64>,
          !kernel.view<["R"], i32>, !kernel.view<["R"], i32>, !kernel.view<["N", {1}], i32>, !kernel.view<["R"], i32>
    }})",
                     vocabulary, maxContext);
}

/// Runs all rows at once; row r finds its history in slot rows - 1 - r.
std::vector<int32_t> sample(KernelLibrary &library, const std::vector<Row> &rows) {
  auto count = static_cast<uint32_t>(rows.size());
  size_t vocabulary = rows[0].logits.size();
  Array<float> logits(count * vocabulary), temperatures(count), topP(count), minP(count), penalties(count);
  Array<int64_t> seeds(count), sequences(count);
  Array<int32_t> topK(count), positions(count), slots(count), history(count * maxContext), ids(count);
  for (uint32_t r = 0; r < count; ++r) {
    const Row &row = rows[r];
    std::copy(row.logits.begin(), row.logits.end(), &logits[r * vocabulary]);
    temperatures[r] = row.temperature;
    topK[r] = row.topK;
    topP[r] = row.topP;
    minP[r] = row.minP;
    penalties[r] = row.penalty;
    seeds[r] = row.seed;
    sequences[r] = row.sequence;
    positions[r] = row.position;
    slots[r] = static_cast<int32_t>(count - 1 - r);
    std::copy(row.history.begin(), row.history.end(), &history[slots[r] * maxContext]);
  }
  library.run("sample",
              {logits, temperatures, topK, topP, minP, penalties, seeds, sequences, positions, slots, history, ids},
              {0, 0, count});
  EXPECT_TRUE(ids.tailIntact());
  return {ids.begin(), ids.end()};
}

std::vector<float> randomLogits(size_t vocabulary, uint32_t seed, float scale) {
  Array<float> values = randomArray(vocabulary, seed, scale);
  return {values.begin(), values.end()};
}

/// The id must be that of the reference, and the one at which float64 sums pass the drawn number, up to the rounding of
/// float32 exponentials.
void checkDraw(const Row &row, int32_t id) {
  ASSERT_EQ(id, sampleReference(row));
  std::vector<double> weights = referenceWeights(row);
  double total = std::accumulate(weights.begin(), weights.end(), 0.0), target = drawn(row) * total;
  ASSERT_GT(weights[id], 0) << "id " << id << " should have been dropped";
  double below = std::accumulate(weights.begin(), weights.begin() + id, 0.0);
  ASSERT_GE(target, below - 1e-5 * total) << "id " << id;
  ASSERT_LE(target, below + weights[id] + 1e-5 * total) << "id " << id;
}

/// A name and what it does to a row.
struct Setting {
  const char *name;
  std::function<void(Row &)> set;
};

const Setting settings[] = {
    {"nothing", [](Row &) {}},
    {"temperature 0.3", [](Row &row) { row.temperature = 0.3f; }},
    {"temperature 5", [](Row &row) { row.temperature = 5; }},
    {"top k 1", [](Row &row) { row.topK = 1; }},
    {"top k 7", [](Row &row) { row.topK = 7; }},
    {"top k of everything", [](Row &row) { row.topK = static_cast<int32_t>(row.logits.size()); }},
    {"top k above everything", [](Row &row) { row.topK = std::numeric_limits<int32_t>::max(); }},
    {"tiny top p", [](Row &row) { row.topP = 1e-9f; }},
    {"top p 0.5", [](Row &row) { row.topP = 0.5f; }},
    {"top p 0.95", [](Row &row) { row.topP = 0.95f; }},
    {"min p 0.05", [](Row &row) { row.minP = 0.05f; }},
    {"min p 1", [](Row &row) { row.minP = 1; }},
    {"penalty 1.7", [](Row &row) { row.penalty = 1.7f; }},
    {"penalty 0.5", [](Row &row) { row.penalty = 0.5f; }},
    {"top k and top p", [](Row &row) { row.topK = 9, row.topP = 0.8f; }},
    {"everything",
     [](Row &row) { row.temperature = 0.8f, row.topK = 20, row.topP = 0.9f, row.minP = 0.02f, row.penalty = 1.3f; }},
};

//===----------------------------------------------------------------------===//
// Tests
//===----------------------------------------------------------------------===//

TEST_P(Sample, PhiloxIsThatOfItsAuthors) {
  // Known answer of the published test vectors: key and counter of zeros.
  EXPECT_EQ(philox(0, 0, 0), 0x6627e8d5e169c58du);
}

TEST_P(Sample, GreedyTakesTheLowestOfTheLargest) {
  constexpr int64_t vocabulary = 100;
  KernelLibrary library(GetParam(), sampleKernel(vocabulary), maxRows);
  Row plain;
  plain.logits = randomLogits(vocabulary, 1, 1);
  plain.temperature = 0;
  // Has no effect where the best token is taken.
  plain.minP = 0.5f, plain.topK = 3, plain.topP = 0.5f;
  std::vector<Row> rows(7, plain);
  rows[0].logits[17] = rows[0].logits[63] = 2;
  rows[1].logits[99] = 2;
  rows[2].logits[0] = 2;
  rows[3].logits.assign(vocabulary, -inf);
  rows[4].logits.assign(vocabulary, -inf);
  rows[4].logits[42] = -7;
  rows[5].logits.assign(vocabulary, -1);
  rows[5].logits[8] = -0.0f;
  rows[5].logits[9] = 0.0f;
  // Smaller than any that count.
  rows[6].logits.assign(vocabulary, -1);
  rows[6].logits[8] = -1e-31f;
  rows[6].logits[9] = 1e-31f;
  EXPECT_EQ(sample(library, rows), (std::vector<int32_t>{17, 99, 0, 0, 42, 8, 8}));
}

// The best of rows in which nothing else counts, under every setting.
TEST_P(Sample, DrawsTheBestWhereNothingElseCounts) {
  constexpr int64_t vocabulary = 300;
  KernelLibrary library(GetParam(), sampleKernel(vocabulary), maxRows);
  for (const Setting &setting : settings) {
    SCOPED_TRACE(setting.name);
    std::vector<Row> rows(3);
    for (Row &row : rows) {
      row.logits.assign(vocabulary, -inf);
      setting.set(row);
    }
    rows[1].logits[299] = 5;
    rows[2].logits[7] = -1e30f;
    EXPECT_EQ(sample(library, rows), (std::vector<int32_t>{0, 299, 7}));
  }
}

// A NaN or an infinite logit, wherever it stands, marks its row and no other, under every setting and greedily.
TEST_P(Sample, NoIdWhereALogitIsNotANumber) {
  constexpr int64_t vocabulary = 50;
  KernelLibrary library(GetParam(), sampleKernel(vocabulary), maxRows);
  std::vector<std::pair<int, float>> faults;
  for (float fault : {nan, -nan, inf})
    for (int id : {0, 15, 16, 31, 49})
      faults.emplace_back(id, fault);
  for (const Setting &setting : settings)
    for (float temperature : {1.0f, 0.0f}) {
      SCOPED_TRACE(fmt::format("{}, temperature {}", setting.name, temperature));
      std::vector<Row> rows(2 * faults.size());
      for (size_t r = 0; r < rows.size(); ++r) {
        rows[r].logits = randomLogits(vocabulary, 3, 2);
        rows[r].logits[20] = -inf;
        rows[r].history = {0, 15, 20, 49};
        rows[r].position = 4;
        setting.set(rows[r]);
        rows[r].temperature *= temperature;
        rows[r].seed = static_cast<int64_t>(r);
        if (r % 2)
          rows[r].logits[faults[r / 2].first] = faults[r / 2].second;
      }
      std::vector<int32_t> ids = sample(library, rows);
      for (size_t r = 0; r < rows.size(); ++r)
        EXPECT_EQ(ids[r], r % 2 ? noId : sampleReference(rows[r])) << r;
    }
}

// Where arithmetic reaches the ends of float32, whether or not the processor flushes subnormal numbers.
TEST_P(Sample, ExtremesMatchTheReference) {
  constexpr int64_t vocabulary = 64;
  KernelLibrary library(GetParam(), sampleKernel(vocabulary), maxRows);
  std::vector<Row> rows;
  for (float scale : {0x1p-149f, 0x1p-126f, 0x1p-101f, 0x1p-99f, 1.0f, 0x1p100f, 0x1.fp127f})
    for (float temperature : {0x1p-149f, 0x1p-126f, 0x1p-99f, 1e-6f, 1.0f, 1e30f, inf, nan, -1.0f})
      for (float penalty : {0x1p-149f, 0x1p-99f, 1.0f, 3.0f, 0x1p127f}) {
        Row &row = rows.emplace_back();
        row.logits = randomLogits(vocabulary, static_cast<uint32_t>(rows.size()), 1);
        for (float &logit : row.logits)
          logit *= scale;
        row.temperature = temperature, row.penalty = penalty;
        row.seed = static_cast<int64_t>(rows.size());
        row.history = {1, 7, 60, 7};
        row.position = 3;
      }
  for (float value : {0.0f, -1.0f, nan, 0x1p-149f, 2.0f}) {
    Row &row = rows.emplace_back(rows[vocabulary]);
    row.topP = value, row.logits = randomLogits(vocabulary, 5, 1), row.temperature = 1, row.penalty = 1;
    Row other = row;
    std::swap(other.topP, other.minP);
    rows.push_back(other);
    other.minP = 0, other.topP = 1, other.topK = -5;
    rows.push_back(other);
  }
  for (bool flushes : isGpu() ? std::vector<bool>{false} : std::vector<bool>{true, false}) {
    library.setFlushesSubnormals(flushes);
    std::vector<int32_t> ids = sample(library, rows);
    for (size_t r = 0; r < rows.size(); ++r)
      EXPECT_EQ(ids[r], sampleReference(rows[r]))
          << fmt::format("flushes {}, temperature {}, penalty {}, top p {}, min p {}, first logit {}", flushes,
                         rows[r].temperature, rows[r].penalty, rows[r].topP, rows[r].minP, rows[r].logits[0]);
  }
}

/// Rows of one kind under every setting, against the reference.
void checkSettings(const std::string &target, int64_t vocabulary, size_t rowCount,
                   const std::function<void(Row &, uint32_t)> &fill) {
  KernelLibrary library(target, sampleKernel(vocabulary), maxRows);
  for (const Setting &setting : settings) {
    SCOPED_TRACE(fmt::format("vocabulary {}, {}", vocabulary, setting.name));
    std::vector<Row> rows(rowCount);
    for (uint32_t r = 0; r < rows.size(); ++r) {
      Row &row = rows[r];
      fill(row, r);
      setting.set(row);
      row.seed = 0x123456789abcdef + r;
      row.sequence = int64_t(r % 10) << 30;
      row.position = static_cast<int32_t>(r % 25);
      for (int32_t i = 0; i < maxContext; ++i)
        row.history.push_back(static_cast<int32_t>((i * i + r) % vocabulary));
    }
    std::vector<int32_t> ids = sample(library, rows);
    for (uint32_t r = 0; r < rows.size(); ++r) {
      SCOPED_TRACE(r);
      checkDraw(rows[r], ids[r]);
    }
    // Greedy under the same penalty.
    for (Row &row : rows)
      row.temperature = 0;
    ids = sample(library, rows);
    for (uint32_t r = 0; r < rows.size(); ++r)
      EXPECT_EQ(ids[r], sampleReference(rows[r])) << r;
  }
}

TEST_P(Sample, MatchesTheReference) {
  std::vector<int64_t> vocabularies = {1, 2, 15, 16, 17, 255, 256, 257, 5000};
  if (isGpu())
    vocabularies = {1, 33, 257, 5000};
  for (int64_t vocabulary : vocabularies)
    checkSettings(GetParam(), vocabulary, isGpu() ? 2 : 40, [&](Row &row, uint32_t r) {
      row.logits = randomLogits(vocabulary, r + 1, 6); // both signs
    });
}

// Rows full of ties: where a filter cuts between equals, the lower ids stay. More equals than a GPU lists.
TEST_P(Sample, KeepsLowerIdsOfEquals) {
  for (int64_t vocabulary : {16, 100, 1000, 3000})
    checkSettings(GetParam(), vocabulary, isGpu() ? 2 : 40, [&](Row &row, uint32_t r) {
      row.logits = randomLogits(vocabulary, r + 1, 4);
      for (float &logit : row.logits)
        logit = r % 2 ? std::round(logit) : 0.0f;
    });
}

/// The ids that a row can come to, by many draws.
std::set<int32_t> reachable(KernelLibrary &library, Row row) {
  constexpr size_t draws = 40;
  std::vector<Row> rows(draws, row);
  for (size_t r = 0; r < rows.size(); ++r)
    rows[r].seed = static_cast<int64_t>(r);
  std::vector<int32_t> ids = sample(library, rows);
  return {ids.begin(), ids.end()};
}

TEST_P(Sample, CutsExactly) {
  KernelLibrary library(GetParam(), sampleKernel(20), maxRows);
  Row row;
  row.logits.assign(20, -inf);
  for (int id : {3, 5, 8, 13})
    row.logits[id] = 1;
  using Ids = std::set<int32_t>;
  EXPECT_EQ(reachable(library, row), (Ids{3, 5, 8, 13}));
  row.topP = 0.5f; // two of four equal ids have a mass of exactly one half
  EXPECT_EQ(reachable(library, row), (Ids{3, 5}));
  row.topP = 0.500001f;
  EXPECT_EQ(reachable(library, row), (Ids{3, 5, 8}));
  row.topK = 2; // the mass is that of the two left
  EXPECT_EQ(reachable(library, row), (Ids{3, 5}));
  row.topK = 3, row.topP = 1;
  EXPECT_EQ(reachable(library, row), (Ids{3, 5, 8}));
  row.topK = 0, row.minP = 1;
  EXPECT_EQ(reachable(library, row), (Ids{3, 5, 8, 13}));
  row.logits[8] = 2; // 1 / (1 + 3 / e) = 0.475 of the mass; the others are 1 / e as probable
  row.minP = 0.36f;
  EXPECT_EQ(reachable(library, row), (Ids{3, 5, 8, 13}));
  row.minP = 0.37f;
  EXPECT_EQ(reachable(library, row), (Ids{8}));
  row.minP = 0, row.topP = 0.47f;
  EXPECT_EQ(reachable(library, row), (Ids{8}));
  row.topP = 0.48f;
  EXPECT_EQ(reachable(library, row), (Ids{3, 8}));
  // The penalty comes before all: 2 / 4 is now below 1.
  row.penalty = 4, row.history = {8, 8, 3}, row.position = 2, row.topP = 1, row.topK = 3;
  EXPECT_EQ(reachable(library, row), (Ids{3, 5, 13}));
}

// Top k and top p both cut among ids of one logit, so that the second filter counts what the first has left.
TEST_P(Sample, FiltersFollowOneAnotherAmongEquals) {
  constexpr int64_t vocabulary = 300;
  KernelLibrary library(GetParam(), sampleKernel(vocabulary), maxRows);
  std::vector<Row> rows;
  for (int32_t topK : {0, 3, 4, 50})
    for (float topP : {0.2f, 0.5f, 0.500001f, 0.9f}) {
      Row row;
      row.logits.assign(vocabulary, -inf);
      for (int id : {3, 5, 8, 13, 200, 299})
        row.logits[id] = 1;
      row.logits[77] = 2;
      row.topK = topK, row.topP = topP;
      for (int64_t seed = 0; seed < 6; ++seed) {
        row.seed = seed;
        rows.push_back(row);
      }
    }
  std::vector<int32_t> ids = sample(library, rows);
  for (size_t r = 0; r < rows.size(); ++r)
    EXPECT_EQ(ids[r], sampleReference(rows[r])) << r;
}

// What a row comes to does not depend on the rows beside it.
TEST_P(Sample, RowsAreAlone) {
  KernelLibrary library(GetParam(), sampleKernel(97), maxRows);
  std::vector<Row> rows;
  for (const Setting &setting : settings) {
    Row row;
    row.logits = randomLogits(97, static_cast<uint32_t>(rows.size()) + 1, 5);
    row.history = {1, 2, 3, 4};
    row.position = 4;
    setting.set(row);
    rows.push_back(row);
  }
  std::vector<int32_t> together = sample(library, rows);
  for (size_t r = 0; r < rows.size(); ++r)
    EXPECT_EQ(sample(library, {rows[r]})[0], together[r]) << settings[r].name;
}

// A vocabulary of the size that counts: sums of masses need more than 53 bits here.
TEST_P(Sample, MatchesTheReferenceAtFullSize) {
  constexpr int64_t vocabulary = 202048;
  KernelLibrary library(GetParam(), sampleKernel(vocabulary), maxRows);
  std::vector<Row> rows;
  for (size_t i = isGpu() ? std::size(settings) - 1 : 0; i < std::size(settings); ++i) {
    Row &row = rows.emplace_back();
    row.logits = randomLogits(vocabulary, static_cast<uint32_t>(i) + 1, 1);
    row.history.resize(3, 5);
    row.position = 3;
    settings[i].set(row);
  }
  std::vector<int32_t> ids = sample(library, rows);
  for (size_t r = 0; r < rows.size(); ++r)
    EXPECT_EQ(ids[r], sampleReference(rows[r])) << r;
}

//===----------------------------------------------------------------------===//
// Distributions
//===----------------------------------------------------------------------===//

/// Pearson's statistic of the counts against a distribution, and what it exceeds once in ten thousand seeds by chance
/// (Wilson and Hilferty, 1931). Ids expected fewer than 5 times share a cell; one never expected must never come.
struct ChiSquare {
  ChiSquare(const std::vector<int> &counts, const std::vector<double> &weights) {
    double draws = std::accumulate(counts.begin(), counts.end(), 0.0), rare = 0, rareCount = 0;
    double total = std::accumulate(weights.begin(), weights.end(), 0.0), cells = 0;
    auto add = [&](double count, double expected) {
      statistic += expected > 0 ? (count - expected) * (count - expected) / expected : count > 0 ? INFINITY : 0;
      cells += expected > 0;
    };
    for (size_t id = 0; id < counts.size(); ++id) {
      double expected = draws * weights[id] / total;
      if (expected >= 5 || expected == 0)
        add(counts[id], expected);
      else
        rare += expected, rareCount += counts[id];
    }
    add(rareCount, rare);
    double freedom = std::max(cells - 1, 1.0), spread = 2 / (9 * freedom);
    threshold = freedom * std::pow(1 - spread + 3.719 * std::sqrt(spread), 3);
  }

  double statistic = 0, threshold = 0;
};

TEST_P(Sample, DrawsHaveTheirDistribution) {
  constexpr int64_t vocabulary = 48;
  constexpr uint32_t draws = 40000;
  if (isGpu())
    GTEST_SKIP() << "ids are held to those of the reference, and draws of a CPU to their distribution";
  KernelLibrary library(GetParam(), sampleKernel(vocabulary), maxRows);
  const Setting drawn[] = {
      {"temperature", [](Row &row) { row.temperature = 1.5f; }},
      {"top k", [](Row &row) { row.topK = 11; }},
      {"top p", [](Row &row) { row.topP = 0.85f; }},
      {"min p", [](Row &row) { row.minP = 0.04f; }},
      {"penalty", [](Row &row) { row.penalty = 1.4f; }},
      {"everything",
       [](Row &row) { row.temperature = 0.9f, row.topK = 24, row.topP = 0.95f, row.minP = 0.01f, row.penalty = 1.2f; }},
  };
  Row plain;
  plain.logits = randomLogits(vocabulary, 4, 3);
  for (int32_t i = 0; i < 12; ++i)
    plain.history.push_back(i * 5 % 31);
  plain.position = 12;
  for (const Setting &setting : drawn) {
    SCOPED_TRACE(setting.name);
    Row row = plain;
    setting.set(row);
    std::vector<Row> rows(draws, row);
    for (uint32_t r = 0; r < draws; ++r) {
      rows[r].seed = 20260101;
      rows[r].sequence = r;
    }
    std::vector<int> counts(vocabulary);
    for (int32_t id : sample(library, rows))
      ++counts.at(id);
    ChiSquare ours(counts, referenceWeights(row)), without(counts, referenceWeights(plain));
    EXPECT_LT(ours.statistic, ours.threshold);
    // As many draws tell the parameter from its absence.
    EXPECT_GT(without.statistic, 10 * without.threshold);
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Sample, testing::ValuesIn(testedTargets()),
                         [](const auto &info) { return nameOf(info); });

} // namespace
