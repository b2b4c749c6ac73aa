// SPDX-License-Identifier: Apache-2.0
//
// What every kernel template of a CPU writes its code with: scalar code and vectors of 16 lanes at every level.
// Integers are i64 unless a name says otherwise.
#ifndef YUPANA_COMPILER_CODEGEN_CPU_EMITTER_H
#define YUPANA_COMPILER_CODEGEN_CPU_EMITTER_H

#include "compiler/Codegen/Common/OpEmitter.h"
#include "compiler/Target/Target.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/StringMap.h"

namespace yupana::codegen {

/// Lanes of every vector. A target with narrower registers uses several for one vector, so that sums over lanes have
/// the same bits on every target.
inline constexpr int64_t vectorLanes = 16;

/// The attribute of a kernel's function that says how much scratch memory a worker has to give it, in bytes.
inline constexpr llvm::StringLiteral scratchBytesName = "kernel.scratch_bytes";

class Emitter : public OpEmitter {
public:
  Emitter(mlir::OpBuilder builder, mlir::Location loc);

  mlir::VectorType vf32, vi1;

  mlir::Value splat(double value) { return broadcast(real(value)); }
  mlir::Value integers(llvm::ArrayRef<int64_t> lanes, mlir::Type type = {});

  // bfloat16 is held as its bits, in i16, since registers below AVX-512 BF16 know no other form.
  /// The float32 that bits stand for; scalars or vectors.
  mlir::Value widenBF16(mlir::Value bits);
  /// Rounds to nearest even; NaN stays NaN.
  mlir::Value narrowBF16(mlir::Value x);
  /// Of 16 pairs of bfloat16 in vector<16xi32>, the odd or the even ones.
  mlir::Value widenHalf(mlir::Value pairs, bool odd);
  /// Pairs of bfloat16, a vector<16xi32> for every 16 of the elements of `even` and `odd`.
  Values pairs(mlir::Value even, mlir::Value odd);

  // Vectors.
  mlir::VectorType vectorOf(mlir::Type element) { return mlir::VectorType::get({vectorLanes}, element); }
  mlir::Value broadcast(mlir::Value scalar);
  /// Lanes [begin, end) set: constants, or values, of which i32 are compared fastest.
  mlir::Value laneRange(mlir::Value begin, mlir::Value end);
  /// The 16 lanes combined pairwise: i with i + 8, i + 4, i + 2, i + 1. The one order of every horizontal sum.
  mlir::Value addLanes(mlir::Value vector);
  mlir::Value maxLanes(mlir::Value vector);

  // Memory.
  /// Aligned to the element's size, unless `alignment` promises more.
  mlir::Value load(mlir::Type type, mlir::Value address, unsigned alignment = 0);
  void store(mlir::Value value, mlir::Value address, unsigned alignment = 0);
  /// Stores the first `count` lanes.
  void storeLanes(mlir::Value vector, mlir::Value address, int64_t count);
  /// Memory of this call's stack frame, 64-byte aligned; not initialised.
  mlir::Value local(mlir::Type type, int64_t count);

  // Control flow.
  /// Covers [0, total) by pieces of `piece` and one shorter last piece, each with a size known here.
  Values pieces(int64_t total, int64_t piece, mlir::ValueRange init,
                llvm::function_ref<Values(mlir::Value, int64_t, mlir::ValueRange)> body);
  void pieces(int64_t total, int64_t piece, llvm::function_ref<void(mlir::Value, int64_t)> body);
  /// Runs body(n) for the n of [low, high] that `value` is.
  void switchOn(mlir::Value value, int64_t low, int64_t high, llvm::function_ref<void(int64_t)> body);

private:
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
  /// Runs `make`, which fills scratch memory, unless the last thing that a call of the launch made ready on this worker
  /// is called `key`, an i64 that is not zero, and no member of a parallel launch but this one has run since.
  void makeReady(mlir::Value key, llvm::function_ref<void()> make);
  /// Tells makeReady() that the code of member number `member` of a parallel launch begins.
  void beginMember(int64_t member);
  /// sum + even·even + odd·odd, the odd product first, of pairs of bfloat16 in vector<16xi32>. Of targets with
  /// `bf16Dot` alone.
  mlir::Value dotBF16(mlir::Value sum, mlir::Value x, mlir::Value y);
  /// narrowBF16, by one instruction where there is one.
  mlir::Value narrow16(mlir::Value x);
  /// 32 float32, those of `low` first, as pairs of bfloat16 in vector<16xi32>. Of targets with `bf16Dot` alone.
  mlir::Value narrow32(mlir::Value low, mlir::Value high);
  /// The numbers of the target in the launched op; an error at `op` if it has none or has another target's.
  mlir::FailureOr<kernel::X86Attr> config(kernel::LaunchedOpInterface op);
  /// Calls a function beside the kernel, whose code `body` writes of its arguments and of constants alone. Calls of one
  /// `name` share one function, so it has to name everything that the code depends on. What is called once is inlined.
  void call(const std::string &name, mlir::ValueRange arguments, llvm::function_ref<void(mlir::ValueRange)> body);
  /// Closes the function.
  void finish();

private:
  /// The first bytes of scratch memory are zero when a launch begins: two i64, the key of what is ready and the number
  /// of the member that runs.
  mlir::Value ready();
  mlir::Value member() { return at(ready(), 8); }

  /// T, S or R of the step, the slots 0, 1 and 2 of what a kernel is given.
  mlir::Value stepSize(kernel::GridOp size);

  bool usesReady = false;
  llvm::DenseMap<mlir::Value, mlir::Value> addresses;
  struct Callee {
    mlir::LLVM::LLVMFuncOp function;
    int64_t calls = 0;
  };
  llvm::StringMap<Callee> callees;
  mlir::Value dims;
};

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_CPU_EMITTER_H
