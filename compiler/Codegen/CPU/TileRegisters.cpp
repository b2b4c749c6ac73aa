// SPDX-License-Identifier: Apache-2.0
//
// Registers are named by number and not by value: LLVM then has no tiles to allocate, and a tile stays where it is
// across loops and branches without the copy through memory that it would insert. Nothing else uses the registers, and
// calls of these intrinsics stay in the order in which they are written, since they have effects that LLVM does not
// know.
#include "compiler/Codegen/CPU/TileRegisters.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

void TileRegisters::call(StringRef name, ArrayRef<int64_t> tiles, ValueRange operands) {
  Emitter::Values all;
  for (int64_t tile : tiles)
    all.push_back(e.integer(tile, e.i8));
  llvm::append_range(all, operands);
  e.make<LLVM::CallIntrinsicOp>(e.b.getStringAttr("llvm.x86." + name), all);
}

void TileRegisters::clear(int64_t tile) { call("tilezero", tile); }

void TileRegisters::load(int64_t tile, Value address, int64_t stride) {
  call("tileloadd64", tile, {address, e.integer(stride)});
}

void TileRegisters::store(int64_t tile, Value address, int64_t stride) {
  call("tilestored64", tile, {address, e.integer(stride)});
}

void TileRegisters::multiply(int64_t row, int64_t column) {
  call("tdpbf16ps", {sums(row, column), inputs(row), weights(column)});
}

void TileRegisters::release() { call("tilerelease", {}); }

/// Palette 1 has 16 bits for the bytes of a row of each register from byte 16 on, and 8 bits for its rows from 48 on.
void TileRegisters::configure(Value memory, Value upper, Value lower, int64_t pairs) {
  auto rowsOf = [](std::initializer_list<int64_t> tiles) {
    int64_t ones = 0;
    for (int64_t tile : tiles)
      ones |= int64_t{1} << (8 * tile);
    return ones;
  };
  // Registers 0 to 3 are sums, 4 and 5 inputs, 6 and 7 weights.
  int64_t sumBytes = rowBytes * 0x0001000100010001, otherBytes = pairs * 4 * 0x00010001 + rowBytes * 0x0001000100000000;
  Value heights = e.add(e.mul(upper, rowsOf({sums(0, 0), sums(0, 1), inputs(0)})),
                        e.mul(lower, rowsOf({sums(1, 0), sums(1, 1), inputs(1)})));
  heights = e.add(heights, pairs * rowsOf({weights(0), weights(1)}));
  Value none = e.integer(0), palette = e.integer(1);
  Value words[] = {palette, none, e.integer(sumBytes), e.integer(otherBytes), none, none, heights, none};
  for (auto [i, word] : llvm::enumerate(words))
    e.store(word, e.at(memory, i * 8));
  call("ldtilecfg", {}, memory);
}
