// SPDX-License-Identifier: Apache-2.0
//
// A plan does not store tiles, but its grids are made of them: a launch has a cell per tile of rows and tile of
// features, so "T 144 ceildiv 4 *" over a matrix of 128 features says that a cell has 144 rows and 32 features. The
// grid is walked with symbols in place of sizes; whatever is no sum of such products, such as one share per
// multiprocessor, has no tile to show.

#include "tools/yupana/PlanWork.h"

#include "runtime/plan/grid.h"
#include "tools/support/Layers.h"

#include <fmt/format.h>

#include <algorithm>

using namespace yupana;

namespace {

/// A product in a grid: an optional size of the step, divided into tiles, times a number.
struct Term {
  bool hasSize = false;
  uint64_t tile = 1;
  uint64_t factor = 1;
};
using Sum = std::vector<Term>;

/// Applies an operator to two sums of products; false where the result is none, such as for a minimum.
bool combine(schema::GridOp op, Sum &left, const Sum &right) {
  if (op == schema::GridOp::add) {
    left.insert(left.end(), right.begin(), right.end());
    return true;
  }
  if (left.size() != 1 || right.size() != 1)
    return false;
  Term &a = left[0];
  const Term &b = right[0];
  if (op == schema::GridOp::mul && !(a.hasSize && b.hasSize)) {
    // Cannot wrap: check_grid has held products of constants to 32 bits, and at most one side has a tile.
    a = {a.hasSize || b.hasSize, a.tile * b.tile, a.factor * b.factor};
    return true;
  }
  if (op != schema::GridOp::ceil_div || !a.hasSize || b.hasSize || a.tile != 1 || a.factor != 1)
    return false;
  a.tile = b.factor;
  return true;
}

/// The grid as a sum of products; empty where it is none.
Sum termsOf(const schema::Launch &launch) {
  std::vector<Sum> stack;
  for (const schema::GridTerm *term : *launch.grid()) {
    switch (term->op()) {
    case schema::GridOp::constant:
      stack.push_back({{false, 1, term->value()}});
      continue;
    // Tokens and rows of logits are both counted in rows of a matrix.
    case schema::GridOp::tokens:
    case schema::GridOp::rows:
      stack.push_back({{true, 1, 1}});
      continue;
    // Cells that are shares of a device or of a sequence compute no tile of rows and features.
    case schema::GridOp::sequences:
    case schema::GridOp::sms:
      return {};
    default:
      break;
    }
    // A plan that opens never takes from an empty stack.
    Sum right = std::move(stack.back());
    stack.pop_back();
    if (!combine(term->op(), stack.back(), right))
      return {};
  }
  return stack.size() == 1 ? stack[0] : Sum();
}

/// "144 × 32", or "expert × 32" for the rows of one.
std::string matrixTile(const Term &term, const schema::Weight &weight) {
  const auto &shape = *weight.shape();
  // The last axis but one is the features of a weight, in every packed form; its shape is the one before packing.
  uint64_t features = shape.Get(shape.size() - 2), tiles = term.factor;
  if (shape.size() == 3)
    // The tiles of all experts together must be as many for each of them.
    tiles = shape.Get(0) && tiles % shape.Get(0) == 0 ? tiles / shape.Get(0) : 0;
  if (!tiles)
    return "";
  uint64_t width = (features + tiles - 1) / tiles;
  return term.hasSize ? fmt::format("{} × {}", term.tile, width) : fmt::format("expert × {}", width);
}

std::string tileOf(const schema::Plan &plan, const schema::Launch &launch, const std::vector<uint32_t> &matrices) {
  Sum terms = termsOf(launch);
  if (terms.empty())
    // A launch that multiplies nothing has rows to a cell, if it is one term with a size.
    return "";
  if (matrices.empty())
    return terms.size() == 1 && terms[0].hasSize
               ? fmt::format("{} {}", terms[0].tile, terms[0].tile == 1 ? "row" : "rows")
               : "";
  if (terms.size() > matrices.size())
    return "";
  // What takes no cells of its own shares those of its neighbour: with as many terms as matrices they belong together
  // in order, with fewer a term takes the first matrix of its kind.
  std::string text;
  std::vector<std::string> seen;
  for (size_t i = 0; i < terms.size(); ++i) {
    auto fits = [&](uint32_t index) { return (plan.weights()->Get(index)->shape()->size() == 3) == !terms[i].hasSize; };
    auto chosen = terms.size() == matrices.size() ? matrices.begin() + static_cast<ptrdiff_t>(i)
                                                  : std::find_if(matrices.begin(), matrices.end(), fits);
    if (chosen == matrices.end())
      return "";
    std::string tile = matrixTile(terms[i], *plan.weights()->Get(*chosen));
    if (tile.empty() || std::find(seen.begin(), seen.end(), tile) != seen.end())
      continue;
    text += (text.empty() ? "" : ", ") + tile;
    seen.push_back(std::move(tile));
  }
  return text;
}

StepView viewOf(const schema::Plan &plan, const schema::Target &target, const StepWork &work, StepView view) {
  view.program = work.programFor(view.tokens);
  const schema::StepProgram &program = *target.programs()->Get(view.program);
  StepShape shape = StepShape::of(view.tokens, view.position);
  // One sequence, and logits for its last token, as in a reply to one user.
  runtime::StepSizes sizes = {static_cast<uint32_t>(view.tokens), 1, std::min(plan.limits()->max_logit_rows(), 1u)};
  for (uint32_t i = 0; i < program.launches()->size(); ++i) {
    const schema::Launch &launch = *program.launches()->Get(i);
    // Numbers of launches count over all programs of the target.
    uint32_t number = work.firstOf(view.program) + i;
    bool asksDevice = std::any_of(launch.grid()->begin(), launch.grid()->end(),
                                  [](const schema::GridTerm *term) { return term->op() == schema::GridOp::sms; });
    std::optional<uint32_t> cells;
    if (!asksDevice)
      // No device is asked: what depends on it has no number here.
      cells = runtime::evaluate_grid(*launch.grid(), sizes, 1);
    view.launches.push_back({i, launch.kernel(), work.layer(number), work.purpose(number),
                             tileOf(plan, launch, work.matrices(number)), cells, work.of(number, shape)});
  }
  return view;
}

constexpr ReferenceMachine machines[] = {
    // 12 channels of DDR5-6400; two units of 256 or 512 bits in each of 96 cores at 2.6 GHz, and twice the bf16
    // products of float32's where the target has the instruction.
    {"x86-64-v3", "AMD EPYC 9655, 96 cores", 614e9, 8.0e12, 8.0e12},
    {"x86-64-v4", "AMD EPYC 9655, 96 cores", 614e9, 16.0e12, 16.0e12},
    {"x86-64-v4-bf16", "AMD EPYC 9655, 96 cores", 614e9, 31.9e12, 16.0e12},
    // 12 channels of DDR5-6400; tile registers that add 512 products a cycle and two units of 512 bits in each of 128
    // cores at 2.0 GHz.
    {"x86-64-v4-amx", "Intel Xeon 6980P, 128 cores", 614e9, 262e12, 16.4e12},
    {"sm_80", "NVIDIA A100 80 GB SXM", 2.04e12, 312e12, 19.5e12},
    {"sm_89", "NVIDIA L40S", 864e9, 362e12, 91.6e12},
    {"sm_90a", "NVIDIA H200 SXM", 4.8e12, 989e12, 67e12},
    {"sm_100a", "NVIDIA B200", 8e12, 2250e12, 75e12},
    {"sm_120a", "NVIDIA GeForce RTX 5090", 1.79e12, 209e12, 105e12},
};

} // namespace

