// SPDX-License-Identifier: Apache-2.0
//
// From the llvm dialect to PTX, and from PTX to cubins where there is a ptxas.
#include "compiler/Codegen/GPU/Serializer.h"
#include "compiler/Codegen/GPU/CodegenGPU.h"
#include "compiler/Codegen/Jobs/Tools.h"

#include "mlir/Parser/Parser.h"

#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>

using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

namespace {

/// y[i] = x[i] · x[i] + x[i] by way of shared memory; `extra` stands before the return.
std::string kernelText(const std::string &extra = "", const std::string &symbol = "square") {
  return R"(
    llvm.mlir.global external @dynamic_shared() {addr_space = 3 : i32, alignment = 16 : i64} : !llvm.array<0 x i8>
    llvm.func @log1pf(f32) -> f32
    llvm.func @)" +
         symbol + R"((%x: !llvm.ptr<1> {llvm.align = 16 : i64, llvm.noalias}, %y: !llvm.ptr<1> {llvm.align = 16 : i64},
                     %t: i32, %s: i32, %r: i32) attributes {nvvm.kernel, nvvm.reqntid = array<i32: 64>} {
      %tid = nvvm.read.ptx.sreg.tid.x : i32
      %shared = llvm.mlir.addressof @dynamic_shared : !llvm.ptr<3>
      %from = llvm.getelementptr %x[%tid] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, f32
      %v = llvm.load %from : !llvm.ptr<1> -> f32
      %place = llvm.getelementptr %shared[%tid] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, f32
      llvm.store %v, %place : f32, !llvm.ptr<3>
      nvvm.barrier0
      %w = llvm.load %place : !llvm.ptr<3> -> f32
      %p = llvm.fmul %w, %w : f32
      %q = llvm.fadd %p, %w : f32
      %to = llvm.getelementptr %y[%tid] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, f32
      llvm.store %q, %to : f32, !llvm.ptr<1>
      )" +
         extra +
         R"(
      llvm.return
    })";
}

Result<MachineCode> compile(const std::string &text, const char *target, const std::string &symbol = "square") {
  mlir::DialectRegistry registry;
  registerCodegenGPUDialects(registry);
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, mlir::ParserConfig(&context));
  if (!module)
    return makeError(ExitCode::Internal, "the test's text does not parse");
  return writePtx(*module, *findTarget(target), symbol);
}

const std::vector<const char *> gpuTargets = {"sm_80", "sm_89", "sm_90a", "sm_100a", "sm_120a"};

TEST(Ptx, IsOfTheTargetAndOfVersionNine) {
  for (const char *target : gpuTargets) {
    Result<MachineCode> text = compile(kernelText(), target);
    ASSERT_TRUE(text) << text.error().message;
    EXPECT_NE(text->bytes.find(".version 9.0"), std::string::npos);
    EXPECT_NE(text->bytes.find(std::string(".target ") + target), std::string::npos) << text->bytes;
    EXPECT_NE(text->bytes.find(".reqntid 64"), std::string::npos);
    EXPECT_NE(text->llvmIR.find("ptx_kernel"), std::string::npos);
    // The same text each time.
    EXPECT_EQ(text->bytes, compile(kernelText(), target)->bytes);
  }
}

TEST(Ptx, KeepsBothRoundingsAndShortAddresses) {
  Result<MachineCode> text = compile(kernelText(), "sm_80");
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_NE(text->bytes.find("mul.rn.f32"), std::string::npos) << text->bytes;
  EXPECT_NE(text->bytes.find("add.rn.f32"), std::string::npos);
  EXPECT_EQ(text->bytes.find("fma."), std::string::npos);
  // An address in shared memory is 32 bits wide from the beginning.
  EXPECT_NE(text->bytes.find("mov.b32 \t%r"), std::string::npos) << text->bytes;
  EXPECT_EQ(text->bytes.find("st.shared.f32 \t[%rd"), std::string::npos);
  EXPECT_EQ(text->bytes.find("st.shared.b32 \t[%rd"), std::string::npos);
}

