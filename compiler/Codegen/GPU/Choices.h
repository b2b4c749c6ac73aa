// SPDX-License-Identifier: Apache-2.0
//
// How GPU kernels are cut: pure functions from a target and a shape to the numbers of `#kernel.gpu`. A kernel of one
// form computes the same bits whatever they answer; the forms of a GEMM may differ in bfloat16.
#ifndef YUPANA_COMPILER_CODEGEN_GPU_CHOICES_H
#define YUPANA_COMPILER_CODEGEN_GPU_CHOICES_H

#include "compiler/Target/Target.h"
#include "dialects/Kernel/IR/Kernel.h"

namespace yupana::codegen::cuda {

/// Most tokens of a step of the program for decoding: the least number of token rows that a matrix instruction takes.
inline constexpr int64_t decodeTokens = 8;

/// The numbers of `#kernel.gpu`.
struct GPUChoice {
  kernel::GPUForm form = kernel::GPUForm::SIMT;
  int64_t tileFeatures = 0, tileRows = 0, tileDepth = 0, stages = 0;
  int64_t threads = 128, blocks = 1, rows = 1, cluster = 1;
};

/// A GEMM as far as its choices depend on it.
struct GemmShape {
  int64_t rows;      ///< Most rows of a step; where experts share them, as many as one of them has if all have equal.
  int64_t cellTiles; ///< Row tiles of the weight that a cell covers.
  int64_t products;  ///< Accumulators of one feature, or of one half of a pair.
  int64_t elementBytes; ///< Of a weight: 2 or 4.
  int64_t rowValues;    ///< Row sums that the inputs need of each row.
  bool byExpert;        ///< A cell finds its rows.
  int64_t allRows;      ///< Most rows of a step, whoever shares them.
  int64_t range;        ///< Elements of a range of K; 0 where the whole K is one.
  bool panels;          ///< Its rows are there as bulk copies read them: takesPanels().
  bool evenPanels;      ///< The launch's products that read panels have even numbers of cells.
};

GemmShape shapeOf(kernel::GemmOp op, int64_t maxTokens);

/// The products of the op's launch, itself among them.
llvm::SmallVector<kernel::GemmOp> productsBeside(kernel::GemmOp op);

/// True if the GEMM's rows, all of a step or sorted by expert, are panels of form rows128, and two weight tiles hold
/// whole groups, as those of all members of its launch: then one thread may fetch for it. Offsets of sorted rows are
/// multiples of 8, as a swizzled panel wants them (TargetModel.h).
bool takesPanels(kernel::GemmOp op);

/// True if the GEMM is one of a program for decoding whose blocks share out the work: then its K is cut into ranges.
bool takesShares(const GpuFacts &gpu, kernel::GemmOp op, int64_t maxTokens);

/// True if chooseGemm() may choose between mma and wgmma.
bool hasWarpgroupProducts(const GpuFacts &gpu);

/// True if products of this form and tile read panels: those of more than one weight tile.
bool readsPanels(kernel::GPUForm form, int64_t tileFeatures);

/// Bytes of shared memory that the generator needs for a GEMM with these choices.
int64_t gemmSharedBytes(const GemmShape &shape, const GPUChoice &choice);

GPUChoice chooseGemm(const GpuFacts &gpu, const GemmShape &shape);

/// The same in the form `pingpong`, which computes the same bits, for choices that read panels.
GPUChoice takeTurns(const GpuFacts &gpu, const GemmShape &shape, GPUChoice choice);

/// True if there are choices with which the GEMM fits the shared memory of a block; then chooseGemm() finds some.
bool fitsGemm(const GpuFacts &gpu, const GemmShape &shape);

/// Attention as far as its choices, and the order in which it adds, depend on it.
struct AttentionShape {
  int64_t width;        ///< Features of a head.
  int64_t heads;        ///< Key heads.
  int64_t group;        ///< Query heads of a key head.
  int64_t elementBytes; ///< Of queries, keys and values: 2 or 4.
  int64_t chunk;        ///< As the op has it.
  int64_t context;      ///< Most positions of a sequence.
  int64_t segment;      ///< Positions of a segment, as the op states it or else as
                        ///< chooseSegment() does; 0 without any.
  int64_t pageTokens;   ///< Positions of a page.
  bool byTiles = false; ///< True if the op states the order in which several tokens are attended from at once.

  /// True if its products are matrix instructions': bfloat16 in whole steps of them.
  bool takesMatrices() const;
  /// Most segments that the positions lie in that a token sees.
  int64_t mostSegments() const;
};

AttentionShape shapeOf(kernel::AttentionOp op);

/// Positions of a segment: enough segments to fill a device with one token, few enough for one block to merge.
int64_t chooseSegment(const AttentionShape &shape);

/// The tile and threads of attention from one token, whose segments are shared among blocks or not: for a shape that
/// takes matrices.
GPUChoice tileOf(const AttentionShape &shape, bool isSplit);

/// The tile and threads of attention from as many tokens as have at most `rows` query heads together.
GPUChoice tokenTileOf(const AttentionShape &shape, kernel::GPUForm form, int64_t rows);

/// Bytes of shared memory that the generator needs for attention by matrix instructions with these choices.
int64_t attentionSharedBytes(const AttentionShape &shape, const GPUChoice &choice);

/// Tokens of such a tile.
inline int64_t tileTokens(const AttentionShape &shape, int64_t rows) { return rows / shape.group; }

/// True if whole warpgroups can multiply the tile: whole rows of 128 bytes, in whole pages.
bool hasWarpgroupTiles(const GpuFacts &gpu, const AttentionShape &shape);

/// For steps of at most `maxTokens` tokens. A launch of several ops has no blocks to share segments among.
GPUChoice chooseAttention(const GpuFacts &gpu, const AttentionShape &shape, int64_t maxTokens, bool isAlone);

/// The workspaces of attention whose segments are shared among blocks: the states of all segments, and how many of a
/// token's key head are there.
llvm::SmallVector<kernel::ViewType> workspacesOf(kernel::AttentionOp op);

/// A map over rows of `groups` times `width` elements.
GPUChoice chooseMap(int64_t groups, int64_t width);

/// Routing of at most `maxTokens` tokens.
GPUChoice chooseRoute(kernel::RouteOp op, int64_t maxTokens);

/// How many blocks share the experts of a token: one, unless routing has the form `decode`.
int64_t routeParts(kernel::RouteOp op);

/// Its workspaces then: the logits of all tokens, and how many blocks have left theirs.
llvm::SmallVector<kernel::ViewType> workspacesOf(kernel::RouteOp op);

/// Sampling, whose blocks are as its rows are cut.
GPUChoice chooseSample();

/// Kernels whose cells are fixed by their definition, in blocks of `threads`.
GPUChoice chooseFixed(int64_t threads);

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_CHOICES_H