Work StepView::total() const {
  Work sum;
  for (const LaunchView &launch : launches)
    sum += launch.work;
  return sum;
}

std::vector<StepView> yupana::stepViews(const schema::Plan &plan, const schema::Target &target) {
  // Positions before the decoded token: enough that attention shows, few enough to be what people run.
  constexpr uint64_t longest = 1024;
  StepWork work(plan, target);
  const schema::Limits &limits = *plan.limits();
  uint64_t before = std::min<uint64_t>(limits.max_context() / 2, longest);
  uint64_t prompt = std::min(limits.max_step_tokens(), limits.max_context());
  std::vector<StepView> views;
  views.push_back(viewOf(plan, target, work, {"decode", 1, before, 0, {}}));
  if (prompt > 1)
    views.push_back(viewOf(plan, target, work, {"prefill", prompt, 0, 0, {}}));
  return views;
}

/// Rounds to nearest. The bound keeps the conversion defined and the number within what signed readers of JSON hold.
uint64_t yupana::wholeNumber(double value) {
  constexpr double most = 9e18;
  return value > 0 ? static_cast<uint64_t>(std::min(value, most) + 0.5) : 0;
}

const ReferenceMachine *yupana::findReferenceMachine(std::string_view target) {
  for (const ReferenceMachine &machine : machines)
    if (machine.target == target)
      return &machine;
  return nullptr;
}
