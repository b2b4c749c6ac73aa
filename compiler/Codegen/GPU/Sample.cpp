// SPDX-License-Identifier: Apache-2.0
//
// Draws as lm.sample's description says, bit for bit. Blocks share each row, part by part, and do so three times, since
// masses need the largest logit, and what filters keep needs masses: the first time they find the best id; then they
// count ids and add masses in bins of logits, from which follows in which bins filters cut; then they add the masses of
// what is certain to be kept and list the ids of those bins. The last to arrive does what follows from all of it: it
// stores the best id of a row that is not drawn, finds the bins, and at last cuts among those that are listed and
// draws. All of these are sums and largest values of integers, so that nothing depends on who arrives when.
//
// A block that needs what others have found waits for them. That is no deadlock: blocks take numbers as they begin, and
// those of an earlier time have lower ones, so they all have begun, and none of them waits for a later one.
#include "compiler/Codegen/GPU/Kernels.h"
#include "compiler/Codegen/GPU/SampleDraw.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

namespace {

class SampleEmitter {
public:
  SampleEmitter(KernelEmitter &e, kernel::SampleOp op)
      : e(e), op(op), layout(op.getLogits().getType().getDimSize(1)), block(e), row(e, op, layout),
        draw(e, block, row, layout) {}

  void run();

private:
  using Values = OpEmitter::Values;

  Value takeNumber();
  void findBest(const SampleRow::Ids &ids);
  void countBins(const SampleRow::Ids &ids);
  void collect(const SampleRow::Ids &ids, Value part);
  /// Tells those who wait that the results of `phases` more phases are there.
  void publish(Value phases);
  Value arrive(int64_t phase) {
    return e.arriveLast(row.state(SampleLayout::arrivals + 4 * phase), e.integer(1), e.integer(layout.parts),
                        block.flag);
  }
  void byOne(function_ref<void()> body) { e.when(e.equal(e.thread, e.integer(0)), body); }

  KernelEmitter &e;
  kernel::SampleOp op;
  SampleLayout layout;
  SampleBlock block;
  SampleRow row;
  SampleDraw draw;
};

} // namespace

/// The number comes back to 0 with the last block.
Value SampleEmitter::takeNumber() {
  byOne([&] {
    Value count = e.address(op.getWorkspaces()[1]), last = e.sub(e.blockCount(), e.integer(1));
    e.store(e.atomic(LLVM::AtomicBinOp::uinc_wrap, count, last), block.flag);
  });
  e.barrier();
  return e.load(e.i32, block.flag);
}

void SampleEmitter::run() {
  Value number = takeNumber(), cells = e.mul(e.size(op.getRows()), layout.parts);
  Value phase = e.div(number, cells), cell = e.rem(number, cells), part = e.rem(cell, layout.parts);
  row.enter(e.div(cell, layout.parts));
  Value isFirst = e.equal(phase, e.integer(0)), isSecond = e.equal(phase, e.integer(1));
  Value isNeeded = e.bitOr(isFirst, e.bitAnd(row.isDrawn, e.select(isSecond, row.isCut, e.integer(1, e.i1))));
  e.when(isNeeded, [&] {
    // What needs no other block comes before it waits for any.
    SampleRow::Ids loaded = row.load(part);
    e.when(row.isPenalized, [&] { row.markHistory(); });
    e.when(
        isFirst, [&] { findBest(loaded); },
        [&] {
          e.when(
              isSecond, [&] { countBins(loaded); }, [&] { collect(loaded, part); });
        });
  });
}

void SampleEmitter::publish(Value phases) {
  e.barrier();
  byOne([&] { e.countArrival(row.state(SampleLayout::stage), phases); });
}

void SampleEmitter::findBest(const SampleRow::Ids &ids) {
  auto larger = [&](Value x, Value y) { return e.make<arith::MaxUIOp>(x, y); };
  Value none = e.integer(0, e.i64);
  Values most = row.over(ids, {none, none}, [&](const SampleId &id, ValueRange carried) {
    return Values{larger(carried[0], id.order), larger(carried[1], e.widen(row.depthOf(id.key)))};
  });
  most = block.combine(most, larger);
  byOne([&] {
    e.atomic(LLVM::AtomicBinOp::umax, row.state(SampleLayout::best), most[0]);
    e.atomic(LLVM::AtomicBinOp::umax, row.state(SampleLayout::lowest), e.narrow(most[1]));
  });
  e.when(arrive(0), [&] {
    e.when(
        row.isDrawn, [&] { publish(e.select(row.isCut, e.integer(1), e.integer(2))); },
        [&] {
          byOne([&] {
            row.readBest();
            row.storeBest();
            row.clearWord(e.i64, row.state(SampleLayout::best));
            row.clearWord(e.i32, row.state(SampleLayout::lowest));
          });
        });
  });
}

void SampleEmitter::countBins(const SampleRow::Ids &ids) {
  e.waitForCount(row.state(SampleLayout::stage), e.integer(1));
  row.readBest();
  e.when(row.isOpen, [&] {
    row.over(ids, {}, [&](const SampleId &id, ValueRange) {
      Value bin = row.binOf(id.key), mass = row.massOf(id.key);
      e.when(e.less(bin, e.integer(layout.bins - 1)), [&] {
        e.atomic(LLVM::AtomicBinOp::add, e.element(row.state(layout.counts), bin, 4), e.integer(1));
        e.atomic(LLVM::AtomicBinOp::add, e.element(row.state(layout.masses), bin, 8), mass);
      });
      return Values{};
    });
  });
  e.when(arrive(1), [&] {
    e.when(row.isOpen, [&] {
      SampleBorders borders = findBorders(e, block, row, layout);
      byOne([&] { borders.store(e, row); });
    });
    publish(e.integer(1));
  });
}

void SampleEmitter::collect(const SampleRow::Ids &ids, Value part) {
  e.waitForCount(row.state(SampleLayout::stage), e.integer(2));
  row.readBest();
  draw.readBorders();
  e.when(e.bitAnd(row.isOpen, draw.borders.isListed), [&] { draw.collect(ids, part); });
  e.when(arrive(2), [&] {
    e.when(
        row.isOpen, [&] { draw.run(); }, [&] { byOne([&] { row.storeBest(); }); });
    // Everyone has read the state.
    e.barrier();
    draw.clear();
  });
}

LogicalResult cuda::emitTemplate(KernelEmitter &e, kernel::SampleOp op) {
  SmallVector<kernel::ViewType> spaces = workspacesOf(op);
  if (TypeRange(op.getWorkspaces()) != TypeRange(SmallVector<Type>(spaces.begin(), spaces.end())))
    return op.emitError() << "has " << op.getWorkspaces().size() << " workspaces, expected those of its rows, "
                          << spaces[0] << ", and of its blocks, " << spaces[1];
  if (e.threads != SampleLayout::threads)
    return op.emitError() << "has " << e.threads << " threads, expected " << SampleLayout::threads;
  SampleEmitter sample(e, op);
  if (int64_t most = e.target.gpu().sharedBlockBytes; e.sharedBytes > most)
    return op.emitError() << "needs " << e.sharedBytes << " bytes of shared memory for a vocabulary of "
                          << op.getLogits().getType().getDimSize(1) << ", " << e.target.name << " has " << most;
  sample.run();
  return success();
}
