// SPDX-License-Identifier: Apache-2.0
//
// Where attention by matrix instructions has what in the shared memory of a block. All numbers are bytes, places are
// counted from the beginning of the block's memory.
//
// From one token, and of it the ring alone from several tokens by warps:
//   ring      [stages][keys, values][64 positions] rows of bfloat16, padded by 16 bytes
//   weights   [nearest, rest][query head][64 positions] in bfloat16, rows padded by 16 bytes
//   maxima    [warp][query head] the largest scores of its positions, float32
//   partials  [query head][64] sums of exponentials, float32
//   totals    [query head] float32
//
// From several tokens by warpgroups, keys and values of a block in a stage each:
//   ring      [stages][64 features][64 positions][128 bytes], 16-byte chunks swizzled as in tiles of weights
//   full, empty  [stages] barriers of 8 bytes
#ifndef YUPANA_COMPILER_CODEGEN_GPU_ATTENTIONLAYOUT_H
#define YUPANA_COMPILER_CODEGEN_GPU_ATTENTIONLAYOUT_H

#include <cstdint>

namespace yupana::codegen::cuda {

struct AttentionLayout {
  static constexpr int64_t blockPositions = 64, threads = 128, padBytes = 16;
  static constexpr int64_t weightRowBytes = blockPositions * 2 + padBytes;
  /// Partial sums of exponentials of a row where several tokens are attended from at once, over all lanes that have it.
  static constexpr int64_t tilePartials = 8;

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

struct WarpgroupTileLayout {
  static constexpr int64_t rowBytes = 128, rowFeatures = 64, tileBytes = AttentionLayout::blockPositions * rowBytes;

  /// For heads of `width` features, a multiple of 64.
  WarpgroupTileLayout(int64_t width, int64_t stages)
      : stageBytes(width / rowFeatures * tileBytes), full(stages * stageBytes), empty(full + stages * 8),
        bytes(empty + stages * 8) {}

  int64_t stageBytes;
  int64_t full, empty;
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
