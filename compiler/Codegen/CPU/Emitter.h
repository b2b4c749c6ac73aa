// SPDX-License-Identifier: Apache-2.0
//
// What every kernel template writes its code with: an insertion point and short names for the ops of `arith`, `math`,
// `vector`, `scf` and `llvm`. Integers are i64 unless a name says otherwise; vectors have 16 lanes at every level.
#ifndef YUPANA_COMPILER_CODEGEN_CPU_EMITTER_H
#define YUPANA_COMPILER_CODEGEN_CPU_EMITTER_H

#include "compiler/Target/Target.h"
#include "dialects/Kernel/IR/Kernel.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace yupana::codegen {

/// Lanes of every vector. A target with narrower registers uses several for one vector, so that sums over lanes have
/// the same bits on every target.
inline constexpr int64_t vectorLanes = 16;

/// The attribute of a kernel's function that says how much scratch memory a worker has to give it, in bytes.
inline constexpr llvm::StringLiteral scratchBytesName = "kernel.scratch_bytes";

class Emitter {
public:
  Emitter(mlir::OpBuilder builder, mlir::Location loc);

  mlir::OpBuilder b;
  mlir::Location loc;
  mlir::Type f32, f64, i1, i8, i16, i32, i64, ptr;
  mlir::VectorType vf32, vi1;

  /// Creates an op at the insertion point.
  template <typename OpTy, typename... Args> OpTy make(Args &&...args) {
    return OpTy::create(b, loc, std::forward<Args>(args)...);
  }

  // Constants.
  mlir::Value integer(int64_t value, mlir::Type type = {});
  mlir::Value real(double value, mlir::Type type = {});
  mlir::Value splat(double value) { return broadcast(real(value)); }
  mlir::Value integers(llvm::ArrayRef<int64_t> lanes);

  // Integers; unsigned division.
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

  // Floating point, scalars or vectors, one rounding each.
  mlir::Value fadd(mlir::Value x, mlir::Value y) { return make<mlir::arith::AddFOp>(x, y); }
  mlir::Value fsub(mlir::Value x, mlir::Value y) { return make<mlir::arith::SubFOp>(x, y); }
  mlir::Value fmul(mlir::Value x, mlir::Value y) { return make<mlir::arith::MulFOp>(x, y); }
  mlir::Value fdiv(mlir::Value x, mlir::Value y) { return make<mlir::arith::DivFOp>(x, y); }
  mlir::Value fma(mlir::Value x, mlir::Value y, mlir::Value z) { return make<mlir::math::FmaOp>(x, y, z); }
  mlir::Value exp(mlir::Value x) { return make<mlir::math::ExpOp>(x); }
  mlir::Value greater(mlir::Value x, mlir::Value y) {
    return make<mlir::arith::CmpFOp>(mlir::arith::CmpFPredicate::OGT, x, y);
  }
  /// x where it is greater than y, else y: y also where one is no number.
  mlir::Value fmax(mlir::Value x, mlir::Value y) { return select(greater(x, y), x, y); }
  mlir::Value select(mlir::Value condition, mlir::Value x, mlir::Value y) {
    return make<mlir::arith::SelectOp>(condition, x, y);
  }

  // bfloat16 is held as its bits, in i16, since registers below AVX-512 BF16 know no other form.
  /// The float32 that bits stand for; scalars or vectors.
  mlir::Value widenBF16(mlir::Value bits);
  /// Rounds to nearest even; a not-a-number stays one.
  mlir::Value narrowBF16(mlir::Value x);
  /// Of 16 pairs of bfloat16 in vector<16xi32>, the odd or the even ones.
  mlir::Value widenHalf(mlir::Value pairs, bool odd);

  // Vectors.
  mlir::VectorType vectorOf(mlir::Type element) { return mlir::VectorType::get({vectorLanes}, element); }
  mlir::Value broadcast(mlir::Value scalar);
  /// Lanes [begin, end) set: constants, or i64 values.
  mlir::Value laneRange(mlir::Value begin, mlir::Value end);
  /// The 16 lanes combined pairwise: i with i + 8, i + 4, i + 2, i + 1. The one order of every horizontal sum.
  mlir::Value addLanes(mlir::Value vector);
  mlir::Value maxLanes(mlir::Value vector);

