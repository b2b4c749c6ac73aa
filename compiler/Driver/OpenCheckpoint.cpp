// SPDX-License-Identifier: Apache-2.0
//
// Opening a checkpoint reads its configuration and the headers of its tensors and checks one against the other, so that
// all that can be wrong with a checkpoint, except a disk that fails, is found before anything is compiled. Keeping
// outputs off inputs compares files by device and inode: a link or another spelling of a path is the same file.

#include "compiler/Driver/OpenCheckpoint.h"

#include "compiler/Driver/CheckpointSource.h"
#include "compiler/Support/File.h"
#include "compiler/Support/Printable.h"
#include "compiler/Support/SameFile.h"
#include "runtime/schema/format.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/JSON.h"

#include <algorithm>
#include <filesystem>

using namespace yupana;

void yupana::note(const Observer &observer, const std::string &sentence) {
  if (observer.note)
    observer.note(sentence);
}

ExportOptions yupana::exportOptionsFor(const std::string &output, unsigned jobs, const Observer &observer,
                                       const CheckpointState *before) {
  ExportOptions options;
  options.outputPath = output;
  options.jobs = jobs;
  options.progress = [&observer](uint64_t done, uint64_t total) {
    if (observer.progress)
      observer.progress(done, total);
    return !observer.isCancelled || !observer.isCancelled();
  };
  // Called twice, without the weights and with them: a checkpoint that has changed is noticed before they are written,
  // too.
  options.check = [output, before](const OutputFile &file, uint64_t bytes) -> Result<void> {
    YUPANA_RETURN_IF_ERROR(before ? before->checkUnchanged() : Result<void>());
    return readBack(file, bytes, output);
  };
  return options;
}

std::string yupana::modelName(const std::string &folder) {
  // Absolute, so that "." has a name; normal, so that "folder/.." has; not canonical, since links are named on purpose.
  std::filesystem::path path = std::filesystem::absolute(folder).lexically_normal();
  if (!path.has_filename())
    path = path.parent_path();
  std::string name = path.filename().string();
  // models--ORGANISATION--NAME/snapshots/REVISION, where the last folder has a hash for its name.
  constexpr llvm::StringRef prefix = "models--", separator = "--";
  if (path.parent_path().filename() == "snapshots") {
    std::string folderOfRepository = path.parent_path().parent_path().filename().string();
    llvm::StringRef repository = folderOfRepository;
    if (repository.consume_front(prefix)) {
      auto [organisation, model] = repository.split(separator);
      name = model.empty() ? organisation.str() : model.str();
    }
  }
  return withoutControls(llvm::json::fixUTF8(name));
}

std::unique_ptr<TensorSource> OpenedCheckpoint::source(const std::string &precision, bool allowNonFinite) const {
  if (tensors)
    return std::make_unique<CheckpointSource>(*tensors, allowNonFinite        ? RefusedValues::None
                                                        : precision == "bf16" ? RefusedValues::NotFiniteInBF16
                                                                              : RefusedValues::NonFinite);
  return std::make_unique<DeclaredSource>(*text.declared);
}

llama4::ImportOptions OpenedCheckpoint::importOptions(const std::string &precision, const std::string &name) const {
  // Told by what is there, since configurations of exports need not name their class.
  bool conditional = config.hasVision || !text.prefix.empty();
  return {name.empty() ? modelName(folder) : name, conditional ? "Llama4ForConditionalGeneration" : "Llama4ForCausalLM",
          precision == "bf16" ? llama4::Precision::BF16 : llama4::Precision::F32};
}

Result<OpenedCheckpoint> yupana::openCheckpoint(const std::string &folder, bool mayLackTensors,
                                                const Observer &observer) {
  OpenedCheckpoint opened;
  opened.folder = folder;
  YUPANA_RETURN_IF_ERROR(checkCheckpointFolder(folder));
  YUPANA_ASSIGN_OR_RETURN(opened.config, llama4::readModelConfig(folder));
  // Tensors that are there are looked at even if their values are not stored: the plan then has a digest of each
  // weight.
  if (mayLackTensors && !SafetensorsCheckpoint::existsIn(folder)) {
    YUPANA_ASSIGN_OR_RETURN(opened.text, llama4::declareTextTensors(opened.config));
    opened.text.notes.push_back(fmt::format("{}: holds no tensors, so names and forms are taken to be as transformers "
                                            "writes them{}",
                                            folder,
                                            opened.config.text.weightType ? ""
                                                                          : ", and their type, which config.json "
                                                                            "does not name, to be BF16"));
  } else {
    YUPANA_ASSIGN_OR_RETURN(SafetensorsCheckpoint tensors, SafetensorsCheckpoint::open(folder));
    opened.tensors = std::make_unique<SafetensorsCheckpoint>(std::move(tensors));
    for (const std::string &sentence : opened.tensors->notes())
      note(observer, sentence);
    YUPANA_ASSIGN_OR_RETURN(opened.text, llama4::findTextTensors(opened.config.text, *opened.tensors));
  }
  // Notes come last: a folder whose tensors are refused has one sentence, which is the error.
  for (const std::string &sentence : opened.config.notes)
    note(observer, sentence);
  for (const std::string &sentence : opened.text.notes)
    note(observer, sentence);
  return opened;
}

/// True if the file is a plan, of whatever version; false for one that cannot be read.
static bool isPlan(const std::string &path) {
  uint8_t magic[sizeof(schema::kMagic)];
  Result<InputFile> file = InputFile::open(path);
  return file && file->readAt(0, magic, sizeof(magic)) &&
         std::equal(std::begin(magic), std::end(magic), std::begin(schema::kMagic));
}

Result<std::vector<std::string>> yupana::filesOf(const std::string &folder) {
  namespace fs = std::filesystem;
  std::vector<std::string> files;
  std::error_code ended;
  // A listing that ends early could leave a file unseen, and overwritten: that is an error.
  for (fs::directory_iterator entry(folder, ended), end; !ended && entry != end; entry.increment(ended))
    if (std::string path = entry->path(); !isPlan(path))
      files.push_back(std::move(path));
  if (ended)
    return makeError(ExitCode::MissingFile, "{}: cannot be listed: {}", folder, ended.message());
  std::sort(files.begin(), files.end());
  return files;
}

Result<void> yupana::keepInputs(const std::string &output, const std::vector<std::string> &inputs) {
  if (std::optional<std::string> sentence = findOverwrittenInput(output, inputs))
    return Error{ExitCode::Usage, *sentence};
  return {};
}