TEST(Ptx, CallsNoLibrary) {
  Result<MachineCode> text = compile(kernelText("%l = llvm.call @log1pf(%q) : (f32) -> f32\n"
                                                "llvm.store %l, %to : f32, !llvm.ptr<1>"),
                                     "sm_80");
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, ExitCode::Unsupported);
  EXPECT_EQ(text.error().message, "kernel square: needs the library function 'log1pf', GPU code has none");
}

TEST(Ptx, HasNamesThatPtxTakes) {
  Result<MachineCode> text = compile(kernelText("", "a.b"), "sm_80", "a.b");
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, ExitCode::Unsupported);
  EXPECT_NE(text.error().message.find("kernel a.b: its name"), std::string::npos) << text.error().message;
}

//===----------------------------------------------------------------------===//
// ptxas
//===----------------------------------------------------------------------===//

TEST(AssemblerMessages, AreRegistersAndSharedMemory) {
  Result<KernelCode> code =
      readAssemblerMessages("ptxas info    : 0 bytes gmem\n"
                            "ptxas info    : Compiling entry function 'k' for 'sm_90a'\n"
                            "ptxas info    : Function properties for k\n"
                            "    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
                            "ptxas info    : Used 168 registers, used 1 barriers, 1024 bytes smem, 560 bytes cmem[0]\n",
                            "k");
  ASSERT_TRUE(code) << code.error().message;
  EXPECT_EQ(code->registers, 168u);
  EXPECT_EQ(code->sharedBytes, 1024u);
  EXPECT_EQ(code->spillBytes, 0u);
}

TEST(AssemblerMessages, AreErrorsWhereRegistersSpillOrTimeIsLost) {
  Result<KernelCode> spilled =
      readAssemblerMessages("    16 bytes stack frame, 12 bytes spill stores, 24 bytes spill loads\n"
                            "ptxas info    : Used 255 registers, 560 bytes cmem[0]\n",
                            "k");
  ASSERT_FALSE(spilled);
  EXPECT_EQ(spilled.error().code, ExitCode::Internal);
  EXPECT_EQ(spilled.error().message, "kernel k: ptxas spills 24 bytes of registers with 255 in use, expected none");
  const char *advisory = "ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are "
                         "serialized due to insufficient register resources in the function 'k'";
  Result<KernelCode> serialized =
      readAssemblerMessages(std::string("    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n") +
                                advisory + "\nptxas info    : Used 90 registers\n",
                            "k");
  ASSERT_FALSE(serialized);
  EXPECT_NE(serialized.error().message.find("kernel k: ptxas warns of lost performance: 'ptxas info"),
            std::string::npos);
  EXPECT_NE(serialized.error().message.find("C7510"), std::string::npos);
  EXPECT_FALSE(readAssemblerMessages("nothing\n", "k"));
}

/// Sets a variable of the environment for as long as this lives.
class Variable {
public:
  Variable(const char *name, const char *value) : name(name) {
    if (const char *was = std::getenv(name))
      old = was;
    setenv(name, value, 1);
  }
  ~Variable() {
    if (old)
      setenv(name, old->c_str(), 1);
    else
      unsetenv(name);
  }

private:
  const char *name;
  std::optional<std::string> old;
};

TEST(AssemblerProgram, IsMissedByName) {
  Variable home("CUDA_HOME", "/nowhere"), path("PATH", "/nowhere");
  Result<Assembler> assembler = Assembler::find();
  ASSERT_FALSE(assembler);
  EXPECT_EQ(assembler.error().code, ExitCode::MissingFile);
  for (const char *part : {"ptxas: not found", "CUDA_HOME", "PATH", "CUDA Toolkit 13.0", "--emit=ptx"})
    EXPECT_NE(assembler.error().message.find(part), std::string::npos) << assembler.error().message;
}

/// A folder whose bin/ptxas is this script.
std::string homeWith(const TemporaryFolder &folder, const std::string &script) {
  std::filesystem::path bin = folder.file("bin");
  std::filesystem::create_directories(bin);
  EXPECT_TRUE(writeFile(bin / "ptxas", "#!/bin/sh\n" + script));
  std::filesystem::permissions(bin / "ptxas", std::filesystem::perms::owner_all);
  return bin.parent_path();
}