  // Memory. Offsets in bytes.
  mlir::Value at(mlir::Value base, mlir::Value offset);
  mlir::Value at(mlir::Value base, int64_t offset) { return at(base, integer(offset)); }
  /// Element `index` of an array of `bytes` wide elements.
  mlir::Value element(mlir::Value base, mlir::Value index, int64_t bytes) { return at(base, mul(index, bytes)); }
  /// Aligned to the element's size, unless `alignment` promises more.
  mlir::Value load(mlir::Type type, mlir::Value address, unsigned alignment = 0);
  void store(mlir::Value value, mlir::Value address, unsigned alignment = 0);
  /// Stores the first `count` lanes.
  void storeLanes(mlir::Value vector, mlir::Value address, int64_t count);
  /// Memory of this call's stack frame, 64-byte aligned; not initialised.
  mlir::Value local(mlir::Type type, int64_t count);

  // Control flow.
  using Values = llvm::SmallVector<mlir::Value>;
  Values loop(mlir::Value begin, mlir::Value end, int64_t step, mlir::ValueRange init,
              llvm::function_ref<Values(mlir::Value, mlir::ValueRange)> body);
  void loop(mlir::Value begin, mlir::Value end, llvm::function_ref<void(mlir::Value)> body);
  /// Covers [0, total) by pieces of `piece` and one shorter last piece, each with a size known here.
  Values pieces(int64_t total, int64_t piece, mlir::ValueRange init,
                llvm::function_ref<Values(mlir::Value, int64_t, mlir::ValueRange)> body);
  void pieces(int64_t total, int64_t piece, llvm::function_ref<void(mlir::Value, int64_t)> body);
  void when(mlir::Value condition, llvm::function_ref<void()> then, llvm::function_ref<void()> otherwise = {});
  /// What `then` gives where the condition holds, else `values` as they are.
  Values when(mlir::Value condition, mlir::ValueRange values, llvm::function_ref<Values()> then);
  /// Runs body(n) for the n of [low, high] that `value` is.
  void switchOn(mlir::Value value, int64_t low, int64_t high, llvm::function_ref<void(int64_t)> body);

private:
  template <typename OpTy> mlir::Value fold(mlir::Value x, mlir::Value y) { return b.createOrFold<OpTy>(loc, x, y); }
  mlir::Value reduce(mlir::Value vector, llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)> combine);
};

/// The frame of one kernel: its parameters and where the addresses and sizes it was given are found.
class KernelEmitter : public Emitter {
public:
  /// Declares the `llvm.func` of `func` in front of it and opens its body.
  KernelEmitter(kernel::FuncOp func, const Target &target);

  const Target &target;
  mlir::LLVM::LLVMFuncOp function;
  /// The cells to do.
  mlir::Value first, last;
  /// Bytes of scratch memory given out so far.
  int64_t scratchBytes = 0;

  /// Where a view or cache that the kernel was given begins.
  mlir::Value address(mlir::Value argument) const { return addresses.lookup(argument); }
  /// A dimension of a view as the step has it.
  mlir::Value size(lm::DimAttr dimension);
  /// A number of cells as the step has it. The grid does not ask for "sms", which no kernel on a CPU is told.
  mlir::Value size(kernel::GridAttr grid);
  /// `bytes` of the worker's scratch memory, 64-byte aligned; not initialised.
  mlir::Value scratch(int64_t bytes);
  /// sum + even·even + odd·odd, the odd product first, of pairs of bfloat16 in vector<16xi32>. Of targets with
  /// `bf16Dot` alone.
  mlir::Value dotBF16(mlir::Value sum, mlir::Value x, mlir::Value y);
  /// narrowBF16, by one instruction where there is one.
  mlir::Value narrow16(mlir::Value x);
  /// The numbers of the target in the launched op; an error at `op` if it has none or has another target's.
  mlir::FailureOr<kernel::X86Attr> config(kernel::LaunchedOpInterface op);
  /// Closes the function.
  void finish();

private:
  /// T, S or R of the step, the slots 0, 1 and 2 of what a kernel is given.
  mlir::Value stepSize(int64_t slot);
  /// An operator of a grid.
  mlir::Value apply(kernel::GridOp op, mlir::Value x, mlir::Value y);

  llvm::DenseMap<mlir::Value, mlir::Value> addresses;
  mlir::Value dims;
};

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_CPU_EMITTER_H
