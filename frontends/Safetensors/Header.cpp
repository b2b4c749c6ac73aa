// SPDX-License-Identifier: Apache-2.0
//
// A header is JSON of up to 100 MB from an unknown source. It is read event by event, without building a tree; then the
// ranges of the tensors are sorted and must cover the data exactly.
#include "compiler/Support/CheckedMath.h"
#include "frontends/Safetensors/Safetensors.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <numeric>
#include <set>

using namespace yupana;

namespace {

/// A row of the table of types. Bits and not bytes: elements of 4 and 6 bits share bytes.
struct TypeEntry {
  StoredType type;
  std::string_view name;
  unsigned bits;
};

/// In the order of StoredType, whose values are its indices.
constexpr TypeEntry typeTable[] = {
    {StoredType::BOOL, "BOOL", 8},
    {StoredType::F4, "F4", 4},
    {StoredType::F6_E2M3, "F6_E2M3", 6},
    {StoredType::F6_E3M2, "F6_E3M2", 6},
    {StoredType::U8, "U8", 8},
    {StoredType::I8, "I8", 8},
    {StoredType::F8_E5M2, "F8_E5M2", 8},
    {StoredType::F8_E4M3, "F8_E4M3", 8},
    {StoredType::F8_E8M0, "F8_E8M0", 8},
    {StoredType::F8_E4M3FNUZ, "F8_E4M3FNUZ", 8},
    {StoredType::F8_E5M2FNUZ, "F8_E5M2FNUZ", 8},
    {StoredType::I16, "I16", 16},
    {StoredType::U16, "U16", 16},
    {StoredType::F16, "F16", 16},
    {StoredType::BF16, "BF16", 16},
    {StoredType::I32, "I32", 32},
    {StoredType::U32, "U32", 32},
    {StoredType::F32, "F32", 32},
    {StoredType::C64, "C64", 64},
    {StoredType::F64, "F64", 64},
    {StoredType::I64, "I64", 64},
    {StoredType::U64, "U64", 64},
};

/// A tensor as the header writes it: `offset` and `bytes` of the info are filled in by the range check.
struct Entry {
  TensorInfo info;
  uint64_t begin = 0;
  uint64_t end = 0;
};

/// Reads a header event by event, so that a hostile header of the largest size costs little more than its own bytes,
/// and so that duplicate keys and wrong types are seen.
class HeaderReader final : public nlohmann::json_sax<nlohmann::json> {
public:
  explicit HeaderReader(std::string_view file) : file(file) {}

  std::vector<Entry> entries;
  std::optional<Error> error;

