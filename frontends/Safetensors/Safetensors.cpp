// SPDX-License-Identifier: Apache-2.0
//
// Opens files and folders of tensors. Every size in a header is held against the size of the file before memory is
// taken for it or anything is read. With an index a tensor is where the index says, and a shard's name must be a plain
// file name, since an index from elsewhere could otherwise have any file of the system read.

#include "frontends/Safetensors/Safetensors.h"

#include "compiler/Support/CheckedMath.h"
#include "compiler/Support/FileKind.h"
#include "compiler/Support/Json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>

using namespace yupana;

/// A file begins with the length of its header, an unsigned number of 64 bits, lowest byte first.
static constexpr uint64_t headerLengthBytes = 8;
static constexpr const char *singleName = "model.safetensors";
static constexpr const char *indexName = "model.safetensors.index.json";

/// `infos` are sorted by name.
static const TensorInfo *findByName(const std::vector<TensorInfo> &infos, std::string_view name) {
  auto found = std::lower_bound(infos.begin(), infos.end(), name,
                                [](const TensorInfo &info, std::string_view key) { return info.name < key; });
  return found != infos.end() && found->name == name ? &*found : nullptr;
}

/// Reads and checks the header of an open file.
static Result<std::vector<TensorInfo>> readHeader(const InputFile &file) {
  if (file.size() < headerLengthBytes)
    return makeError(ExitCode::InvalidInput, "{}: has {} bytes, a safetensors file has at least {}", file.path(),
                     file.size(), headerLengthBytes);
  unsigned char prefix[headerLengthBytes];
  YUPANA_RETURN_IF_ERROR(file.readAt(0, prefix, sizeof prefix));
  // Byte by byte, which reads the format's order on every machine.
  uint64_t headerBytes = 0;
  for (unsigned i = 0; i < headerLengthBytes; ++i)
    headerBytes |= uint64_t(prefix[i]) << (8 * i);

  // Nothing is allocated before the size is known to be possible.
  uint64_t rest = file.size() - headerLengthBytes;
  if (headerBytes > maxSafetensorsHeader)
    return makeError(ExitCode::InvalidInput, "{}: claims a header of {} bytes, at most {} are allowed", file.path(),
                     headerBytes, maxSafetensorsHeader);
  if (headerBytes > rest)
    return makeError(ExitCode::InvalidInput, "{}: claims a header of {} bytes, {} follow in the file", file.path(),
                     headerBytes, rest);
  std::string header(headerBytes, '\0');
  YUPANA_RETURN_IF_ERROR(file.readAt(headerLengthBytes, header.data(), headerBytes));
  return parseSafetensorsHeader(header, headerLengthBytes + headerBytes, rest - headerBytes, file.path());
}

Result<SafetensorsFile> SafetensorsFile::open(std::string path) {
  YUPANA_ASSIGN_OR_RETURN(InputFile file, InputFile::open(std::move(path)));
  Result<std::vector<TensorInfo>> infos = readHeader(file);
  if (infos)
    // What the file is instead is looked up after it has failed: no file is refused for its first bytes alone.
    return SafetensorsFile(std::move(file), std::move(infos).value());
  char start[fileKindBytes];
  size_t length = std::min<uint64_t>(file.size(), sizeof start);
  YUPANA_RETURN_IF_ERROR(file.readAt(0, start, length));
  return explainFileKind(std::string_view(start, length), file.path(), "a safetensors file", infos.takeError());
}

const TensorInfo *SafetensorsFile::find(std::string_view name) const { return findByName(infos, name); }

Result<void> SafetensorsFile::read(const TensorInfo &tensor, uint64_t byteOffset, void *destination,
                                   uint64_t size) const {
  // Internal: such a range comes from this program, not from a file. The sum below stays inside the file, which
  // every tensor was held against when it was opened.
  if (!rangeInside(byteOffset, size, tensor.bytes))
    return makeError(ExitCode::Internal, "{}: bytes [{}, +{}) wanted of tensor {}, which has {}", path(), byteOffset,
                     size, inQuotes(tensor.name), tensor.bytes);
  return file.readAt(tensor.offset + byteOffset, destination, size);
}

/// A backslash parts folders on other systems, and the system would take a zero byte for the end of the path.
static bool isPlainFileName(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find_first_of(std::string_view("/\\\0", 3)) == name.npos;
}

/// `metadata` beside the map, with the total size, is not read: the files themselves say how large they are.
Result<std::map<std::string, std::string>> yupana::parseSafetensorsIndex(std::string_view text, std::string_view file) {
  YUPANA_ASSIGN_OR_RETURN(nlohmann::json root, parseJson(text, file));
  if (!root.is_object())
    return makeError(ExitCode::InvalidInput, "{}: is {}, expected an object", file, jsonTypeName(root));
  auto found = root.find("weight_map");
  if (found == root.end())
    return makeError(ExitCode::InvalidInput, "{}: has no weight_map", file);
  if (!found->is_object())
    return makeError(ExitCode::InvalidInput, "{}: weight_map is {}, expected an object", file, jsonTypeName(*found));
  std::map<std::string, std::string> weightMap;
  for (const auto &[tensor, shard] : found->items()) {
    if (!shard.is_string())
      return makeError(ExitCode::InvalidInput, "{}: weight_map gives {} for tensor {}, expected a file name", file,
                       jsonTypeName(shard), inQuotes(tensor));
    const std::string &name = shard.get_ref<const std::string &>();
    if (!isPlainFileName(name))
      return makeError(ExitCode::InvalidInput,
                       "{}: weight_map gives {} for tensor {}, expected the plain name of a file in the same folder",
                       file, inQuotes(name), inQuotes(tensor));
    weightMap.emplace(tensor, name);
  }
  return weightMap;
}

