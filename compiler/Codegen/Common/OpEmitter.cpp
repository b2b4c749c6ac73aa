// SPDX-License-Identifier: Apache-2.0
//
// What templates of all targets write ops with. Integers are folded while they are built: most sizes are constants, and
// folded at once they decide whether a template writes a loop or one turn of it, for which a later pass would come too
// late. Grids are evaluated with the rules by which the runtime evaluates them (runtime/plan), since a kernel that
// counts cells otherwise than its launcher leaves some out.

#include "compiler/Codegen/Common/OpEmitter.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

OpEmitter::OpEmitter(OpBuilder builder, Location loc, unsigned wordBits) : b(builder), loc(loc) {
  f32 = b.getF32Type();
  i1 = b.getI1Type();
  i8 = b.getI8Type();
  i16 = b.getI16Type();
  i32 = b.getI32Type();
  i64 = b.getI64Type();
  ptr = LLVM::LLVMPointerType::get(b.getContext());
  word = b.getIntegerType(wordBits);
}

Value OpEmitter::integer(int64_t value, Type type) {
  return make<arith::ConstantOp>(b.getIntegerAttr(type ? type : word, value));
}

Value OpEmitter::real(double value, Type type) {
  return make<arith::ConstantOp>(b.getFloatAttr(type ? type : f32, value));
}

Value OpEmitter::at(Value base, Value offset) {
  // An address instruction for nothing would only be folded later; a constant offset is one that LLVM sees at once.
  if (isConstantIntValue(offset, 0))
    return base;
  if (std::optional<int64_t> bytes = getConstantIntValue(offset); bytes && llvm::isInt<32>(*bytes))
    return make<LLVM::GEPOp>(base.getType(), i8, base, ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(*bytes)});
  return make<LLVM::GEPOp>(base.getType(), i8, base, ValueRange{offset});
}

//===----------------------------------------------------------------------===//
// Control flow
//===----------------------------------------------------------------------===//

OpEmitter::Values OpEmitter::loop(Value begin, Value end, int64_t step, ValueRange init,
                                  function_ref<Values(Value, ValueRange)> body) {
  auto forOp = make<scf::ForOp>(begin, end, integer(step, begin.getType()), init);
  OpBuilder::InsertionGuard guard(b);
  // The builder adds a terminator only where there is nothing to yield.
  Block *block = forOp.getBody();
  if (init.empty())
    block->getTerminator()->erase();
  b.setInsertionPointToEnd(block);
  make<scf::YieldOp>(body(forOp.getInductionVar(), forOp.getRegionIterArgs()));
  return Values(forOp.getResults());
}

void OpEmitter::loop(Value begin, Value end, function_ref<void(Value)> body) {
  loop(begin, end, 1, {}, [&](Value i, ValueRange) -> Values { return body(i), Values(); });
}

/// The branches yield nothing: what they compute they store.
void OpEmitter::when(Value condition, function_ref<void()> then, function_ref<void()> otherwise) {
  auto ifOp = make<scf::IfOp>(condition, /*withElseRegion=*/static_cast<bool>(otherwise));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(ifOp.thenBlock()->getTerminator());
  then();
  if (otherwise) {
    b.setInsertionPoint(ifOp.elseBlock()->getTerminator());
    otherwise();
  }
}

OpEmitter::Values OpEmitter::when(Value condition, ValueRange values, function_ref<Values()> then) {
  return either(condition, values.getTypes(), then, [&] { return Values(values); });
}

OpEmitter::Values OpEmitter::either(Value condition, TypeRange types, function_ref<Values()> then,
                                    function_ref<Values()> otherwise) {
  auto ifOp = make<scf::IfOp>(types, condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  auto fill = [&](Block *block, function_ref<Values()> body) {
    b.setInsertionPointToStart(block);
    Values values = body();
    // Without values the op has made its terminators itself.
    if (!types.empty())
      make<scf::YieldOp>(values);
  };
  fill(ifOp.thenBlock(), then);
  fill(ifOp.elseBlock(), otherwise);
  return Values(ifOp.getResults());
}

//===----------------------------------------------------------------------===//
// Sizes of a step
//===----------------------------------------------------------------------===//

/// The size of a dimension in this step: factor * symbol + addend.
Value OpEmitter::evaluate(lm::DimAttr dimension, function_ref<Value(kernel::GridOp)> sizeOf) {
  auto of = [&](kernel::GridOp size) { return add(mul(sizeOf(size), dimension.getFactor()), dimension.getAddend()); };
  switch (dimension.getSymbol()) {
  case lm::DimSymbol::None:
  case lm::DimSymbol::N:
    return integer(dimension.getFactor());
  case lm::DimSymbol::T:
    return of(kernel::GridOp::Tokens);
  case lm::DimSymbol::S:
    return of(kernel::GridOp::Sequences);
  case lm::DimSymbol::R:
    return of(kernel::GridOp::LogitRows);
  }
  llvm_unreachable("every symbol has a case");
}

Value OpEmitter::apply(kernel::GridOp op, Value x, Value y) {
  switch (op) {
  case kernel::GridOp::Add:
    return add(x, y);
  case kernel::GridOp::Mul:
    return mul(x, y);
  case kernel::GridOp::CeilDiv:
    return div(sub(add(x, y), integer(1, x.getType())), y);
  case kernel::GridOp::Min:
    return min(x, y);
  case kernel::GridOp::Max:
    return max(x, y);
  default:
    llvm_unreachable("an operand is not applied");
  }
}

/// In postfix order, as a grid is stored; GridAttr has been verified, so that the stack never runs empty.
Value OpEmitter::evaluate(kernel::GridAttr grid, function_ref<Value(kernel::GridOp)> sizeOf) {
  Values stack;
  for (const kernel::GridTerm &term : grid.getTerms()) {
    switch (term.op) {
    case kernel::GridOp::Constant:
      stack.push_back(integer(term.value));
      break;
    case kernel::GridOp::Tokens:
    case kernel::GridOp::Sequences:
    case kernel::GridOp::LogitRows:
      stack.push_back(sizeOf(term.op));
      break;
    case kernel::GridOp::SMs:
      llvm_unreachable("refused before it comes here");
    default:
      Value y = stack.pop_back_val(), x = stack.pop_back_val();
      stack.push_back(apply(term.op, x, y));
    }
  }
  return stack.front();
}
