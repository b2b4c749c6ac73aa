// SPDX-License-Identifier: Apache-2.0
//
// The reader of plans has bounds and rules of its own, and a plan that it refuses is worth nothing however long it took
// to make. So the reader itself is asked, about the bytes that were written and before they replace an older plan; once
// without the weights, so that the answer comes before they are made, and once at the end. The bounds that a
// configuration alone can exceed are looked at first, since their message can name the field.

#include "compiler/Driver/FinalChecks.h"

#include "compiler/Support/Printable.h"
#include "runtime/include/yupana/yupana.h"
#include "runtime/plan/bounds.h"

#include "llvm/Support/JSON.h"

#include <algorithm>
#include <filesystem>
#include <sys/stat.h>

using namespace yupana;

/// False for what is no regular file. Nanoseconds count, since a file may be written twice within a second.
bool CheckpointState::look(const std::string &path, FileState &state) {
  struct stat status;
  if (stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode))
    return false;
  state = {static_cast<uint64_t>(status.st_size), status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
  return true;
}

/// Plans, logs and the like in the folder may change: only names of the kinds that are read are kept.
CheckpointState::CheckpointState(const std::string &folder) {
  namespace fs = std::filesystem;
  static constexpr std::string_view kinds[] = {".safetensors", ".json", ".model", ".jinja"};
  std::error_code ended;
  for (fs::directory_iterator entry(folder, ended), end; !ended && entry != end; entry.increment(ended)) {
    std::string path = entry->path(), kind = entry->path().extension();
    FileState state;
    if (std::find(std::begin(kinds), std::end(kinds), kind) != std::end(kinds) && look(path, state))
      files.emplace(std::move(path), state);
  }
}

Result<void> CheckpointState::checkUnchanged() const {
  for (const auto &[path, before] : files) {
    FileState now;
    if (!look(path, now))
      return makeError(ExitCode::MissingFile, "{}: was there when compiling began and is gone, so no plan was written",
                       path);
    if (now.size != before.size)
      return makeError(ExitCode::InvalidInput,
                       "{}: changed while it was compiled, from {} to {} bytes, so no plan was written; compile again",
                       path, before.size, now.size);
    if (now.seconds != before.seconds || now.nanoseconds != before.nanoseconds)
      return makeError(ExitCode::InvalidInput,
                       "{}: was modified while it was compiled, so no plan was written; compile again", path);
  }
  return {};
}

static int readOutput(void *user, void *destination, uint64_t bytes, uint64_t offset) {
  return static_cast<const OutputFile *>(user)->readAt(offset, destination, bytes).ok();
}

Result<void> yupana::readBack(const OutputFile &file, uint64_t bytes, const std::string &path) {
  yupana_reader_t reader = {};
  reader.size = sizeof(reader);
  reader.user = const_cast<OutputFile *>(&file);
  reader.name = path.c_str();
  reader.total = bytes;
  reader.read = readOutput;
  yupana_plan_t *plan = nullptr;
  yupana_status_t status;
  yupana_status_code_t code = yupana_plan_open(&reader, nullptr, &plan, &status);
  if (code == YUPANA_STATUS_OK)
    return yupana_plan_release(plan), Result<void>();
  // What the compiler wrote is not well-formed by the reader's rules: a bound that the model exceeds.
  if (code == YUPANA_STATUS_INVALID_DATA)
    return makeError(ExitCode::Unsupported, "{}; the plan of this model is beyond what is read, so none was written",
                     status.message);
  return Error{static_cast<ExitCode>(yupana_status_exit_code(code)), status.message};
}

Result<void> yupana::checkFitsPlan(const std::string &folder, const llama4::ModelConfig &config) {
  if (config.text.layers.size() > runtime::kMaxLayers)
    return makeError(ExitCode::Unsupported, "{}/config.json: num_hidden_layers is {}, a plan holds at most {}", folder,
                     config.text.layers.size(), runtime::kMaxLayers);
  if (size_t count = config.stopTokens().size(); count > runtime::kMaxStopTokens)
    return makeError(ExitCode::Unsupported,
                     "{}: eos_token_id names {} tokens in config.json and generation_config.json, a plan holds at most "
                     "{}",
                     folder, count, runtime::kMaxStopTokens);
  return {};
}

/// The reader's rule for every string of a plan, held against the option before anything is compiled.
Result<void> yupana::checkModelName(const std::string &name) {
  if (name.size() > runtime::kMaxStringBytes)
    return makeError(ExitCode::Usage, "--name has {} bytes, expected at most {}", name.size(),
                     runtime::kMaxStringBytes);
  if (!llvm::json::isUTF8(name) || withoutControls(name) != name)
    return makeError(ExitCode::Usage, "--name is {}, expected UTF-8 without control characters", inQuotes(name));
  return {};
}
