// SPDX-License-Identifier: Apache-2.0
//
// The weights section of a plan: where each weight lies in it, and the threads that fill it.
#ifndef YUPANA_COMPILER_EXPORT_WEIGHTSECTION_H
#define YUPANA_COMPILER_EXPORT_WEIGHTSECTION_H

#include "compiler/Export/Export.h"
#include "compiler/Export/OutputFile.h"
#include "compiler/Export/Pieces.h"

#include <array>
#include <memory>
#include <vector>

namespace yupana {

using Digest = std::array<uint8_t, 32>;

/// Weights in the order given, at multiples of 256, each followed by at least 64 bytes of the section, all zero up to
/// the next.
class WeightSection {
public:
  /// Appends a weight. ExitCode::InvalidInput when the section would need more than 2^64 bytes.
  Result<void> add(std::unique_ptr<PieceMaker> weight);

  struct Placement {
    uint64_t offset; ///< From the start of the section.
    uint64_t bytes;
  };
  const std::vector<Placement> &placements() const { return places; }
  /// Bytes of the section; 0 without weights.
  uint64_t bytes() const { return end; }
  /// Bytes of the weights alone.
  uint64_t payload() const { return payloadBytes; }

  /// Writes the section, every weight and the zeros behind it, to `file` at `offset`, and digests it in pieces of
  /// schema::kDigestChunkBytes, each from memory before it is written (ChunkWriter). `options` gives the threads and
  /// who is told.
  Result<std::vector<Digest>> write(OutputFile &file, uint64_t offset, const ExportOptions &options) const;

private:
  std::vector<std::unique_ptr<PieceMaker>> weights;
  std::vector<Placement> places;
  uint64_t end = 0;
  uint64_t payloadBytes = 0;
};

} // namespace yupana

#endif // YUPANA_COMPILER_EXPORT_WEIGHTSECTION_H
