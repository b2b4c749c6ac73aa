// SPDX-License-Identifier: Apache-2.0
//
// What every kernel template of a GPU writes its code with: scalar code of one thread, the threads around it, and the
// memory of its block. Integers are i32 unless a name says otherwise; addresses of elements are counted in i64.
//
// A kernel has one pointer to global memory for each argument of its kernel.func, then T, S and R of the step as u32.
// Its grid has one dimension, in which every block does one cell; all shared memory is dynamic.
#ifndef YUPANA_COMPILER_CODEGEN_GPU_EMITTER_H
#define YUPANA_COMPILER_CODEGEN_GPU_EMITTER_H

#include "compiler/Codegen/Common/OpEmitter.h"
#include "compiler/Target/Target.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

namespace yupana::codegen::cuda {

/// Threads that execute an instruction together.
inline constexpr int64_t warpLanes = 32;

/// The attribute of a kernel's function that says how much dynamic shared memory a block needs, in bytes.
inline constexpr llvm::StringLiteral sharedBytesName = "kernel.shared_bytes";

/// True if launches of the target's kernels may overlap: each then waits for the one before it.
inline bool overlaps(const Target &target) { return target.gpu().capability >= 90; }

/// The most bytes that an address in shared memory can be a multiple of.
inline constexpr int64_t sharedAlignment = 1024;

/// The largest divisor of `count` that is at most `most`: how many turns of a loop can be made one, whose loads are
/// then on their way together.
inline int64_t largestDivisor(int64_t count, int64_t most) {
  int64_t divisor = std::min(count, most);
  while (count % divisor != 0)
    --divisor;
  return divisor;
}

class KernelEmitter : public OpEmitter {
public:
  /// Declares the kernel of `func` in front of it, for blocks of `threads` threads, and opens its body.
  KernelEmitter(kernel::FuncOp func, const Target &target, int64_t threads);

  const Target &target;
  mlir::LLVM::LLVMFuncOp function;
  /// Threads that do the cell, a multiple of 32: those of the block, or its first ones where another member of the
  /// launch needs more.
  int64_t threads;
  mlir::Type globalPtr, sharedPtr;
  /// The cell that the block does.
  mlir::Value cell;
  /// The thread in its block, its lane in the warp, and the warp in its block.
  mlir::Value thread, lane, warp;

  // Arguments of the kernel.
  /// Where a view or cache that the kernel was given begins, in global memory. Views are aligned to 16 bytes, caches to
  /// their elements.
  mlir::Value address(mlir::Value argument) const { return addresses.lookup(argument); }
  /// True if the kernel writes what the argument names; then its loads are no loads of constant memory.
  bool isWritten(mlir::Value argument) const { return written.contains(argument); }
  /// A dimension of a view as the step has it.
  mlir::Value size(lm::DimAttr dimension);
  /// A number of cells as the step has it. The grid does not ask for "sms", which no kernel is told.
  mlir::Value size(kernel::GridAttr grid);
  /// The choices for the launched op; an error at `op` if it has none, or another target's.
  mlir::FailureOr<kernel::GPUAttr> config(kernel::LaunchedOpInterface op);

  // Memory. Aligned to the element's size unless `alignment` promises more.
  mlir::Value load(mlir::Type type, mlir::Value address, unsigned alignment = 0);
  /// Loads from global memory that no thread of the launch writes.
  mlir::Value loadConstant(mlir::Type type, mlir::Value address, unsigned alignment = 0);
  /// Loads from `address` in the memory of `argument`.
  mlir::Value loadFrom(mlir::Value argument, mlir::Type type, mlir::Value address, unsigned alignment = 0) {
    return isWritten(argument) ? load(type, address, alignment) : loadConstant(type, address, alignment);
  }
  void store(mlir::Value value, mlir::Value address, unsigned alignment = 0);
  /// The vector of these scalars, and a scalar of a vector.
  mlir::Value vector(mlir::ValueRange scalars);
  mlir::Value extract(mlir::Value vector, int64_t index);
  /// The value with the same bits in another type.
  mlir::Value bitcast(mlir::Type type, mlir::Value value);

