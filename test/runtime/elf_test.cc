// SPDX-License-Identifier: Apache-2.0

#include "runtime/device/cpu/elf.h"
#include "test/runtime/plan_builder.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>

namespace yupana::test {
namespace {

using runtime::ElfImage;
using runtime::Report;

Elf64_Ehdr &header(Bytes &file) { return *reinterpret_cast<Elf64_Ehdr *>(file.data()); }
Elf64_Phdr &segment(Bytes &file, uint32_t type, uint32_t flags = ~0u) {
  auto *segments = reinterpret_cast<Elf64_Phdr *>(file.data() + header(file).e_phoff);
  for (uint32_t i = 0; i < header(file).e_phnum; ++i)
    if (segments[i].p_type == type && (flags == ~0u || segments[i].p_flags == flags))
      return segments[i];
  abort();
}
Elf64_Dyn &dynamic(Bytes &file, int64_t tag) {
  auto *entries = reinterpret_cast<Elf64_Dyn *>(file.data() + segment(file, PT_DYNAMIC).p_offset);
  for (; entries->d_tag != tag; ++entries)
    if (entries->d_tag == DT_NULL)
      abort();
  return *entries;
}
/// Symbol 1 of the plain object: code below is laid out so that file offsets and addresses agree in its first segment.
Elf64_Sym &symbol(Bytes &file, uint32_t index) {
  return reinterpret_cast<Elf64_Sym *>(file.data() + dynamic(file, DT_SYMTAB).d_un.d_ptr)[index];
}

/// "" when the loader takes the file, else its message.
std::string load(const Bytes &file, ElfImage *image = nullptr) {
  ElfImage own;
  yupana_status_t status = {};
  // Moved to memory of its exact size, so that a sanitizer sees reads beyond the end.
  auto *copy = static_cast<uint8_t *>(malloc(file.size() ? file.size() : 1));
  if (!file.empty())
    memcpy(copy, file.data(), file.size());
  yupana_status_code_t code = (image ? image : &own)->load(copy, file.size(), Report("test", &status));
  free(copy);
  EXPECT_TRUE(code == YUPANA_STATUS_OK || code == YUPANA_STATUS_INVALID_DATA);
  return code ? status.message : "";
}

class HashStyleTest : public testing::TestWithParam<const char *> {};

// Code is found by name and runs; the file is not needed any more.
TEST_P(HashStyleTest, LoadsAndRuns) {
  ElfImage image;
  ASSERT_EQ(load(read_code(GetParam()), &image), "");
  auto *function = reinterpret_cast<int (*)(int)>(image.find_function("plain_function"));
  ASSERT_NE(function, nullptr);
  EXPECT_EQ(function(41), 42);
  EXPECT_EQ(image.find_function("plain_table"), nullptr) << "an object is not a function";
  EXPECT_EQ(image.find_function("plain"), nullptr);
}

INSTANTIATE_TEST_SUITE_P(Styles, HashStyleTest, testing::Values("elf_plain", "elf_plain_gnu", "elf_plain_sysv"));

struct Refusal {
  const char *object;
  const char *words;
};
class RefusedObjectTest : public testing::TestWithParam<Refusal> {};

// Objects that compilers and linkers really make, and that need more than copying.
TEST_P(RefusedObjectTest, SaysWhy) {
  std::string message = load(read_code(GetParam().object));
  EXPECT_NE(message.find(GetParam().words), std::string::npos) << message;
}

INSTANTIATE_TEST_SUITE_P(
    Objects, RefusedObjectTest,
    testing::Values(Refusal{"elf_relocation", "writable data"}, Refusal{"elf_undefined", "writable data"},
                    Refusal{"elf_thread_local", "writable data"}, Refusal{"elf_writable", "writable data"},
                    Refusal{"elf_zeroed", "writable data"}, Refusal{"elf_constructor", "writable data"},
                    Refusal{"elf_indirect", "type 10"}, Refusal{"elf_needed", "dynamic entry 1 "},
                    Refusal{"elf_relocation_only", "dynamic entry"}),
    [](const auto &info) { return std::string(info.param.object).substr(4); });

struct Damage {
  const char *name;
  const char *words;
  std::function<void(Bytes &)> apply;
};
class DamagedObjectTest : public testing::TestWithParam<Damage> {};

TEST_P(DamagedObjectTest, SaysWhy) {
  Bytes file = read_code("elf_plain_sysv");
  GetParam().apply(file);
  std::string message = load(file);
  EXPECT_NE(message.find(GetParam().words), std::string::npos) << message;
}

const Damage kDamages[] = {
    {"Empty", "not an ELF file", [](Bytes &f) { f.clear(); }},
    {"Truncated", "segment", [](Bytes &f) { f.resize(700); }},
    {"HeaderOnly", "segments", [](Bytes &f) { f.resize(64); }},
    {"WrongMagic", "not an ELF file", [](Bytes &f) { f[0] = 'M'; }},
    {"ThirtyTwoBit", "64-bit", [](Bytes &f) { f[EI_CLASS] = ELFCLASS32; }},
    {"BigEndian", "little-endian", [](Bytes &f) { f[EI_DATA] = ELFDATA2MSB; }},
    {"Executable", "ELF type 2", [](Bytes &f) { header(f).e_type = ET_EXEC; }},
    {"OtherMachine", "machine 183", [](Bytes &f) { header(f).e_machine = EM_AARCH64; }},
    {"NoSegments", "0 segments", [](Bytes &f) { header(f).e_phnum = 0; }},
    {"ManySegments", "65535 segments", [](Bytes &f) { header(f).e_phnum = 65535; }},
    {"SegmentsElsewhere", "segments", [](Bytes &f) { header(f).e_phoff = UINT64_MAX - 7; }},
    {"WritableCode", "writable and executable",
     [](Bytes &f) { segment(f, PT_LOAD, PF_R | PF_X).p_flags = PF_R | PF_W | PF_X; }},
    {"ExecutableStack", "executable stack", [](Bytes &f) { segment(f, PT_GNU_STACK).p_flags |= PF_X; }},
    {"Interpreter", "type 3", [](Bytes &f) { segment(f, PT_NOTE).p_type = PT_INTERP; }},
    {"ThreadLocal", "type 7", [](Bytes &f) { segment(f, PT_NOTE).p_type = PT_TLS; }},
    {"SegmentBeyondFile", "bytes at", [](Bytes &f) { segment(f, PT_LOAD, PF_R | PF_X).p_offset = f.size(); }},
    {"SegmentWraps", "bytes at", [](Bytes &f) { segment(f, PT_LOAD, PF_R | PF_X).p_filesz = UINT64_MAX; }},
    {"SegmentsOverlap", "not above", [](Bytes &f) { segment(f, PT_LOAD, PF_R | PF_X).p_vaddr = 0; }},
    {"HugeSpan", "too small", [](Bytes &f) { segment(f, PT_LOAD, PF_R | PF_X).p_vaddr = uint64_t{1} << 40; }},
    {"AddressWraps", "not above", [](Bytes &f) { segment(f, PT_LOAD, PF_R | PF_X).p_vaddr = UINT64_MAX - 64; }},
    {"NoDynamic", "0 dynamic", [](Bytes &f) { segment(f, PT_DYNAMIC).p_type = PT_NULL; }},
    {"DynamicElsewhere", "dynamic segment", [](Bytes &f) { segment(f, PT_DYNAMIC).p_vaddr = uint64_t{1} << 40; }},
    {"Needed", "dynamic entry 1 ", [](Bytes &f) { dynamic(f, DT_SYMENT).d_tag = DT_NEEDED; }},
    {"Initialiser", "dynamic entry c ", [](Bytes &f) { dynamic(f, DT_SYMENT).d_tag = DT_INIT; }},
    {"InitialiserArray", "dynamic entry 19 ", [](Bytes &f) { dynamic(f, DT_SYMENT).d_tag = DT_INIT_ARRAY; }},
    {"Relocations", "dynamic entry 7 ", [](Bytes &f) { dynamic(f, DT_SYMENT).d_tag = DT_RELA; }},
    {"PackedRelocations", "dynamic entry 24 ", [](Bytes &f) { dynamic(f, DT_SYMENT).d_tag = DT_RELR; }},
    {"TextRelocations", "dynamic entry 16 ", [](Bytes &f) { dynamic(f, DT_SYMENT).d_tag = DT_TEXTREL; }},
    {"UnknownTag", "dynamic entry 6fff0000 ", [](Bytes &f) { dynamic(f, DT_SYMENT).d_tag = 0x6fff0000; }},
    {"NoSymbolTable", "lacks a table", [](Bytes &f) { dynamic(f, DT_SYMTAB).d_un.d_ptr = 0; }},
    {"SymbolsElsewhere", "symbol table", [](Bytes &f) { dynamic(f, DT_SYMTAB).d_un.d_ptr = uint64_t{1} << 40; }},
    {"SymbolsUnaligned", "symbol table", [](Bytes &f) { dynamic(f, DT_SYMTAB).d_un.d_ptr += 1; }},
    {"StringsElsewhere", "symbol names", [](Bytes &f) { dynamic(f, DT_STRTAB).d_un.d_ptr = uint64_t{1} << 40; }},
    {"StringsDoNotEnd", "symbol names", [](Bytes &f) { dynamic(f, DT_STRSZ).d_un.d_val -= 1; }},
    {"ManySymbols", "symbol table",
     [](Bytes &f) { reinterpret_cast<uint32_t *>(f.data() + dynamic(f, DT_HASH).d_un.d_ptr)[1] = 1u << 30; }},
    {"UndefinedSymbol", "is undefined", [](Bytes &f) { symbol(f, 1).st_shndx = SHN_UNDEF; }},
    {"IndirectFunction", "type 10", [](Bytes &f) { symbol(f, 1).st_info = ELF64_ST_INFO(STB_GLOBAL, STT_GNU_IFUNC); }},
    {"NameOutside", "name outside", [](Bytes &f) { symbol(f, 1).st_name = 1u << 30; }},
    {"FunctionOutside", "outside its executable",
     [](Bytes &f) {
       symbol(f, 1).st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
       symbol(f, 1).st_value = uint64_t{1} << 40;
     }},
};

INSTANTIATE_TEST_SUITE_P(Files, DamagedObjectTest, testing::ValuesIn(kDamages),
                         [](const auto &info) { return std::string(info.param.name); });

// Any single byte changed: the loader answers, and never reads outside.
TEST(ElfTest, SurvivesEveryChangedByte) {
  const Bytes good = read_code("elf_plain");
  for (size_t i = 0; i < good.size(); ++i)
    for (uint8_t value : {uint8_t{0}, uint8_t{0x7F}, uint8_t{0xFF}}) {
      Bytes file = good;
      file[i] = value;
      load(file);
    }
}

} // namespace
} // namespace yupana::test
