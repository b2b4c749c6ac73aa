// SPDX-License-Identifier: Apache-2.0

#include "runtime/plan/grid.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace yupana::runtime {
namespace {

using schema::GridOp;
using schema::GridTerm;

constexpr uint32_t kSms = 132;

/// A vector of terms inside a FlatBuffer of its own.
class Grid {
public:
  explicit Grid(const std::vector<GridTerm> &terms) {
    builder_.Finish(builder_.CreateVectorOfStructs(terms));
    terms_ = flatbuffers::GetRoot<GridTerms>(builder_.GetBufferPointer());
  }
  std::string fault(StepSizes maxima) const {
    const char *text = check_grid(*terms_, maxima);
    return text ? text : "";
  }
  uint32_t value(StepSizes sizes) const { return evaluate_grid(*terms_, sizes, kSms); }

private:
  flatbuffers::FlatBufferBuilder builder_;
  const GridTerms *terms_;
};

GridTerm constant(uint32_t value) { return {GridOp::constant, value}; }
GridTerm op(GridOp which) { return {which, 0}; }

constexpr StepSizes kMaxima{2048, 8, 2048};

TEST(GridTest, EvaluatesEveryOperator) {
  // min(ceil(T / 32) * 5, max(R + S, 7))
  Grid grid({op(GridOp::tokens), constant(32), op(GridOp::ceil_div), constant(5), op(GridOp::mul), op(GridOp::rows),
             op(GridOp::sequences), op(GridOp::add), constant(7), op(GridOp::max), op(GridOp::min)});
  ASSERT_EQ(grid.fault(kMaxima), "");
  EXPECT_EQ(grid.value({1, 1, 0}), 5u);
  EXPECT_EQ(grid.value({33, 1, 2}), 7u);
  EXPECT_EQ(grid.value({2048, 8, 100}), 108u);
  EXPECT_EQ(grid.value({64, 8, 100}), 10u);
}

// A device has at least one multiprocessor, so they may divide, and at most 65536.
TEST(GridTest, CountsMultiprocessors) {
  Grid capped({op(GridOp::tokens), constant(100), op(GridOp::mul), op(GridOp::sms), op(GridOp::min)});
  ASSERT_EQ(capped.fault(kMaxima), "");
  EXPECT_EQ(capped.value({1, 1, 0}), 100u);
  EXPECT_EQ(capped.value({2, 1, 0}), 132u);
  Grid share({op(GridOp::tokens), op(GridOp::sms), op(GridOp::ceil_div)});
  ASSERT_EQ(share.fault(kMaxima), "");
  EXPECT_EQ(share.value({133, 1, 0}), 2u);
  EXPECT_EQ(Grid({op(GridOp::sms), constant(1u << 16), op(GridOp::mul)}).fault(kMaxima), "it can exceed 32 bits");
  EXPECT_EQ(Grid({op(GridOp::sms), constant(65535), op(GridOp::mul)}).fault(kMaxima), "");
}

TEST(GridTest, RefusesWhatCanWrap) {
  Grid sum({constant(UINT32_MAX), op(GridOp::rows), op(GridOp::add)});
  EXPECT_EQ(sum.fault({1, 1, 1}), "it can exceed 32 bits");
  Grid product({op(GridOp::tokens), constant(1u << 21), op(GridOp::mul)});
  EXPECT_EQ(product.fault(kMaxima), "it can exceed 32 bits");
  EXPECT_EQ(product.fault({2047, 1, 1}), "");
  // Wrapping is refused in the middle too, although the end would be small.
  Grid middle({op(GridOp::tokens), constant(1u << 31), op(GridOp::mul), constant(1), op(GridOp::min)});
  EXPECT_EQ(middle.fault(kMaxima), "it can exceed 32 bits");
}

TEST(GridTest, RefusesDivisionByWhatCanBeZero) {
  Grid rows({op(GridOp::tokens), op(GridOp::rows), op(GridOp::ceil_div)});
  EXPECT_EQ(rows.fault(kMaxima), "it can divide by zero");
  Grid guarded({op(GridOp::tokens), op(GridOp::rows), constant(1), op(GridOp::max), op(GridOp::ceil_div)});
  ASSERT_EQ(guarded.fault(kMaxima), "");
  EXPECT_EQ(guarded.value({10, 1, 0}), 10u);
  EXPECT_EQ(guarded.value({10, 1, 4}), 3u);
  Grid zero({op(GridOp::tokens), constant(0), op(GridOp::ceil_div)});
  EXPECT_EQ(zero.fault(kMaxima), "it can divide by zero");
}

TEST(GridTest, RefusesBrokenStacks) {
  EXPECT_NE(Grid({}).fault(kMaxima), "");
  EXPECT_EQ(Grid({op(GridOp::add)}).fault(kMaxima), "an operator lacks operands");
  EXPECT_EQ(Grid({constant(1), op(GridOp::add)}).fault(kMaxima), "an operator lacks operands");
  EXPECT_EQ(Grid({constant(1), constant(2)}).fault(kMaxima), "it leaves more than one value");
  EXPECT_NE(Grid(std::vector<GridTerm>(17, constant(1))).fault(kMaxima), "");
  EXPECT_NE(Grid(std::vector<GridTerm>(65, constant(1))).fault(kMaxima), "");
  EXPECT_EQ(Grid({constant(1), constant(1), op(static_cast<GridOp>(10))}).fault(kMaxima), "it has an unknown operator");
}

} // namespace
} // namespace yupana::runtime