/// Shards are numbered in the order of their names and tensors stand in that of theirs, both out of ordered maps, so
/// that nothing depends on how the index was written.
Result<SafetensorsCheckpoint> SafetensorsCheckpoint::openShards(const std::string &folder,
                                                                const std::map<std::string, std::string> &weightMap) {
  std::map<std::string, uint32_t> shardIndex;
  std::map<std::string, std::string> firstTensor; // of every shard, for messages
  for (const auto &[tensor, shard] : weightMap) {
    shardIndex.emplace(shard, 0);
    firstTensor.emplace(shard, tensor);
  }

  SafetensorsCheckpoint checkpoint;
  checkpoint.folderPath = folder;
  checkpoint.shards.reserve(shardIndex.size());
  for (auto &[shard, index] : shardIndex) {
    index = static_cast<uint32_t>(checkpoint.shards.size());
    std::string path = folder + "/" + shard;
    // Before it is opened, for a sentence that says who expects the file: downloads that broke off lack shards.
    if (!pathExists(path))
      return makeError(ExitCode::MissingFile,
                       "{}: cannot be opened: No such file or directory; {} names it as the file of tensor {}", path,
                       indexName, inQuotes(firstTensor[shard]));
    YUPANA_ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::open(path));
    checkpoint.shards.push_back(std::move(file));
  }
  for (const auto &[tensor, shard] : weightMap) {
    uint32_t index = shardIndex[shard];
    const TensorInfo *info = checkpoint.shards[index].find(tensor);
    // The index decides where a tensor is, so that one of the same name in another shard does not stand in for it.
    if (!info)
      return makeError(ExitCode::InvalidInput, "{}: has no tensor {}, which {} expects there",
                       checkpoint.shards[index].path(), inQuotes(tensor), indexName);
    checkpoint.infos.push_back(*info);
    checkpoint.infos.back().file = index;
  }
  return checkpoint;
}

Result<SafetensorsCheckpoint> SafetensorsCheckpoint::openSingle(const std::string &folder) {
  YUPANA_ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::open(folder + "/" + singleName));
  SafetensorsCheckpoint checkpoint;
  checkpoint.folderPath = folder;
  checkpoint.infos = file.tensors();
  checkpoint.shards.push_back(std::move(file));
  return checkpoint;
}

bool SafetensorsCheckpoint::existsIn(const std::string &folder) {
  // A folder that cannot be listed holds none; who opens it says why.
  std::error_code ended;
  for (std::filesystem::directory_iterator entry(folder, ended), end; !ended && entry != end; entry.increment(ended))
    if (entry->path().extension() == ".safetensors")
      return true;
  return false;
}

/// True if the index gives a tensor to the single file.
static bool namesSingleFile(const Result<std::map<std::string, std::string>> &weightMap) {
  return weightMap && std::any_of(weightMap->begin(), weightMap->end(),
                                  [](const auto &entry) { return entry.second == singleName; });
}

Result<SafetensorsCheckpoint> SafetensorsCheckpoint::open(const std::string &folder) {
  std::string indexPath = folder + "/" + indexName;
  bool hasSingle = pathExists(folder + "/" + singleName);
  if (!pathExists(indexPath))
    return hasSingle ? openSingle(folder) : Result<SafetensorsCheckpoint>(explainMissingWeights(folder));
  YUPANA_ASSIGN_OR_RETURN(std::string text, readWholeFile(indexPath, maxSafetensorsHeader));
  // The index is parsed first, since only its content tells whether the single file is one of its shards. A broken
  // one beside a single file does no harm: transformers would not open it there.
  Result<std::map<std::string, std::string>> weightMap = parseSafetensorsIndex(text, indexPath);
  if (hasSingle && !namesSingleFile(weightMap)) {
    YUPANA_ASSIGN_OR_RETURN(SafetensorsCheckpoint checkpoint, openSingle(folder));
    checkpoint.sentences.push_back(
        fmt::format("{}: is not used, since {} stands beside it and counts first", indexPath, singleName));
    return checkpoint;
  }
  YUPANA_RETURN_IF_ERROR(weightMap);
  return openShards(folder, *weightMap);
}

const TensorInfo *SafetensorsCheckpoint::find(std::string_view name) const { return findByName(infos, name); }

Result<void> SafetensorsCheckpoint::read(const TensorInfo &tensor, uint64_t byteOffset, void *destination,
                                         uint64_t size) const {
  return shards[tensor.file].read(tensor, byteOffset, destination, size);
}
