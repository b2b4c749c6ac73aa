// SPDX-License-Identifier: Apache-2.0
//
// The tensors of a checkpoint as the exporter reads them, and two stand-ins: tensors that a configuration alone
// declares, which have sizes to plan with and no data, and none at all, for hand-written plans whose weights are
// computed. Reading from a stand-in is a fault of the compiler, so it is an internal error; asking a plan-level file
// without a checkpoint for a tensor is the user's.

#include "compiler/Driver/CheckpointSource.h"

using namespace yupana;

/// `place` names where the tensor is, for the error.
static Result<SourceTensor> describe(const TensorInfo &info, std::string_view place) {
  SourceTensor tensor{SourceElement::F32, info.shape, &info};
  switch (info.type) {
  case StoredType::F32:
    return tensor;
  case StoredType::F16:
    tensor.element = SourceElement::F16;
    return tensor;
  case StoredType::BF16:
    tensor.element = SourceElement::BF16;
    return tensor;
  default:
    return makeError(ExitCode::Unsupported, "{}: tensor {} has type {}, expected F32, F16 or BF16", place,
                     inQuotes(info.name), storedTypeName(info.type));
  }
}

Result<SourceTensor> CheckpointSource::find(std::string_view name) const {
  const TensorInfo *info = checkpoint.find(name);
  if (!info)
    return makeError(ExitCode::InvalidInput, "{}: has no tensor {}", checkpoint.folder(), inQuotes(name));
  return describe(*info, checkpoint.pathOf(*info));
}

Result<void> CheckpointSource::read(const SourceTensor &tensor, uint64_t offset, void *destination,
                                    uint64_t size) const {
  return checkpoint.read(*static_cast<const TensorInfo *>(tensor.handle), offset, destination, size);
}

DeclaredSource::DeclaredSource(const std::deque<TensorInfo> &tensors) {
  for (const TensorInfo &info : tensors)
    byName.emplace(info.name, &info);
}

Result<SourceTensor> DeclaredSource::find(std::string_view name) const {
  auto found = byName.find(name);
  if (found == byName.end())
    return makeError(ExitCode::Internal, "tensor {} was not declared", inQuotes(name));
  return describe(*found->second, "config.json");
}

Result<void> DeclaredSource::read(const SourceTensor &, uint64_t, void *, uint64_t) const {
  return makeError(ExitCode::Internal, "a declared tensor has no data to read");
}

Result<SourceTensor> NoTensors::find(std::string_view name) const {
  return makeError(ExitCode::InvalidInput,
                   "the module reads tensor {}, but there is no checkpoint; expected tables (lm.table) alone",
                   inQuotes(name));
}

Result<void> NoTensors::read(const SourceTensor &, uint64_t, void *, uint64_t) const {
  return makeError(ExitCode::Internal, "there is no checkpoint to read from");
}