  bool null() override {
    // As none: so the format's own reader takes it.
    if (state == State::Top && inMetadata)
      return true;
    return scalar("null");
  }
  /// The parser calls number_integer for negative numbers alone, and number_float also for integers that 64 bits cannot
  /// hold, so that a shape is made of what number_unsigned gives.
  bool boolean(bool) override { return scalar("a boolean"); }
  bool number_integer(number_integer_t) override { return scalar("a negative number"); }
  bool number_float(number_float_t, const string_t &) override { return scalar("a number that is no 64-bit integer"); }
  bool binary(binary_t &) override { return scalar("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (state != State::Shape && state != State::Offsets)
      return scalar("a number");
    numbers.push_back(value);
    // Refused while they come: a list of any length would otherwise be collected first.
    if (state == State::Shape && numbers.size() > maxSafetensorsRank)
      return fail("has more than {} dimensions", maxSafetensorsRank);
    if (state == State::Offsets && numbers.size() > 2)
      return fail("has more than two data_offsets");
    return true;
  }

  bool string(string_t &value) override {
    if (state == State::Metadata)
      return true;
    if (state != State::Entry || field != Field::Type)
      return scalar("a string");
    const TypeEntry *found = std::find_if(std::begin(typeTable), std::end(typeTable),
                                          [&](const TypeEntry &entry) { return entry.name == value; });
    if (found == std::end(typeTable))
      return fail("has the unknown dtype {}", inQuotes(value));
    entries.back().info.type = found->type;
    return true;
  }

  bool key(string_t &name) override {
    switch (state) {
    case State::Top:
      inMetadata = name == "__metadata__";
      if (inMetadata)
        return metadataSeen ? fail("stands twice in the header") : (metadataSeen = true);
      // The entry exists before its value is looked at, so that messages can name it. A name that comes twice is
      // found when the entries are sorted, which needs no set of all names.
      entries.emplace_back();
      entries.back().info.name = std::move(name);
      return true;
    case State::Metadata:
      return metadataKeys.insert(name).second || fail("has the key {} twice", inQuotes(name));
    case State::Entry:
      return entryKey(name);
    default:
      // Inside of a value that is skipped.
      return true;
    }
  }

  bool start_object(size_t) override {
    switch (state) {
    case State::Start:
      state = State::Top;
      return true;
    case State::Top:
      // A metadata object is no entry: it has no range and no place in the list of tensors.
      state = inMetadata ? State::Metadata : State::Entry;
      fieldsSeen = 0;
      return true;
    default:
      return skipInto("an object");
    }
  }

  bool end_object() override {
    switch (state) {
    case State::Top:
      state = State::End;
      return true;
    case State::Metadata:
      state = State::Top;
      return true;
    case State::Entry:
      state = State::Top;
      return fieldsSeen == allFields || fail("lacks one of dtype, shape and data_offsets");
    default:
      return skipOut();
    }
  }

  bool start_array(size_t) override {
    if (state != State::Entry || (field != Field::Shape && field != Field::Offsets))
      return skipInto("a list");
    state = field == Field::Shape ? State::Shape : State::Offsets;
    numbers.clear();
    return true;
  }

  bool end_array() override {
    if (state == State::Shape) {
      entries.back().info.shape = numbers;
    } else if (state == State::Offsets) {
      if (numbers.size() != 2)
        return fail("has {} data_offsets, expected two", numbers.size());
      entries.back().begin = numbers[0];
      entries.back().end = numbers[1];
    } else {
      return skipOut();
    }
    state = State::Entry;
    return true;
  }

  bool parse_error(size_t position, const std::string &, const nlohmann::detail::exception &) override {
    error = makeError(ExitCode::InvalidInput, "{}: the header is not valid JSON at its byte {}", file, position);
    return false;
  }

private:
  enum class State { Start, Top, Metadata, Entry, Shape, Offsets, Skip, End };
  enum class Field : unsigned { Type = 1, Shape = 2, Offsets = 4, Other = 0 };
  static constexpr unsigned allFields = 7;
  /// Levels of values without a meaning. Neither the parser nor this reader recurses; no writer nests as deep.
  static constexpr unsigned maxSkippedDepth = 64;

  bool entryKey(const std::string &name) {
    // A field that is not known has no bit, so that it may come twice.
    field = name == "dtype"          ? Field::Type
            : name == "shape"        ? Field::Shape
            : name == "data_offsets" ? Field::Offsets
                                     : Field::Other;
    if (fieldsSeen & static_cast<unsigned>(field))
      return fail("has the key {} twice", inQuotes(name));
    fieldsSeen |= static_cast<unsigned>(field);
    return true;
  }

  /// A value of kind `found`, which is right only where values are skipped: fields of a tensor that the format does not
  /// define have no meaning, and the format's own reader ignores them.
  bool scalar(std::string_view found) {
    if (state == State::Skip || (state == State::Entry && field == Field::Other))
      return true;
    return mismatch(found);
  }

  /// Enters a list or an object that has no meaning, at any depth of one; `found` says what it is where none may stand.
  bool skipInto(std::string_view found) {
    if (state == State::Entry && field == Field::Other) {
      state = State::Skip;
      skippedDepth = 1;
      return true;
    }
    if (state != State::Skip)
      return mismatch(found);
    return ++skippedDepth <= maxSkippedDepth || fail("is nested deeper than {} levels", maxSkippedDepth);
  }

  /// Leaves one. The parser matches brackets, so that every call has its skipInto() before it.
  bool skipOut() {
    if (--skippedDepth == 0)
      state = State::Entry;
    return true;
  }

  /// The state says where the value stands, and from that what would have been right there.
  bool mismatch(std::string_view found) {
    switch (state) {
    case State::Start:
      error = makeError(ExitCode::InvalidInput, "{}: the header is {}, expected an object", file, found);
      return false;
    case State::Top:
      return fail("is {}, expected an object", found);
    case State::Metadata:
      return fail("has a value that is {}, expected strings alone", found);
    case State::Shape:
      return fail("has {} in its shape, expected integers that are not negative", found);
    case State::Offsets:
      return fail("has {} in its data_offsets, expected integers that are not negative", found);
    default:
      return fail("has {} as {}, expected {}", found,
                  field == Field::Type    ? "dtype"
                  : field == Field::Shape ? "shape"
                                          : "data_offsets",
                  field == Field::Type ? "a string" : "a list of integers");
    }
  }

  /// Reports a fault of the tensor or of the metadata now being read.
  /// Every call comes after a name: the metadata's, or that of the last entry.
  template <typename... Args> bool fail(fmt::format_string<Args...> format, Args &&...args) {
    std::string subject = inMetadata ? "__metadata__" : "tensor " + inQuotes(entries.back().info.name);
    error =
        makeError(ExitCode::InvalidInput, "{}: {} {}", file, subject, fmt::format(format, std::forward<Args>(args)...));
    return false;
  }

  std::string_view file;
  State state = State::Start;
  Field field = Field::Other;
  unsigned fieldsSeen = 0;
  unsigned skippedDepth = 0;
  bool inMetadata = false;
  bool metadataSeen = false;
  std::set<std::string> metadataKeys;
  std::vector<uint64_t> numbers;
};

/// Bytes that type and shape need, or an error when they need more than 64 bits or no whole number of bytes.
Result<uint64_t> bytesOf(const TensorInfo &info, std::string_view file) {
  // Zeros first: a dimension of zero makes the product zero, however large the others are.
  std::optional<uint64_t> count = 1;
  if (std::find(info.shape.begin(), info.shape.end(), 0u) != info.shape.end())
    count = 0;
  else
    for (uint64_t dimension : info.shape)
      count = checkedMul(count, std::optional<uint64_t>(dimension));
  std::optional<uint64_t> bits = checkedMul(count, std::optional<uint64_t>(storedTypeBits(info.type)));
  if (!bits)
    return makeError(ExitCode::InvalidInput, "{}: tensor {} of shape {} and dtype {} has more than 2^64 bits", file,
                     inQuotes(info.name), shapeString(info.shape), storedTypeName(info.type));
  if (*bits % 8 != 0)
    return makeError(ExitCode::InvalidInput, "{}: tensor {} of shape {} and dtype {} does not fill whole bytes", file,
                     inQuotes(info.name), shapeString(info.shape), storedTypeName(info.type));
  return *bits / 8;
}

/// Checks that the ranges, in ascending order, follow one another from 0 to `dataBytes` and have the right sizes. The
/// format forbids holes, so that no file can hold another one, of another format, between its tensors.
Result<void> placeTensors(std::vector<Entry> &entries, uint64_t dataStart, uint64_t dataBytes, std::string_view file) {
  std::vector<size_t> order(entries.size());
  std::iota(order.begin(), order.end(), size_t(0));
  // Tensors of no bytes begin where another does; by their end they come before it, where they leave no hole.
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::pair(entries[a].begin, entries[a].end) < std::pair(entries[b].begin, entries[b].end);
  });
  uint64_t covered = 0;
  for (size_t index : order) {
    Entry &entry = entries[index];
    TensorInfo &info = entry.info;
    // Before anything is subtracted: `end - begin` below must not wrap.
    if (entry.end < entry.begin || entry.end > dataBytes)
      return makeError(ExitCode::InvalidInput, "{}: tensor {} has data_offsets [{}, {}], the file has {} bytes of data",
                       file, inQuotes(info.name), entry.begin, entry.end, dataBytes);
    if (entry.begin != covered)
      return makeError(ExitCode::InvalidInput,
                       "{}: tensor {} begins at data offset {}, the one before it ends at {}: {}", file,
                       inQuotes(info.name), entry.begin, covered,
                       entry.begin < covered ? "they overlap" : "there is a hole between them");
    YUPANA_ASSIGN_OR_RETURN(uint64_t needed, bytesOf(info, file));
    if (needed != entry.end - entry.begin)
      return makeError(ExitCode::InvalidInput,
                       "{}: tensor {} of shape {} and dtype {} needs {} bytes, its data_offsets "
                       "give it {}",
                       file, inQuotes(info.name), shapeString(info.shape), storedTypeName(info.type), needed,
                       entry.end - entry.begin);
    // Inside the file, if these are the sizes of one; a caller without a file may pass any.
    std::optional<uint64_t> offset = checkedAdd(dataStart, entry.begin);
    if (!offset)
      return makeError(ExitCode::InvalidInput, "{}: tensor {} begins beyond 2^64 bytes", file, inQuotes(info.name));
    info.offset = *offset;
    info.bytes = needed;
    covered = entry.end;
  }
  if (covered != dataBytes)
    return makeError(ExitCode::InvalidInput, "{}: the tensors end at data offset {}, the file has {} bytes of data",
                     file, covered, dataBytes);
  return {};
}

} // namespace

