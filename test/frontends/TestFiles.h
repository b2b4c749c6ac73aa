// SPDX-License-Identifier: Apache-2.0
//
// Temporary folders and hand-made safetensors files for the tests of the frontends.
#ifndef YUPANA_TEST_FRONTENDS_TESTFILES_H
#define YUPANA_TEST_FRONTENDS_TESTFILES_H

#include "compiler/Support/Error.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace yupana::test {

/// A folder that is removed with its content at the end of its scope.
class TemporaryFolder {
public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "yupana-test-XXXXXX").string();
    folder = ::mkdtemp(name.data());
  }
  TemporaryFolder(const TemporaryFolder &) = delete;
  TemporaryFolder &operator=(const TemporaryFolder &) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(folder); }

  const std::string &path() const { return folder; }
  std::string path(std::string_view name) const { return folder + "/" + std::string(name); }

  /// Writes `content` to the file of that name and returns its path.
  std::string write(std::string_view name, std::string_view content) const {
    std::ofstream(path(name), std::ios::binary) << content;
    return path(name);
  }

private:
  std::string folder;
};

/// `value` as eight little-endian bytes.
inline std::string littleEndian64(uint64_t value) {
  std::string out;
  for (unsigned i = 0; i < 8; ++i)
    out += static_cast<char>(value >> (8 * i));
  return out;
}

/// A safetensors file with this header and `dataBytes` bytes of data, 0, 1, 2, ...
inline std::string container(std::string_view header, size_t dataBytes) {
  std::string out = littleEndian64(header.size()) + std::string(header);
  for (size_t i = 0; i < dataBytes; ++i)
    out += static_cast<char>(i);
  return out;
}

struct NamedTensor {
  std::string name;
  std::string type;
  std::vector<uint64_t> shape;
  unsigned elementBytes;
};

/// A safetensors file that holds these tensors, one after the other, of data as in container().
inline std::string containerOf(const std::vector<NamedTensor> &tensors) {
  std::string header = "{";
  uint64_t end = 0;
  for (const NamedTensor &tensor : tensors) {
    uint64_t begin = end, bytes = tensor.elementBytes;
    for (uint64_t dimension : tensor.shape)
      bytes *= dimension;
    end += bytes;
    header += fmt::format(R"({}"{}":{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})", header == "{" ? "" : ",",
                          tensor.name, tensor.type, fmt::join(tensor.shape, ","), begin, end);
  }
  return container(header + "}", end);
}

/// Expects `result` to be an error of that code whose message contains every one of `fragments`.
template <typename T>
void expectError(const Result<T> &result, ExitCode code, const std::vector<std::string> &fragments) {
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(static_cast<int>(result.error().code), static_cast<int>(code)) << result.error().message;
  for (const std::string &fragment : fragments)
    EXPECT_NE(result.error().message.find(fragment), std::string::npos)
        << "no " << fragment << " in: " << result.error().message;
}

/// The folder of checkpoints that the tests share.
inline std::string modelFolder(std::string_view name) {
  return std::string(YUPANA_TEST_MODELS) + "/" + std::string(name);
}

} // namespace yupana::test

#endif // YUPANA_TEST_FRONTENDS_TESTFILES_H
