// SPDX-License-Identifier: Apache-2.0
//
// The first forms: right for any shape, and simple. Blocks of four warps, of which each has 16 of the 64 weight rows of
// a tile; as many token rows as share the reading of a tile without wasting most of the matrix instructions. Hopper's
// prompts are multiplied by whole warpgroups instead, and weights for a few tokens are streamed by blocks that share
// out all of them.
#include "compiler/Codegen/GPU/Choices.h"

#include "compiler/Codegen/GPU/AttentionLayout.h"
#include "compiler/Codegen/GPU/GemmLayout.h"
#include "compiler/Codegen/GPU/GemmTurns.h"
#include "compiler/Codegen/GPU/Numerics.h"
#include "compiler/Codegen/GPU/SampleLayout.h"

#include "llvm/Support/MathExtras.h"

#include <algorithm>

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

namespace {

/// Elements that a cell of a map has about: enough work for a block, few enough that a prompt's rows fill the device.
constexpr int64_t elementsPerCell = 4096;
/// The least a GEMM can do with: token rows of its tile, and stages of its ring.
constexpr int64_t leastRows = 8, leastStages = 2;

int64_t countRowSums(kernel::GemmOp op) {
  int64_t count = 0;
  for (mlir::Region &input : op.getInputs())
    count += std::distance(input.getOps<kernel::RowSumOp>().begin(), input.getOps<kernel::RowSumOp>().end());
  return count;
}

} // namespace

GemmShape cuda::shapeOf(kernel::GemmOp op, int64_t maxTokens) {
  int64_t rows = op.getRows().isStatic() ? op.getRows().getFactor() : maxTokens * op.getRowsPerToken();
  GemmShape shape;
  shape.rows = (rows + op.getExpertCount() - 1) / op.getExpertCount();
  shape.cellTiles = op.getCellTiles();
  shape.products = op.getProductCount();
  shape.elementBytes = static_cast<int64_t>(op.getWeightType(0).getElementBytes());
  shape.rowValues = countRowSums(op);
  shape.byExpert = op.getExperts() && !op.getOrder();
  shape.allRows = rows;
  kernel::NumericsAttr numerics = op.getNumericsAttr();
  shape.panels = takesPanels(op);
  shape.evenPanels = shape.panels && llvm::all_of(productsBeside(op), [](kernel::GemmOp member) {
                       return panelCells(member) % panelCluster == 0;
                     });
  shape.range = numerics && numerics.hasProducts() && numerics.getRange() > 0 ? numerics.getRange() : 0;
  return shape;
}

SmallVector<kernel::GemmOp> cuda::productsBeside(kernel::GemmOp op) {
  if (auto parallel = dyn_cast<kernel::ParallelOp>(op->getParentOp()))
    return llvm::to_vector(parallel.getBody().getOps<kernel::GemmOp>());
  return {op};
}

static bool fitsPanels(kernel::GemmOp op) {
  constexpr int64_t mostTiles = 2;
  Value view = op.getProductCount() == 1 ? op.getPlainInput(0) : Value();
  auto type = view ? cast<kernel::ViewType>(view.getType()) : kernel::ViewType();
  return view && &type.getForm() == &schema::kRows128 && type.getElementType().isBF16() &&
         &op.getWeightType(0).getForm() == &schema::kTile64x128 && op.getWeightType(0).getElementType().isBF16() &&
         (!op.getExperts() || op.getOrder()) && mostTiles % op.getCellTiles() == 0;
}

bool cuda::takesPanels(kernel::GemmOp op) {
  // Members of other forms would find fewer registers than they need.
  auto parallel = dyn_cast<kernel::ParallelOp>(op->getParentOp());
  return parallel ? llvm::all_of(parallel.getBody().front(),
                                 [](Operation &member) {
                                   auto gemm = dyn_cast<kernel::GemmOp>(member);
                                   return gemm && fitsPanels(gemm);
                                 })
                  : fitsPanels(op);
}

bool cuda::readsPanels(kernel::GPUForm form, int64_t tileFeatures) {
  return form == kernel::GPUForm::PingPong ||
         (form == kernel::GPUForm::WGMMA && tileFeatures > schema::kTile64x128.tile_rows);
}

int64_t cuda::gemmSharedBytes(const GemmShape &shape, const GPUChoice &choice) {
  if (choice.form == kernel::GPUForm::Decode) {
    DecodeLayout::Member member = {choice.tileRows, shape.cellTiles, shape.rowValues, shape.byExpert};
    return DecodeLayout(member, choice.tileDepth * shape.elementBytes / GemmLayout::rowBytes, choice.stages).bytes;
  }
  if (readsPanels(choice.form, choice.tileFeatures))
    return PanelLayout(choice.tileRows, choice.stages, choice.form == kernel::GPUForm::PingPong ? 2 : 1).bytes;
  return GemmLayout(shape, choice.form, choice.tileRows, choice.stages).bytes;
}