  // Shared memory of the block.
  /// `bytes` of it at a multiple of `alignment`, a power of two of at most sharedAlignment; not initialised.
  mlir::Value shared(int64_t bytes, int64_t alignment = 16);
  /// Bytes given out so far: a generator that no longer needs what it took sets it back.
  int64_t sharedBytes = 0;

  // Integers.
  mlir::Value bitAnd(mlir::Value x, mlir::Value y) { return fold<mlir::arith::AndIOp>(x, y); }
  mlir::Value bitAnd(mlir::Value x, int64_t y) { return bitAnd(x, integer(y, x.getType())); }
  mlir::Value bitOr(mlir::Value x, mlir::Value y) { return fold<mlir::arith::OrIOp>(x, y); }
  mlir::Value bitXor(mlir::Value x, mlir::Value y) { return fold<mlir::arith::XOrIOp>(x, y); }
  mlir::Value bitXor(mlir::Value x, int64_t y) { return bitXor(x, integer(y, x.getType())); }
  mlir::Value shiftLeft(mlir::Value x, mlir::Value y) { return fold<mlir::arith::ShLIOp>(x, y); }
  mlir::Value shiftRight(mlir::Value x, int64_t y) { return fold<mlir::arith::ShRUIOp>(x, integer(y, x.getType())); }
  mlir::Value countBits(mlir::Value x) { return make<mlir::LLVM::CtPopOp>(x.getType(), x); }

  // What the 32 lanes of a warp do together. All of them take part.
  /// The value of lane `lane` xor `bits`, and of a lane by number: i32 or f32.
  mlir::Value shuffleXor(mlir::Value value, int64_t bits);
  mlir::Value shuffle(mlir::Value value, mlir::Value lane);
  /// A bit for each lane, set where the condition holds.
  mlir::Value ballot(mlir::Value condition);
  /// Combines the lanes' values, the same in every lane: i with i + 16, i + 8, i + 4, i + 2, i + 1. The order of every
  /// sum over lanes.
  mlir::Value reduceLanes(mlir::Value value, llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)> combine);
  mlir::Value addLanes(mlir::Value value);
  mlir::Value maxLanes(mlir::Value value);
  /// Orders what the lanes did to memory before it and after it.
  void syncWarp();

  // What the threads of a block do together.
  /// Waits until all threads that do the cell are here, and orders their memory accesses.
  void barrier();
  /// Which of the block's 16 barriers they take, an i32, and the first where it is null: others are for threads that do
  /// cells apart.
  mlir::Value barrierNumber;

  // What the blocks of a launch do together.
  /// How many there are, an i32.
  mlir::Value blockCount();
  /// Adds `amount`, an i32, to the counter at `counter` in global memory, and gives what it was before. One thread;
  /// what it has seen and stored is visible to whoever finds its amount there, in every block.
  mlir::Value countArrival(mlir::Value counter, mlir::Value amount);
  /// All threads that do the cell call it, when they have stored what their block leaves for others. True, in all of
  /// them, where the amounts of all blocks have become `total`: then everything they left is visible, and the counter
  /// is 0 again. `flag` is an i32 in shared memory.
  mlir::Value arriveLast(mlir::Value counter, mlir::Value amount, mlir::Value total, mlir::Value flag);
  /// All threads that do the cell call it: waits until the counter is `least` at least, and what those who counted left
  /// is visible. They have to be blocks that are sure to have begun, as those are which drew a lower number: others may
  /// find no room as long as this one waits.
  void waitForCount(mlir::Value counter, mlir::Value least);
  /// Changes the integer at `address` in global or shared memory and gives what it was before; orders nothing else.
  mlir::Value atomic(mlir::LLVM::AtomicBinOp change, mlir::Value address, mlir::Value value);

  // What the blocks of a cluster do together, which run at the same time.
  /// Makes clusters of so many blocks.
  void formClusters(int64_t blocks);
  /// The number of this block in its cluster.
  mlir::Value clusterRank();
  /// Waits until all threads of all blocks are here, and orders their memory accesses. No block may end before the
  /// others have done what they do to its memory.
  void clusterBarrier();

