// SPDX-License-Identifier: Apache-2.0
//
// Compiles kernel-level text and runs it in this process, in uneven ranges of cells.
#ifndef YUPANA_TEST_COMPILER_UNIT_CODEGENHARNESS_H
#define YUPANA_TEST_COMPILER_UNIT_CODEGENHARNESS_H

#include "compiler/Codegen/CPU/CodegenCPU.h"
#include "compiler/Target/Target.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace yupana::test {

/// Memory as the runtime gives it to kernels: 64-byte aligned, with 64 readable bytes after its end, filled with values
/// that would be noticed (no numbers) wherever nothing was written.
template <typename T> class Array {
public:
  explicit Array(size_t count) : count(count) {
    bytes = (count * sizeof(T) + 64 + 63) / 64 * 64;
    memory.reset(static_cast<T *>(std::aligned_alloc(64, bytes)));
    std::memset(static_cast<void *>(memory.get()), 0xff, bytes);
  }
  Array(std::initializer_list<T> values) : Array(values.size()) { std::copy(values.begin(), values.end(), begin()); }

  T *begin() { return memory.get(); }
  T *end() { return begin() + count; }
  const T *begin() const { return memory.get(); }
  const T *end() const { return begin() + count; }
  size_t size() const { return count; }
  T &operator[](size_t i) { return memory.get()[i]; }
  const T &operator[](size_t i) const { return memory.get()[i]; }
  operator void *() const { return memory.get(); }
  bool operator==(const Array &other) const {
    return count == other.count && !std::memcmp(begin(), other.begin(), count * sizeof(T));
  }
  /// Is everything beyond the last element as it was?
  bool tailIntact() const {
    auto *raw = reinterpret_cast<const unsigned char *>(begin());
    for (size_t i = count * sizeof(T); i < bytes; ++i)
      if (raw[i] != 0xff)
        return false;
    return true;
  }

private:
  struct Free {
    void operator()(T *pointer) const { std::free(pointer); }
  };
  size_t count, bytes;
  std::unique_ptr<T, Free> memory;
};

/// Numbers around zero, none of them zero.
Array<float> randomArray(size_t count, uint32_t seed, float scale = 1);

/// The panel32 form of [experts][outputs][depth].
Array<float> packPanels(const Array<float> &weights, int64_t experts, int64_t outputs, int64_t depth);

/// Sizes of a step.
struct Sizes {
  uint32_t tokens = 0, sequences = 0, rows = 0;
};

/// A compiled library, loaded.
class Library {
public:
  explicit Library(const std::string &elf, int64_t scratchBytes = 0);
  ~Library();

  /// Does the cells [0, cells) of a kernel in ranges of odd sizes, the last range first. Scratch memory holds no
  /// numbers before each.
  void run(const std::string &symbol, std::vector<void *> arguments, Sizes sizes, uint32_t cells) const;

private:
  void *handle = nullptr;
  int descriptor = -1;
  int64_t scratchBytes;
};

/// The text of a library: `kernels` are kernel.func ops in which `#kernel.x86<%TILE%, rows = 8>` gets the
/// target and its register tile.
std::string libraryText(const std::string &target, const std::string &kernels);

/// Compiles libraryText(). An error of the compiler is returned.
Result<codegen::CompiledLibrary> compile(const std::string &target, const std::string &kernels,
                                         const codegen::CpuCodegenOptions &options = {});

/// Compiles and loads; a failure ends the test.
std::unique_ptr<Library> load(const std::string &target, const std::string &kernels);

/// The targets this machine runs.
std::vector<std::string> runnableTargets();
/// All of them.
std::vector<std::string> allTargets();

/// Bit pattern of a float, for comparisons that count.
inline uint32_t bitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}

/// What a disassembler says about an ELF file.
std::string disassemble(const std::string &elf);

} // namespace yupana::test

#endif // YUPANA_TEST_COMPILER_UNIT_CODEGENHARNESS_H
