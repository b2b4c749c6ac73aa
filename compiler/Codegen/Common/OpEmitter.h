// SPDX-License-Identifier: Apache-2.0
//
// What the generators of every target write scalar code with: an insertion point and short names for the ops of
// `arith`, `math`, `scf` and `llvm`. A target adds its vectors, its memory and its parallelism.
#ifndef YUPANA_COMPILER_CODEGEN_COMMON_OPEMITTER_H
#define YUPANA_COMPILER_CODEGEN_COMMON_OPEMITTER_H

#include "dialects/Kernel/IR/Kernel.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace yupana::codegen {

class OpEmitter {
public:
  /// `wordBits` is the width of integers whose type is not given: 32 or 64.
  OpEmitter(mlir::OpBuilder builder, mlir::Location loc, unsigned wordBits);

  mlir::OpBuilder b;
  mlir::Location loc;
  mlir::Type f32, i1, i8, i16, i32, i64, ptr, word;

  /// Creates an op at the insertion point.
  template <typename OpTy, typename... Args> OpTy make(Args &&...args) {
    return OpTy::create(b, loc, std::forward<Args>(args)...);
  }

  // Constants.
  mlir::Value integer(int64_t value, mlir::Type type = {});
  mlir::Value real(double value, mlir::Type type = {});

  // Integers; unsigned division. A number takes the type of the value beside it.
  mlir::Value add(mlir::Value x, mlir::Value y) { return fold<mlir::arith::AddIOp>(x, y); }
  mlir::Value add(mlir::Value x, int64_t y) { return add(x, integer(y, x.getType())); }
  mlir::Value sub(mlir::Value x, mlir::Value y) { return fold<mlir::arith::SubIOp>(x, y); }
  mlir::Value mul(mlir::Value x, mlir::Value y) { return fold<mlir::arith::MulIOp>(x, y); }
  mlir::Value mul(mlir::Value x, int64_t y) { return mul(x, integer(y, x.getType())); }
  mlir::Value div(mlir::Value x, mlir::Value y) { return fold<mlir::arith::DivUIOp>(x, y); }
  mlir::Value div(mlir::Value x, int64_t y) { return div(x, integer(y, x.getType())); }
  mlir::Value rem(mlir::Value x, mlir::Value y) { return fold<mlir::arith::RemUIOp>(x, y); }
  mlir::Value rem(mlir::Value x, int64_t y) { return rem(x, integer(y, x.getType())); }
  mlir::Value min(mlir::Value x, mlir::Value y) { return fold<mlir::arith::MinSIOp>(x, y); }
  mlir::Value max(mlir::Value x, mlir::Value y) { return fold<mlir::arith::MaxSIOp>(x, y); }
  mlir::Value ceilDiv(mlir::Value x, int64_t y) { return div(add(x, y - 1), y); }
  /// An i32 that is not negative, as i64.
  mlir::Value widen(mlir::Value x) { return make<mlir::arith::ExtUIOp>(i64, x); }
  mlir::Value narrow(mlir::Value x) { return make<mlir::arith::TruncIOp>(i32, x); }
  mlir::Value compare(mlir::arith::CmpIPredicate predicate, mlir::Value x, mlir::Value y) {
    return make<mlir::arith::CmpIOp>(predicate, x, y);
  }
  mlir::Value less(mlir::Value x, mlir::Value y) { return compare(mlir::arith::CmpIPredicate::slt, x, y); }
  mlir::Value equal(mlir::Value x, mlir::Value y) { return compare(mlir::arith::CmpIPredicate::eq, x, y); }

  // Floating point, one rounding each.
  mlir::Value fadd(mlir::Value x, mlir::Value y) { return make<mlir::arith::AddFOp>(x, y); }
  mlir::Value fsub(mlir::Value x, mlir::Value y) { return make<mlir::arith::SubFOp>(x, y); }
  mlir::Value fmul(mlir::Value x, mlir::Value y) { return make<mlir::arith::MulFOp>(x, y); }
  mlir::Value fdiv(mlir::Value x, mlir::Value y) { return make<mlir::arith::DivFOp>(x, y); }
  mlir::Value fma(mlir::Value x, mlir::Value y, mlir::Value z) { return make<mlir::math::FmaOp>(x, y, z); }
  mlir::Value exp(mlir::Value x) { return make<mlir::math::ExpOp>(x); }
  mlir::Value greater(mlir::Value x, mlir::Value y) {
    return make<mlir::arith::CmpFOp>(mlir::arith::CmpFPredicate::OGT, x, y);
  }
  /// x where it is greater than y, else y: y also where one is NaN.
  mlir::Value fmax(mlir::Value x, mlir::Value y) { return select(greater(x, y), x, y); }
  mlir::Value select(mlir::Value condition, mlir::Value x, mlir::Value y) {
    return make<mlir::arith::SelectOp>(condition, x, y);
  }

  // Memory of any address space. Offsets in bytes.
  mlir::Value at(mlir::Value base, mlir::Value offset);
  mlir::Value at(mlir::Value base, int64_t offset) { return at(base, integer(offset, i64)); }
  /// Element `index` of an array of `bytes` wide elements.
  mlir::Value element(mlir::Value base, mlir::Value index, int64_t bytes) { return at(base, mul(index, bytes)); }

  // Control flow. A loop counts in the type of `begin` and `end`.
  using Values = llvm::SmallVector<mlir::Value>;
  Values loop(mlir::Value begin, mlir::Value end, int64_t step, mlir::ValueRange init,
              llvm::function_ref<Values(mlir::Value, mlir::ValueRange)> body);
  void loop(mlir::Value begin, mlir::Value end, llvm::function_ref<void(mlir::Value)> body);
  void when(mlir::Value condition, llvm::function_ref<void()> then, llvm::function_ref<void()> otherwise = {});
  /// What `then` gives where the condition holds, else `values` as they are.
  Values when(mlir::Value condition, mlir::ValueRange values, llvm::function_ref<Values()> then);
  /// What `then` gives where the condition holds, else what `otherwise` gives: values of `types`.
  Values either(mlir::Value condition, mlir::TypeRange types, llvm::function_ref<Values()> then,
                llvm::function_ref<Values()> otherwise);

protected:
  template <typename OpTy> mlir::Value fold(mlir::Value x, mlir::Value y) { return b.createOrFold<OpTy>(loc, x, y); }

  /// The value of a dimension or a grid in a step; `sizeOf` gives T, S and R. A grid does not ask for "sms", which no
  /// kernel is told.
  mlir::Value evaluate(lm::DimAttr dimension, llvm::function_ref<mlir::Value(kernel::GridOp)> sizeOf);
  mlir::Value evaluate(kernel::GridAttr grid, llvm::function_ref<mlir::Value(kernel::GridOp)> sizeOf);

private:
  mlir::Value apply(kernel::GridOp op, mlir::Value x, mlir::Value y);
};

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_COMMON_OPEMITTER_H
