// SPDX-License-Identifier: Apache-2.0
//
// What a compiled library is, for every target: its ELF form, its bytes, its registers, its errors.
#include "CodegenHarness.h"

#include "compiler/Codegen/CPU/Choices.h"

#include <fmt/format.h>

#include <elf.h>
#include <map>
#include <set>
#include <sstream>

using namespace yupana;
using namespace yupana::test;

namespace {

class Libraries : public testing::TestWithParam<std::string> {};

/// A GEMM with nothing in its epilogue but `op`, applied to the accumulator.
std::string gemm(const std::string &name, int64_t outputs, int64_t depth, const std::string &op = "math.absf",
                 bool isBF16 = false) {
  return fmt::format(R"(
    kernel.func @{3} {{
    ^bb0(%x: !kernel.view<["T", {1}], {4}>, %w: !kernel.view<[{0}, {1}], {4}, "{5}">,
         %y: !kernel.view<["T", {0}], f32>):
      kernel.gemm rows "T" attributes {{config = #kernel.x86<%TILE%, rows = 64>}}
          product %x : !kernel.view<["T", {1}], {4}> times %w : !kernel.view<[{0}, {1}], {4}, "{5}"> {{
      ^bb0(%acc: f32, %row: index, %feature: index):
        %v = {2} %acc : f32
        kernel.store %v, %y[%row, %feature] : !kernel.view<["T", {0}], f32>
      }}
    }})",
                     outputs, depth, op, name, isBF16 ? "bf16" : "f32", isBF16 ? "panel32x2" : "panel32");
}

/// A map whose body could become calls of memset, memcpy or a mathematical function.
const char *const temptation = R"(
    kernel.func @temptation {
    ^bb0(%x: !kernel.view<["T", 4096], f32>, %y: !kernel.view<["T", 4096], f32>, %z: !kernel.view<["T", 4096], f32>):
      kernel.map rows "T" groups 1 width 4096 attributes {config = #kernel.x86<%TILE%, rows = 4>} {
      ^bb0(%row: index, %group: index, %lane: index):
        %zero = arith.constant 0.0 : f32
        %two = arith.constant 2.5 : f32
        %v = kernel.load %x[%row, %lane] : !kernel.view<["T", 4096], f32>
        kernel.store %v, %y[%row, %lane] : !kernel.view<["T", 4096], f32>
        %p = math.powf %v, %two : f32
        %s = kernel.sum %p : f32
        %e = math.exp2 %s : f32
        kernel.store %e, %z[%row, %lane] : !kernel.view<["T", 4096], f32>
      }
    })";

std::string someKernels() {
  return gemm("a", 40, 16) + gemm("b", 64, 33, "math.tanh", true) + temptation + gemm("c", 7, 5, "math.log");
}

template <typename T> const T *at(const std::string &elf, uint64_t offset) {
  return reinterpret_cast<const T *>(elf.data() + offset);
}

TEST_P(Libraries, AreSelfContainedReadOnlyElf) {
  Result<codegen::CompiledLibrary> library = compile(GetParam(), someKernels());
  ASSERT_TRUE(library) << library.error().message;
  std::vector<std::string> symbols;
  for (const codegen::LibraryKernel &kernel : library->kernels)
    symbols.push_back(kernel.symbol);
  EXPECT_EQ(symbols, (std::vector<std::string>{"a", "b", "temptation", "c"}));
  const std::string &elf = library->images[0].bytes;
  auto *header = at<Elf64_Ehdr>(elf, 0);
  EXPECT_EQ(header->e_type, ET_DYN);
  EXPECT_EQ(header->e_machine, EM_X86_64);
  std::map<int64_t, uint64_t> tables;
  for (unsigned i = 0; i < header->e_phnum; ++i) {
    auto &segment = at<Elf64_Phdr>(elf, header->e_phoff)[i];
    EXPECT_FALSE(segment.p_flags & PF_W && segment.p_type != PT_GNU_STACK) << "segment " << i;
    EXPECT_NE(segment.p_type, PT_TLS);
    EXPECT_NE(segment.p_type, PT_INTERP);
    if (segment.p_type != PT_DYNAMIC)
      continue;
    for (auto *entry = at<Elf64_Dyn>(elf, segment.p_offset); entry->d_tag != DT_NULL; ++entry) {
      static const std::set<int64_t> allowed = {DT_HASH, DT_SYMTAB, DT_STRTAB, DT_STRSZ, DT_SYMENT, DT_FLAGS};
      EXPECT_TRUE(allowed.count(entry->d_tag)) << fmt::format("dynamic entry {:x}", entry->d_tag);
      tables[entry->d_tag] = entry->d_un.d_ptr;
    }
  }
  // Tables lie in the first segment, where addresses are offsets.
  ASSERT_TRUE(tables[DT_SYMTAB] && tables[DT_STRTAB] && tables[DT_HASH]);
  uint32_t count = at<uint32_t>(elf, tables[DT_HASH])[1];
  EXPECT_EQ(count, 5u);
  for (uint32_t i = 1; i < count; ++i)
    EXPECT_NE(at<Elf64_Sym>(elf, tables[DT_SYMTAB])[i].st_shndx, SHN_UNDEF);
  EXPECT_EQ(disassemble(elf).find("callq"), std::string::npos);
}

TEST_P(Libraries, HaveTheSameBytesForAnyNumberOfJobs) {
  codegen::CodegenOptions options;
  std::string first;
  for (unsigned jobs : {1u, 2u, 3u}) {
    options.jobs = jobs;
    Result<codegen::CompiledLibrary> library = compile(GetParam(), someKernels(), options);
    ASSERT_TRUE(library) << library.error().message;
    if (first.empty())
      first = library->images[0].bytes;
    EXPECT_TRUE(library->images[0].bytes == first) << jobs << " jobs";
  }
  // Nor does the folder show that it was linked in.
  EXPECT_EQ(first.find("yupana-link"), std::string::npos);
}

TEST_P(Libraries, SayHowMuchScratchMemoryTheirKernelsTake) {
  Result<codegen::CompiledLibrary> library = compile(GetParam(), gemm("few", 64, 64) + temptation);
  ASSERT_TRUE(library) << library.error().message;
  // What a launch keeps, accumulators of 64 rows by a panel of 32, a vector that may be read behind them and a row of
  // zeros; maps take none.
  EXPECT_EQ(library->kernels[0].scratchBytes, 64u + 64 * 32 * 4 + 64 + 32 * 4);
  EXPECT_EQ(library->kernels[1].scratchBytes, 0u);
}

struct Instruction {
  uint64_t address;
  std::string text;
};

std::vector<Instruction> instructionsOf(const std::string &assembly) {
  std::vector<Instruction> instructions;
  std::istringstream lines(assembly);
  for (std::string line; std::getline(lines, line);) {
    size_t colon = line.find(":      ");
    if (colon != std::string::npos && line[0] == ' ')
      instructions.push_back({std::stoull(line.substr(0, colon), nullptr, 16), line.substr(colon + 1)});
  }
  return instructions;
}

bool isMultiplyAdd(const std::string &text) {
  return text.find("vfmadd") != std::string::npos || text.find("vdpbf16ps") != std::string::npos;
}

/// The vector instructions that touch the stack in the innermost loops that multiply, which end in a jump back over at
/// least eight fused multiply-adds or dot products; where a loop has no more than `allowed` of them, none.
std::vector<std::string> spillsOf(const std::string &assembly, size_t allowed) {
  std::vector<Instruction> instructions = instructionsOf(assembly);
  std::vector<std::string> spills;
  size_t loops = 0, afterLoop = 0;
  for (size_t end = 0; end < instructions.size(); ++end) {
    const std::string &text = instructions[end].text;
    size_t target = text.find("0x");
    if (text.find_first_not_of(" \t") != text.find('j') || target == std::string::npos)
      continue;
    uint64_t address = std::stoull(text.substr(target), nullptr, 16);
    if (address > instructions[end].address || address < instructions[afterLoop].address)
      continue;
    std::vector<std::string> inLoop;
    size_t multiplyAdds = 0;
    for (size_t i = end; instructions[i].address > address; --i) {
      const std::string &body = instructions[i - 1].text;
      multiplyAdds += isMultiplyAdd(body);
      if (body.find("mm") != std::string::npos && body.find("(%rsp") != std::string::npos)
        inLoop.push_back(body);
    }
    afterLoop = end;
    if (multiplyAdds < 8)
      continue;
    ++loops;
    if (inLoop.size() > allowed)
      spills.insert(spills.end(), inLoop.begin(), inLoop.end());
  }
  EXPECT_GE(loops, 6u);
  return spills;
}

TEST_P(Libraries, KeepAccumulatorsInRegisters) {
  for (bool isBF16 : {false, true})
    for (auto [outputs, depth] : {std::pair<int64_t, int64_t>{64, 64}, {2048, 1024}, {1024, 5120}}) {
      SCOPED_TRACE(fmt::format("{} x {} {}", outputs, depth, isBF16 ? "bf16" : "f32"));
      Result<codegen::CompiledLibrary> library = compile(GetParam(), gemm("gemm", outputs, depth, "math.absf", isBF16));
      ASSERT_TRUE(library) << library.error().message;
      std::string assembly = disassemble(library->images[0].bytes);
      // 16 registers do not hold a tile of 6 x 16, both halves of its widened weights and an input: the two vectors of
      // weights of each of the two steps of a turn wait on the stack for their second half.
      const CpuFacts &target = findTarget(GetParam())->cpu();
      bool crowded = isBF16 && target.vectorRegisters == 16;
      bool tiles = isBF16 && target.bf16Tile, dots = isBF16 && target.bf16Dot && !tiles;
      // Tile registers have names in the code: nothing can move their sums.
      if (!tiles) {
        std::vector<std::string> spills = spillsOf(assembly, crowded ? 2 * 2 * 2 : 0);
        EXPECT_TRUE(spills.empty()) << spills.size() << " spills, the first is" << spills.front();
      }
      EXPECT_EQ(assembly.find("tdpbf16ps") != std::string::npos, tiles);
      EXPECT_EQ(assembly.find("vdpbf16ps") != std::string::npos, dots);
      EXPECT_EQ(assembly.find("vfmadd") == std::string::npos, tiles || dots);
    }
}

TEST_P(Libraries, NameWhatTheyCannotCompile) {
  auto errorOf = [&](const std::string &kernels) {
    Result<codegen::CompiledLibrary> library = compile(GetParam(), kernels);
    return library ? Error{ExitCode::Done, ""} : library.error();
  };
  Error error = errorOf(R"(
    kernel.func @k {
    ^bb0(%y: !kernel.view<["T", 4], f32>):
      kernel.map rows "T" groups 1 width 4 attributes {config = #kernel.x86<%TILE%, rows = 4>} {
      ^bb0(%row: index, %group: index, %lane: index):
        %c = arith.constant 1.0 : f32
        %v, %w = math.sincos %c : f32
        kernel.store %v, %y[%row, %lane] : !kernel.view<["T", 4], f32>
      }
    })");
  EXPECT_EQ(error.code, ExitCode::Unsupported);
  EXPECT_NE(error.message.find("kernel k"), std::string::npos) << error.message;
  EXPECT_NE(error.message.find("math.sincos"), std::string::npos) << error.message;
  error = errorOf(R"(
    kernel.func @k {
    ^bb0(%y: !kernel.view<["T"], f32>):
      kernel.map rows "T" groups 1 width 1 {
      ^bb0(%row: index, %group: index, %lane: index):
        %c = arith.constant 1.0 : f32
        kernel.store %c, %y[%row] : !kernel.view<["T"], f32>
      }
    })");
  EXPECT_EQ(error.code, ExitCode::Unsupported);
  EXPECT_NE(error.message.find("#kernel.x86"), std::string::npos) << error.message;
}

TEST(Libraries, LinkerThatDoesNotExist) {
  Result<codegen::CompiledLibrary> library = compile("x86-64-v3", gemm("k", 4, 4), {}, "no-such-linker");
  ASSERT_FALSE(library);
  EXPECT_EQ(library.error().code, ExitCode::MissingFile);
  EXPECT_NE(library.error().message.find("no-such-linker"), std::string::npos);
}

TEST(Targets, AreFoundByName) {
  EXPECT_EQ(findTarget("x86-64-v4")->cpu().vectorRegisters, 32u);
  EXPECT_FALSE(findTarget("x86-64-v4")->cpu().bf16Dot);
  EXPECT_TRUE(findTarget("x86-64-v4-bf16")->cpu().bf16Dot);
  EXPECT_EQ(findTarget("sm_90a")->gpu().capability, 90u);
  EXPECT_EQ(findTarget("x86-64-v2"), nullptr);
  EXPECT_FALSE(findTarget("x86-64-v4-bf16")->cpu().bf16Tile);
  EXPECT_TRUE(findTarget("x86-64-v4-amx")->cpu().bf16Tile);
  EXPECT_EQ(codegen::lookupBackEnd("x86-64-v2").error().code, ExitCode::Usage);
  Result<const codegen::BackEnd *> native = codegen::lookupBackEnd("native");
  if (native) {
    EXPECT_TRUE((*native)->runsHere());
  }
}

TEST(Choices, GivesWholeTilesAndCellsOfOneRowAtLeast) {
  for (const Target &target : targets()) {
    if (!target.isCpu())
      continue;
    const CpuFacts &cpu = target.cpu();
    for (bool isBF16 : {false, true}) {
      codegen::X86Choice choice = codegen::chooseGemm(cpu, isBF16);
      EXPECT_EQ(choice.rows % choice.tileRows, 0);
    }
    EXPECT_EQ(codegen::chooseMap(cpu, 64, 8192).rows, 1);
    EXPECT_EQ(codegen::chooseMap(cpu, 1, 64).rows, 256);
    EXPECT_GE(codegen::chooseRoute(cpu, 1 << 20).rows, 1);
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Libraries, testing::ValuesIn(allTargets()),
                         [](const auto &info) { return nameOf(info); });

} // namespace
