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
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace yupana::test {

/// Memory as the runtime gives it to kernels: 64-byte aligned, with 64 readable bytes after its end, filled with values
/// that would be noticed (NaN) wherever nothing was written.
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
  /// True if everything beyond the last element is as it was.
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

/// The panel32 form of [experts][outputs][depth]; panel32x2 with a `unit` of 2.
template <typename T>
Array<T> packPanels(const Array<T> &weights, int64_t experts, int64_t outputs, int64_t depth, int64_t unit = 1) {
  int64_t panels = (outputs + 31) / 32, steps = (depth + unit - 1) / unit;
  Array<T> packed(experts * panels * steps * 32 * unit);
  std::fill(packed.begin(), packed.end(), T());
  for (int64_t e = 0; e < experts; ++e)
    for (int64_t n = 0; n < outputs; ++n)
      for (int64_t k = 0; k < depth; ++k)
        packed[(((e * panels + n / 32) * steps + k / unit) * 32 + n % 32) * unit + k % unit] =
            weights[(e * outputs + n) * depth + k];
  return packed;
}

//===----------------------------------------------------------------------===//
// bfloat16 and float32, as a processor that flushes to zero has them
//===----------------------------------------------------------------------===//

/// Rounded to nearest even; NaN stays NaN.
uint16_t roundToBF16(float value);
float widenBF16(uint16_t bits);
Array<uint16_t> roundToBF16(const Array<float> &values);
Array<float> widenBF16(const Array<uint16_t> &bits);

/// Numbers as kernels store them, and what they are worth.
class Numbers {
public:
  /// Rounds `values` where `isBF16`.
  Numbers(const Array<float> &values, bool isBF16);

  float operator[](size_t i) const { return values[i]; }
  const float *at(size_t i) const { return &values[i]; }
  operator void *() const { return isBF16 ? static_cast<void *>(half) : static_cast<void *>(values); }
  size_t size() const { return values.size(); }
  size_t bytes() const { return values.size() * (isBF16 ? 2 : 4); }
  /// In panels, with columns in pairs where bfloat16.
  Numbers packed(int64_t experts, int64_t outputs, int64_t depth) const;

private:
  bool isBF16;
  Array<float> values;
  Array<uint16_t> half;
};

/// x · y + z, rounded once, with inputs and result flushed to zero.
float flushedFMA(float x, float y, float z);

/// A target and what weights and activations are stored in.
struct Form {
  std::string target;
  bool isBF16;

  const char *element() const { return isBF16 ? "bf16" : "f32"; }
  const char *layout() const { return isBF16 ? "panel32x2" : "panel32"; }
  /// True if products are computed in tile registers.
  bool usesTiles() const { return isBF16 && findTarget(target)->cpu().bf16Tile; }
};

/// Σ input[k] · weight[k] as a GEMM adds it: over ascending k, in bfloat16 over pairs of k, the odd one first; in tile
/// registers over blocks of 32 k, of each the even ones, the odd ones, and their sum.
float chain(const float *input, const float *weight, int64_t depth, const Form &form);

/// Σ of `count` values as every horizontal sum adds it: 16 partial sums, then a tree.
float treeSum(const float *values, int64_t count);

/// Sizes of a step.
struct Sizes {
  uint32_t tokens = 0, sequences = 0, rows = 0;
};

/// A compiled library, loaded. Kernels run as a worker of the runtime runs them: denormal numbers are flushed to zero,
/// and scratch memory holds anything but in its first bytes, which are zero when a launch begins.
class Library {
public:
  explicit Library(const codegen::CompiledLibrary &library);
  ~Library();

  /// True if kernels run as the runtime's workers do, with subnormal operands and results read and written as 0.
  bool flushesSubnormals = true;

  /// The scratch memory of a worker of a kernel as a launch finds it, behind its first bytes without numbers.
  Array<unsigned char> scratchOf(const std::string &symbol) const;

  /// Does the cells [0, cells) of a kernel in ranges of odd sizes, the last range first. Every other range is done by
  /// one worker, which keeps its scratch memory, and each of the rest by a worker of its own, whose memory holds no
  /// numbers.
  void run(const std::string &symbol, std::vector<void *> arguments, Sizes sizes, uint32_t cells) const;
  /// Does the cells [first, last), on a worker of its own or on that whose scratch memory is given.
  void runRange(const std::string &symbol, const std::vector<void *> &arguments, Sizes sizes, uint32_t first,
                uint32_t last) const;
  void runRange(const std::string &symbol, const std::vector<void *> &arguments, Sizes sizes, uint32_t first,
                uint32_t last, Array<unsigned char> &scratch) const;

private:
  std::map<std::string, uint64_t> scratchBytes;
  void *handle = nullptr;
  int descriptor = -1;
};

/// The text of a library: `kernels` are kernel.func ops in which `#kernel.x86<%TILE%, rows = 8>` gets the
/// target and the tile of its products, of bfloat16 if there are weights of it.
std::string libraryText(const std::string &target, const std::string &kernels);

/// Compiles libraryText(). An error of the compiler is returned.
Result<codegen::CompiledLibrary> compile(const std::string &target, const std::string &kernels,
                                         const codegen::CodegenOptions &options = {}, const std::string &lldPath = "");

/// Compiles and loads; a failure ends the test.
std::unique_ptr<Library> load(const std::string &target, const std::string &kernels);

/// The targets of the CPU that this machine runs.
std::vector<std::string> runnableTargets();

/// Both for each of the targets this machine runs.
std::vector<Form> runnableForms();

/// Names of parameterised tests.
std::string nameOf(const testing::TestParamInfo<std::string> &target);
std::string nameOf(const testing::TestParamInfo<Form> &form);
/// Those of all targets of the CPU.
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
