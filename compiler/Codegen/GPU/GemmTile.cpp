// SPDX-License-Identifier: Apache-2.0
//
// In bfloat16 a warp has 16 weight rows and all token rows: weights are operand A of mma.sync m16n8k16, tokens B, and
// ldmatrix reads both from swizzled rows without conflicts. In float32, which no matrix instruction multiplies
// unrounded, a thread has one weight row and half of the token rows: it reads 16 bytes of its row and of each token,
// which are the same for a whole warp, and every accumulator is one chain of fused multiply-adds by ascending k.
#include "compiler/Codegen/GPU/GemmTile.h"

#include "compiler/Codegen/GPU/Matrices.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

namespace {

constexpr int64_t rowBytes = schema::kTile64x128.row_bytes, weightRows = schema::kTile64x128.tile_rows;
constexpr int64_t chunkBytes = schema::kChunkBytes, swizzleRows = schema::kSwizzleRows;
constexpr int64_t warpRows = 16, tokenBlock = 8;

} // namespace

TileEmitter::TileEmitter(KernelEmitter &e, bool isBF16, int64_t tileRows) : e(e), isBF16(isBF16), tileRows(tileRows) {}

TileEmitter::Values TileEmitter::zeros() { return Values(weightRows * tileRows / threads, e.real(0)); }

void TileEmitter::multiply(Value weights, Value tokens, Values &sums) {
  isBF16 ? multiplyBF16(weights, tokens, sums) : multiplyF32(weights, tokens, sums);
}

//===----------------------------------------------------------------------===//
// bfloat16
//===----------------------------------------------------------------------===//

/// Lanes name the rows that ldmatrix reads: 16 weight rows with two chunks each, which is one step of 16 k, and 8 token
/// rows with four chunks each, which is two steps. Later steps are other chunks, so they differ in bits of the address
/// that the swizzle changes, too, and are reached by an exclusive or.
void TileEmitter::multiplyBF16(Value weights, Value tokens, Values &sums) {
  constexpr int64_t stepBytes = 32, steps = rowBytes / stepBytes;
  Value swizzle = e.rem(e.lane, swizzleRows);
  Value weightRow = e.add(e.mul(e.warp, warpRows), e.rem(e.lane, warpRows));
  Value weightChunk = e.bitXor(e.div(e.lane, warpRows), swizzle);
  Value weightPlace = e.add(e.mul(weightRow, rowBytes), e.mul(weightChunk, chunkBytes));
  Value tokenChunk = e.bitXor(e.div(e.lane, tokenBlock), swizzle);
  Value tokenPlace = e.add(e.mul(swizzle, rowBytes), e.mul(tokenChunk, chunkBytes));
  for (int64_t step = 0; step < steps; step += 2) {
    Values a[2];
    for (int64_t half = 0; half < 2; ++half)
      a[half] = loadMatrices(e, e.at(weights, e.bitXor(weightPlace, (step + half) * stepBytes)));
    for (int64_t block = 0; block < tileRows / tokenBlock; ++block) {
      Value place = e.add(e.bitXor(tokenPlace, step * stepBytes), block * tokenBlock * rowBytes);
      Values b = loadMatrices(e, e.at(tokens, place));
      for (int64_t half = 0; half < 2; ++half)
        multiplyMatrices(e, a[half], ArrayRef(b).slice(2 * half, 2), MutableArrayRef(sums).slice(4 * block, 4));
    }
  }
}

//===----------------------------------------------------------------------===//
// float32
//===----------------------------------------------------------------------===//

void TileEmitter::multiplyF32(Value weights, Value tokens, Values &sums) {
  constexpr int64_t chunks = rowBytes / chunkBytes, chunkElements = chunkBytes / 4;
  auto type = VectorType::get({chunkElements}, e.f32);
  int64_t threadRows = tileRows * weightRows / threads;
  Value row = e.rem(e.thread, weightRows), half = e.div(e.thread, weightRows);
  Value ownRow = e.at(weights, e.mul(row, rowBytes)), swizzle = e.mul(e.rem(row, swizzleRows), chunkBytes);
  Value ownTokens = e.at(tokens, e.mul(half, threadRows * rowBytes));
  // Only halves of a block of eight rows begin at another row of the swizzle.
  Value shift = e.mul(half, threadRows % swizzleRows * chunkBytes);
  auto elementsAt = [&](Value address) {
    Value vector = e.load(type, address, chunkBytes);
    Values elements;
    for (int64_t i = 0; i < chunkElements; ++i)
      elements.push_back(e.extract(vector, i));
    return elements;
  };
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    Values weight = elementsAt(e.at(ownRow, e.bitXor(swizzle, chunk * chunkBytes)));
    for (int64_t i = 0; i < threadRows; ++i) {
      Value place = e.add(e.bitXor(shift, (chunk ^ i % swizzleRows) * chunkBytes), i * rowBytes);
      Values token = elementsAt(e.at(ownTokens, place));
      for (int64_t j = 0; j < chunkElements; ++j)
        sums[i] = e.fma(token[j], weight[j], sums[i]);
    }
  }
}

void TileEmitter::store(ValueRange sums, Value to, int64_t stride, Value tokens) {
  forPlaces(sums, to, stride, [&](Value sum, Value place, Value token) {
    if (tokens)
      e.when(e.less(token, tokens), [&] { e.store(sum, place); });
    else
      e.store(sum, place);
  });
}

void TileEmitter::addTo(ValueRange sums, Value to, int64_t stride) {
  forPlaces(sums, to, stride,
            [&](Value sum, Value place, Value) { e.store(e.fadd(e.load(e.f32, place), sum), place); });
}

void TileEmitter::forPlaces(ValueRange sums, Value to, int64_t stride, function_ref<void(Value, Value, Value)> body) {
  if (!isBF16) {
    int64_t threadRows = tileRows * weightRows / threads;
    Value row = e.rem(e.thread, weightRows), half = e.div(e.thread, weightRows);
    Value place = e.at(to, e.add(e.mul(half, threadRows * stride), e.mul(row, 4)));
    for (int64_t i = 0; i < threadRows; ++i)
      body(sums[i], e.at(place, i * stride), e.add(e.mul(half, threadRows), i));
    return;
  }
  // Lane l has weight rows l div 4 and 8 further, and the tokens 2 (l mod 4) and the next one, of each block.
  Value row = e.add(e.mul(e.warp, warpRows), e.div(e.lane, 4)), token = e.mul(e.rem(e.lane, 4), 2);
  Value place = e.at(to, e.add(e.mul(token, stride), e.mul(row, 4)));
  for (int64_t block = 0; block < tileRows / tokenBlock; ++block)
    for (int64_t i = 0; i < 4; ++i)
      body(sums[4 * block + i], e.at(place, (tokenBlock * block + i % 2) * stride + i / 2 * 8 * 4),
           e.add(token, tokenBlock * block + i % 2));
}