bool cuda::hasWarpgroupProducts(const GpuFacts &gpu) { return gpu.capability == 90 && gpu.oneGeneration; }

/// True where there are rows enough to be worth a producer.
static bool takesWarpgroups(const GpuFacts &gpu, const GemmShape &shape) {
  constexpr int64_t worthRows = 16;
  return hasWarpgroupProducts(gpu) && shape.elementBytes == 2 && shape.rows >= worthRows;
}

/// Two blocks share a multiprocessor, so that one multiplies while the other waits for tokens or for other blocks. What
/// they have on its way together is what keeps the memory busy; one stage more is being read. It is small enough that
/// the blocks of the next launch find room beside them.
static GPUChoice chooseShares(const GpuFacts &gpu, const GemmShape &shape) {
  constexpr int64_t blocks = 2, leastStages = 3, threads = 160;
  GPUChoice choice{kernel::GPUForm::Decode, schema::kTile64x128.tile_rows, 0, shape.range, 0, threads, blocks, 1};
  choice.tileRows = std::max<int64_t>(leastRows, llvm::PowerOf2Ceil(shape.allRows));
  choice.stages = std::max(leastStages, gpu.flightBytes / blocks / GemmLayout::tileBytes + 1);
  while (choice.stages > ::leastStages && gemmSharedBytes(shape, choice) > gpu.sharedBlockBytes)
    --choice.stages;
  return choice;
}

bool cuda::takesShares(const GpuFacts &gpu, kernel::GemmOp op, int64_t maxTokens) {
  constexpr int64_t mostRows = 64;
  GemmShape shape = shapeOf(op, maxTokens);
  // In float32 the whole K stays one chain, which is that of a CPU.
  if (maxTokens > decodeTokens || shape.elementBytes != 2 || shape.products != 1 || op.getOrder() ||
      shape.allRows > mostRows)
    return false;
  shape.range = decodeRange;
  return fitsGemm(gpu, shape);
}

/// The largest tile, since every row it has saves reading weights from the L2 cache, but no larger than most of the
/// experts fill; and as deep a ring as fits beside the sums. Two blocks with neighbouring weights share token rows, so
/// that the L2 cache sends them once, where all blocks of the launch find one to share with.
static GPUChoice choosePanels(const GpuFacts &gpu, const GemmShape &shape) {
  constexpr int64_t features = panelCellTiles * int64_t(schema::kTile64x128.tile_rows);
  constexpr int64_t mostRows = 256, mostStages = 8, threads = 384;
  bool isShared = shape.rows != shape.allRows;
  auto rows = static_cast<int64_t>(llvm::PowerOf2Ceil(isShared ? shape.rows + shape.rows / 4 : shape.rows));
  GPUChoice choice{kernel::GPUForm::WGMMA,
                   features,
                   std::min(rows, mostRows),
                   64,
                   mostStages,
                   threads,
                   1,
                   1,
                   shape.evenPanels ? panelCluster : 1};
  while (choice.stages > leastStages && gemmSharedBytes(shape, choice) > gpu.sharedBlockBytes)
    --choice.stages;
  return choice;
}

GPUChoice cuda::takeTurns(const GpuFacts &gpu, const GemmShape &shape, GPUChoice choice) {
  constexpr int64_t mostRows = 128, mostStages = 8;
  choice.form = kernel::GPUForm::PingPong;
  choice.tileRows = std::min(choice.tileRows, mostRows);
  choice.stages = mostStages;
  while (choice.stages > leastStages && gemmSharedBytes(shape, choice) > gpu.sharedBlockBytes)
    --choice.stages;
  return choice;
}

GPUChoice cuda::chooseGemm(const GpuFacts &gpu, const GemmShape &shape) {
  if (shape.range)
    return chooseShares(gpu, shape);
  if (shape.panels && takesWarpgroups(gpu, shape))
    return choosePanels(gpu, shape);
  // A thread holds half a row of accumulators per token row in bfloat16, as many in float32, where the weights of a
  // step need registers, too.
  bool warpgroups = takesWarpgroups(gpu, shape);
  int64_t mostRows = warpgroups ? 128 : shape.elementBytes == 2 ? 64 : 32;
  int64_t wanted = std::clamp<int64_t>(llvm::PowerOf2Ceil(std::max<int64_t>(1, shape.rows)), leastRows, mostRows);
  GPUChoice choice{kernel::GPUForm::MMA, schema::kTile64x128.tile_rows, 0, 128 / shape.elementBytes, 4, 128, 1, 1};
  if (warpgroups) {
    choice.form = kernel::GPUForm::WGMMA;
    choice.threads = 256;
  }
  for (choice.tileRows = wanted; choice.tileRows > leastRows; choice.tileRows /= 2)
    if (gemmSharedBytes(shape, choice) <= gpu.sharedBlockBytes)
      return choice;
  while (choice.stages > leastStages && gemmSharedBytes(shape, choice) > gpu.sharedBlockBytes)
    --choice.stages;
  return choice;
}

