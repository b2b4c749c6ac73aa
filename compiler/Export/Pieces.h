// SPDX-License-Identifier: Apache-2.0
//
// The bytes of a weight, made in pieces by several threads.
#ifndef YUPANA_COMPILER_EXPORT_PIECES_H
#define YUPANA_COMPILER_EXPORT_PIECES_H

#include "compiler/Support/Error.h"

#include "llvm/ADT/STLFunctionalExtras.h"

#include <cstdint>
#include <vector>

namespace yupana {

/// Memory that one thread keeps from piece to piece.
struct PieceMemory {
  std::vector<uint8_t> source;
  std::vector<uint8_t> packed;
};

/// Takes bytes [offset, offset + size) of what is being made.
using PieceSink = llvm::function_ref<Result<void>(uint64_t offset, const void *data, uint64_t size)>;

/// Something whose bytes can be made in any order, piece by piece. The pieces together give every byte exactly once.
/// All members may be called by several threads at once.
class PieceMaker {
public:
  virtual ~PieceMaker() = default;
  /// How many bytes all pieces give together.
  virtual uint64_t bytes() const = 0;
  virtual uint64_t pieces() const = 0;
  /// Makes piece `index` and hands its bytes to `sink`, at one or more offsets. Uses `memory` and no more than a fixed
  /// amount of it, whatever the weight's size.
  virtual Result<void> make(uint64_t index, PieceMemory &memory, PieceSink sink) const = 0;
};

} // namespace yupana

#endif // YUPANA_COMPILER_EXPORT_PIECES_H
