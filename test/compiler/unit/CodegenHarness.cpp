// SPDX-License-Identifier: Apache-2.0
#include "CodegenHarness.h"

#include "compiler/Tuning/X86.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <dlfcn.h>
#include <sys/mman.h>
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

Array<float> test::packPanels(const Array<float> &weights, int64_t experts, int64_t outputs, int64_t depth) {
  int64_t panels = (outputs + 31) / 32;
  Array<float> packed(experts * panels * depth * 32);
  std::fill(packed.begin(), packed.end(), 0.0f);
  for (int64_t e = 0; e < experts; ++e)
    for (int64_t n = 0; n < outputs; ++n)
      for (int64_t k = 0; k < depth; ++k)
        packed[((e * panels + n / 32) * depth + k) * 32 + n % 32] = weights[(e * outputs + n) * depth + k];
  return packed;
}

Library::Library(const std::string &elf, int64_t scratchBytes) : scratchBytes(scratchBytes) {
  descriptor = memfd_create("kernels", MFD_CLOEXEC);
  if (descriptor < 0 || write(descriptor, elf.data(), elf.size()) != static_cast<ssize_t>(elf.size()))
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

void Library::run(const std::string &symbol, std::vector<void *> arguments, Sizes sizes, uint32_t cells) const {
  using Kernel = void (*)(void *const *, const uint32_t *, uint32_t, uint32_t, void *);
  auto kernel = reinterpret_cast<Kernel>(handle ? dlsym(handle, symbol.c_str()) : nullptr);
  ASSERT_NE(kernel, nullptr) << symbol;
  const uint32_t dims[] = {sizes.tokens, sizes.sequences, sizes.rows};
  std::vector<std::pair<uint32_t, uint32_t>> ranges;
  for (uint32_t first = 0, length = 1; first < cells; first += length, length = length * 2 + 1)
    ranges.push_back({first, std::min(cells, first + length)});
  for (auto range = ranges.rbegin(); range != ranges.rend(); ++range) {
    Array<uint8_t> scratch(scratchBytes);
    kernel(arguments.data(), dims, range->first, range->second, scratchBytes ? static_cast<void *>(scratch) : nullptr);
    EXPECT_TRUE(scratch.tailIntact()) << symbol;
  }
}

std::string test::libraryText(const std::string &target, const std::string &kernels) {
  std::string text = "kernel.library @library target \"" + target + "\" {\n" + kernels + "\n}\n";
  tuning::X86Choice tile = tuning::chooseGemm(*lookupCpuTarget(target).value());
  std::string choice = fmt::format("\"{}\", tile = {} x {}", target, tile.tileRows, tile.tileColumns);
  for (size_t at; (at = text.find("%TILE%")) != std::string::npos;)
    text.replace(at, 6, choice);
  return text;
}

Result<codegen::CompiledLibrary> test::compile(const std::string &target, const std::string &kernels,
                                               const codegen::CpuCodegenOptions &options) {
  mlir::DialectRegistry registry;
  registry.insert<mlir::arith::ArithDialect, mlir::math::MathDialect, kernel::KernelDialect>();
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  auto module = mlir::parseSourceString<mlir::ModuleOp>(libraryText(target, kernels), mlir::ParserConfig(&context));
  if (!module)
    return makeError(ExitCode::Internal, "the kernels of the test do not parse");
  return codegen::compileLibrary(*module->getOps<kernel::LibraryOp>().begin(), options);
}

std::unique_ptr<Library> test::load(const std::string &target, const std::string &kernels) {
  Result<codegen::CompiledLibrary> compiled = compile(target, kernels);
  if (!compiled) {
    ADD_FAILURE() << compiled.error().message;
    std::abort();
  }
  int64_t scratchBytes = *std::max_element(compiled->scratchBytes.begin(), compiled->scratchBytes.end());
  return std::make_unique<Library>(compiled->elf, scratchBytes);
}

std::vector<std::string> test::allTargets() {
  std::vector<std::string> names;
  for (const CpuTarget &target : cpuTargets())
    names.emplace_back(target.name);
  return names;
}

std::vector<std::string> test::runnableTargets() {
  std::vector<std::string> names;
  for (const CpuTarget &target : cpuTargets())
    if (hostRuns(target))
      names.emplace_back(target.name);
  return names;
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
