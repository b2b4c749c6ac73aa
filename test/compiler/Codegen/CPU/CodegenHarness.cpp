// SPDX-License-Identifier: Apache-2.0
#include "CodegenHarness.h"

#include "compiler/Codegen/CPU/Choices.h"
#include "runtime/device/cpu/levels.h"
#include "runtime/schema/format.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <dlfcn.h>
#include <immintrin.h>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

using namespace yupana;
using namespace yupana::test;

Array<float> test::randomArray(size_t count, uint32_t seed, float scale) {
  std::mt19937 generator(seed);
  Array<float> result(count);
  for (float &value : result) {
    do
      value = (static_cast<float>(generator() >> 8) * 0x1p-23f - 1) * scale;
    while (value == 0);
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Numbers
//===----------------------------------------------------------------------===//

uint16_t test::roundToBF16(float value) {
  if (std::isnan(value))
    return static_cast<uint16_t>(bitsOf(value) >> 16 | 0x40);
  uint32_t bits = bitsOf(value), below = bits & 0xffff, above = bits >> 16;
  bool up = below > 0x8000 || (below == 0x8000 && above % 2 == 1);
  return static_cast<uint16_t>(above + up);
}

float test::widenBF16(uint16_t bits) {
  uint32_t wide = uint32_t{bits} << 16;
  float value;
  std::memcpy(&value, &wide, 4);
  return value;
}

Array<uint16_t> test::roundToBF16(const Array<float> &values) {
  Array<uint16_t> rounded(values.size());
  for (size_t i = 0; i < values.size(); ++i)
    rounded[i] = roundToBF16(values[i]);
  return rounded;
}

Array<float> test::widenBF16(const Array<uint16_t> &bits) {
  Array<float> widened(bits.size());
  for (size_t i = 0; i < bits.size(); ++i)
    widened[i] = widenBF16(bits[i]);
  return widened;
}

Numbers::Numbers(const Array<float> &given, bool isBF16)
    : isBF16(isBF16), values(given.size()), half(isBF16 ? roundToBF16(given) : Array<uint16_t>(0)) {
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = isBF16 ? widenBF16(half[i]) : given[i];
}

Numbers Numbers::packed(int64_t experts, int64_t outputs, int64_t depth) const {
  return Numbers(packPanels(values, experts, outputs, depth, isBF16 ? 2 : 1), isBF16);
}

static float flushed(float value) {
  return std::fpclassify(value) == FP_SUBNORMAL ? std::copysign(0.0f, value) : value;
}

float test::flushedFMA(float x, float y, float z) { return flushed(std::fmaf(flushed(x), flushed(y), flushed(z))); }

float test::chain(const float *input, const float *weight, int64_t depth, const Form &form) {
  float sum = 0;
  if (form.usesTiles()) {
    for (int64_t begin = 0; begin < depth; begin += 32) {
      float halves[2] = {};
      for (int64_t k = begin; k < std::min(begin + 32, depth); ++k)
        halves[k % 2] = flushedFMA(input[k], weight[k], halves[k % 2]);
      sum = flushed(sum + flushed(halves[0] + halves[1]));
    }
    return sum;
  }
  if (!form.isBF16) {
    for (int64_t k = 0; k < depth; ++k)
      sum = flushedFMA(input[k], weight[k], sum);
    return sum;
  }
  for (int64_t k = 0; k < depth; k += 2) {
    bool whole = k + 1 < depth;
    sum = flushedFMA(whole ? input[k + 1] : 0, whole ? weight[k + 1] : 0, sum);
    sum = flushedFMA(input[k], weight[k], sum);
  }
  return sum;
}

float test::treeSum(const float *values, int64_t count) {
  float partial[16] = {};
  for (int64_t i = 0; i < count; ++i)
    partial[i % 16] += values[i];
  for (int64_t half = 8; half > 0; half /= 2)
    for (int64_t i = 0; i < half; ++i)
      partial[i] += partial[i + half];
  return partial[0];
}

//===----------------------------------------------------------------------===//
// Libraries
//===----------------------------------------------------------------------===//

Library::Library(const codegen::CompiledLibrary &library) {
  for (const codegen::LibraryKernel &kernel : library.kernels)
    scratchBytes[kernel.symbol] = kernel.scratchBytes;
  descriptor = memfd_create("kernels", MFD_CLOEXEC);
  ssize_t size = static_cast<ssize_t>(library.images[0].bytes.size());
  if (descriptor < 0 || write(descriptor, library.images[0].bytes.data(), library.images[0].bytes.size()) != size)
    ADD_FAILURE() << "the library cannot be written";
  handle = dlopen(("/proc/self/fd/" + std::to_string(descriptor)).c_str(), RTLD_NOW | RTLD_LOCAL);
  EXPECT_NE(handle, nullptr) << dlerror();
}

Library::~Library() {
  if (handle)
    dlclose(handle);
  if (descriptor >= 0)
    close(descriptor);
}

Array<unsigned char> Library::scratchOf(const std::string &symbol) const {
  Array<unsigned char> scratch(scratchBytes.at(symbol)); // NaN, and a tail that is watched
  std::fill_n(scratch.begin(), std::min<size_t>(scratch.size(), schema::kLaunchScratchBytes), 0);
  return scratch;
}

void Library::runRange(const std::string &symbol, const std::vector<void *> &arguments, Sizes sizes, uint32_t first,
                       uint32_t last) const {
  Array<unsigned char> scratch = scratchOf(symbol);
  runRange(symbol, arguments, sizes, first, last, scratch);
}

void Library::runRange(const std::string &symbol, const std::vector<void *> &arguments, Sizes sizes, uint32_t first,
                       uint32_t last, Array<unsigned char> &scratch) const {
  using Kernel = void (*)(void *const *, const uint32_t *, uint32_t, uint32_t, void *);
  auto kernel = reinterpret_cast<Kernel>(handle ? dlsym(handle, symbol.c_str()) : nullptr);
  ASSERT_NE(kernel, nullptr) << symbol;
  const uint32_t dims[] = {sizes.tokens, sizes.sequences, sizes.rows};
  constexpr unsigned flushToZeroAndDenormalsAreZero = 0x8040;
  unsigned before = _mm_getcsr();
  _mm_setcsr(before | (flushesSubnormals ? flushToZeroAndDenormalsAreZero : 0));
  kernel(arguments.data(), dims, first, last, scratch);
  _mm_setcsr(before);
  EXPECT_TRUE(scratch.tailIntact()) << symbol << " wrote behind its scratch memory";
}

void Library::run(const std::string &symbol, std::vector<void *> arguments, Sizes sizes, uint32_t cells) const {
  std::vector<std::pair<uint32_t, uint32_t>> ranges;
  for (uint32_t first = 0, length = 1; first < cells; first += length, length = length * 2 + 1)
    ranges.push_back({first, std::min(cells, first + length)});
  Array<unsigned char> kept = scratchOf(symbol);
  for (auto [i, range] : llvm::enumerate(llvm::reverse(ranges)))
    if (i % 2)
      runRange(symbol, arguments, sizes, range.first, range.second, kept);
    else
      runRange(symbol, arguments, sizes, range.first, range.second);
}

std::string test::libraryText(const std::string &target, const std::string &kernels) {
  std::string text = "kernel.library @library target \"" + target + "\" {\n" + kernels + "\n}\n";
  for (size_t at; (at = text.find("%TILE%")) != std::string::npos;) {
    std::string_view kernel = std::string_view(text).substr(text.rfind("kernel.func", at));
    bool isBF16 = kernel.substr(0, kernel.find("kernel.func", 1)).find("panel32x2") != std::string_view::npos;
    codegen::X86Choice tile = codegen::chooseGemm(findTarget(target)->cpu(), isBF16);
    text.replace(at, 6, fmt::format("\"{}\", tile = {} x {}", target, tile.tileRows, tile.tileColumns));
  }
  return text;
}

Result<codegen::CompiledLibrary> test::compile(const std::string &target, const std::string &kernels,
                                               const codegen::CodegenOptions &options, const std::string &lldPath) {
  mlir::DialectRegistry registry;
  registry.insert<mlir::arith::ArithDialect, mlir::math::MathDialect, kernel::KernelDialect>();
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  auto module = mlir::parseSourceString<mlir::ModuleOp>(libraryText(target, kernels), mlir::ParserConfig(&context));
  if (!module)
    return makeError(ExitCode::Internal, "the kernels of the test do not parse");
  return codegen::compileCpuLibrary(*module->getOps<kernel::LibraryOp>().begin(), *findTarget(target), options,
                                    lldPath);
}

std::unique_ptr<Library> test::load(const std::string &target, const std::string &kernels) {
  codegen::CodegenOptions options;
  options.jobs = std::max(1u, std::thread::hardware_concurrency());
  Result<codegen::CompiledLibrary> compiled = compile(target, kernels, options);
  if (!compiled) {
    ADD_FAILURE() << compiled.error().message;
    std::abort();
  }
  return std::make_unique<Library>(*compiled);
}

std::vector<std::string> test::allTargets() {
  std::vector<std::string> names;
  for (const auto &backEnd : codegen::backEnds())
    if (backEnd->getTarget().isCpu())
      names.push_back(backEnd->getName().str());
  return names;
}

/// Asks the system for the registers of a level, which no code may use before.
static bool mayRun(const Target &target) {
  int level = runtime::find_cpu_level(std::string(target.name).c_str());
  return level >= 0 && runtime::permit_cpu_level(static_cast<uint32_t>(level));
}

std::vector<std::string> test::runnableTargets() {
  std::vector<std::string> names;
  for (const auto &backEnd : codegen::backEnds())
    if (backEnd->getTarget().isCpu() && backEnd->runsHere() && mayRun(backEnd->getTarget()))
      names.push_back(backEnd->getName().str());
  return names;
}

std::vector<Form> test::runnableForms() {
  std::vector<Form> forms;
  for (const std::string &target : runnableTargets())
    for (bool isBF16 : {false, true})
      forms.push_back({target, isBF16});
  return forms;
}

static std::string inWord(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

std::string test::nameOf(const testing::TestParamInfo<std::string> &target) { return inWord(target.param); }

std::string test::nameOf(const testing::TestParamInfo<Form> &form) {
  return inWord(form.param.target) + "_in_" + form.param.element();
}

std::string test::disassemble(const std::string &elf) {
  std::string path = testing::TempDir() + "yupana-test-XXXXXX";
  int descriptor = mkstemp(path.data());
  EXPECT_EQ(write(descriptor, elf.data(), elf.size()), static_cast<ssize_t>(elf.size()));
  close(descriptor);
  std::string command = std::string(YUPANA_OBJDUMP) + " -d --no-show-raw-insn " + path, text;
  FILE *pipe = popen(command.c_str(), "r");
  char buffer[4096];
  for (size_t count; pipe && (count = fread(buffer, 1, sizeof(buffer), pipe)) > 0;)
    text.append(buffer, count);
  if (pipe)
    pclose(pipe);
  unlink(path.c_str());
  return text;
}
