// SPDX-License-Identifier: Apache-2.0
//
// The tensors of a checkpoint as the exporter reads them, and two stand-ins: tensors that a configuration alone
// declares, which have sizes to plan with and no data, and none at all, for hand-written plans whose weights are
// computed. Reading from a stand-in is a fault of the compiler, so it is an internal error; asking a plan-level file
// without a checkpoint for a tensor is the user's.

#include "compiler/Driver/CheckpointSource.h"

#include <algorithm>
#include <cstring>

using namespace yupana;

namespace {

/// Magnitudes are compared as integers, which order finite values, infinity and NaN, in this order, as their bits do: a
/// loop of unsigned comparisons is far faster than the disk.
template <typename Bits> size_t findAtLeast(const uint8_t *bytes, size_t count, Bits magnitudeMask, Bits limit) {
  constexpr size_t block = 4096;
  auto magnitude = [&](size_t index) {
    Bits bits;
    std::memcpy(&bits, bytes + index * sizeof bits, sizeof bits);
    return static_cast<Bits>(bits & magnitudeMask);
  };
  // Block by block, so that the first loop has no branch and becomes vector code; the second runs in at most one block.
  for (size_t start = 0; start < count; start += block) {
    size_t end = std::min(count, start + block);
    Bits largest = 0;
    for (size_t i = start; i < end; ++i)
      largest = std::max(largest, magnitude(i));
    for (size_t i = start; largest >= limit && i < end; ++i)
      if (magnitude(i) >= limit)
        return i;
  }
  return count;
}

/// The first of `count` elements that is refused; `count` without one.
size_t findRefused(StoredType type, const uint8_t *bytes, size_t count, RefusedValues refused) {
  // Half of the last place of bfloat16 above its largest number: from there on it rounds to infinity.
  constexpr uint32_t infinityF32 = 0x7f800000, roundsUpF32 = 0x7f7f8000;
  switch (type) {
  case StoredType::F32:
    return findAtLeast<uint32_t>(bytes, count, 0x7fffffff,
                                 refused == RefusedValues::NonFinite ? infinityF32 : roundsUpF32);
  case StoredType::F16:
    return findAtLeast<uint16_t>(bytes, count, 0x7fff, 0x7c00);
  case StoredType::BF16:
    return findAtLeast<uint16_t>(bytes, count, 0x7fff, 0x7f80);
  default:
    return count;
  }
}

/// What a refused element is, for the message. NaN has a larger magnitude than infinity, compared as integers.
std::string_view valueName(StoredType type, const uint8_t *element) {
  uint32_t bits = 0;
  std::memcpy(&bits, element, type == StoredType::F32 ? 4 : 2);
  uint32_t sign = type == StoredType::F32 ? 0x80000000 : 0x8000, magnitude = bits & (sign - 1);
  uint32_t infinity = type == StoredType::F32 ? 0x7f800000 : type == StoredType::F16 ? 0x7c00 : 0x7f80;
  if (magnitude > infinity)
    return "NaN";
  if (magnitude < infinity)
    return "a number that bf16 rounds to infinity";
  return bits & sign ? "-Inf" : "Inf";
}

} // namespace

/// `place` names where the tensor is, for the error. The handle is the tensor itself, which outlives what is read from
/// it.
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
  const auto &info = *static_cast<const TensorInfo *>(tensor.handle);
  YUPANA_RETURN_IF_ERROR(checkpoint.read(info, offset, destination, size));
  if (refused == RefusedValues::None)
    return {};
  const auto *bytes = static_cast<const uint8_t *>(destination);
  size_t elementBytes = storedTypeBits(info.type) / 8, count = size / elementBytes;
  size_t index = findRefused(info.type, bytes, count, refused);
  if (index == count)
    return {};
  return makeError(ExitCode::InvalidInput,
                   "{}: tensor {} has {} as element {}, expected finite numbers; --allow-nonfinite takes it as it is",
                   checkpoint.pathOf(info), inQuotes(info.name), valueName(info.type, bytes + index * elementBytes),
                   offset / elementBytes + index);
}

/// The names are those of `tensors`, whose elements stay where they are.
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
