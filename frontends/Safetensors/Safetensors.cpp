// SPDX-License-Identifier: Apache-2.0
//
// Opens files and folders of tensors. Every size in a header is held against the size of the file before memory is
// taken for it or anything is read. With an index a tensor is where the index says, and a shard's name must be a plain
// file name, since an index from elsewhere could otherwise have any file of the system read.

#include "frontends/Safetensors/Safetensors.h"

#include "compiler/Support/CheckedMath.h"
#include "compiler/Support/Json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>

using namespace yupana;

static constexpr uint64_t headerLengthBytes = 8;

static const TensorInfo *findByName(const std::vector<TensorInfo> &infos, std::string_view name) {
  auto found = std::lower_bound(infos.begin(), infos.end(), name,
                                [](const TensorInfo &info, std::string_view key) { return info.name < key; });
  return found != infos.end() && found->name == name ? &*found : nullptr;
}

Result<SafetensorsFile> SafetensorsFile::open(std::string path) {
  YUPANA_ASSIGN_OR_RETURN(InputFile file, InputFile::open(std::move(path)));
  if (file.size() < headerLengthBytes)
    return makeError(ExitCode::InvalidInput, "{}: has {} bytes, a safetensors file has at least {}", file.path(),
                     file.size(), headerLengthBytes);
  unsigned char prefix[headerLengthBytes];
  YUPANA_RETURN_IF_ERROR(file.readAt(0, prefix, sizeof prefix));
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
  YUPANA_ASSIGN_OR_RETURN(std::vector<TensorInfo> infos, parseSafetensorsHeader(header, headerLengthBytes + headerBytes,
                                                                                rest - headerBytes, file.path()));
  return SafetensorsFile(std::move(file), std::move(infos));
}

const TensorInfo *SafetensorsFile::find(std::string_view name) const { return findByName(infos, name); }

Result<void> SafetensorsFile::read(const TensorInfo &tensor, uint64_t byteOffset, void *destination,
                                   uint64_t size) const {
  if (!rangeInside(byteOffset, size, tensor.bytes))
    return makeError(ExitCode::Internal, "{}: bytes [{}, +{}) wanted of tensor {}, which has {}", path(), byteOffset,
                     size, inQuotes(tensor.name), tensor.bytes);
  return file.readAt(tensor.offset + byteOffset, destination, size);
}

static bool isPlainFileName(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find_first_of(std::string_view("/\\\0", 3)) == name.npos;
}

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

Result<SafetensorsCheckpoint> SafetensorsCheckpoint::openShards(const std::string &folder,
                                                                const std::map<std::string, std::string> &weightMap) {
  std::map<std::string, uint32_t> shardIndex;
  for (const auto &[tensor, shard] : weightMap)
    shardIndex.emplace(shard, 0);

  SafetensorsCheckpoint checkpoint;
  checkpoint.folderPath = folder;
  checkpoint.shards.reserve(shardIndex.size());
  for (auto &[shard, index] : shardIndex) {
    index = static_cast<uint32_t>(checkpoint.shards.size());
    YUPANA_ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::open(folder + "/" + shard));
    checkpoint.shards.push_back(std::move(file));
  }
  for (const auto &[tensor, shard] : weightMap) {
    uint32_t index = shardIndex[shard];
    const TensorInfo *info = checkpoint.shards[index].find(tensor);
    if (!info)
      return makeError(ExitCode::InvalidInput, "{}: has no tensor {}, which the index of the checkpoint expects there",
                       checkpoint.shards[index].path(), inQuotes(tensor));
    checkpoint.infos.push_back(*info);
    checkpoint.infos.back().file = index;
  }
  return checkpoint;
}

bool SafetensorsCheckpoint::existsIn(const std::string &folder) {
  std::error_code ended;
  for (std::filesystem::directory_iterator entry(folder, ended), end; !ended && entry != end; entry.increment(ended))
    if (entry->path().extension() == ".safetensors")
      return true;
  return false;
}

Result<SafetensorsCheckpoint> SafetensorsCheckpoint::open(const std::string &folder) {
  std::string indexPath = folder + "/model.safetensors.index.json";
  if (pathExists(indexPath)) {
    YUPANA_ASSIGN_OR_RETURN(std::string text, readWholeFile(indexPath, maxSafetensorsHeader));
    YUPANA_ASSIGN_OR_RETURN(auto weightMap, parseSafetensorsIndex(text, indexPath));
    return openShards(folder, weightMap);
  }
  std::string singlePath = folder + "/model.safetensors";
  if (!pathExists(singlePath))
    return makeError(ExitCode::MissingFile, "{}: holds neither model.safetensors nor model.safetensors.index.json",
                     folder);
  YUPANA_ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::open(singlePath));
  SafetensorsCheckpoint checkpoint;
  checkpoint.folderPath = folder;
  checkpoint.infos = file.tensors();
  checkpoint.shards.push_back(std::move(file));
  return checkpoint;
}

const TensorInfo *SafetensorsCheckpoint::find(std::string_view name) const { return findByName(infos, name); }

Result<void> SafetensorsCheckpoint::read(const TensorInfo &tensor, uint64_t byteOffset, void *destination,
                                         uint64_t size) const {
  return shards[tensor.file].read(tensor, byteOffset, destination, size);
}
