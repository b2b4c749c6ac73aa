// SPDX-License-Identifier: Apache-2.0
//
// Kernels compile in processes of their own and are kept in a cache; neither shows in what they are.
#include "compiler/Codegen/Jobs/Jobs.h"
#include "compiler/Codegen/Jobs/KernelCache.h"
#include "compiler/Codegen/Jobs/Workers.h"
#include "compiler/Support/File.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <thread>
#include <unistd.h>

using namespace yupana;
using namespace yupana::codegen;
namespace fs = std::filesystem;

namespace {

std::vector<std::string> numbered(size_t count) {
  std::vector<std::string> names;
  for (size_t i = 0; i < count; ++i)
    names.push_back("k" + std::to_string(i));
  return names;
}

TEST(Workers, GiveResultsInOrderWhoeverIsFaster) {
  for (unsigned workers : {1u, 3u, 8u}) {
    // The last is done first, and results are larger than a pipe holds.
    auto made = runInProcesses(numbered(5), workers, [](size_t i) -> Result<std::string> {
      std::this_thread::sleep_for(std::chrono::milliseconds(20 * (5 - i)));
      return std::string(100000 + i, static_cast<char>('a' + i));
    });
    ASSERT_TRUE(made) << made.error().message;
    ASSERT_EQ(made->size(), 5u);
    for (size_t i = 0; i < 5; ++i)
      EXPECT_EQ((*made)[i], std::string(100000 + i, static_cast<char>('a' + i)));
  }
  EXPECT_TRUE(runInProcesses({}, 2, [](size_t) -> Result<std::string> { return std::string(); })->empty());
}

TEST(Workers, ChangeNothingOfThisProcess) {
  int value = 1;
  auto made = runInProcesses(numbered(1), 1, [&](size_t) -> Result<std::string> {
    value = 2;
    return std::to_string(value);
  });
  ASSERT_TRUE(made);
  EXPECT_EQ(made->front(), "2");
  EXPECT_EQ(value, 1);
}

TEST(Workers, GiveTheErrorOfTheFirstThatFails) {
  auto made = runInProcesses(numbered(4), 2, [](size_t i) -> Result<std::string> {
    if (i == 0)
      return std::string("done");
    // The second fails long after the third.
    std::this_thread::sleep_for(std::chrono::milliseconds(i == 1 ? 60 : 1));
    return makeError(ExitCode::Unsupported, "number {}", i);
  });
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ExitCode::Unsupported);
  EXPECT_EQ(made.error().message, "number 1");
}

TEST(Workers, TurnACrashIntoASentence) {
  auto crash = [](size_t i) -> Result<std::string> {
    if (i == 1) {
      std::fputs("LLVM ERROR: Cannot select: t7\nmore\n", stderr);
      std::abort();
    }
    return std::string();
  };
  auto made = runInProcesses(numbered(3), 2, crash);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ExitCode::Internal);
  EXPECT_EQ(made.error().message, "kernel k1: its compilation ended with signal 6 (Aborted), saying 'LLVM ERROR: "
                                  "Cannot select: t7'");
  made = runInProcesses(numbered(1), 1, [](size_t) -> Result<std::string> { _exit(3); });
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().message, "kernel k0: its compilation ended with status 3, without a message");
}

TEST(CompiledKernels, AreTheSameAfterPacking) {
  CompiledKernel kernel;
  kernel.code.push_back({plan::ImageFormat::Cubin, std::string("\0elf", 4), 168, 1024, 8});
  kernel.code.push_back({plan::ImageFormat::Ptx, ".version 9.0"});
  kernel.llvmIR = "define void @k()";
  kernel.scratchBytes = 64;
  kernel.sharedBytes = 229376;
  std::string packed = packKernel(kernel);
  std::optional<CompiledKernel> unpacked = unpackKernel(packed);
  ASSERT_TRUE(unpacked);
  EXPECT_EQ(packKernel(*unpacked), packed);
  EXPECT_EQ(unpacked->code[0].bytes, kernel.code[0].bytes);
  EXPECT_EQ(unpacked->code[0].registers, 168u);
  EXPECT_EQ(unpacked->code[1].format, plan::ImageFormat::Ptx);
  EXPECT_EQ(unpacked->sharedBytes, 229376);
  // No piece of it is a kernel, nor is it with something behind it.
  for (size_t size = 0; size < packed.size(); ++size)
    EXPECT_FALSE(unpackKernel(llvm::StringRef(packed).take_front(size))) << size;
  EXPECT_FALSE(unpackKernel(packed + "x"));
}

//===----------------------------------------------------------------------===//
// Whole libraries, with a generator that writes the kernel's text where code would be
//===----------------------------------------------------------------------===//

class Libraries : public testing::Test {
protected:
  Libraries() : folder(fs::path(testing::TempDir()) / ("yupana-jobs-" + std::to_string(getpid()))) {
    fs::create_directories(folder);
    context.loadDialect<kernel::KernelDialect, mlir::arith::ArithDialect>();
    library("4");
  }
  ~Libraries() override { fs::remove_all(folder); }

