// SPDX-License-Identifier: Apache-2.0
//
// Four warps of a block of the form `decode` multiply every tile by all token rows of the step, whose range of K they
// have staged one unit before. Every range is summed from zero. A block that begins a weight tile's rows adds their
// ranges as they come; ranges of a tile that another block has begun go to the workspace one by one.
#include "compiler/Codegen/GPU/GemmDecodeFrame.h"
#include "compiler/Codegen/GPU/GemmInput.h"

#include "mlir/IR/OperationSupport.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

namespace {

class DecodeReader {
public:
  explicit DecodeReader(DecodeFrame &frame) : frame(frame), e(frame.e) {}

  LogicalResult run();

private:
  using Values = OpEmitter::Values;

  void createInputs();
  Value unitAt(Value turn);
  Value tokensAt(Value turn);
  void stageTokens(Value turn);
  Value multiply(const DecodeMember &member, const DecodeUnit &unit, Value tokens, Value count);

  DecodeFrame &frame;
  KernelEmitter &e;
  std::vector<GemmInput> inputs;
  SmallVector<unsigned> inputOf; ///< By member; members with equal inputs share one.
  LogicalResult result = success();
};

} // namespace

/// Inputs, whose row sums are computed once for all units.
void DecodeReader::createInputs() {
  constexpr int64_t rowChunks = GemmLayout::rowBytes / schema::kChunkBytes;
  SmallVector<DecodeMember *> firsts;
  for (unsigned index = 0; index < frame.members.size(); ++index) {
    DecodeMember &member = frame.members[index];
    Region &region = member.op.getInputs()[0];
    auto same = llvm::find_if(firsts, [&](DecodeMember *other) {
      return other->op.getRows() == member.op.getRows() && other->steps == member.steps &&
             OperationEquivalence::isRegionEquivalentTo(&other->op.getInputs()[0], &region,
                                                        OperationEquivalence::IgnoreLocations);
    });
    inputOf.push_back(same - firsts.begin());
    if (same != firsts.end())
      continue;
    firsts.push_back(&member);
    int64_t team = std::min(DecodeFrame::readers, member.tileRows * rowChunks);
    inputs.push_back(GemmInput(e, member.op, 0, member.tileRows, {e.rem(e.thread, team), team}, /*copies=*/true,
                               frame.place(frame.layout.values[index])));
    if (failed(inputs.back().emitRowSums({e.integer(0), Value(), member.rows})))
      result = failure();
  }
}

/// The unit that the block does in its turn number `turn`.
Value DecodeReader::unitAt(Value turn) {
  if (!frame.hasExperts())
    return e.add(frame.known->ownBegin, turn);
  Value routed = frame.routed->ownBegin;
  if (!frame.knownCount())
    return e.add(routed, turn);
  Value begin = frame.known->ownBegin, count = e.sub(frame.known->ownEnd, begin);
  return e.add(turn, e.select(e.less(turn, count), begin, e.sub(routed, count)));
}

/// Where the tokens for a turn are staged.
Value DecodeReader::tokensAt(Value turn) {
  return e.at(frame.place(frame.layout.tokens), e.mul(e.rem(turn, 2), frame.layout.halfTokens));
}

/// The tokens of the range of the turn's unit. Threads that a step has no work for stage the next one.
void DecodeReader::stageTokens(Value turn) {
  Value number = unitAt(turn);
  frame.byMember(number, {}, 0, frame.members.size(), [&](unsigned index) -> Values {
    const DecodeMember &member = frame.members[index];
    GemmInput &input = inputs[inputOf[index]];
    DecodeUnit unit(e, member, number);
    if (failed(input.enter({e.integer(0), Value(), member.rows})))
      result = failure();
    int64_t rowBytes = member.tileRows * GemmLayout::rowBytes;
    int64_t teams = std::max<int64_t>(1, DecodeFrame::readers / (rowBytes / schema::kChunkBytes));
    Value team = e.div(e.thread, DecodeFrame::readers / teams), to = tokensAt(turn);
    e.loop(team, unit.steps, teams, {}, [&](Value step, ValueRange) -> Values {
      if (failed(input.stage(e.element(to, step, rowBytes), e.add(unit.firstStep, step))))
        result = failure();
      return {};
    });
    return {};
  });
  e.commitCopies();
}

LogicalResult DecodeReader::run() {
  Value zero = e.integer(0), turns = zero;
  for (const std::optional<DecodeShares> *shares : {&frame.known, &frame.routed})
    if (*shares)
      turns = e.add(turns, e.sub((*shares)->ownEnd, (*shares)->ownBegin));
  auto arrived = [&] {
    e.waitCopies(0);
    e.barrier();
  };
  // A device can have more blocks than there are units.
  e.when(e.less(zero, turns), [&] {
    createInputs();
    e.barrier();
    stageTokens(zero);
    arrived();
    e.loop(zero, turns, 1, {zero}, [&](Value turn, ValueRange count) -> Values {
      Value next = e.add(turn, 1), number = unitAt(turn);
      e.when(e.less(next, turns), [&] { stageTokens(next); });
      Values read = frame.byMember(number, e.i32, 0, frame.members.size(), [&](unsigned index) -> Values {
        const DecodeMember &member = frame.members[index];
        DecodeUnit unit(e, member, number);
        Value read = multiply(member, unit, tokensAt(turn), count[0]);
        e.when(e.equal(e.min(unit.end, frame.sharesOf(member).ownEnd), e.add(number, 1)), [&] {
          if (failed(endCell(frame, index, unit)))
            result = failure();
        });
        return {read};
      });
      arrived();
      return read;
    });
  });
  return result;
}

/// The unit's range, from zero: to the sums of the cell where this block has all ranges before it, else to the
/// workspace.
Value DecodeReader::multiply(const DecodeMember &member, const DecodeUnit &unit, Value tokens, Value count) {
  TileEmitter tileEmitter(e, /*isBF16=*/true, member.tileRows);
  DecodeShares &shares = frame.sharesOf(member);
  Value zero = e.integer(0);
  int64_t rowBytes = member.tileRows * GemmLayout::rowBytes, width = member.cellRows() * 4;
  Values carried = tileEmitter.zeros();
  carried.push_back(count);
  Values last = e.loop(zero, unit.steps, 1, carried, [&](Value step, ValueRange values) -> Values {
    Values sums(values.drop_back());
    Value number = values.back(), weights = frame.stream->await(number);
    tileEmitter.multiply(weights, e.at(tokens, e.mul(step, rowBytes)), sums);
    frame.stream->release(number);
    sums.push_back(e.add(number, 1));
    return sums;
  });
  ValueRange sums = ValueRange(last).drop_back();
  Value column = e.mul(unit.tile, schema::kTile64x128.tile_rows * 4);
  e.when(
      e.less(unit.tileBegin, shares.ownBegin),
      [&] {
        Value left = frame.sumsOf(member, shares.owner(unit.begin));
        left = e.at(left, e.widen(e.add(e.mul(unit.range, member.tileRows * width), column)));
        tileEmitter.store(sums, left, width, member.rows);
      },
      [&] {
        Value to = e.at(frame.place(frame.layout.sums), column);
        int64_t stride = DecodeLayout::sumStride(member.cellTiles);
        e.when(
            e.equal(unit.range, zero), [&] { tileEmitter.store(sums, to, stride); },
            [&] { tileEmitter.addTo(sums, to, stride); });
      });
  return last.back();
}

LogicalResult cuda::readUnits(DecodeFrame &frame) { return DecodeReader(frame).run(); }
