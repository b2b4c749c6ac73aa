// SPDX-License-Identifier: Apache-2.0
//
// Where attention by matrix instructions has what in the shared memory of a block. All numbers are bytes, places are
// counted from the beginning of the block's memory.
//
//   ring      [stages][keys, values][64 positions] rows of bfloat16, padded by
//   16 bytes weights   [nearest, rest][query head][64 positions] in bfloat16,
//   rows padded by 16 bytes maxima    [warp][query head] the largest scores of
//   its positions, float32 partials  [query head][64] sums of exponentials,
//   float32 totals    [query head] float32
#ifndef YUPANA_COMPILER_CODEGEN_GPU_ATTENTIONLAYOUT_H
#define YUPANA_COMPILER_CODEGEN_GPU_ATTENTIONLAYOUT_H

#include <cstdint>

namespace yupana::codegen::cuda {

struct AttentionLayout {
  static constexpr int64_t blockPositions = 64, threads = 128, padBytes = 16;
  static constexpr int64_t weightRowBytes = blockPositions * 2 + padBytes;

  /// For heads of `width` features, `queryHeads` of them, the columns that fill up the last tile included.
  AttentionLayout(int64_t width, int64_t queryHeads, int64_t stages)
      : stages(stages), rowBytes(width * 2 + padBytes), keys(0), values(blockPositions * rowBytes),
        stageBytes(2 * values), weightBytes(queryHeads * weightRowBytes), ring(0), weights(stages * stageBytes),
        maxima(weights + 2 * weightBytes), partials(maxima + threads / 32 * queryHeads * 4),
        totals(partials + queryHeads * blockPositions * 4), bytes(totals + queryHeads * 4) {}

  int64_t stages;
  int64_t rowBytes;                 ///< Of a key or a value in the ring.
  int64_t keys, values, stageBytes; ///< Places in a stage, and its size.
  int64_t weightBytes;              ///< Of either part of the weights.
  int64_t ring, weights, maxima, partials, totals;
  int64_t bytes; ///< Of all.
};

/// States of segments in a workspace: of each query head 4 words of float32, of which the first is the largest score
/// and the second the sum of exponentials, then its weighted values, filled up to 16 bytes.
struct AttentionStates {
  explicit AttentionStates(int64_t width) : headWords(sumsWord + (width + 3) / 4 * 4) {}

  static constexpr int64_t sumsWord = 4;
  int64_t headWords;
};

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_ATTENTIONLAYOUT_H
