// SPDX-License-Identifier: Apache-2.0
//
// Writes a plan file from a module at the plan level. The module holds every decision; the exporter gives each its
// place in the file and streams the weights from the checkpoint through their chains into their packed forms.
#ifndef YUPANA_COMPILER_EXPORT_EXPORT_H
#define YUPANA_COMPILER_EXPORT_EXPORT_H

#include "compiler/Support/Error.h"

#include "mlir/IR/BuiltinOps.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace yupana {

/// Element types of tensors that the exporter reads.
enum class SourceElement : uint8_t { F32, F16, BF16 };

/// Bytes of one element.
constexpr uint64_t sourceElementBytes(SourceElement element) { return element == SourceElement::F32 ? 4 : 2; }

/// A stored tensor: little-endian elements, row-major, without gaps.
struct SourceTensor {
  SourceElement element = SourceElement::F32;
  std::vector<uint64_t> shape;  ///< Outermost first.
  const void *handle = nullptr; ///< The source's own; passed back to read().
};

/// Where tensors come from, by name. All members may be called by several threads at once.
class TensorSource {
public:
  virtual ~TensorSource() = default;
  /// ExitCode::InvalidInput when there is no tensor of that name, ExitCode::Unsupported for another element type.
  virtual Result<SourceTensor> find(std::string_view name) const = 0;
  /// Copies bytes [offset, offset + size) of the tensor to `destination`.
  virtual Result<void> read(const SourceTensor &tensor, uint64_t offset, void *destination, uint64_t size) const = 0;
};

/// What a plan holds beside what the module says.
struct ExportInputs {
  /// Who made the plan: "yupana 0.1.0".
  std::string producer;
  /// The bytes of runtime/schema/tokenizer.h; empty for a model without a tokenizer.
  std::vector<uint8_t> tokenizer;
};

class OutputFile;

/// What becomes of the weights that come from tensors. Tables are always written.
enum class ExportWeights {
  Written,
  Digested, ///< Left out; the plan has a digest of each.
  Sized,    ///< Left out; no tensor is read.
};

struct ExportOptions {
  /// Replaced when the plan is complete, never before: until then the bytes are in a temporary file beside it.
  std::string outputPath;
  /// Threads that make weights; at least 1. The file does not depend on it.
  unsigned jobs = 1;
  /// Told how many bytes of weights of how many are written; false stops the export with ExitCode::Interrupted. Called
  /// by one thread at a time, several times a second. May be empty.
  std::function<bool(uint64_t done, uint64_t total)> progress;
  ExportWeights weights = ExportWeights::Written;
  /// Asked about the plan of `bytes` bytes in `file` before the first weight is made, with all but the weights in it,
  /// and again when it is complete and about to get its name. An error stops the export. May be empty.
  std::function<Result<void>(const OutputFile &file, uint64_t bytes)> check;
};

struct ExportSummary {
  uint64_t fileBytes = 0;
  uint64_t weightBytes = 0;  ///< Of all weights in the file as packed, without the padding between them.
  uint64_t missingBytes = 0; ///< Of those that were left out, as packed.
  uint64_t weights = 0;
};

/// Writes the plan. `module` holds one `plan.model`, `plan.weight`s with the `lm.weight` or `lm.table` each names,
/// `plan.cache_group`s, and `plan.target`s whose kernels have images; weights and groups are numbered in the order they
/// stand. The same module and tensors give the same bytes.
///
/// ExitCode::InvalidInput when a tensor is missing or differs from what its weight says, ExitCode::Unsupported for an
/// element type that no packed form has, ExitCode::MissingFile when a tensor cannot be read or the output cannot be
/// created, ExitCode::OutOfSpace when the disk is full or the output exists and is no file, ExitCode::Interrupted,
/// ExitCode::Internal when the module says what a plan cannot hold. After an error nothing is left of the file, and one
/// that stood at `outputPath` still does.
Result<ExportSummary> exportPlan(mlir::ModuleOp module, const TensorSource &source, const ExportInputs &inputs,
                                 const ExportOptions &options);

} // namespace yupana

#endif // YUPANA_COMPILER_EXPORT_EXPORT_H
