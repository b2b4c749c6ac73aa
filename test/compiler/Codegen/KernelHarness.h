// SPDX-License-Identifier: Apache-2.0
//
// One fixture for kernels of every target: compiles kernel-level text, runs it in this process or on the interpreter of
// PTX with all its checks, and says how a target stores and adds, for the scalar references.
#ifndef YUPANA_TEST_COMPILER_CODEGEN_KERNELHARNESS_H
#define YUPANA_TEST_COMPILER_CODEGEN_KERNELHARNESS_H

#include "CPU/CodegenHarness.h"
#include "tools/simdriver/PtxSim.h"

namespace yupana::test {

/// Memory of a test that a kernel is given. On a GPU a copy of it lies on the device while the kernel runs.
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

/// The rows of two halves, [experts][outputs][depth] each, `run` rows of one and of the other in turn; zero where there
/// are none.
Array<float> interleave(const Numbers &first, const Numbers &second, int64_t experts, int64_t outputs, int64_t depth,
                        int64_t run);

/// Σ of `count` values as every sum over lanes of a warp adds it: 32 partial sums, then a tree.
float warpSum(const float *values, int64_t count);

/// Σ input[k] · weight[k] over ascending k in fused multiply-adds: the order of float32 on a GPU.
float ascendingChain(const float *input, const float *weight, int64_t depth);

/// What a result has to be, and how far off it may be.
struct Expected {
  double value, tolerance;
};
testing::AssertionResult isNear(float found, Expected expected);

/// How a target stores and adds, with weights and activations of one type.
struct Rules {
  Form form;

  bool isGpu() const { return !findTarget(form.target)->isCpu(); }
  const char *element() const { return form.element(); }
  const char *weightForm() const { return isGpu() ? "tile64x128" : form.layout(); }
  /// Rows of either half of a pair that follow one another.
  int64_t pairRun() const { return isGpu() ? 8 : 16; }
  /// Partial sums of a sum over lanes.
  int64_t partials() const { return isGpu() ? 32 : 16; }
  /// Σ of `count` values as a sum over lanes adds it.
  float sum(const float *values, int64_t count) const;
  /// Σ input[k] · weight[k] as a product adds it. To the bit, but for bfloat16 on a GPU: what a matrix instruction does
  /// inside is the hardware's.
  Expected product(const float *input, const float *weight, int64_t depth) const;
  /// [experts][outputs][depth] in the weight's form.
  Numbers pack(const Numbers &weights, int64_t experts, int64_t outputs, int64_t depth) const;
  Numbers random(size_t count, uint32_t seed, float scale = 1) const {
    return Numbers(randomArray(count, seed, scale), form.isBF16);
  }
};

/// Targets whose kernels differ and whose code tests can run: all of this machine's CPU, and one GPU.
std::vector<std::string> testedTargets();
/// Both types for each of them and for the GPU that has another form of product.
std::vector<Form> testedForms();

/// A compiled library of any target. Kernels have no grid, and a config only where a test wants its own: they get those
/// that the target chooses for steps of at most `maxTokens` tokens. A launched op that has no workspaces gets those
/// that the target wants, behind its other arguments; tests do not see them.
class KernelLibrary {
public:
  /// `kernels` are kernel.func ops. `rowsPerCell`, if it is not 0, takes the place of what the target chooses for maps
  /// and routes. A failure ends the test program.
  KernelLibrary(const std::string &target, const std::string &kernels, int64_t maxTokens, int64_t rowsPerCell = 0);

  /// Runs all cells of a kernel in a step of these sizes. What it wrote is in the arguments' memory afterwards. On a
  /// GPU a report of the interpreter fails the test, and `seed` draws the order in which warps take turns; on a CPU the
  /// cells are done in ranges of odd sizes, the last first.
  void run(const std::string &symbol, const std::vector<Memory> &arguments, Sizes sizes, uint64_t seed = 1);

  /// Of a GPU: the same with `blocks` blocks, whatever the grid is. With `bug`, the kernel has the one text instead of
  /// the other, wherever it stands. `before` names a kernel of the same arguments that is launched first and may still
  /// run when this one begins. Gives what the interpreter reports.
  struct Bug {
    std::string from, to;
  };
  std::string runBlocks(const std::string &symbol, const std::vector<Memory> &arguments, Sizes sizes, uint32_t blocks,
                        uint64_t seed = 1, const Bug *bug = nullptr, const std::string &before = "");

  /// Of a GPU: the PTX of a kernel.
  const std::string &text(const std::string &symbol) const { return device.at(symbol).text; }

  /// Of a CPU: true if subnormal operands and results are read and written as 0.
  void setFlushesSubnormals(bool flushes) {
    if (host)
      host->flushesSubnormals = flushes;
  }

private:
  struct DeviceKernel {
    ptx::Module module;
    std::string text;
    uint32_t threads = 0, sharedBytes = 0;
  };
  /// Memory that a target wants for a kernel, zero before it and after it.
  struct Workspace {
    kernel::GridOp symbol; ///< Of its rows: a size of the step, or a constant.
    int64_t factor, addend, rowBytes;
    size_t bytes(Sizes sizes) const;
  };

  void giveWorkspaces(kernel::FuncOp func, const codegen::BackEnd &backEnd);
  void loadDeviceKernels(const codegen::CompiledLibrary &compiled);
  void runOnDevice(const std::string &symbol, const std::vector<Memory> &arguments, Sizes sizes, uint32_t cells,
                   uint64_t seed);

  std::map<std::string, std::vector<kernel::GridTerm>> grids;
  std::map<std::string, std::vector<Workspace>> workspaces;
  std::unique_ptr<Library> host; ///< Of a CPU.
  std::map<std::string, DeviceKernel> device;
};

} // namespace yupana::test

#endif // YUPANA_TEST_COMPILER_CODEGEN_KERNELHARNESS_H
