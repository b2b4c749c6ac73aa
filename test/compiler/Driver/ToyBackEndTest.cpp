// SPDX-License-Identifier: Apache-2.0
//
// A target that no folder of the compiler knows: this file alone takes a checkpoint through every phase to a plan for
// it, with other weight forms, pairs, statistics, buckets, grids and images than any other target has.

#include "compiler/Codegen/BackEnd.h"
#include "compiler/Driver/Driver.h"
#include "dialects/Kernel/Transforms/GridBuilder.h"
#include "yupana/yupana.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

using namespace yupana;

namespace {

const Target toy = {"toy-1", GpuFacts{10, false, 1 << 16, 1 << 14}};

/// Writes the text of a kernel where code would be.
class ToyBackEnd : public codegen::BackEnd {
public:
  ToyBackEnd() : BackEnd(toy) {}

  llvm::StringRef getWeightForm(mlir::Type) const override { return "tile64x128"; }
  llvm::StringRef getCacheLayout(mlir::Type) const override { return "row-major"; }
  kernel::NumericsAttr getNumerics(kernel::LaunchedOpInterface op) const override {
    bool attends = mlir::isa<kernel::AttentionOp>(op.getOperation());
    bool multiplies = attends || mlir::isa<kernel::GemmOp>(op.getOperation());
    return kernel::NumericsAttr::get(op->getContext(), multiplies ? 32 : kernel::NumericsAttr::kNone,
                                     kernel::SumOrder::Ascending, /*partials=*/8, attends ? 4 : 0);
  }
  int64_t getPageTokens() const override { return 16; }
  int64_t getPairRun() const override { return 8; }
  int64_t getMaxPartialFeatures() const override { return 16; }
  llvm::SmallVector<int64_t> getStepBuckets(int64_t maxTokens) const override { return {2, 5, maxTokens}; }
  bool joinsSharedProducts(int64_t) const override { return true; }
  kernel::ConfigAttrInterface chooseConfig(kernel::LaunchedOpInterface op, int64_t maxTokens) const override {
    mlir::MLIRContext *context = op->getContext();
    return kernel::X86Attr::get(context, mlir::StringAttr::get(context, getName()), 4, 16, maxTokens);
  }
  kernel::GridAttr getGrid(kernel::LaunchedOpInterface op) const override {
    return kernel::GridBuilder(op->getContext()).size(7).get();
  }
  // Blocks of attention leave something for one another, and members of a launch share its blocks.
  llvm::SmallVector<kernel::ViewType> getWorkspaces(kernel::LaunchedOpInterface launch) const override {
    if (!mlir::isa<kernel::AttentionOp, kernel::ParallelOp>(launch.getOperation()))
      return {};
    mlir::MLIRContext *context = launch->getContext();
    auto size = [&](int64_t value) { return lm::DimAttr::get(context, value); };
    return {kernel::ViewType::get(context, {size(3), size(5)}, mlir::Float32Type::get(context), "row-major"),
            kernel::ViewType::get(context, {size(3)}, mlir::IntegerType::get(context, 32), "row-major")};
  }
  kernel::GridAttr getSharedGrid(kernel::ParallelOp op) const override {
    return kernel::GridBuilder(op->getContext()).size(11).get();
  }
  bool runsHere() const override { return false; }
  Result<codegen::CompiledLibrary> compileLibrary(kernel::LibraryOp library,
                                                  const codegen::CodegenOptions &) const override {
    codegen::CompiledLibrary compiled;
    std::string text;
    llvm::raw_string_ostream(text) << library;
    compiled.images.push_back({plan::ImageFormat::ElfX86, text});
    for (auto func : library.getBody().getOps<kernel::FuncOp>())
      compiled.kernels.push_back({func.getSymName().str(), 0, 0, {codegen::KernelImage{0}}});
    return compiled;
  }
};

TEST(ToyBackEnd, TakesAModelToAPlan) {
  codegen::addBackEnd(std::make_unique<ToyBackEnd>());
  std::string output = testing::TempDir() + "toy.yplan", dumps = testing::TempDir() + "toy.ir";
  CompileOptions options;
  options.checkpoint = YUPANA_TEST_MODELS "/parity/scout";
  options.output = output;
  options.targets = {"toy-1"};
  options.precision = "bf16";
  options.dumpIrDirectory = dumps;
  Result<CompileSummary> summary = compile(options);
  ASSERT_TRUE(summary) << summary.error().message;
  EXPECT_EQ(summary->targets, std::vector<std::string>{"toy-1"});

  yupana_status_t status = {};
  yupana_plan_t *plan = nullptr;
  ASSERT_EQ(yupana_plan_open_file(output.c_str(), nullptr, &plan, &status), YUPANA_STATUS_OK) << status.message;
  EXPECT_EQ(yupana_plan_compatible(plan, 0, nullptr, nullptr, &status), YUPANA_STATUS_INCOMPATIBLE);
  EXPECT_NE(std::string(status.message).find("toy-1"), std::string::npos);
  yupana_plan_release(plan);

  // Every answer of the back end is in the IR.
  std::ostringstream text;
  text << std::ifstream(dumps + "/08-plan.mlir").rdbuf();
  for (const char *expected :
       {"plan.target \"toy-1\"", "by 8 layout \"tile64x128\"", "max_tokens 2 {", "max_tokens 5 {", "max_tokens 2048 {",
        "#kernel.grid<7>", "#kernel.grid<11>", "plan.arena \"workspace\" size 256 workspace", "page_tokens 16"})
    EXPECT_NE(text.str().find(expected), std::string::npos) << expected;
  EXPECT_EQ(text.str().find("panel32"), std::string::npos);
  std::ostringstream fused;
  fused << std::ifstream(dumps + "/04-fuse.mlir").rdbuf();
  for (const char *expected :
       {"numerics = #kernel.numerics<range = 32, order = ascending, partials = 8>}", "numerics<partials = 8>",
        "order = ascending, partials = 8, block = 4>", "bf16, layout = \"row-major\">"})
    EXPECT_NE(fused.str().find(expected), std::string::npos) << expected;
  std::ostringstream scheduled;
  scheduled << std::ifstream(dumps + "/05-schedule.mlir").rdbuf();
  for (const char *expected : {"kernel.buffer \"step.2.workspace.0\" workspace : !kernel.view<[3, 5], f32>",
                               " workspace %", "kernel.parallel workspace %"})
    EXPECT_NE(scheduled.str().find(expected), std::string::npos) << expected;
  std::filesystem::remove(output);
  std::filesystem::remove_all(dumps);
}

} // namespace
