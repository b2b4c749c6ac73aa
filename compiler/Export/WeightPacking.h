// SPDX-License-Identifier: Apache-2.0
//
// Elements of a checkpoint, converted and laid out in the tiles of a packed form, in memory.
#ifndef YUPANA_COMPILER_EXPORT_WEIGHTPACKING_H
#define YUPANA_COMPILER_EXPORT_WEIGHTPACKING_H

#include "compiler/Export/Export.h"
#include "runtime/schema/forms.h"

namespace yupana {

/// A block of one matrix and the tiles that it goes to. Row 0 and column 0 begin a tile.
struct PackedBlock {
  const uint8_t *source; ///< Elements as stored: [ns][ks] or, along N, [ks][ns].
  uint8_t *tiles;        ///< [row tile][columnTiles][one tile]; elements that the block lacks stay as they are.
  uint64_t ns, ks;       ///< Rows and columns.
  uint64_t columnTiles;  ///< Tiles of a row of tiles.
  uint64_t run;          ///< Rows of this part that follow one another in an interleaved weight; 0 for one part.
  uint64_t part;         ///< 0 or 1: which of the two of an interleaved weight.
};

using Packer = void (*)(const PackedBlock &block);

/// The packer of a form of weights with elements of 2 bytes (bfloat16) or 4 (float32), for a source whose rows
/// (`alongK`) or columns are contiguous. Converting rounds to nearest even and keeps NaN; elements of the same type are
/// copied.
Packer packerFor(const schema::PackedForm &form, uint64_t elementBytes, SourceElement from, bool alongK);

} // namespace yupana

#endif // YUPANA_COMPILER_EXPORT_WEIGHTPACKING_H
