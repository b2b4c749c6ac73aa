// SPDX-License-Identifier: Apache-2.0
//
// wgmma as inline assembly, whose accumulators are tied: those that go in come out. nvvm's op fixes what is known only
// when a kernel runs. ptxas lets products run on only if nothing else writes their registers, so all of them pass
// through an empty assembly in front of the fence, behind which LLVM may then not move what sets them.
#include "compiler/Codegen/GPU/WarpgroupMatrices.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

Value cuda::describeMatrix(KernelEmitter &e, Value address, SharedOperand operand) {
  constexpr uint64_t unit = 16, swizzle128 = uint64_t(1) << 62, eightRows = schema::kSwizzleRows * 128 / unit << 32;
  // Untransposed, a row holds all of an instruction's K.
  uint64_t nextTile = operand.isTransposed ? static_cast<uint64_t>(operand.tileBytes) / unit << 16 : uint64_t(1) << 16;
  Value bits = e.bitAnd(e.div(address, unit), 0x3fff);
  return e.bitOr(e.widen(bits), e.integer(static_cast<int64_t>(swizzle128 | eightRows | nextTile), e.i64));
}

/// "$4, $5, $6, $7"
static std::string operandList(size_t first, size_t count) {
  return llvm::join(llvm::map_range(llvm::seq(first, first + count), [](size_t i) { return "$" + std::to_string(i); }),
                    ", ");
}

void cuda::issueProducts(KernelEmitter &e, ArrayRef<WarpgroupProduct> products, SharedOperand operand,
                         MutableArrayRef<Value> sums) {
  OpEmitter::Values registers(sums);
  for (const WarpgroupProduct &product : products)
    registers.append(product.a);
  registers = e.assembly("", registers, {}, "", /*touchesMemory=*/false);
  OpEmitter::Values chain(ArrayRef<Value>(registers).take_front(sums.size()));
  e.make<NVVM::WgmmaFenceAlignedOp>();
  std::string text = llvm::formatv(
      "wgmma.mma_async.sync.aligned.m64n{0}k16.f32.bf16.bf16 {{{1}}, {{{2}}, ${3}, 1, 1, 1, {4};", 2 * sums.size(),
      operandList(0, sums.size()), operandList(2 * sums.size(), 4), 2 * sums.size() + 4, operand.isTransposed ? 1 : 0);
  for (auto [i, product] : llvm::enumerate(products)) {
    OpEmitter::Values inputs(ArrayRef<Value>(registers).slice(sums.size() + 4 * i, 4));
    inputs.push_back(product.b);
    chain = e.assembly(text, chain, inputs, "r,r,r,r,l", /*touchesMemory=*/true);
  }
  e.make<NVVM::WgmmaGroupSyncAlignedOp>();
  llvm::copy(chain, sums.begin());
}

void cuda::beginProducts(KernelEmitter &e, ArrayRef<Value> weights, Value tokens, int64_t rows,
                         MutableArrayRef<Value> sums) {
  // Four steps of 16 k, each 32 bytes further along the rows.
  constexpr int64_t steps = 4, stepUnits = 2;
  SharedOperand operand = {/*isTransposed=*/false, /*tileBytes=*/0};
  size_t count = sums.size() / weights.size();
  Value b = describeMatrix(e, e.make<LLVM::PtrToIntOp>(e.i32, tokens), operand);
  std::string text =
      llvm::formatv("wgmma.mma_async.sync.aligned.m64n{0}k16.f32.bf16.bf16 {{{1}}, ${2}, ${3}, 1, 1, 1, 0, 0;", rows,
                    operandList(0, count), 2 * count, 2 * count + 1);
  llvm::copy(e.assembly("", sums, {}, "", /*touchesMemory=*/false), sums.begin());
  e.make<NVVM::WgmmaFenceAlignedOp>();
  for (auto [i, tile] : llvm::enumerate(weights)) {
    Value a = describeMatrix(e, e.make<LLVM::PtrToIntOp>(e.i32, tile), operand);
    MutableArrayRef<Value> own = sums.slice(i * count, count);
    for (int64_t step = 0; step < steps; ++step) {
      Value operands[] = {e.add(a, step * stepUnits), e.add(b, step * stepUnits)};
      llvm::copy(e.assembly(text, own, operands, "l,l", /*touchesMemory=*/true), own.begin());
    }
  }
  e.make<NVVM::WgmmaGroupSyncAlignedOp>();
}

void cuda::waitForProducts(KernelEmitter &e, int64_t pending, MutableArrayRef<Value> sums) {
  std::string text = llvm::formatv("wgmma.wait_group.sync.aligned {0};", pending);
  llvm::copy(e.assembly(text, sums, {}, "", /*touchesMemory=*/true), sums.begin());
}
