// SPDX-License-Identifier: Apache-2.0
//
// wgmma with operand A in registers, as inline assembly, whose accumulators are tied: those that go in come out. ptxas
// lets products run on only if nothing else writes their registers, so all of them pass through an empty assembly in
// front of the fence, behind which LLVM may then not move what sets them.
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
  OpEmitter::Values chain(ArrayRef(registers).take_front(sums.size()));
  e.make<NVVM::WgmmaFenceAlignedOp>();
  std::string text = llvm::formatv(
      "wgmma.mma_async.sync.aligned.m64n{0}k16.f32.bf16.bf16 {{{1}}, {{{2}}, ${3}, 1, 1, 1, {4};", 2 * sums.size(),
      operandList(0, sums.size()), operandList(2 * sums.size(), 4), 2 * sums.size() + 4, operand.isTransposed ? 1 : 0);
  for (auto [i, product] : llvm::enumerate(products)) {
    OpEmitter::Values inputs(ArrayRef(registers).slice(sums.size() + 4 * i, 4));
    inputs.push_back(product.b);
    chain = e.assembly(text, chain, inputs, "r,r,r,r,l", /*touchesMemory=*/true);
  }
  e.make<NVVM::WgmmaGroupSyncAlignedOp>();
  llvm::copy(chain, sums.begin());
}

void cuda::waitForProducts(KernelEmitter &e, MutableArrayRef<Value> sums) {
  llvm::copy(e.assembly("wgmma.wait_group.sync.aligned 0;", sums, {}, "", /*touchesMemory=*/true), sums.begin());
}
