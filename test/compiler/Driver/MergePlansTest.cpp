// SPDX-License-Identifier: Apache-2.0

#include "compiler/Driver/MergePlans.h"
#include "test/compiler/Export/TestSource.h"

#include "mlir/IR/Verifier.h"

#include <gtest/gtest.h>

using namespace yupana;
using namespace yupana::test;

namespace {

constexpr const char *model = R"(
plan.model "m" architecture "a" vocabulary 8 hidden 4 layers 1 parameters 100 precision "f32" begin -1 stop []
  maxima context 64 batch 1 tokens 4 rows 4
)";

std::string weight(const std::string &name, const std::string &layout) {
  return "lm.weight @" + name + " from [\"" + name + "\"] : tensor<4x4xf32> through [#lm.pack<\"" + layout +
         "\">] : tensor<4x4xf32>\n";
}

std::string planned(const std::string &name, const std::string &layout) {
  return "plan.weight @" + name + " layout \"" + layout + "\"\n";
}

std::string group(const std::string &name, int pageBytes) {
  return "plan.cache_group \"" + name + "\" layers [0] chunk 0 page_tokens 32 page_bytes " + std::to_string(pageBytes) +
         "\n";
}

std::string target(const std::string &name, const std::string &arguments) {
  return "plan.target \"" + name +
         "\" logits 0 sampled 0 {\n"
         "  plan.image elf_x86_64 \"code\"\n"
         "  plan.arena \"a\" size 256\n"
         "  plan.buffer \"b\" arena 0 offset 0 size 128 live 0 to 0\n"
         "  plan.kernel \"k\" scratch 0 arguments 4 images [#plan.kernel_image<0>]\n"
         "  plan.program function step max_tokens 4 {\n"
         "    plan.launch 0 #kernel.grid<\"T\"> [" +
         arguments + "]\n  }\n}\n";
}

/// What the only launch of a target is given.
std::string argumentsOf(mlir::ModuleOp module, size_t index) {
  auto target = *std::next(module.getOps<plan::TargetOp>().begin(), static_cast<ptrdiff_t>(index));
  std::string text;
  target.walk([&](plan::LaunchOp launch) { llvm::raw_string_ostream(text) << launch.getArguments(); });
  return text;
}

TEST(MergePlans, SharesEqualWeightsAndGroups) {
  TestContext context;
  std::vector<mlir::OwningOpRef<mlir::ModuleOp>> modules;
  modules.push_back(context.parse(model + weight("a", "panel32") + weight("b", "row-major") + planned("a", "panel32") +
                                  planned("b", "row-major") + group("g", 64) +
                                  target("x", "#plan.argument<weight 0>, #plan.argument<weight 1>, "
                                              "#plan.argument<cache 0>, #plan.argument<buffer 0>")));
  // The other order, one weight in another form, one group with other pages before the shared one.
  modules.push_back(context.parse(model + weight("b", "panel32") + weight("a", "panel32") + planned("b", "panel32") +
                                  planned("a", "panel32") + group("h", 128) + group("g", 64) +
                                  target("y", "#plan.argument<weight 0>, #plan.argument<weight 1>, "
                                              "#plan.argument<page_table 0>, #plan.argument<cache 1 + 64>")));
  ASSERT_TRUE(modules[0] && modules[1]);
  auto merged = mergePlanModules(std::move(modules));
  ASSERT_TRUE(merged) << merged.error().message;
  mlir::ModuleOp module = **merged;
  EXPECT_TRUE(succeeded(mlir::verify(module)));

  std::vector<std::string> weights;
  for (auto op : module.getOps<plan::WeightOp>())
    weights.push_back((op.getLayout() + " of " + op.getParameter()).str());
  ASSERT_EQ(weights.size(), 3u);
  EXPECT_EQ(weights[0], "panel32 of a");
  EXPECT_EQ(weights[1], "row-major of b");
  EXPECT_EQ(weights[2].substr(0, 12), "panel32 of b");
  EXPECT_NE(weights[2], "panel32 of b") << "two parameters cannot have one name";

  auto groups = module.getOps<plan::CacheGroupOp>();
  EXPECT_EQ(std::distance(groups.begin(), groups.end()), 2);
  EXPECT_EQ(argumentsOf(module, 0), "[#plan.argument<weight 0>, #plan.argument<weight 1>, #plan.argument<cache 0>, "
                                    "#plan.argument<buffer 0>]");
  EXPECT_EQ(argumentsOf(module, 1), "[#plan.argument<weight 2>, #plan.argument<weight 0>, "
                                    "#plan.argument<page_table 1>, #plan.argument<cache 0 + 64>]");
}

/// A weight of two parts, in a packed form.
std::string interleaved(const std::string &layout) {
  std::string part = " from [\"t\"] : tensor<4x4xf32> through [] : tensor<4x4xf32>\n";
  return "lm.weight @first" + part + "lm.weight @second" + part +
         "lm.interleaved @both of @first, @second by 16 layout \"" + layout + "\" : tensor<32x4xf32>\n";
}

TEST(MergePlans, SharesWeightsOfTwoParts) {
  TestContext context;
  std::string arguments = "#plan.argument<buffer 0>, #plan.argument<buffer 0>, #plan.argument<buffer 0>, "
                          "#plan.argument<weight 0>";
  std::vector<mlir::OwningOpRef<mlir::ModuleOp>> modules;
  for (const char *layout : {"panel32", "panel32", "panel32x2"})
    modules.push_back(context.parse(model + interleaved(layout) + planned("both", layout) +
                                    target("x" + std::to_string(modules.size()), arguments)));
  ASSERT_TRUE(modules[0] && modules[1] && modules[2]);
  auto merged = mergePlanModules(std::move(modules));
  ASSERT_TRUE(merged) << merged.error().message;
  mlir::ModuleOp module = **merged;
  EXPECT_TRUE(succeeded(mlir::verify(module)));
  std::vector<std::string> layouts;
  for (auto op : module.getOps<plan::WeightOp>()) {
    layouts.push_back(op.getLayout().str());
    // Its parts came with it, once.
    auto both = mlir::SymbolTable::lookupNearestSymbolFrom<lm::InterleavedOp>(op, op.getParameterAttr());
    ASSERT_TRUE(both);
    EXPECT_EQ(both.getLayout(), op.getLayout());
  }
  EXPECT_EQ(layouts, (std::vector<std::string>{"panel32", "panel32x2"}));
  auto parts = module.getOps<lm::WeightOp>();
  EXPECT_EQ(std::distance(parts.begin(), parts.end()), 2);
  const char *last[] = {"weight 0>]", "weight 0>]", "weight 1>]"};
  for (size_t i = 0; i < 3; ++i)
    EXPECT_NE(argumentsOf(module, i).find(last[i]), std::string::npos) << argumentsOf(module, i);
}

TEST(MergePlans, RefusesAnotherModel) {
  TestContext context;
  std::string other = model;
  other.replace(other.find("layers 1"), 8, "layers 2");
  std::string rest = target("x", "#plan.argument<buffer 0>, #plan.argument<buffer 0>, #plan.argument<buffer 0>, "
                                 "#plan.argument<buffer 0>");
  std::vector<mlir::OwningOpRef<mlir::ModuleOp>> modules;
  modules.push_back(context.parse(model + rest));
  modules.push_back(context.parse(other + rest));
  auto merged = mergePlanModules(std::move(modules));
  ASSERT_FALSE(merged);
  EXPECT_EQ(merged.error().code, ExitCode::Internal);
}

} // namespace
