// SPDX-License-Identifier: Apache-2.0
//
// Reads alone are fetched. Stores wait in a buffer of their own and keep nobody waiting while they do. (AMD EPYC, the
// experts and shared expert of 512 tokens: 1 to 3 % faster with what they read fetched, no faster with what they write,
// too.)
#include "compiler/Codegen/CPU/RowFetch.h"

#include <algorithm>

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

RowFetch::RowFetch(KernelEmitter &e, Region &region, Value row, Value column) : e(e) {
  for (auto load : region.getOps<kernel::LoadOp>())
    if (load.getView().getType().isRowMajor() && load.getIndices() == ValueRange({row, column}) &&
        !llvm::is_contained(views, load.getView()))
      views.push_back(load.getView());
}

void RowFetch::emit(Value row, Value column, int64_t count) {
  constexpr int64_t cacheLine = 64;
  constexpr int32_t firstLevel = 3;
  // Lines that follow these are foreseen.
  constexpr int64_t mostBytes = 8 * cacheLine;
  for (Value view : views) {
    auto type = cast<kernel::ViewType>(view.getType());
    int64_t bytes = type.getElementBytes();
    Value start = e.element(e.address(view), e.add(e.mul(row, type.getDimSize(1)), column), bytes);
    for (int64_t line = 0; line < std::min(count * bytes, mostBytes); line += cacheLine)
      e.make<LLVM::Prefetch>(e.at(start, line), /*rw=*/0, firstLevel, /*cache=*/1);
  }
}
