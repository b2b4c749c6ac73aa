// SPDX-License-Identifier: Apache-2.0
//
// Two steps. The file's headers are checked and its segments copied to fresh pages; then everything reached through
// virtual addresses is checked in those pages, where an address is an offset from the base. Only then do pages become
// executable.

#include "runtime/device/cpu/elf.h"

#include "runtime/schema/format.h"

#include <cstring>
#include <elf.h>
#include <sys/mman.h>

namespace yupana::runtime {

namespace {

using ull = unsigned long long;

// Every x86-64 system has pages of 4 KiB. 64 KiB is the largest size that a linker is expected to separate segments
// for.
constexpr uint64_t kPage = 4096;
constexpr uint64_t kLargestPage = uint64_t{64} << 10;
// Bounds far above what the compiler's linker writes, so that no table of a crafted plan takes long.
constexpr uint32_t kMaxSegments = 64;
constexpr uint64_t kMaxSymbols = 1u << 13;
constexpr uint64_t kMaxDynamic = 256;

uint64_t page_down(uint64_t n) { return n & ~(kPage - 1); }

} // namespace

/// The checks of one image.
class ElfCheck {
public:
  ElfCheck(ElfImage &image, const uint8_t *file, uint64_t bytes, const Report &report)
      : image_(image), file_(file), bytes_(bytes), report_(report) {}

  bool check_header();
  bool check_segments();
  Code map();
  bool check_dynamic();
  bool check_symbols();
  Code protect();

private:
  bool within_relro(const Elf64_Phdr &segment) const;
  bool check_load(uint32_t i, uint64_t *end);
  bool collect_dynamic(const Elf64_Phdr &segment);
  bool note_tag(const Elf64_Dyn &entry);
  bool count_symbols();
  bool count_gnu_symbols(uint64_t address);
  bool check_symbol(uint32_t i);
  bool executable(uint64_t address) const;

  /// The address of `count` elements in the image; null unless all of them lie in it, aligned.
  template <typename T> const T *at(uint64_t address, uint64_t count = 1) const {
    uint64_t bytes;
    if (!checked_mul(count, sizeof(T), &bytes) || !range_within(address, bytes, image_.bytes_) ||
        address % alignof(T) != 0)
      return nullptr;
    return reinterpret_cast<const T *>(image_.base_ + address);
  }