TEST(AssemblerProgram, IsRefusedOfAnotherVersion) {
  auto folder = TemporaryFolder::create("");
  ASSERT_TRUE(folder);
  for (const char *version : {"12.4.131", "13.1.80"}) {
    std::string home = homeWith(*folder, fmt::format("echo 'Cuda compilation tools, release x, V{}'\n", version));
    Variable variable("CUDA_HOME", home.c_str());
    Result<Assembler> assembler = Assembler::find();
    ASSERT_FALSE(assembler);
    EXPECT_EQ(assembler.error().code, ExitCode::MissingFile);
    std::string expected = fmt::format("{}/bin/ptxas: is version '{}', expected 13.0", home, version);
    EXPECT_NE(assembler.error().message.find(expected), std::string::npos) << assembler.error().message;
  }
}

TEST(AssemblerProgram, IsQuotedWhereItFails) {
  auto folder = TemporaryFolder::create("");
  ASSERT_TRUE(folder);
  std::string home =
      homeWith(*folder, "case $1 in --version) echo ', V13.0.88';; *) echo no such thing; exit 9;; esac\n");
  Variable variable("CUDA_HOME", home.c_str());
  Result<Assembler> assembler = Assembler::find();
  ASSERT_TRUE(assembler) << assembler.error().message;
  EXPECT_EQ(assembler->version(), "13.0.88");
  Result<KernelCode> code = assembler->assemble("", *findTarget("sm_80"), "k", home);
  ASSERT_FALSE(code);
  EXPECT_EQ(code.error().code, ExitCode::Internal);
  EXPECT_NE(code.error().message.find("ended with status 9: 'no such thing"), std::string::npos)
      << code.error().message;
}

TEST(AssemblerProgram, MakesCubinsOfEveryTarget) {
  Result<Assembler> assembler = Assembler::find();
  if (!assembler)
    GTEST_SKIP() << assembler.error().message;
  auto folder = TemporaryFolder::create(""), other = TemporaryFolder::create("");
  ASSERT_TRUE(folder && other);
  for (const char *target : gpuTargets) {
    Result<MachineCode> text = compile(kernelText(), target);
    ASSERT_TRUE(text) << text.error().message;
    auto assemble = [&](const TemporaryFolder &where) {
      return assembler->assemble(text->bytes, *findTarget(target), "square", where.file(""));
    };
    Result<KernelCode> code = assemble(*folder), again = assemble(*other);
    ASSERT_TRUE(code) << code.error().message;
    EXPECT_EQ(code->bytes.substr(0, 4), "\x7f"
                                        "ELF");
    EXPECT_GT(code->registers, 0u);
    // Nothing shows the folder it was made in.
    EXPECT_TRUE(code->bytes == again->bytes) << target;
  }
}

TEST(AssemblerProgram, NamesTheKernelThatSpills) {
  Result<Assembler> assembler = Assembler::find();
  if (!assembler)
    GTEST_SKIP() << assembler.error().message;
  auto folder = TemporaryFolder::create("");
  ASSERT_TRUE(folder);
  // More values are alive at once than .maxnreg allows registers.
  std::string ptx = ".version 9.0\n.target sm_80\n.address_size 64\n.visible .entry crowded(.param .u64 p)\n"
                    ".maxnreg 24\n{\n.reg .b32 %r<65>;\n.reg .b64 %rd<3>;\nld.param.u64 %rd1, [p];\n"
                    "cvta.to.global.u64 %rd2, %rd1;\n";
  for (int i = 0; i < 64; ++i)
    ptx += fmt::format("ld.volatile.global.u32 %r{}, [%rd2+{}];\n", i, 4 * i);
  ptx += "bar.sync 0;\n";
  for (int i = 0; i < 64; ++i)
    ptx += fmt::format("st.volatile.global.u32 [%rd2+{}], %r{};\n", 4 * i, 63 - i);
  ptx += "ret;\n}\n";
  Result<KernelCode> code = assembler->assemble(ptx, *findTarget("sm_80"), "crowded", folder->file(""));
  ASSERT_FALSE(code);
  EXPECT_EQ(code.error().code, ExitCode::Internal);
  EXPECT_NE(code.error().message.find("kernel crowded: ptxas spills"), std::string::npos) << code.error().message;
}

} // namespace
