// SPDX-License-Identifier: Apache-2.0
//
// Runs kernels of PTX text on the CPU, one instruction for 32 lanes at a time, and checks what a GPU would not tell:
// races, accesses out of bounds, values that nobody wrote, copies that nobody waited for, deadlocks.
//
//   ptx::Device device;
//   ptx::Module module;
//   if (ptx::Report fault = module.parse(text)) ...                      // text of a .ptx file
//   uint64_t x = device.upload(std::vector<float>{1, 2, 3});
//   ptx::Report fault = device.launch(module, "kernel", {4, 128}, {x, 3});
//   std::vector<float> y = device.download<float>(x, 3);
#ifndef YUPANA_TOOLS_SIMDRIVER_PTXSIM_H
#define YUPANA_TOOLS_SIMDRIVER_PTXSIM_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace yupana::ptx {

struct Options {
  /// Orders warps, blocks and the ends of asynchronous copies. The same seed gives the same run.
  uint64_t seed = 1;
  /// Happens-before on shared and global memory. Without it blocks run on `workers` threads.
  bool races = true;
  /// Values that nobody wrote, followed through registers until one decides a branch, an address or a result.
  bool undefined = true;
  unsigned workers = 2;
  unsigned multiprocessors = 4;
  /// Bytes of device memory, reserved and not touched until used.
  uint64_t memory = uint64_t{4} << 30;
  /// Ten times the compute capability, as in sm_90.
  unsigned capability = 90;
  /// Warp instructions without a store, a barrier or an end anywhere in the launch, after which it counts as hung.
  uint64_t patience = uint64_t{1} << 24;

  /// From the YUPANA_SIM_* variables of the environment, which tools/simdriver/README.md lists.
  static Options fromEnvironment();
};

enum class Fault {
  None,
  Syntax,      ///< Text that is no PTX.
  Unsupported, ///< PTX that this interpreter does not know.
  Launch,      ///< More threads, shared memory or parameters than the kernel or the device takes.
  OutOfBounds,
  Misaligned,
  Race,
  Undefined, ///< A value that nobody wrote, or whose copy nobody waited for.
  Deadlock,
  Misuse, ///< An instruction used against the manual: a collective without all lanes, an overrun barrier.
  Trap,
};

/// What went wrong, in one paragraph that names kernel, line and text of the instruction, address space, warps.
struct Report {
  Fault fault = Fault::None;
  std::string message;
  explicit operator bool() const { return fault != Fault::None; }
};

struct Statistics {
  uint64_t warpInstructions = 0, laneInstructions = 0, matrixInstructions = 0, blocks = 0;
  void add(const Statistics &other);
};

struct Program;

/// What the driver says of a function.
struct KernelInfo {
  std::vector<uint32_t> parameterBytes;
  std::vector<uint32_t> parameterOffsets;
  uint32_t staticShared = 0;
  uint32_t maxThreads = 1024;        ///< Of .maxntid or .reqntid.
  uint32_t registers = 0;            ///< Declared 32-bit registers at most 255; not what ptxas would use.
  std::array<uint32_t, 3> cluster{}; ///< The blocks of a cluster, or zeros: the launch says.
  bool needsCluster = false;         ///< The kernel or the launch must say it.
  uint32_t mostClusterBlocks = 0;    ///< 0: not said.
};

/// The kernels of one PTX text. Immutable once parsed; shared by copies.
class Module {
public:
  /// Takes one text of PTX. On an error the module is empty.
  Report parse(std::string_view text);
  bool contains(std::string_view kernel) const { return find(kernel) != nullptr; }
  std::vector<std::string> kernels() const;
  /// Null if there is no kernel of that name.
  const KernelInfo *info(std::string_view kernel) const;
  /// The number in `.target sm_NN`, and whether a letter follows it.
  unsigned target() const { return targetNumber; }
  bool targetIsExact() const { return exactTarget; }
  /// Ten times the number behind `.version`.
  unsigned version() const { return versionNumber; }
  std::shared_ptr<const Program> find(std::string_view kernel) const;

private:
  std::vector<std::shared_ptr<const Program>> programs;
  unsigned targetNumber = 0, versionNumber = 0;
  bool exactTarget = false;
};

/// Shared memory that a block may have, of all kinds together, on a device of a compute capability such as 90.
uint32_t mostSharedBytes(unsigned capability);

struct LaunchShape {
  uint32_t grid = 1, threads = 32;
  uint32_t sharedBytes = 0; ///< Dynamic shared memory.
  uint32_t gridY = 1, gridZ = 1;
  /// With programmatic stream serialization: it may begin before the launch that the device was given last has ended.
  bool dependent = false;
  /// The blocks of a cluster in each direction. Zeros: what the kernel says, or one.
  std::array<uint32_t, 3> cluster{};
};

/// Whether the device runs a kernel in clusters as `shape` asks, which is made to say how.
Report resolveCluster(const KernelInfo &info, unsigned capability, LaunchShape &shape);
/// The most blocks of a cluster that every device of capability 9.0 runs.
constexpr uint64_t mostClusterBlocks = 8;

/// One device: its memory and its launches. One thread at a time.
class Device {
public:
  explicit Device(const Options &options = {});
  ~Device();
  Device(const Device &) = delete;

  const Options &options() const;
  Options &options();

  /// 256-byte aligned, contents undefined; 0 if there is no room. Addresses are no host pointers.
  uint64_t allocate(size_t bytes);
  /// False if no allocation begins there.
  bool release(uint64_t address);
  size_t allocated() const;
  size_t allocations() const;
  /// True if [address, address + bytes) lies within one allocation.
  bool contains(uint64_t address, size_t bytes) const;
  /// Start and length of the allocation that holds an address, or zeros.
  std::pair<uint64_t, size_t> range(uint64_t address) const;

  /// False if the range does not lie within one allocation.
  bool write(uint64_t address, const void *data, size_t bytes);
  /// Also false if part of the range was never written, unless `undefined` is off or `evenUndefined`.
  bool read(void *data, uint64_t address, size_t bytes, bool evenUndefined = false);
  bool fill(uint64_t address, const void *pattern, size_t patternBytes, size_t count);
  bool copy(uint64_t to, uint64_t from, size_t bytes);

  template <class T> uint64_t upload(const std::vector<T> &values) {
    uint64_t address = allocate(values.size() * sizeof(T));
    write(address, values.data(), values.size() * sizeof(T));
    return address;
  }
  /// Empty if `read` would fail.
  template <class T> std::vector<T> download(uint64_t address, size_t count, bool evenUndefined = false) {
    std::vector<T> values(count);
    if (!read(values.data(), address, count * sizeof(T), evenUndefined))
      values.clear();
    return values;
  }

  /// Runs a kernel to its end. `arguments`: one value per parameter, its low bytes used.
  Report launch(const Module &module, std::string_view kernel, const LaunchShape &shape,
                const std::vector<uint64_t> &arguments, Statistics *statistics = nullptr);
  /// `parameters`: the bytes of all parameters at their offsets.
  Report launch(const Program &program, const LaunchShape &shape, const std::vector<uint8_t> &parameters,
                Statistics *statistics = nullptr);

private:
  struct State;
  std::unique_ptr<State> state;
};

} // namespace yupana::ptx

#endif // YUPANA_TOOLS_SIMDRIVER_PTXSIM_H