  ElfImage &image_;
  const uint8_t *file_;
  uint64_t bytes_;
  const Report &report_;
  const Elf64_Phdr *segments_ = nullptr;
  uint32_t segment_count_ = 0;
  uint64_t span_ = 0;
  // Addresses of dynamic tables; 0, which is the address of the ELF header, where the image has none.
  uint64_t hash_ = 0, gnu_hash_ = 0, symbols_ = 0, strings_ = 0, strings_bytes_ = 0, symbol_bytes_ = 0;
};

bool ElfCheck::check_header() {
  const auto *header = reinterpret_cast<const Elf64_Ehdr *>(file_);
  if (bytes_ < sizeof(Elf64_Ehdr) || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
    return report_.invalid("the host code is not an ELF file");
  if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
      header->e_ident[EI_VERSION] != EV_CURRENT || header->e_version != EV_CURRENT)
    return report_.invalid("the host code is not 64-bit little-endian ELF of version 1");
  if (header->e_type != ET_DYN || header->e_machine != EM_X86_64)
    return report_.invalid(
        "the host code has ELF type %u for machine %u; expected a shared object (%u) for x86-64 (%u)", header->e_type,
        header->e_machine, ET_DYN, EM_X86_64);
  if (header->e_ehsize != sizeof(Elf64_Ehdr) || header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phnum == 0 ||
      header->e_phnum > kMaxSegments || header->e_phoff % alignof(Elf64_Phdr) != 0 ||
      !range_within(header->e_phoff, uint64_t{header->e_phnum} * sizeof(Elf64_Phdr), bytes_))
    return report_.invalid("the host code has %u segments of %u bytes at %llu, which its %llu bytes do not hold",
                           header->e_phnum, header->e_phentsize, static_cast<ull>(header->e_phoff),
                           static_cast<ull>(bytes_));
  // Aligned, since the file is and e_phoff was checked.
  segments_ = reinterpret_cast<const Elf64_Phdr *>(file_ + header->e_phoff);
  segment_count_ = header->e_phnum;
  return true;
}

/// True if the segment becomes read-only once it is relocated.
bool ElfCheck::within_relro(const Elf64_Phdr &segment) const {
  for (uint32_t i = 0; i < segment_count_; ++i)
    if (segments_[i].p_type == PT_GNU_RELRO && segment.p_vaddr >= segments_[i].p_vaddr &&
        range_within(segment.p_vaddr - segments_[i].p_vaddr, segment.p_memsz, segments_[i].p_memsz))
      return true;
  return false;
}

/// Raises `*end`, where the segments so far end, to the end of this one: addresses ascend, and no page has two
/// segments.
bool ElfCheck::check_load(uint32_t i, uint64_t *end) {
  const Elf64_Phdr &segment = segments_[i];
  if ((segment.p_flags & PF_W) && (segment.p_flags & PF_X))
    return report_.invalid("segment %u of the host code is writable and executable", i);
  if (!range_within(segment.p_offset, segment.p_filesz, bytes_) || segment.p_filesz > segment.p_memsz)
    return report_.invalid("segment %u of the host code has %llu bytes at %llu of %llu", i,
                           static_cast<ull>(segment.p_filesz), static_cast<ull>(segment.p_offset),
                           static_cast<ull>(bytes_));
  // What is read-only after relocation is the dynamic table and padding; other writable data would be state of kernels.
  if ((segment.p_flags & PF_W) && !within_relro(segment))
    return report_.invalid("segment %u of the host code holds writable data; expected none", i);
  if (segment.p_vaddr < *end || !checked_add(segment.p_vaddr, segment.p_memsz, &span_) ||
      !checked_align_up(span_, kPage, end))
    return report_.invalid("segment %u of the host code is not above the one before it, on pages of its own", i);
  // Linkers leave at most a page of the largest size between segments.
  uint64_t room = saturating_add(bytes_, (uint64_t{segment_count_} + 1) * kLargestPage);
  if (*end > room)
    return report_.invalid("segment %u of the host code ends at address %llu; its file of %llu bytes is too small", i,
                           static_cast<ull>(*end), static_cast<ull>(bytes_));
  return true;
}

/// Types that a linker writes today are listed, those to load are checked and the others need nothing done. An unknown
/// type may ask the loader for something and is refused.
bool ElfCheck::check_segments() {
  uint64_t end = 0;
  uint32_t dynamic = 0;
  for (uint32_t i = 0; i < segment_count_; ++i) {
    switch (segments_[i].p_type) {
    case PT_LOAD:
      if (!check_load(i, &end))
        return false;
      break;
    case PT_DYNAMIC:
      ++dynamic;
      break;
    case PT_NULL:
    case PT_NOTE:
    case PT_PHDR:
    case PT_GNU_EH_FRAME:
    case PT_GNU_RELRO:
    case PT_GNU_PROPERTY:
      break;
    case PT_GNU_STACK:
      if (segments_[i].p_flags & PF_X)
        return report_.invalid("the host code asks for an executable stack");
      break;
    default:
      return report_.invalid("segment %u of the host code has type %x, which is not accepted", i, segments_[i].p_type);
    }
  }
  if (end == 0 || dynamic != 1)
    return report_.invalid("the host code has %u dynamic segments and %llu bytes to load; expected 1 and more than 0",
                           dynamic, static_cast<ull>(end));
  // check_load leaves the end of a single segment here.
  span_ = end;
  return true;
}

/// Copied and not mapped from the file: a plan may come through a reader that has none, and code must not change under
/// a process when somebody writes to the file.
Code ElfCheck::map() {
  void *memory = mmap(nullptr, span_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    return report_.fail(YUPANA_STATUS_OUT_OF_MEMORY, "no memory for host code: %llu bytes were asked for",
                        static_cast<ull>(span_));
  image_.base_ = static_cast<uint8_t *>(memory);
  image_.bytes_ = span_;
  for (uint32_t i = 0; i < segment_count_; ++i)
    if (segments_[i].p_type == PT_LOAD && segments_[i].p_filesz)
      memcpy(image_.base_ + segments_[i].p_vaddr, file_ + segments_[i].p_offset, segments_[i].p_filesz);
  return YUPANA_STATUS_OK;
}

/// Notes what is needed to find symbols. False for what a loader would have to act on.
bool ElfCheck::note_tag(const Elf64_Dyn &entry) {
  switch (entry.d_tag) {
  case DT_HASH:
    hash_ = entry.d_un.d_ptr;
    return true;
  case DT_GNU_HASH:
    gnu_hash_ = entry.d_un.d_ptr;
    return true;
  case DT_SYMTAB:
    symbols_ = entry.d_un.d_ptr;
    return true;
  case DT_STRTAB:
    strings_ = entry.d_un.d_ptr;
    return true;
  case DT_STRSZ:
    strings_bytes_ = entry.d_un.d_val;
    return true;
  case DT_SYMENT:
    symbol_bytes_ = entry.d_un.d_val;
    return true;
  // A name of the library, which nobody asks for.
  case DT_SONAME:
    return true;
  case DT_FLAGS:
    // Flags that say how symbols would be bound, of which there are none to bind.
    return (entry.d_un.d_val & ~uint64_t{DF_SYMBOLIC | DF_BIND_NOW}) == 0;
  case DT_FLAGS_1:
    return (entry.d_un.d_val & ~uint64_t{DF_1_NOW}) == 0;
  case DT_RELACOUNT:
    return entry.d_un.d_val == 0;
  default:
    return false;
  }
}

bool ElfCheck::collect_dynamic(const Elf64_Phdr &segment) {
  uint64_t count = segment.p_memsz / sizeof(Elf64_Dyn);
  const Elf64_Dyn *entries = at<Elf64_Dyn>(segment.p_vaddr, count);
  if (!entries || count == 0 || count > kMaxDynamic)
    return report_.invalid("the dynamic segment of the host code lies outside its image");
  // A list of what is known to be harmless: a tag that a later linker invents is refused, not ignored.
  for (uint64_t i = 0; i < count && entries[i].d_tag != DT_NULL; ++i)
    if (!note_tag(entries[i]))
      return report_.invalid("the host code has dynamic entry %llx (a needed library, relocation, initialiser or the "
                             "like); expected only symbols",
                             static_cast<ull>(entries[i].d_tag));
  return true;
}

bool ElfCheck::check_dynamic() {
  for (uint32_t i = 0; i < segment_count_; ++i)
    if (segments_[i].p_type == PT_DYNAMIC && !collect_dynamic(segments_[i]))
      return false;
  if (!symbols_ || !strings_ || symbol_bytes_ != sizeof(Elf64_Sym) || (!hash_ && !gnu_hash_))
    return report_.invalid("the host code lacks a table of symbols with hashes");
  const char *strings = at<char>(strings_, strings_bytes_);
  if (!strings || strings_bytes_ == 0 || strings[strings_bytes_ - 1] != '\0')
    return report_.invalid("the symbol names of the host code lie outside its image or do not end");
  return true;
}

/// The number of symbols, which a table of this kind does not state. Bounded by kMaxSymbols, for a chain without an
/// end.
bool ElfCheck::count_gnu_symbols(uint64_t address) {
  // Header {buckets, first symbol, bloom words, shift}, bloom words of 8 bytes, buckets, then a hash per symbol whose
  // lowest bit ends a chain: the last chain ends the table.
  const uint32_t *header = at<uint32_t>(address, 4);
  if (!header)
    return false;
  uint64_t buckets_at = saturating_add(address, 16 + uint64_t{header[2]} * 8);
  const uint32_t *buckets = at<uint32_t>(buckets_at, header[0]);
  if (!buckets)
    return false;
  uint64_t last = 0;
  // Chains ascend, so that the last symbol is in the chain of the highest bucket.
  for (uint32_t i = 0; i < header[0]; ++i)
    last = buckets[i] > last ? buckets[i] : last;
  // No bucket has a chain: no symbol is exported, and those before the first one are all.
  if (last == 0) {
    image_.symbol_count_ = header[1];
    return true;
  }
  if (last < header[1])
    return false;
  uint64_t chains_at = saturating_add(buckets_at, uint64_t{header[0]} * 4);
  for (; last < kMaxSymbols; ++last) {
    const uint32_t *chain = at<uint32_t>(saturating_add(chains_at, (last - header[1]) * 4));
    if (!chain)
      return false;
    if (*chain & 1) {
      image_.symbol_count_ = static_cast<uint32_t>(last + 1);
      return true;
    }
  }
  return false;
}

bool ElfCheck::count_symbols() {
  if (!hash_)
    return count_gnu_symbols(gnu_hash_);
  const uint32_t *header = at<uint32_t>(hash_, 2);
  if (!header)
    return false;
  // The number of chains is that of symbols.
  image_.symbol_count_ = header[1];
  return true;
}

/// In the bytes that come from the file: the zeros behind them are no code.
bool ElfCheck::executable(uint64_t address) const {
  for (uint32_t i = 0; i < segment_count_; ++i)
    if (segments_[i].p_type == PT_LOAD && (segments_[i].p_flags & PF_X) && address >= segments_[i].p_vaddr &&
        address - segments_[i].p_vaddr < segments_[i].p_filesz)
      return true;
  return false;
}

bool ElfCheck::check_symbol(uint32_t i) {
  const Elf64_Sym &symbol = *at<Elf64_Sym>(symbols_ + uint64_t{i} * sizeof(Elf64_Sym));
  if (symbol.st_name >= strings_bytes_)
    return report_.invalid("symbol %u of the host code has its name outside the table", i);
  // Names end within the table, since its last byte is 0.
  const char *name = reinterpret_cast<const char *>(image_.base_ + strings_ + symbol.st_name);
  unsigned type = ELF64_ST_TYPE(symbol.st_info);
  if (symbol.st_shndx == SHN_UNDEF)
    return report_.invalid("symbol '%s' of the host code is undefined", name);
  if (type != STT_FUNC && type != STT_OBJECT && type != STT_NOTYPE)
    return report_.invalid("symbol '%s' of the host code has type %u; expected a function or a constant", name, type);
  if (type == STT_FUNC && !executable(symbol.st_value))
    return report_.invalid("function '%s' of the host code lies outside its executable segments", name);
  return true;
}

bool ElfCheck::check_symbols() {
  if (!count_symbols() || image_.symbol_count_ == 0 || image_.symbol_count_ > kMaxSymbols ||
      !at<Elf64_Sym>(symbols_, image_.symbol_count_))
    return report_.invalid("the symbol table of the host code lies outside its image or has more than %llu entries",
                           static_cast<ull>(kMaxSymbols));
  // Entry 0 is reserved and empty.
  for (uint32_t i = 1; i < image_.symbol_count_; ++i)
    if (!check_symbol(i))
      return false;
  image_.symbols_ = symbols_;
  image_.strings_ = strings_;
  image_.strings_bytes_ = strings_bytes_;
  return true;
}

Code ElfCheck::protect() {
  // All pages become read-only first; those with code get to be executable.
  int error = mprotect(image_.base_, image_.bytes_, PROT_READ);
  for (uint32_t i = 0; i < segment_count_ && !error; ++i) {
    const Elf64_Phdr &segment = segments_[i];
    // Pages a linker marks writable hold the dynamic table alone, and nothing has to be written there.
    if (segment.p_type != PT_LOAD || !(segment.p_flags & PF_X))
      continue;
    uint64_t begin = page_down(segment.p_vaddr);
    error = mprotect(image_.base_ + begin, segment.p_vaddr - begin + segment.p_memsz, PROT_READ | PROT_EXEC);
  }
  return error ? report_.fail(YUPANA_STATUS_INTERNAL, "the system refuses to make host code executable")
               : YUPANA_STATUS_OK;
}

Code ElfImage::load(const uint8_t *file, uint64_t bytes, const Report &report) {
  unload();
  ElfCheck check(*this, file, bytes, report);
  if (!check.check_header() || !check.check_segments())
    return YUPANA_STATUS_INVALID_DATA;
  Code code = check.map();
  // In pages that can still be written, and before any can be executed.
  if (!code && (!check.check_dynamic() || !check.check_symbols()))
    code = YUPANA_STATUS_INVALID_DATA;
  if (!code)
    code = check.protect();
  if (code)
    unload();
  return code;
}

void ElfImage::unload() {
  if (base_)
    munmap(base_, bytes_);
  base_ = nullptr;
  bytes_ = 0;
  symbol_count_ = 0;
}

void *ElfImage::find_function(const char *symbol) const {
  // Looked up once per kernel while preparing; the tables are small, so hashes are not worth their checks.
  for (uint32_t i = 1; i < symbol_count_; ++i) {
    const auto &entry = reinterpret_cast<const Elf64_Sym *>(base_ + symbols_)[i];
    if (ELF64_ST_TYPE(entry.st_info) == STT_FUNC &&
        strcmp(reinterpret_cast<const char *>(base_ + strings_ + entry.st_name), symbol) == 0)
      return base_ + entry.st_value;
  }
  return nullptr;
}

} // namespace yupana::runtime
