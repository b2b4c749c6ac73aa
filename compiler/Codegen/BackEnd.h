// SPDX-License-Identifier: Apache-2.0
//
// A back end: what the passes ask of a target, and what turns its kernels into code. A new one is a folder beside this
// file and a line in BackEnd.cpp.
#ifndef YUPANA_COMPILER_CODEGEN_BACKEND_H
#define YUPANA_COMPILER_CODEGEN_BACKEND_H

#include "compiler/Support/Error.h"
#include "compiler/Target/Target.h"
#include "dialects/Kernel/IR/TargetModel.h"
#include "dialects/Plan/IR/Plan.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace yupana::codegen {

struct CodegenOptions {
  /// How many kernels are compiled at once; at least 1. The result does not depend on it.
  unsigned jobs = 1;
  /// A folder that receives, for every kernel, what it was compiled from and to; named by the kernel's symbol.
  std::optional<std::string> dumpDirectory;
  /// A folder that keeps compiled kernels from one compilation to the next, created when it does not exist. The result
  /// does not depend on what is in it.
  std::optional<std::string> cacheDirectory;
  /// The file that is being made: linkers and assemblers work in a folder beside it, which goes when they are done.
  /// Empty: where the system has temporary files.
  std::string output;
  /// What is written, in this order, of BackEnd::getImageFormats(); empty: the first of them.
  std::vector<plan::ImageFormat> formats;
};

/// Code as a section of a plan holds it.
struct Image {
  plan::ImageFormat format;
  std::string bytes;
};

/// The code of a kernel in one image, and what it takes of a multiprocessor there; 0 on a CPU.
struct KernelImage {
  size_t image; ///< Number of the library's image.
  uint32_t registers = 0, sharedBytes = 0, spillBytes = 0;
};

/// An exported function.
struct LibraryKernel {
  std::string symbol;
  int64_t scratchBytes = 0; ///< What a worker has to give it; 0 on a GPU.
  int64_t sharedBytes = 0;  ///< What a launch adds to the shared memory that the code fixes; 0 on a CPU.
  std::vector<KernelImage> images;
  bool waits = false; ///< For the launch before it; never on a CPU.
};

struct CompiledLibrary {
  std::vector<Image> images;
  std::vector<LibraryKernel> kernels; ///< In the order of the library's kernels.
};

class BackEnd : public kernel::TargetModel {
public:
  explicit BackEnd(const Target &target) : target(target) {}

  llvm::StringRef getName() const final { return target.name; }
  const Target &getTarget() const { return target; }

  /// True if this machine has a device that runs the code.
  virtual bool runsHere() const = 0;

  /// The formats among which whoever compiles may choose, the usual one first; empty where there is one alone.
  virtual llvm::ArrayRef<plan::ImageFormat> getImageFormats() const { return {}; }

  /// Compiles every kernel of `library`, which is for this target. The same library gives the same bytes on every
  /// machine, for every number of jobs and whatever a cache holds. What a kernel asks and the generator lacks is
  /// ExitCode::Unsupported and names the kernel and the op; a tool that cannot be started is ExitCode::MissingFile.
  virtual Result<CompiledLibrary> compileLibrary(kernel::LibraryOp library, const CodegenOptions &options) const = 0;

private:
  const Target &target;
};

/// Every back end, in the order of their targets. The list lives as long as the program.
const std::vector<std::unique_ptr<BackEnd>> &backEnds();

/// Appends a back end that is no part of this compiler. Before any thread compiles.
void addBackEnd(std::unique_ptr<BackEnd> backEnd);

/// The back end of the target called `name`; of "native", the last one whose code this machine runs. A target without
/// one is ExitCode::Unsupported, any other name ExitCode::Usage.
Result<const BackEnd *> lookupBackEnd(std::string_view name);

/// The names of all targets that have a back end with commas between them, for messages and help texts.
std::string listBackEnds();

/// Lets the kernel dialect of every context with this registry answer for all back ends.
void registerBackEnds(mlir::DialectRegistry &registry);

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_BACKEND_H
