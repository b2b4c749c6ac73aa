// SPDX-License-Identifier: Apache-2.0
#ifndef YUPANA_TEST_EXPORT_TESTSOURCE_H
#define YUPANA_TEST_EXPORT_TESTSOURCE_H

#include "compiler/Driver/Compilation.h"
#include "compiler/Export/Export.h"
#include "dialects/Plan/IR/Plan.h"

#include "mlir/Parser/Parser.h"

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>

namespace yupana::test {

/// Tensors in memory.
class TestSource : public TensorSource {
public:
  struct Tensor {
    SourceElement element;
    std::vector<uint64_t> shape;
    std::vector<uint8_t> bytes;
  };
  std::map<std::string, Tensor, std::less<>> tensors;

  Result<SourceTensor> find(std::string_view name) const override {
    auto found = tensors.find(name);
    if (found == tensors.end())
      return makeError(ExitCode::InvalidInput, "no tensor {}", name);
    return SourceTensor{found->second.element, found->second.shape, &found->second};
  }

  Result<void> read(const SourceTensor &tensor, uint64_t offset, void *destination, uint64_t size) const override {
    const auto &bytes = static_cast<const Tensor *>(tensor.handle)->bytes;
    if (offset > bytes.size() || size > bytes.size() - offset)
      return makeError(ExitCode::Internal, "read of [{}, {} + {}) of {} bytes", offset, offset, size, bytes.size());
    std::memcpy(destination, bytes.data() + offset, size);
    return {};
  }
};

/// A context with every dialect.
class TestContext {
public:
  TestContext() : context(mlir::MLIRContext::Threading::DISABLED) { loadDialects(context); }
  mlir::OwningOpRef<mlir::ModuleOp> parse(const std::string &text) {
    return mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  }
  mlir::MLIRContext context;
};

/// A folder of its own that goes away with what is in it.
class TemporaryFolder {
public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "yupana-export-XXXXXX").string();
    if (mkdtemp(pattern.data()))
      folder = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
  std::string operator/(const std::string &name) const { return (folder / name).string(); }
  const std::filesystem::path &path() const { return folder; }

private:
  std::filesystem::path folder;
};

} // namespace yupana::test

#endif // YUPANA_TEST_EXPORT_TESTSOURCE_H