  // Copies of 16 bytes from global to shared memory that complete later.
  /// Copies the first `bytes`, an i32 of 0 or 16, and clears the rest; all of them where it is null.
  void copyAsync(mlir::Value to, mlir::Value from, mlir::Value bytes = {});
  /// Ends a group of this thread's copies; waits until at most `pending` groups of it are not complete.
  void commitCopies();
  void waitCopies(int64_t pending);

  // Copies and products that complete later and say so to a barrier in shared memory: 8 bytes, aligned to 8. Bulk
  // copies and `publishBarriers` from compute capability 9.0 on.
  bool hasBulkCopies() const { return target.gpu().capability >= 90; }
  /// Makes it wait for `count` arrivals in each phase. One thread; `publishBarriers`, before bulk copies, and a barrier
  /// of the block follow.
  void initBarrier(mlir::Value barrier, int64_t count);
  void publishBarriers();
  void arrive(mlir::Value barrier);
  /// Arrives when the copies of 16 bytes that this thread has asked for are done; it need not wait for them.
  void arriveWithCopies(mlir::Value barrier);
  /// Arrives, and makes the phase wait for `bytes` of bulk copies, an i32, too.
  void arriveExpecting(mlir::Value barrier, mlir::Value bytes);
  void arriveExpecting(mlir::Value barrier, int64_t bytes) { arriveExpecting(barrier, integer(bytes)); }
  /// Arrives at the barrier that block `rank` of the cluster has at the same place, where waitCluster() waits. That
  /// hands over nothing that was written, only that products this thread has waited for have read their operands: an
  /// order of memory for the whole cluster is a fence of the device each time.
  void arriveAt(mlir::Value barrier, mlir::Value rank);
  /// Waits for the end of a phase, an i32: 0 for the first, 1 for the next, and so on in turn.
  void wait(mlir::Value barrier, mlir::Value phase) { wait(barrier, phase, /*ofCluster=*/false); }
  void waitCluster(mlir::Value barrier, mlir::Value phase) { wait(barrier, phase, /*ofCluster=*/true); }
  /// Copies `bytes`, an i32 and multiple of 16, from global to shared memory, both aligned to 16, and tells `barrier`.
  void copyBulk(mlir::Value to, mlir::Value from, mlir::Value bytes, mlir::Value barrier);
  void copyBulk(mlir::Value to, mlir::Value from, int64_t bytes, mlir::Value barrier) {
    copyBulk(to, from, integer(bytes), barrier);
  }
  /// The same in each block of the cluster whose bit is set in `blocks`: to the same place, telling its barrier there.
  void copyBulkToCluster(mlir::Value to, mlir::Value from, mlir::Value bytes, mlir::Value barrier, int64_t blocks);
  /// Asks for `bytes`, an i32 and a multiple of 16, of global memory to come into the L2 cache.
  void prefetchBulk(mlir::Value from, mlir::Value bytes);
  /// Lets bulk copies and matrix instructions of warpgroups see what this thread has stored in shared memory.
  void fenceAsync();
  /// Inline assembly with operands $0.. that are read and written, then `inputs`, whose constraints are given. Gives
  /// the values written.
  Values assembly(llvm::StringRef text, mlir::ValueRange inOut, mlir::ValueRange inputs, llvm::StringRef constraints,
                  bool touchesMemory);

  // Launches that overlap. Does nothing where the target has none of them.
  /// Waits until the launches before this one have ended and what they wrote is to be seen.
  void waitForEarlier();
  /// Lets the next launch begin; behind that wait.
  void startNext();
  /// Both; stand in front of every launched op.
  void beginOverlapped();
  /// Takes both away, for an op which first loads what no launch writes, as weights are: from there on it calls
  /// waitForEarlier() itself, on every way to an access of anything else, and startNext() once at least in each block.
  void waitLater();

  /// Closes the function.
  void finish();

private:
  void wait(mlir::Value barrier, mlir::Value phase, bool ofCluster);
  /// T, S or R of the step.
  mlir::Value stepSize(kernel::GridOp size) const;

  llvm::DenseMap<mlir::Value, mlir::Value> addresses;
  llvm::DenseSet<mlir::Value> written;
  mlir::Value stepSizes[3], sharedBase;
  mlir::NVVM::GriddepcontrolOp firstWait;
  int64_t mostSharedBytes = 0;
};

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_EMITTER_H
