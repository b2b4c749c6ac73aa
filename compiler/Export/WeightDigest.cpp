// SPDX-License-Identifier: Apache-2.0
//
// A digest needs bytes in their order, pieces give them in any. One thread therefore makes all pieces of a weight, in
// ascending order, and keeps what comes too early until its turn. Pieces of a transposed weight go along K within a
// block of rows, so that at most the packed bytes of such a block wait: 168 MB for the largest experts of Llama 4. This
// is why few weights are digested side by side.

#include "compiler/Export/WeightDigest.h"

#include "compiler/Export/SharedWork.h"
#include "runtime/base/sha256.h"

#include <map>

using namespace yupana;

namespace {

/// Weights that are digested side by side, at most.
constexpr unsigned mostThreads = 4;

/// Digests bytes that come in any order, each once.
class OrderedDigest {
public:
  void take(uint64_t offset, const void *data, uint64_t size) {
    auto bytes = llvm::ArrayRef(static_cast<const uint8_t *>(data), size);
    if (offset != next) {
      // What comes in order, the usual case, is digested without being copied.
      early.emplace(offset, bytes.vec());
      return;
    }
    append(bytes);
    for (auto first = early.begin(); first != early.end() && first->first == next; first = early.erase(first))
      append(first->second);
  }

  /// The digest of the first `size` bytes; nothing when they did not all come.
  /// Pieces that overlap or leave a hole never meet the end.
  std::optional<Digest> finish(uint64_t size) {
    if (next != size)
      return std::nullopt;
    Digest digest;
    hash.finish(digest.data());
    return digest;
  }

private:
  void append(llvm::ArrayRef<uint8_t> bytes) {
    hash.update(bytes.data(), bytes.size());
    next += bytes.size();
  }

  runtime::Sha256 hash;
  uint64_t next = 0; ///< Bytes digested so far.
  std::map<uint64_t, std::vector<uint8_t>> early;
};

} // namespace

Result<std::vector<Digest>> yupana::digestWeights(llvm::ArrayRef<std::unique_ptr<PieceMaker>> weights,
                                                  const ExportOptions &options) {
  uint64_t bytes = 0;
  for (const auto &weight : weights)
    bytes += weight->bytes();
  SharedWork work(options, bytes);
  std::vector<Digest> digests(weights.size());
  // Digests are of the bytes as they would lie in a file, padding included, so that refitting compares them without
  // packing anew.
  auto digestNext = [&](uint64_t index, PieceMemory &memory) -> Result<void> {
    OrderedDigest ordered;
    auto take = [&](uint64_t offset, const void *data, uint64_t size) -> Result<void> {
      ordered.take(offset, data, size);
      work.advance(size);
      return {};
    };
    for (uint64_t piece = 0; piece < weights[index]->pieces() && !work.isStopped(); ++piece)
      YUPANA_RETURN_IF_ERROR(weights[index]->make(piece, memory, take));
    std::optional<Digest> digest = ordered.finish(weights[index]->bytes());
    if (digest)
      digests[index] = *digest;
    else if (!work.isStopped())
      return makeError(ExitCode::Internal, "the pieces of weight {} do not give all of its bytes", index);
    return {};
  };
  YUPANA_RETURN_IF_ERROR(work.run(weights.size(), digestNext, mostThreads));
  return digests;
}
