// SPDX-License-Identifier: Apache-2.0
//
// What a folder is that is not a checkpoint. Only names and first bytes are looked at: this finds the sentence that
// helps, it decides about no file that is read later.
#include "frontends/Safetensors/Safetensors.h"

#include "compiler/Support/FileKind.h"
#include "compiler/Support/Json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>

using namespace yupana;
namespace fs = std::filesystem;

namespace {

constexpr const char *configName = "config.json";
constexpr const char *adapterConfigName = "adapter_config.json";

/// Weights in formats that are not read, by the ends of their names.
struct OtherFormat {
  std::string_view ending;
  std::string_view what;
};
constexpr OtherFormat otherFormats[] = {
    {".gguf", "GGUF, made for llama.cpp"},
    {".bin", "PyTorch's .bin; load it with transformers and save it with save_pretrained, which writes safetensors"},
    {".pth", "Meta's own .pth; transformers has a script that converts it"},
    {".pt", "PyTorch's .pt; load it with transformers and save it with save_pretrained, which writes safetensors"},
    {".onnx", "ONNX"},
    {".h5", "TensorFlow's .h5"},
    {".msgpack", "Flax's .msgpack"},
};

bool endsWith(std::string_view text, std::string_view ending) {
  return text.size() >= ending.size() && text.substr(text.size() - ending.size()) == ending;
}

/// Sorted, so that a sentence about one of them is the same on every file system.
std::vector<std::string> namesIn(const std::string &folder) {
  std::vector<std::string> names;
  std::error_code ended;
  for (fs::directory_iterator entry(folder, ended), end; !ended && entry != end; entry.increment(ended))
    names.push_back(entry->path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

/// A file where a folder is expected. A whole file of another kind is what the user meant to compile, and not
/// supported; one that is broken, or a file of the folder, is a path that was mistyped.
Error explainFile(const std::string &path) {
  constexpr std::string_view expected = "a folder with config.json and safetensors, as Hugging Face has them";
  Result<InputFile> file = InputFile::open(path);
  if (!file)
    return file.takeError();
  char start[fileKindBytes];
  // Enough for every signature; the file may have terabytes.
  size_t length = std::min<uint64_t>(file->size(), sizeof start);
  if (Result<void> read = file->readAt(0, start, length); !read)
    return read.takeError();
  std::optional<FileKind> kind = recognizeFileKind(std::string_view(start, length));
  if (kind && kind->isWhole)
    return makeError(ExitCode::Unsupported, "{}: is {}, expected {}", path, kind->what, expected);
  Error otherwise = makeError(ExitCode::MissingFile, "{}: is a file, expected {}", path, expected);
  return explainFileKind(std::string_view(start, length), path, expected, std::move(otherwise));
}

/// The base model that an adapter names, for the message. It does not matter what is wrong with the file: the folder is
/// refused all the same.
std::string baseOf(const std::string &path) {
  Result<std::string> text = readWholeFile(path, uint64_t{1} << 20);
  Result<nlohmann::json> config = text ? parseJson(*text, path) : Result<nlohmann::json>(text.takeError());
  if (!config || !config->is_object())
    return "its base model";
  auto base = config->find("base_model_name_or_path");
  return base != config->end() && base->is_string() ? inQuotes(base->get_ref<const std::string &>()) : "its base model";
}

} // namespace

Error yupana::explainMissingWeights(const std::string &folder) {
  for (const std::string &name : namesIn(folder))
    for (const OtherFormat &format : otherFormats)
      // transformers' Trainer leaves training_args.bin beside weights of every format; there are none in it.
      if (endsWith(name, format.ending) && name != "training_args.bin")
        return makeError(ExitCode::Unsupported, "{}: holds no safetensors, but {}, weights in another format: {}",
                         folder, inQuotes(name), format.what);
  return makeError(ExitCode::MissingFile, "{}: holds neither model.safetensors nor model.safetensors.index.json",
                   folder);
}

Result<void> yupana::checkCheckpointFolder(const std::string &folder) {
  std::error_code error;
  fs::file_status status = fs::status(folder, error);
  if (!fs::exists(status))
    return makeError(ExitCode::MissingFile, "{}: cannot be opened: {}", folder,
                     error ? error.message() : "No such file or directory");
  if (!fs::is_directory(status))
    return explainFile(folder);
  std::string adapter = folder + "/" + adapterConfigName;
  // peft writes the config beside the adapter; where it was not copied, the name of the weights tells.
  bool adapterAlone =
      (pathExists(folder + "/adapter_model.safetensors") || pathExists(folder + "/adapter_model.bin")) &&
      !pathExists(folder + "/model.safetensors") && !pathExists(folder + "/model.safetensors.index.json");
  // An adapter beside a whole model is refused as well: transformers would apply it, and the results would differ.
  if (pathExists(adapter) || adapterAlone)
    return makeError(ExitCode::InvalidInput,
                     "{}: holds a LoRA adapter for {}, which is not part of any weight yet; merge the two (peft: "
                     "merge_and_unload) and compile the folder that this saves",
                     folder, baseOf(adapter));
  if (!pathExists(folder + "/" + configName)) {
    // The hub's client keeps a repository as blobs/, refs/ and snapshots/COMMIT/.
    if (fs::is_directory(folder + "/snapshots", error))
      return makeError(ExitCode::MissingFile,
                       "{}: holds no config.json; it is the hub's cache of a repository, whose checkpoints are the "
                       "folders in {}/snapshots",
                       folder, folder);
    // Weights in another format say more about the folder than the config that it lacks.
    Error weights = explainMissingWeights(folder);
    if (weights.code == ExitCode::Unsupported && !SafetensorsCheckpoint::existsIn(folder))
      return weights;
    return makeError(ExitCode::MissingFile, "{}/{}: cannot be opened: No such file or directory", folder, configName);
  }
  return {};
}
