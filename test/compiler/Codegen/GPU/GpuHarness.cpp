// SPDX-License-Identifier: Apache-2.0
#include "GpuHarness.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <cmath>

using namespace yupana;
using namespace yupana::test;

Array<float> test::interleave(const Array<float> &first, const Array<float> &second, int64_t outputs, int64_t depth,
                              int64_t run) {
  Array<float> rows((outputs + run - 1) / run * 2 * run * depth);
  std::fill(rows.begin(), rows.end(), 0.0f);
  for (int64_t n = 0; n < outputs; ++n)
    for (int64_t k = 0; k < depth; ++k) {
      int64_t row = n / run * 2 * run + n % run;
      rows[row * depth + k] = first[n * depth + k];
      rows[(row + run) * depth + k] = second[n * depth + k];
    }
  return rows;
}

float test::warpSum(const float *values, int64_t count) {
  float partial[32] = {};
  for (int64_t i = 0; i < count; ++i)
    partial[i % 32] += values[i];
  for (int64_t half = 16; half > 0; half /= 2)
    for (int64_t i = 0; i < half; ++i)
      partial[i] += partial[i + half];
  return partial[0];
}

float test::ascendingChain(const float *input, const float *weight, int64_t depth) {
  float sum = 0;
  for (int64_t k = 0; k < depth; ++k)
    sum = std::fmaf(input[k], weight[k], sum);
  return sum;
}

namespace {

/// Writes what the target chooses on every launched op; gives the grid of the kernel.
kernel::GridAttr configure(kernel::FuncOp func, const codegen::BackEnd &backEnd, int64_t maxTokens) {
  std::vector<kernel::GridTerm> sum;
  func.walk([&](kernel::LaunchedOpInterface op) {
    if (mlir::isa<kernel::ParallelOp>(op.getOperation()))
      return;
    if (!op.getConfigAttr())
      op.setConfigAttr(backEnd.chooseConfig(op, maxTokens));
    op.setGridAttr(backEnd.getGrid(op));
    bool isFirst = sum.empty();
    sum.insert(sum.end(), op.getGridAttr().getTerms().begin(), op.getGridAttr().getTerms().end());
    if (!isFirst)
      sum.push_back({kernel::GridOp::Add});
  });
  return kernel::GridAttr::get(func.getContext(), sum);
}

uint32_t evaluate(const std::vector<kernel::GridTerm> &terms, Sizes sizes) {
  std::vector<uint32_t> stack;
  for (const kernel::GridTerm &term : terms) {
    const uint32_t operands[] = {static_cast<uint32_t>(term.value), sizes.tokens, sizes.sequences, sizes.rows};
    if (term.isOperand()) {
      stack.push_back(operands[static_cast<int>(term.op)]);
      continue;
    }
    uint32_t y = stack.back();
    stack.pop_back();
    uint32_t &x = stack.back();
    x = term.op == kernel::GridOp::Add ? x + y : term.op == kernel::GridOp::Mul ? x * y : (x + y - 1) / y;
  }
  return stack.back();
}

} // namespace

GpuLibrary::GpuLibrary(const std::string &target, const std::string &text, int64_t maxTokens) {
  mlir::DialectRegistry registry;
  registry.insert<mlir::arith::ArithDialect, mlir::math::MathDialect, kernel::KernelDialect>();
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  auto module = mlir::parseSourceString<mlir::ModuleOp>(
      "kernel.library @library target \"" + target + "\" {\n" + text + "\n}\n", mlir::ParserConfig(&context));
  auto backEnd = codegen::lookupBackEnd(target);
  if (!module || !backEnd) {
    ADD_FAILURE() << "the kernels of the test do not parse, or " << target << " has no back end";
    std::abort();
  }
  auto library = *module->getOps<kernel::LibraryOp>().begin();
  for (auto func : library.getOps<kernel::FuncOp>())
    kernels[func.getSymName().str()].grid = configure(func, **backEnd, maxTokens).getTerms();
  codegen::CodegenOptions options;
  options.formats = {plan::ImageFormat::Ptx};
  Result<codegen::CompiledLibrary> compiled = (*backEnd)->compileLibrary(library, options);
  if (!compiled) {
    ADD_FAILURE() << compiled.error().message;
    std::abort();
  }
  for (const codegen::LibraryKernel &each : compiled->kernels) {
    Kernel &kernel = kernels[each.symbol];
    kernel.ptx = compiled->images[each.images.front().image].bytes;
    kernel.sharedBytes = static_cast<uint32_t>(each.sharedBytes);
    if (ptx::Report report = kernel.module.parse(kernel.ptx))
      ADD_FAILURE() << report.message << '\n' << kernel.ptx;
    if (const ptx::KernelInfo *info = kernel.module.info(each.symbol))
      kernel.threads = info->maxThreads;
  }
}

void GpuLibrary::run(const std::string &symbol, const std::vector<Memory> &arguments, Sizes sizes, uint64_t seed) {
  const Kernel &kernel = kernels.at(symbol);
  ptx::Options options;
  options.seed = seed;
  ptx::Device device(options);
  std::vector<uint64_t> parameters;
  for (const Memory &argument : arguments) {
    parameters.push_back(device.allocate(argument.bytes));
    device.write(parameters.back(), argument.data, argument.bytes);
  }
  std::vector<uint64_t> addresses = parameters;
  for (uint32_t size : {sizes.tokens, sizes.sequences, sizes.rows})
    parameters.push_back(size);
  ptx::LaunchShape shape;
  shape.grid = evaluate(kernel.grid, sizes);
  shape.threads = kernel.threads;
  shape.sharedBytes = kernel.sharedBytes;
  ptx::Report report = device.launch(kernel.module, symbol, shape, parameters);
  ASSERT_FALSE(report) << report.message;
  for (size_t i = 0; i < arguments.size(); ++i)
    ASSERT_TRUE(device.read(arguments[i].data, addresses[i], arguments[i].bytes)) << "argument " << i;
}
