// SPDX-License-Identifier: Apache-2.0
//
// What must hold before a plan gets its name: it opens, and it is of the checkpoint that is there.
#ifndef YUPANA_COMPILER_DRIVER_FINALCHECKS_H
#define YUPANA_COMPILER_DRIVER_FINALCHECKS_H

#include "compiler/Export/OutputFile.h"
#include "frontends/Llama4/Config.h"

#include <map>
#include <string>

namespace yupana {

/// The files of a checkpoint that a compiler may read, as they are when this is made: sizes and times of modification.
class CheckpointState {
public:
  /// A folder that cannot be listed has no files: whoever opens the checkpoint tells what is wrong with it.
  explicit CheckpointState(const std::string &folder);

  /// ExitCode::InvalidInput when a file has been written to or replaced since, ExitCode::MissingFile when it is gone.
  Result<void> checkUnchanged() const;

private:
  struct FileState {
    uint64_t size = 0;
    int64_t seconds = 0, nanoseconds = 0; ///< When it was modified.
  };
  static bool look(const std::string &path, FileState &state);

  std::map<std::string, FileState> files;
};

/// Has the runtime's reader open the plan of `bytes` bytes in `file`, which will be at `path`. ExitCode::Unsupported
/// when it refuses it: the model is beyond what a plan can hold.
Result<void> readBack(const OutputFile &file, uint64_t bytes, const std::string &path);

/// What a plan can hold of a model, as far as its configuration tells: found before the work. ExitCode::Unsupported.
Result<void> checkFitsPlan(const std::string &folder, const llama4::ModelConfig &config);

/// ExitCode::Usage unless `name` is one that a plan can hold: UTF-8 without control characters, at most 4096 bytes.
Result<void> checkModelName(const std::string &name);

} // namespace yupana

#endif // YUPANA_COMPILER_DRIVER_FINALCHECKS_H
