// SPDX-License-Identifier: Apache-2.0
#include "KernelHarness.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <fmt/format.h>

#include <cmath>
#include <thread>

using namespace yupana;
using namespace yupana::test;

//===----------------------------------------------------------------------===//
// References
//===----------------------------------------------------------------------===//

Array<float> test::interleave(const Numbers &first, const Numbers &second, int64_t experts, int64_t outputs,
                              int64_t depth, int64_t run) {
  int64_t rows = (outputs + run - 1) / run * 2 * run;
  Array<float> both(experts * rows * depth);
  std::fill(both.begin(), both.end(), 0.0f);
  for (int64_t e = 0; e < experts; ++e)
    for (int64_t n = 0; n < outputs; ++n)
      for (int64_t k = 0; k < depth; ++k) {
        int64_t row = e * rows + n / run * 2 * run + n % run, from = (e * outputs + n) * depth + k;
        both[row * depth + k] = first[from];
        both[(row + run) * depth + k] = second[from];
      }
  return both;
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

testing::AssertionResult test::isNear(float found, Expected expected) {
  if (std::abs(found - expected.value) <= expected.tolerance)
    return testing::AssertionSuccess();
  return testing::AssertionFailure() << fmt::format("found {}, expected {} within {}", found, expected.value,
                                                    expected.tolerance);
}

float Rules::sum(const float *values, int64_t count) const {
  return isGpu() ? warpSum(values, count) : treeSum(values, count);
}

Expected Rules::product(const float *input, const float *weight, int64_t depth) const {
  if (!isGpu())
    return {chain(input, weight, depth, form), 0};
  if (!form.isBF16)
    return {ascendingChain(input, weight, depth), 0};
  double sum = 0, size = 0;
  for (int64_t k = 0; k < depth; ++k) {
    sum += double(input[k]) * weight[k];
    size += std::abs(double(input[k]) * weight[k]);
  }
  return {sum, size * 2e-6 + 1e-30};
}

Numbers Rules::pack(const Numbers &weights, int64_t experts, int64_t outputs, int64_t depth) const {
  if (!isGpu())
    return weights.packed(experts, outputs, depth);
  Array<float> values(weights.size());
  std::copy_n(weights.at(0), weights.size(), values.begin());
  // Tiles are 128 bytes wide, so what fits one depends on the type.
  if (!form.isBF16)
    return Numbers(packTiles(values, experts, outputs, depth), false);
  return Numbers(widenBF16(packTiles(roundToBF16(values), experts, outputs, depth)), true);
}

std::vector<std::string> test::testedTargets() {
  std::vector<std::string> names = runnableTargets();
  names.push_back("sm_80");
  return names;
}

std::vector<Form> test::testedForms() {
  std::vector<Form> forms;
  std::vector<std::string> targets = testedTargets();
  targets.push_back("sm_90a");
  for (const std::string &target : targets)
    for (bool isBF16 : {false, true})
      forms.push_back({target, isBF16});
  return forms;
}

//===----------------------------------------------------------------------===//
// Libraries
//===----------------------------------------------------------------------===//

namespace {

kernel::ConfigAttrInterface withRows(kernel::ConfigAttrInterface config, int64_t rows) {
  mlir::MLIRContext *context = config.getContext();
  if (auto x86 = mlir::dyn_cast<kernel::X86Attr>(config))
    return kernel::X86Attr::get(context, x86.getIsa(), x86.getTileRows(), x86.getTileColumns(), rows);
  auto gpu = mlir::cast<kernel::GPUAttr>(config);
  return kernel::GPUAttr::get(context, gpu.getChip(), gpu.getForm(), gpu.getTileFeatures(), gpu.getTileRows(),
                              gpu.getTileDepth(), gpu.getStages(), gpu.getThreads(), gpu.getBlocks(), rows,
                              gpu.getCluster());
}

/// Writes what the target chooses on every launched op; gives the grid of the kernel.
std::vector<kernel::GridTerm> configure(kernel::FuncOp func, const codegen::BackEnd &backEnd, int64_t maxTokens,
                                        int64_t rowsPerCell) {
  std::vector<kernel::GridTerm> sum;
  func.walk([&](kernel::LaunchedOpInterface op) {
    if (mlir::isa<kernel::ParallelOp>(op.getOperation()))
      return;
    if (!op.getConfigAttr())
      op.setConfigAttr(backEnd.chooseConfig(op, maxTokens));
    if (rowsPerCell && mlir::isa<kernel::MapOp, kernel::RouteOp>(op.getOperation()))
      op.setConfigAttr(withRows(op.getConfigAttr(), rowsPerCell));
    op.setGridAttr(backEnd.getGrid(op));
    bool isFirst = sum.empty();
    sum.insert(sum.end(), op.getGridAttr().getTerms().begin(), op.getGridAttr().getTerms().end());
    if (!isFirst)
      sum.push_back({kernel::GridOp::Add});
  });
  return sum;
}

/// Fewer than a launch has units, so that blocks take several.
constexpr uint32_t multiprocessors = 3;

uint32_t combine(kernel::GridOp op, uint32_t x, uint32_t y) {
  switch (op) {
  case kernel::GridOp::Add:
    return x + y;
  case kernel::GridOp::Mul:
    return x * y;
  case kernel::GridOp::CeilDiv:
    return (x + y - 1) / y;
  case kernel::GridOp::Min:
    return std::min(x, y);
  case kernel::GridOp::Max:
    return std::max(x, y);
  default:
    ADD_FAILURE() << "an operand of a grid is combined as an operator";
    return 0;
  }
}

uint32_t evaluate(const std::vector<kernel::GridTerm> &terms, Sizes sizes) {
  std::vector<uint32_t> stack;
  for (const kernel::GridTerm &term : terms) {
    const uint32_t operands[] = {static_cast<uint32_t>(term.value), sizes.tokens, sizes.sequences, sizes.rows};
    if (term.isOperand()) {
      stack.push_back(term.op == kernel::GridOp::SMs ? multiprocessors : operands[static_cast<int>(term.op)]);
      continue;
    }
    uint32_t y = stack.back();
    stack.pop_back();
    stack.back() = combine(term.op, stack.back(), y);
  }
  return stack.back();
}

} // namespace

size_t KernelLibrary::Workspace::bytes(Sizes sizes) const {
  return static_cast<size_t>(rowBytes) * (factor * evaluate({{symbol, 1}}, sizes) + addend);
}

/// Of a kernel of one op.
void KernelLibrary::giveWorkspaces(kernel::FuncOp func, const codegen::BackEnd &backEnd) {
  mlir::Block &block = func.getBody().front();
  auto op = mlir::cast<kernel::LaunchedOpInterface>(block.front());
  if (!op.getGivenWorkspaces().empty())
    return;
  mlir::SmallVector<mlir::Value> given;
  mlir::SmallVector<int64_t> numbers;
  for (kernel::ViewType type : backEnd.getWorkspaces(op)) {
    lm::DimAttr rows = type.getDims()[0];
    const std::map<lm::DimSymbol, kernel::GridOp> symbols = {{lm::DimSymbol::None, kernel::GridOp::Constant},
                                                             {lm::DimSymbol::T, kernel::GridOp::Tokens},
                                                             {lm::DimSymbol::S, kernel::GridOp::Sequences},
                                                             {lm::DimSymbol::R, kernel::GridOp::LogitRows}};
    int64_t rowBytes = type.getElementType().getIntOrFloatBitWidth() / 8;
    for (lm::DimAttr dim : type.getDims().drop_front())
      rowBytes *= dim.getFactor();
    workspaces[func.getSymName().str()].push_back(
        {symbols.at(rows.getSymbol()), rows.getFactor(), rows.getAddend(), rowBytes});
    numbers.push_back(block.getNumArguments());
    given.push_back(block.addArgument(type, op.getLoc()));
  }
  if (given.empty())
    return;
  func.setWorkspaces(llvm::ArrayRef<int64_t>(numbers));
  op.giveWorkspaces(given);
}

KernelLibrary::KernelLibrary(const std::string &target, const std::string &text, int64_t maxTokens,
                             int64_t rowsPerCell) {
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
  for (auto func : library.getOps<kernel::FuncOp>()) {
    grids[func.getSymName().str()] = configure(func, **backEnd, maxTokens, rowsPerCell);
    giveWorkspaces(func, **backEnd);
  }
  codegen::CodegenOptions options;
  options.jobs = std::max(1u, std::thread::hardware_concurrency());
  bool isGpu = !findTarget(target)->isCpu();
  if (isGpu)
    options.formats = {plan::ImageFormat::Ptx};
  Result<codegen::CompiledLibrary> compiled = (*backEnd)->compileLibrary(library, options);
  if (!compiled) {
    ADD_FAILURE() << compiled.error().message;
    std::abort();
  }
  if (isGpu)
    loadDeviceKernels(*compiled);
  else
    host = std::make_unique<Library>(*compiled);
}

void KernelLibrary::loadDeviceKernels(const codegen::CompiledLibrary &compiled) {
  for (const codegen::LibraryKernel &each : compiled.kernels) {
    DeviceKernel &kernel = device[each.symbol];
    const std::string &text = compiled.images[each.images.front().image].bytes;
    kernel.sharedBytes = static_cast<uint32_t>(each.sharedBytes);
    kernel.text = text;
    if (ptx::Report report = kernel.module.parse(text))
      ADD_FAILURE() << report.message << '\n' << text;
    if (const ptx::KernelInfo *info = kernel.module.info(each.symbol))
      kernel.threads = info->maxThreads;
  }
}

void KernelLibrary::run(const std::string &symbol, const std::vector<Memory> &arguments, Sizes sizes, uint64_t seed) {
  uint32_t cells = evaluate(grids.at(symbol), sizes);
  if (!host)
    return runOnDevice(symbol, arguments, sizes, cells, seed);
  std::vector<void *> addresses;
  for (const Memory &argument : arguments)
    addresses.push_back(argument.data);
  host->run(symbol, addresses, sizes, cells);
}

void KernelLibrary::runOnDevice(const std::string &symbol, const std::vector<Memory> &arguments, Sizes sizes,
                                uint32_t cells, uint64_t seed) {
  if (cells != 0) { // A launch without blocks is none.
    ASSERT_EQ(runBlocks(symbol, arguments, sizes, cells, seed), "");
  }
}

static std::string replaceAll(std::string text, const KernelLibrary::Bug &bug) {
  size_t at = text.find(bug.from);
  EXPECT_NE(at, std::string::npos) << bug.from;
  for (; at != std::string::npos; at = text.find(bug.from, at + bug.to.size()))
    text.replace(at, bug.from.size(), bug.to);
  return text;
}

std::string KernelLibrary::runBlocks(const std::string &symbol, const std::vector<Memory> &arguments, Sizes sizes,
                                     uint32_t blocks, uint64_t seed, const Bug *bug, const std::string &before) {
  const DeviceKernel &kernel = device.at(symbol);
  ptx::Module broken;
  if (bug)
    if (ptx::Report report = broken.parse(replaceAll(kernel.text, *bug)))
      return report.message;
  ptx::Options options;
  options.seed = seed;
  if (bug)
    options.patience = 300000;
  ptx::Device memory(options);
  std::vector<uint64_t> parameters;
  for (const Memory &argument : arguments) {
    parameters.push_back(memory.allocate(std::max<size_t>(1, argument.bytes)));
    memory.write(parameters.back(), argument.data, argument.bytes);
  }
  std::vector<uint64_t> addresses = parameters;
  std::vector<std::pair<uint64_t, std::string>> spaces;
  if (auto found = workspaces.find(symbol); found != workspaces.end())
    for (const Workspace &workspace : found->second) {
      const auto &[address, zeros] =
          spaces.emplace_back(memory.allocate(workspace.bytes(sizes)), std::string(workspace.bytes(sizes), 0));
      memory.write(address, zeros.data(), zeros.size());
      parameters.push_back(address);
    }
  for (uint32_t size : {sizes.tokens, sizes.sequences, sizes.rows})
    parameters.push_back(size);
  auto launch = [&](const ptx::Module &module, const std::string &name, uint32_t grid, bool dependent) {
    ptx::LaunchShape shape;
    shape.grid = grid;
    shape.threads = device.at(name).threads;
    shape.sharedBytes = device.at(name).sharedBytes;
    shape.dependent = dependent;
    return memory.launch(module, name, shape, parameters);
  };
  if (!before.empty())
    if (ptx::Report report = launch(device.at(before).module, before, evaluate(grids.at(before), sizes), false))
      return report.message;
  if (ptx::Report report = launch(bug ? broken : kernel.module, symbol, blocks, !before.empty()))
    return report.message;
  for (size_t i = 0; i < arguments.size(); ++i)
    if (!memory.read(arguments[i].data, addresses[i], arguments[i].bytes))
      return fmt::format("argument {} holds what nobody wrote", i);
  for (const auto &[address, zeros] : spaces) {
    std::string left(zeros.size(), 1);
    if (!memory.read(left.data(), address, left.size()) || left != zeros)
      return "a workspace is not zero afterwards";
  }
  return "";
}
