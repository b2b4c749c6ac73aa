// SPDX-License-Identifier: Apache-2.0
//
// What the commands that read a checkpoint share: opening it, and keeping outputs off its files.
#ifndef YUPANA_COMPILER_DRIVER_OPENCHECKPOINT_H
#define YUPANA_COMPILER_DRIVER_OPENCHECKPOINT_H

#include "compiler/Driver/Driver.h"
#include "compiler/Driver/FinalChecks.h"
#include "compiler/Export/Export.h"
#include "frontends/Llama4/Import.h"

#include <memory>
#include <string>
#include <vector>

namespace yupana {

/// A checkpoint as far as headers and configuration go.
struct OpenedCheckpoint {
  std::string folder;
  llama4::ModelConfig config;
  std::unique_ptr<SafetensorsCheckpoint> tensors; ///< Where `text` points into; null for a configuration alone.
  llama4::TextTensors text;

  /// The tensors as the exporter reads them for a plan of `precision`; those of a configuration alone have sizes and no
  /// data. Unless `allowNonFinite`, a value that is not finite there is an error when it is read. Valid as long as this
  /// object.
  std::unique_ptr<TensorSource> source(const std::string &precision, bool allowNonFinite) const;
  /// What importing needs to know; `precision` is "f32" or "bf16", an empty `name` stands for modelName(folder).
  llama4::ImportOptions importOptions(const std::string &precision, const std::string &name = "") const;
};

/// What a model in `folder` is called: the repository in a cache of the Hugging Face hub, which has
/// models--ORGANISATION--NAME/snapshots/REVISION, else the folder, as the user wrote it, without following links. Bytes
/// that are not UTF-8, and control characters, become U+FFFD.
std::string modelName(const std::string &folder);

/// Reads the configuration in `folder` and the headers of its tensors, and tells `observer` what was left out. A folder
/// without tensors is an error unless `mayLackTensors`; they are then taken to be as transformers writes them.
Result<OpenedCheckpoint> openCheckpoint(const std::string &folder, bool mayLackTensors, const Observer &observer);

/// The files of a checkpoint: everything in its folder but plans, which were compiled into it and may be compiled
/// again. More than what is read, since what this compiler has no use for is part of the checkpoint, too.
Result<std::vector<std::string>> filesOf(const std::string &folder);

/// ExitCode::Usage when `output` is one of `inputs`.
Result<void> keepInputs(const std::string &output, const std::vector<std::string> &inputs);

/// Options of the exporter that tell `observer` of progress and ask it whether to stop, have the plan read back, and
/// hold the checkpoint to what it was `before`, which is null where there is none. Both must outlive them.
ExportOptions exportOptionsFor(const std::string &output, unsigned jobs, const Observer &observer,
                               const CheckpointState *before = nullptr);

/// Tells the user a sentence.
void note(const Observer &observer, const std::string &sentence);

} // namespace yupana

#endif // YUPANA_COMPILER_DRIVER_OPENCHECKPOINT_H