bool cuda::fitsGemm(const GpuFacts &gpu, const GemmShape &shape) {
  if (shape.range)
    return gemmSharedBytes(shape, chooseShares(gpu, shape)) <= gpu.sharedBlockBytes;
  GPUChoice least;
  least.form = hasWarpgroupProducts(gpu) ? kernel::GPUForm::WGMMA : kernel::GPUForm::MMA;
  least.tileRows = leastRows;
  least.stages = leastStages;
  return gemmSharedBytes(shape, least) <= gpu.sharedBlockBytes;
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

AttentionShape cuda::shapeOf(kernel::AttentionOp op) {
  kernel::CacheType cache = op.getKeys().getType();
  AttentionShape shape;
  shape.width = cache.getWidth();
  shape.heads = cache.getHeads();
  shape.group = op.getQuery().getType().getDimSize(1) / (shape.heads * shape.width);
  shape.elementBytes = cache.getElementBytes();
  shape.chunk = op.getChunk();
  shape.context = op.getPages().getType().getDimSize(1) * cache.getPageTokens();
  shape.segment = op.getNumericsAttr() ? op.getNumericsAttr().getSegment() : chooseSegment(shape);
  shape.pageTokens = cache.getPageTokens();
  shape.byTiles = shape.takesMatrices() && op.getNumericsAttr() == tileNumerics(op.getContext());
  return shape;
}

bool AttentionShape::takesMatrices() const {
  // Wider heads, and larger groups, would fit neither the registers nor the shared memory of the smaller devices.
  constexpr int64_t step = 16, mostWidth = 128, mostGroup = 16;
  return elementBytes == 2 && width % step == 0 && width <= mostWidth && group <= mostGroup;
}

int64_t AttentionShape::mostSegments() const {
  if (!segment)
    return 1;
  int64_t ofContext = (context + segment - 1) / segment;
  if (!chunk)
    return ofContext;
  // A chunk that is no multiple may begin at the end of a segment.
  int64_t ofChunk = chunk % segment ? (chunk + segment - 2) / segment + 1 : chunk / segment;
  return std::min(ofContext, ofChunk);
}

int64_t cuda::chooseSegment(const AttentionShape &shape) {
  constexpr int64_t mostSegments = 64, least = 256, most = 4096;
  int64_t span = shape.chunk ? std::min(shape.chunk, shape.context) : shape.context;
  auto even = static_cast<int64_t>(llvm::PowerOf2Ceil(static_cast<uint64_t>((span + mostSegments - 1) / mostSegments)));
  return std::clamp(even, least, most);
}

GPUChoice cuda::tileOf(const AttentionShape &shape, bool isSplit) {
  GPUChoice choice;
  choice.form = isSplit ? kernel::GPUForm::Decode : kernel::GPUForm::MMA;
  choice.tileFeatures = AttentionLayout::blockPositions;
  choice.tileRows = static_cast<int64_t>(llvm::alignTo(static_cast<uint64_t>(shape.group), 8));
  choice.tileDepth = isSplit ? shape.segment : shape.width;
  choice.stages = 4;
  choice.threads = AttentionLayout::threads;
  choice.blocks = 2;
  return choice;
}

GPUChoice cuda::tokenTileOf(const AttentionShape &shape, kernel::GPUForm form, int64_t rows) {
  constexpr int64_t copyThreads = 32;
  GPUChoice choice;
  choice.form = form;
  choice.tileFeatures = AttentionLayout::blockPositions;
  choice.tileRows = rows;
  choice.tileDepth = shape.width;
  // A warp has 16 rows.
  choice.threads = rows * 2 + (form == kernel::GPUForm::WGMMA ? copyThreads : 0);
  return choice;
}

bool cuda::hasWarpgroupTiles(const GpuFacts &gpu, const AttentionShape &shape) {
  constexpr int64_t swizzledRow = 64;
  return hasWarpgroupProducts(gpu) && shape.width % swizzledRow == 0 &&
         shape.pageTokens % AttentionLayout::blockPositions == 0;
}

int64_t cuda::attentionSharedBytes(const AttentionShape &shape, const GPUChoice &choice) {
  if (choice.form == kernel::GPUForm::WGMMA)
    return WarpgroupTileLayout(shape.width, choice.stages).bytes;
  // What a token needs beside the ring, tiles of several keep in registers.
  return AttentionLayout(shape.width, shape.byTiles ? 0 : choice.tileRows, choice.stages).bytes;
}

/// Two blocks share a multiprocessor where both have two stages at least: one multiplies while the other waits for its
/// warps.
static GPUChoice fitAttention(const GpuFacts &gpu, const AttentionShape &shape, GPUChoice choice) {
  auto bytes = [&] { return choice.blocks * attentionSharedBytes(shape, choice); };
  while (choice.stages > 2 && bytes() > gpu.sharedBlockBytes)
    --choice.stages;
  if (bytes() > gpu.sharedBlockBytes)
    choice.blocks = 1;
  return choice;
}

/// Prompts fill large tiles; a step of few tokens has more blocks with small ones.
static GPUChoice chooseTokenTile(const GpuFacts &gpu, const AttentionShape &shape, int64_t maxTokens) {
  constexpr int64_t promptTokens = 256, smallRows = 64, largeRows = 128;
  bool isPrompt = maxTokens >= promptTokens;
  if (isPrompt && hasWarpgroupTiles(gpu, shape)) {
    GPUChoice choice = tokenTileOf(shape, kernel::GPUForm::WGMMA, largeRows);
    choice.stages = 8;
    return choice;
  }
  GPUChoice choice = tokenTileOf(shape, kernel::GPUForm::MMA, isPrompt ? largeRows : smallRows);
  choice.stages = 3;
  choice.blocks = isPrompt ? 1 : 2;
  return fitAttention(gpu, shape, choice);
}

GPUChoice cuda::chooseAttention(const GpuFacts &gpu, const AttentionShape &shape, int64_t maxTokens, bool isAlone) {
  // More tokens than a decode step has are cells enough.
  if (!shape.takesMatrices())
    return chooseFixed(128);
  if (shape.byTiles)
    return chooseTokenTile(gpu, shape, maxTokens);
  GPUChoice choice = tileOf(shape, isAlone && maxTokens <= decodeTokens && shape.mostSegments() > 1);
  return fitAttention(gpu, shape, choice);
}

llvm::SmallVector<kernel::ViewType> cuda::workspacesOf(kernel::AttentionOp op) {
  mlir::MLIRContext *context = op.getContext();
  AttentionShape shape = shapeOf(op);
  lm::DimAttr tokens = op.getRows();
  auto size = [&](int64_t value) { return lm::DimAttr::get(context, value); };
  int64_t words = shape.heads * shape.mostSegments() * shape.group * AttentionStates(shape.width).headWords;
  return {
      kernel::ViewType::get(context, {tokens, size(words)}, mlir::Float32Type::get(context), "row-major"),
      kernel::ViewType::get(context, {tokens, size(shape.heads)}, mlir::IntegerType::get(context, 32), "row-major")};
}

GPUChoice cuda::chooseMap(int64_t groups, int64_t width) {
  GPUChoice choice;
  choice.rows = std::max<int64_t>(1, elementsPerCell / std::max<int64_t>(1, groups * width));
  return choice;
}

/// A warp for each expert, of several blocks where few tokens have many; what follows the logits is one warp's.
GPUChoice cuda::chooseRoute(kernel::RouteOp op, int64_t maxTokens) {
  constexpr int64_t mostWarps = 16;
  if (!op.addsUp())
    return chooseFixed(warpLanes);
  GPUChoice choice = chooseFixed(warpLanes * std::min(op.getExpertCount(), mostWarps));
  bool isAlone = !isa<kernel::ParallelOp>(op->getParentOp());
  if (op.getExpertCount() > mostWarps && maxTokens <= decodeTokens && isAlone)
    choice.form = kernel::GPUForm::Decode;
  return choice;
}

int64_t cuda::routeParts(kernel::RouteOp op) {
  auto config = dyn_cast_or_null<kernel::GPUAttr>(op.getConfigAttr());
  if (!config || config.getForm() != kernel::GPUForm::Decode)
    return 1;
  return llvm::divideCeil(op.getExpertCount(), config.getThreads() / warpLanes);
}

SmallVector<kernel::ViewType> cuda::workspacesOf(kernel::RouteOp op) {
  if (routeParts(op) == 1)
    return {};
  MLIRContext *context = op.getContext();
  auto experts = lm::DimAttr::get(context, op.getExpertCount());
  return {kernel::ViewType::get(context, {op.getRows(), experts}, Float32Type::get(context), "row-major"),
          kernel::ViewType::get(context, {op.getRows()}, IntegerType::get(context, 32), "row-major")};
}

/// Blocks that wait for others stand beside them.
GPUChoice cuda::chooseSample() {
  GPUChoice choice = chooseFixed(SampleLayout::threads);
  choice.blocks = 2;
  return choice;
}

GPUChoice cuda::chooseFixed(int64_t threads) {
  GPUChoice choice;
  choice.threads = threads;
  return choice;
}