  /// Parses a library of two kernels, one of them over `width` lanes.
  void library(const std::string &width) {
    std::string text = R"(kernel.library @kernels target "x86-64-v3" {)";
    for (const std::string &name : {std::string("first"), std::string("second")}) {
      std::string view = "!kernel.view<[\"T\", " + (name == "first" ? width : "8") + "], f32>";
      text += "kernel.func @" + name + " {\n^bb0(%y: " + view + "):\n  kernel.map rows \"T\" groups 1 width " +
              (name == "first" ? width : "8") + R"( {
        ^bb0(%row: index, %group: index, %lane: index):
          %c = arith.constant 1.0 : f32
          kernel.store %c, %y[%row, %lane] : )" +
              view + "\n}\n}\n";
    }
    module = mlir::parseSourceString<mlir::ModuleOp>(text + "}", mlir::ParserConfig(&context));
    ASSERT_TRUE(module);
  }

  Result<std::vector<CompiledKernel>> compile(const std::string &made = "here") {
    auto write = [&](const KernelJob &job) -> Result<CompiledKernel> {
      std::ofstream(folder / "log", std::ios::app) << job.symbol << "\n";
      CompiledKernel kernel;
      kernel.code.push_back({plan::ImageFormat::Ptx, job.text});
      return kernel;
    };
    return compileKernels(*module->getOps<kernel::LibraryOp>().begin(), options, made, write);
  }

  /// The symbols that were compiled since the last call.
  std::string compiled() {
    std::ifstream file(folder / "log");
    std::string text(std::istreambuf_iterator<char>(file), {});
    fs::remove(folder / "log");
    return text;
  }

  void useCache() { options.cacheDirectory = (folder / "cache").string(); }

  fs::path folder;
  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  mlir::OwningOpRef<mlir::ModuleOp> module;
  CodegenOptions options;
};

TEST_F(Libraries, AreDumpedByFormat) {
  options.dumpDirectory = (folder / "dumps").string();
  auto kernels = compile();
  ASSERT_TRUE(kernels) << kernels.error().message;
  for (const char *name : {"first.mlir", "first.ll", "first.ptx", "second.mlir", "second.ll", "second.ptx"})
    EXPECT_TRUE(fs::exists(folder / "dumps" / name)) << name;
  EXPECT_EQ(*readWholeFile((folder / "dumps" / "second.mlir").string(), 10000), (*kernels)[1].code[0].bytes);
}

TEST_F(Libraries, AreNotCompiledTwice) {
  useCache();
  auto first = compile();
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(compiled(), "first\nsecond\n");
  auto again = compile();
  ASSERT_TRUE(again);
  EXPECT_EQ(compiled(), "");
  ASSERT_EQ(again->size(), 2u);
  for (size_t i = 0; i < 2; ++i)
    EXPECT_EQ(packKernel((*again)[i]), packKernel((*first)[i]));
}

TEST_F(Libraries, AreCompiledAnewWhereAnythingDiffers) {
  useCache();
  ASSERT_TRUE(compile());
  compiled();
  ASSERT_TRUE(compile("elsewhere"));
  EXPECT_EQ(compiled(), "first\nsecond\n");
  library("5");
  ASSERT_TRUE(compile());
  EXPECT_EQ(compiled(), "first\n");
  EXPECT_NE(compilerIdentity().find("LLVM 22"), std::string::npos);
}

TEST_F(Libraries, AreCompiledAnewWhereAnEntryIsDamaged) {
  useCache();
  auto first = compile();
  ASSERT_TRUE(first);
  compiled();
  size_t entries = 0;
  for (const fs::directory_entry &entry : fs::directory_iterator(folder / "cache")) {
    if (entries++ == 0)
      fs::resize_file(entry, fs::file_size(entry) - 1);
    else
      std::fstream(entry.path(), std::ios::in | std::ios::out).seekp(60).put('!');
  }
  EXPECT_EQ(entries, 2u);
  auto again = compile();
  ASSERT_TRUE(again);
  EXPECT_EQ(compiled(), "first\nsecond\n");
  EXPECT_EQ(packKernel((*again)[1]), packKernel((*first)[1]));
  ASSERT_TRUE(compile());
  EXPECT_EQ(compiled(), "");
}

TEST_F(Libraries, FailWhereTheCacheCannotBe) {
  std::ofstream(folder / "file") << "x";
  options.cacheDirectory = (folder / "file" / "cache").string();
  auto kernels = compile();
  ASSERT_FALSE(kernels);
  EXPECT_EQ(kernels.error().code, ExitCode::MissingFile);
  EXPECT_NE(kernels.error().message.find(*options.cacheDirectory), std::string::npos) << kernels.error().message;
}

} // namespace