std::string_view yupana::storedTypeName(StoredType type) { return typeTable[static_cast<size_t>(type)].name; }

unsigned yupana::storedTypeBits(StoredType type) { return typeTable[static_cast<size_t>(type)].bits; }

std::string yupana::shapeString(const std::vector<uint64_t> &shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

Result<std::vector<TensorInfo>> yupana::parseSafetensorsHeader(std::string_view header, uint64_t dataStart,
                                                               uint64_t dataBytes, std::string_view file) {
  if (header.empty() || header.front() != '{')
    return makeError(ExitCode::InvalidInput, "{}: the header does not begin with '{{'", file);
  // The parser takes a zero byte for the end of its input and would ignore what follows.
  if (size_t zero = header.find('\0'); zero != std::string_view::npos)
    return makeError(ExitCode::InvalidInput, "{}: the header is not valid JSON: its byte {} is zero", file, zero);
  HeaderReader reader(file);
  if (!nlohmann::json::sax_parse(header, &reader))
    return std::move(*reader.error);
  YUPANA_RETURN_IF_ERROR(placeTensors(reader.entries, dataStart, dataBytes, file));

  std::vector<TensorInfo> infos;
  infos.reserve(reader.entries.size());
  for (Entry &entry : reader.entries)
    infos.push_back(std::move(entry.info));
  // By name, since lookups bisect and since nothing may depend on the order that a writer chose.
  std::sort(infos.begin(), infos.end(), [](const TensorInfo &a, const TensorInfo &b) { return a.name < b.name; });
  auto twice = std::adjacent_find(infos.begin(), infos.end(),
                                  [](const TensorInfo &a, const TensorInfo &b) { return a.name == b.name; });
  if (twice != infos.end())
    return makeError(ExitCode::InvalidInput, "{}: tensor {} stands twice in the header", file, inQuotes(twice->name));
  return infos;
}
