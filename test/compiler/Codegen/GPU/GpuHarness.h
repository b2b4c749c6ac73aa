// SPDX-License-Identifier: Apache-2.0
//
// Compiles kernel-level text for a GPU and runs the PTX on the interpreter, with all its checks.
#ifndef YUPANA_TEST_COMPILER_CODEGEN_GPU_GPUHARNESS_H
#define YUPANA_TEST_COMPILER_CODEGEN_GPU_GPUHARNESS_H

#include "../CPU/CodegenHarness.h"
#include "tools/simdriver/PtxSim.h"

namespace yupana::test {

/// Memory of a test that a kernel is given: a copy of it lies on the device while the kernel runs.
struct Memory {
  template <typename T> Memory(Array<T> &array) : data(array.begin()), bytes(array.size() * sizeof(T)) {}
  Memory(const Numbers &numbers) : data(numbers), bytes(numbers.bytes()) {}
  /// The first bytes of another's.
  Memory first(size_t count) const { return Memory(data, count); }

  void *data;
  size_t bytes;

private:
  Memory(void *data, size_t bytes) : data(data), bytes(bytes) {}
};

/// The tile64x128 form of [experts][outputs][depth], written out.
template <typename T> Array<T> packTiles(const Array<T> &weights, int64_t experts, int64_t outputs, int64_t depth) {
  constexpr int64_t columns = 128 / sizeof(T), chunk = 16 / sizeof(T);
  int64_t tiles = (outputs + 63) / 64, steps = (depth + columns - 1) / columns;
  Array<T> packed(experts * tiles * steps * 64 * columns);
  std::fill(packed.begin(), packed.end(), T());
  for (int64_t e = 0; e < experts; ++e)
    for (int64_t n = 0; n < outputs; ++n)
      for (int64_t k = 0; k < depth; ++k) {
        int64_t tile = (e * tiles + n / 64) * steps + k / columns, place = (k % columns / chunk) ^ (n % 8);
        packed[(tile * 64 + n % 64) * columns + place * chunk + k % chunk] = weights[(e * outputs + n) * depth + k];
      }
  return packed;
}

/// The rows of two halves, [outputs][depth] each, `run` rows of one and of the other in turn; zero where there are
/// none.
Array<float> interleave(const Array<float> &first, const Array<float> &second, int64_t outputs, int64_t depth,
                        int64_t run);

/// Σ of `count` values as every sum over lanes adds it: 32 partial sums, then a tree.
float warpSum(const float *values, int64_t count);

/// Σ input[k] · weight[k] over ascending k in fused multiply-adds: the order of float32.
float ascendingChain(const float *input, const float *weight, int64_t depth);

/// A compiled library of a GPU. Kernels have no config and no grid: they get those that the target chooses for steps of
/// at most `maxTokens` tokens.
class GpuLibrary {
public:
  /// `kernels` are kernel.func ops. A failure ends the test.
  GpuLibrary(const std::string &target, const std::string &kernels, int64_t maxTokens);

  /// Runs all cells of a kernel in a step of these sizes. What it wrote is in the arguments' memory afterwards; a
  /// report of the interpreter fails the test.
  void run(const std::string &symbol, const std::vector<Memory> &arguments, Sizes sizes, uint64_t seed = 1);
  const std::string &ptx(const std::string &symbol) const { return kernels.at(symbol).ptx; }

private:
  struct Kernel {
    std::string ptx;
    ptx::Module module;
    uint32_t threads = 0, sharedBytes = 0;
    std::vector<kernel::GridTerm> grid;
  };
  std::map<std::string, Kernel> kernels;
};

} // namespace yupana::test

#endif // YUPANA_TEST_COMPILER_CODEGEN_GPU_GPUHARNESS_H
