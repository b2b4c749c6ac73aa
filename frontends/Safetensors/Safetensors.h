// SPDX-License-Identifier: Apache-2.0
//
// Checkpoints in safetensors form: one file, or shards with an index. Headers are read and checked as a whole when a
// checkpoint is opened; tensor data is read later in windows of the caller's choice and never mapped.
#ifndef YUPANA_FRONTENDS_SAFETENSORS_SAFETENSORS_H
#define YUPANA_FRONTENDS_SAFETENSORS_SAFETENSORS_H

#include "compiler/Support/Error.h"
#include "compiler/Support/File.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace yupana {

/// Element types of the container format, by the names that the format uses.
enum class StoredType : uint8_t {
  BOOL,
  F4,
  F6_E2M3,
  F6_E3M2,
  U8,
  I8,
  F8_E5M2,
  F8_E4M3,
  F8_E8M0,
  F8_E4M3FNUZ,
  F8_E5M2FNUZ,
  I16,
  U16,
  F16,
  BF16,
  I32,
  U32,
  F32,
  C64,
  F64,
  I64,
  U64,
};

/// The name the format uses, e.g. "BF16".
std::string_view storedTypeName(StoredType type);
/// Bits of one element: 4, 6, 8, 16, 32 or 64.
unsigned storedTypeBits(StoredType type);

/// Where a tensor is. Elements are little-endian, row-major, without gaps.
struct TensorInfo {
  std::string name;
  StoredType type = StoredType::F32;
  std::vector<uint64_t> shape; ///< Outermost first; empty for a scalar. May contain zeros.
  uint32_t file = 0;           ///< Index into SafetensorsCheckpoint::files(); 0 for a file opened alone.
  uint64_t offset = 0;         ///< Of the first byte, from the start of that file. No alignment is promised.
  uint64_t bytes = 0;          ///< Product of the shape times the element's bits / 8, checked against the file.
};

/// "[2, 3]", for messages.
std::string shapeString(const std::vector<uint64_t> &shape);

/// Header size of one file, largest accepted: the format's own limit.
inline constexpr uint64_t maxSafetensorsHeader = 100'000'000;
/// Dimensions of one tensor, most accepted.
inline constexpr unsigned maxSafetensorsRank = 16;

/// Parses and checks a header: valid UTF-8 JSON that begins with '{', no duplicate key, known element types, sizes that
/// fit 64 bits, data ranges that equal what type and shape need and that together cover [0, dataBytes) exactly, without
/// hole or overlap. Offsets in the result are counted from `dataStart`. Errors name `file` and have
/// ExitCode::InvalidInput. The tensors come sorted by name.
Result<std::vector<TensorInfo>> parseSafetensorsHeader(std::string_view header, uint64_t dataStart, uint64_t dataBytes,
                                                       std::string_view file);

/// One safetensors file. All const members may be called by several threads at once.
class SafetensorsFile {
public:
  /// Opens `path` and checks its whole header. ExitCode::MissingFile or ExitCode::InvalidInput.
  static Result<SafetensorsFile> open(std::string path);

  const std::string &path() const { return file.path(); }
  /// Sorted by name.
  const std::vector<TensorInfo> &tensors() const { return infos; }
  /// The tensor of that name, or null. Valid as long as this object.
  const TensorInfo *find(std::string_view name) const;

  /// Copies bytes [byteOffset, byteOffset + size) of the tensor's data to `destination`.
  Result<void> read(const TensorInfo &tensor, uint64_t byteOffset, void *destination, uint64_t size) const;

private:
  SafetensorsFile(InputFile file, std::vector<TensorInfo> infos) : file(std::move(file)), infos(std::move(infos)) {}

  InputFile file;
  std::vector<TensorInfo> infos;
};

/// A folder in Hugging Face form: `model.safetensors`, or `model.safetensors.index.json` and its shards. Where both are
/// there, the single file counts, as in transformers, unless the index gives tensors to it. With an index, a tensor is
/// what the index says it is: it must exist in the file named there, and tensors of shards that the index gives to
/// another file, or to none, do not count. All const members may be called by several threads at once.
class SafetensorsCheckpoint {
public:
  /// True if the folder holds tensors: any *.safetensors file. An index without its shards is a list of names alone.
  static bool existsIn(const std::string &folder);

  /// Opens the folder and checks the index and the header of every file. ExitCode::MissingFile or
  /// ExitCode::InvalidInput; ExitCode::Unsupported when the weights are there in another format.
  static Result<SafetensorsCheckpoint> open(const std::string &folder);

  const std::string &folder() const { return folderPath; }
  /// Sentences for the user about files that were left out.
  const std::vector<std::string> &notes() const { return sentences; }
  const std::vector<SafetensorsFile> &files() const { return shards; }
  /// Sorted by name.
  const std::vector<TensorInfo> &tensors() const { return infos; }
  /// The tensor of that name, or null. Valid as long as this object.
  const TensorInfo *find(std::string_view name) const;
  /// Path of the file that holds the tensor, for messages.
  const std::string &pathOf(const TensorInfo &tensor) const { return shards[tensor.file].path(); }

  /// Copies bytes [byteOffset, byteOffset + size) of the tensor's data to `destination`.
  Result<void> read(const TensorInfo &tensor, uint64_t byteOffset, void *destination, uint64_t size) const;

private:
  SafetensorsCheckpoint() = default;

  static Result<SafetensorsCheckpoint> openShards(const std::string &folder,
                                                  const std::map<std::string, std::string> &weightMap);
  static Result<SafetensorsCheckpoint> openSingle(const std::string &folder);

  std::string folderPath;
  std::vector<SafetensorsFile> shards;
  std::vector<TensorInfo> infos;
  std::vector<std::string> sentences;
};

/// What a user may name instead of a checkpoint folder, or bring in one: ExitCode::MissingFile when `folder` is
/// nothing, or a file, or holds no config.json; ExitCode::InvalidInput when it is a LoRA adapter, with or without a
/// model beside it, since transformers would apply it; ExitCode::Unsupported for a file or folder of another format.
/// The sentence says what is there instead.
Result<void> checkCheckpointFolder(const std::string &folder);

/// An error for a folder that has no safetensors: which weights are there instead.
Error explainMissingWeights(const std::string &folder);

/// Parses an index: `weight_map` from tensor to file name. File names must be plain names (no folder, not "..").
/// Errors name `file` and have ExitCode::InvalidInput.
Result<std::map<std::string, std::string>> parseSafetensorsIndex(std::string_view text, std::string_view file);

} // namespace yupana

#endif // YUPANA_FRONTENDS_SAFETENSORS_SAFETENSORS_H
