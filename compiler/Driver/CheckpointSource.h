// SPDX-License-Identifier: Apache-2.0
#ifndef YUPANA_COMPILER_DRIVER_CHECKPOINTSOURCE_H
#define YUPANA_COMPILER_DRIVER_CHECKPOINTSOURCE_H

#include "compiler/Export/Export.h"
#include "frontends/Safetensors/Safetensors.h"

#include <deque>
#include <map>

namespace yupana {

/// Which values of a tensor are refused.
enum class RefusedValues {
  None,
  NonFinite,      ///< NaN and infinity.
  NotFiniteInBF16 ///< Those, and what bfloat16 rounds to infinity.
};

/// The tensors of a safetensors checkpoint, which must outlive it, as the exporter reads them. Values are looked at as
/// they are read: ExitCode::InvalidInput, with tensor and element, for one that is refused.
class CheckpointSource : public TensorSource {
public:
  CheckpointSource(const SafetensorsCheckpoint &checkpoint, RefusedValues refused)
      : checkpoint(checkpoint), refused(refused) {}

  Result<SourceTensor> find(std::string_view name) const override;
  Result<void> read(const SourceTensor &tensor, uint64_t offset, void *destination, uint64_t size) const override;

private:
  const SafetensorsCheckpoint &checkpoint;
  RefusedValues refused;
};

/// Tensors that are declared and have no data: of weights that are sized but not written. `tensors` must outlive it.
class DeclaredSource : public TensorSource {
public:
  explicit DeclaredSource(const std::deque<TensorInfo> &tensors);

  Result<SourceTensor> find(std::string_view name) const override;
  Result<void> read(const SourceTensor &tensor, uint64_t offset, void *destination, uint64_t size) const override;

private:
  std::map<std::string_view, const TensorInfo *> byName;
};

/// No tensors at all: for modules whose weights are all computed.
class NoTensors : public TensorSource {
public:
  Result<SourceTensor> find(std::string_view name) const override;
  Result<void> read(const SourceTensor &, uint64_t, void *, uint64_t) const override;
};

} // namespace yupana

#endif // YUPANA_COMPILER_DRIVER_CHECKPOINTSOURCE_H
