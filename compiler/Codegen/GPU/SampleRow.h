// SPDX-License-Identifier: Apache-2.0
//
// A row that is sampled: its parameters, and the keys and masses of its ids.
#ifndef YUPANA_COMPILER_CODEGEN_GPU_SAMPLEROW_H
#define YUPANA_COMPILER_CODEGEN_GPU_SAMPLEROW_H

#include "compiler/Codegen/GPU/Emitter.h"
#include "compiler/Codegen/GPU/SampleLayout.h"

namespace yupana::codegen::cuda {

/// An id and where it stands in its row.
struct SampleId {
  mlir::Value id;
  mlir::Value key;   ///< An i32 in the order of the logits after the penalty.
  mlir::Value order; ///< An i64, unsigned: larger for larger keys, and of equal ones for lower ids. 0 for no id.
};

class SampleRow {
public:
  using Values = OpEmitter::Values;
  using Body = llvm::function_ref<Values(const SampleId &, mlir::ValueRange carried)>;

  SampleRow(KernelEmitter &e, kernel::SampleOp op, const SampleLayout &layout);

  /// Goes to a row. What the row is told is known from here on.
  void enter(mlir::Value number);
  mlir::Value isDrawn; ///< False where the largest logit is taken.
  mlir::Value topK, hasTopK, topP, hasTopP;
  mlir::Value isCut; ///< By one filter or both.
  mlir::Value isPenalized;
  /// Needed before keys, where the row is penalized: which ids are, as a bit of shared memory for each.
  void markHistory();

  /// Once the best id is known: takes it from the row's state.
  void readBest();
  mlir::Value bestOrder; ///< The best id's.
  mlir::Value isNumber;  ///< False where a logit is NaN or infinity.
  mlir::Value isOpen;    ///< True where there is something to draw.
  /// Stores the best id, or that there is none.
  void storeBest();
  void storeId(mlir::Value id);

  /// An address in the row's state.
  mlir::Value state(int64_t offset) { return e.at(base, offset); }
  /// Loads what all blocks of the row read, and makes it 0 again, once they have.
  mlir::Value loadWord(mlir::Type type, int64_t offset);
  void clearWord(mlir::Type type, mlir::Value address);

  /// Neighbouring ids of a thread, whose logits are on their way.
  struct Ids {
    mlir::Value first;
    Values loaded;
  };
  /// A thread's ids of a part.
  Ids load(mlir::Value part);
  /// Runs `body` for the ids, in ascending order.
  Values over(const Ids &ids, mlir::ValueRange init, Body body);
  /// Runs `body` for all ids of the row, a few of each thread at a time; those of a warp belong to one part.
  Values overRow(mlir::ValueRange init, llvm::function_ref<Values(const Ids &, mlir::ValueRange carried)> body);

  mlir::Value idOf(mlir::Value order) { return e.bitXor(e.narrow(order), -1); }
  mlir::Value keyOf(mlir::Value order) { return flipSign(e.narrow(e.shiftRight(order, 32))); }
  /// What the complement of the lowest finite key is a maximum of: 0 for other keys.
  mlir::Value depthOf(mlir::Value key);
  /// floor(2^40 · e^((logit - largest) / temperature)); 0 for no id.
  mlir::Value massOf(mlir::Value key);
  /// The mass below which min p drops an id.
  mlir::Value leastMass();
  /// The bin of a key: never lower for a lower key.
  mlir::Value binOf(mlir::Value key);
  /// The mass that top p has to reach, of what is left.
  mlir::Value targetOf(mlir::Value mass);
  /// 64 random bits.
  mlir::Value random();
  /// The upper 64 bits of the product of two unsigned i64.
  mlir::Value highProduct(mlir::Value x, mlir::Value y) { return e.make<mlir::arith::MulUIExtendedOp>(x, y).getHigh(); }

private:
  Ids load(mlir::Value first, int64_t count);
  mlir::Value parameter(mlir::TypedValue<kernel::ViewType> view, mlir::Type type);
  mlir::Value flipNegative(mlir::Value bits);
  mlir::Value flipSign(mlir::Value x) { return e.bitXor(x, std::numeric_limits<int32_t>::min()); }
  mlir::Value keyOfLogit(mlir::Value logit);
  mlir::Value logitOf(mlir::Value key) { return e.bitcast(e.f32, flipNegative(key)); }
  mlir::Value penalized(mlir::Value id, mlir::Value key);
  mlir::Value exponential(mlir::Value y);
  mlir::Value both(mlir::Value x, mlir::Value y) { return e.bitAnd(x, y); }
  mlir::Value wide(int64_t value) { return e.integer(value, e.i64); }
  mlir::Value toInteger(mlir::Value x) { return e.make<mlir::arith::FPToSIOp>(e.i64, x); }

  KernelEmitter &e;
  kernel::SampleOp op;
  SampleLayout layout;
  mlir::Value row, logits, base;
  mlir::Value seen; ///< In shared memory: a bit for each id, set where the penalty lowers it.
  mlir::Value penalty, temperature, largestLogit, scale;
};

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_SAMPLEROW_H
