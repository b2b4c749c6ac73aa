// SPDX-License-Identifier: Apache-2.0
//
// A grid is evaluated for every launch of every step. Whether that can fail is therefore settled once, when the plan is
// opened, by interval arithmetic over all sizes that a step can have; evaluation then checks nothing.

#include "runtime/plan/grid.h"

#include "runtime/base/checked.h"
#include "runtime/plan/bounds.h"

namespace yupana::runtime {

namespace {

using schema::GridOp;

/// Every value an expression can take. All operators are monotone in each operand (ceil_div falls with its divisor),
/// so the ends of an interval come from the ends of the operands.
struct Interval {
  uint64_t low;
  uint64_t high;
};

/// The operands are below 2^32, so that neither a sum nor a product wraps in 64 bits.
const char *combine(GridOp op, Interval &a, const Interval &b) {
  switch (op) {
  case GridOp::add:
    a = {a.low + b.low, a.high + b.high};
    break;
  case GridOp::mul:
    a = {a.low * b.low, a.high * b.high};
    break;
  case GridOp::ceil_div:
    if (b.low == 0)
      return "it can divide by zero";
    a = {ceil_div(a.low, b.high), ceil_div(a.high, b.low)};
    break;
  case GridOp::min:
    a = {least(a.low, b.low), least(a.high, b.high)};
    break;
  case GridOp::max:
    a = {greatest(a.low, b.low), greatest(a.high, b.high)};
    break;
  default:
    return "it has an unknown operator";
  }
  // Both ends were below 2^32 before, so the 64 bits of the result held it.
  return a.high > UINT32_MAX ? "it can exceed 32 bits" : nullptr;
}

/// False for an operator, which takes its values from the stack.
bool push(const schema::GridTerm &term, const StepSizes &maxima, Interval *out) {
  switch (term.op()) {
  case GridOp::constant:
    *out = {term.value(), term.value()};
    return true;
  case GridOp::tokens:
    *out = {1, maxima.tokens};
    return true;
  case GridOp::sequences:
    *out = {1, maxima.sequences};
    return true;
  case GridOp::rows:
    // A step may ask for no logits at all.
    *out = {0, maxima.rows};
    return true;
  case GridOp::sms:
    // A plan is checked before a device is chosen.
    *out = {1, kMaxSms};
    return true;
  default:
    return false;
  }
}

} // namespace

const char *check_grid(const GridTerms &terms, const StepSizes &maxima) {
  if (terms.size() == 0 || terms.size() > kMaxGridTerms)
    return "it has no terms or more than 64";
  Interval stack[kMaxGridStack];
  uint32_t depth = 0;
  for (uint32_t i = 0; i < terms.size(); ++i) {
    const schema::GridTerm &term = *terms.Get(i);
    Interval value;
    if (push(term, maxima, &value)) {
      if (depth == kMaxGridStack)
        return "it needs more than 16 values at once";
      stack[depth++] = value;
      continue;
    }
    if (depth < 2)
      return "an operator lacks operands";
    --depth;
    if (const char *fault = combine(term.op(), stack[depth - 1], stack[depth]))
      return fault;
  }
  return depth == 1 ? nullptr : "it leaves more than one value";
}

/// The same walk with numbers. What check_grid has proved is relied on: the stack neither overflows nor runs empty.
uint32_t evaluate_grid(const GridTerms &terms, const StepSizes &sizes, uint32_t sms) {
  uint32_t stack[kMaxGridStack];
  uint32_t depth = 0;
  for (uint32_t i = 0; i < terms.size(); ++i) {
    const schema::GridTerm &term = *terms.Get(i);
    uint32_t b = 0;
    if (term.op() >= GridOp::add && term.op() <= GridOp::max)
      b = stack[--depth];
    uint32_t *top = depth ? &stack[depth - 1] : nullptr;
    switch (term.op()) {
    case GridOp::constant:
      stack[depth++] = term.value();
      break;
    case GridOp::tokens:
      stack[depth++] = sizes.tokens;
      break;
    case GridOp::sequences:
      stack[depth++] = sizes.sequences;
      break;
    case GridOp::rows:
      stack[depth++] = sizes.rows;
      break;
    case GridOp::sms:
      stack[depth++] = sms;
      break;
    case GridOp::add:
      *top += b;
      break;
    case GridOp::mul:
      *top *= b;
      break;
    case GridOp::ceil_div:
      // Rounds up without adding to the dividend, which could wrap.
      *top = *top / b + (*top % b != 0);
      break;
    case GridOp::min:
      *top = *top < b ? *top : b;
      break;
    case GridOp::max:
      *top = *top > b ? *top : b;
      break;
    }
  }
  return stack[0];
}

} // namespace yupana::runtime
