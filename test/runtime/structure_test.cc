// SPDX-License-Identifier: Apache-2.0
//
// The runtime's description of plan.fbs against what flatc generates from it, and metadata whose objects are shared.

#include "test/runtime/test_support.h"

#include "runtime/plan/structure.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace yupana::test {
namespace {

using namespace runtime::internal;
using flatbuffers::ElementaryType;
using flatbuffers::TypeTable;

/// Follows the types of the schema from the root and compares each with its description.
class Comparison {
public:
  void compare(const TypeTable *type, uint8_t number) {
    if (!seen_.emplace(type, number).second) {
      EXPECT_EQ(seen_[type], number);
      return;
    }
    uint32_t count = 0;
    const Field *fields = fields_of(static_cast<TableNumber>(number), &count);
    ASSERT_EQ(count, type->num_elems) << "table " << int{number};
    for (uint32_t i = 0; i < count; ++i) {
      SCOPED_TRACE("table " + std::to_string(number) + ", field " + std::to_string(i));
      compare(fields[i], type->type_codes[i], type);
    }
  }
  size_t tables() const { return seen_.size(); }

private:
  static uint32_t bytes_of(uint16_t base) {
    switch (static_cast<ElementaryType>(base)) {
    case flatbuffers::ET_BOOL:
    case flatbuffers::ET_CHAR:
    case flatbuffers::ET_UCHAR:
      return 1;
    case flatbuffers::ET_INT:
    case flatbuffers::ET_UINT:
    case flatbuffers::ET_FLOAT:
      return 4;
    case flatbuffers::ET_LONG:
    case flatbuffers::ET_ULONG:
      return 8;
    default:
      ADD_FAILURE() << "a type that plans do not use: " << base;
      return 0;
    }
  }

  void compare(const Field &field, const flatbuffers::TypeCode &code, const TypeTable *type) {
    bool many = code.is_repeating;
    if (code.base_type == flatbuffers::ET_STRING) {
      EXPECT_EQ(field.kind, many ? FieldKind::strings : FieldKind::string);
    } else if (code.base_type == flatbuffers::ET_SEQUENCE) {
      const TypeTable *of = type->type_refs[code.sequence_ref]();
      if (of->st == flatbuffers::ST_STRUCT) {
        EXPECT_EQ(field.kind, FieldKind::scalars);
        EXPECT_EQ(field.of, of->values[of->num_elems]); // behind the offsets of its members
      } else {
        EXPECT_EQ(field.kind, many ? FieldKind::tables : FieldKind::table);
        compare(of, field.of);
      }
    } else {
      EXPECT_EQ(field.kind, many ? FieldKind::scalars : FieldKind::scalar);
      EXPECT_EQ(field.of, bytes_of(code.base_type));
    }
  }

  std::map<const TypeTable *, uint8_t> seen_;
};

TEST(StructureTest, DescriptionIsThatOfTheSchema) {
  Comparison comparison;
  comparison.compare(schema::PlanTypeTable(), kPlanTable);
  EXPECT_EQ(comparison.tables(), size_t{kTableCount});
}

yupana_status_t check(const uint8_t *metadata, uint64_t bytes) {
  yupana_status_t status = {};
  bool good = runtime::check_structure(metadata, bytes, runtime::Report("plan", &status));
  EXPECT_EQ(good, status.code == YUPANA_STATUS_OK);
  return status;
}

Bytes pack(const schema::PlanT &plan) {
  flatbuffers::FlatBufferBuilder builder;
  schema::FinishPlanBuffer(builder, schema::CreatePlan(builder, &plan));
  return Bytes(builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize());
}

// What is required, and where offsets may lead, FlatBuffers' own verifier knows from the schema.
TEST(StructureTest, AgreesWithFlatBuffers) {
  Bytes good = pack(test_plan().plan);
  EXPECT_EQ(check(good.data(), good.size()).code, 0u);
  std::mt19937 random(5);
  uint32_t accepted = 0, refused = 0;
  for (int round = 0; round < 20000; ++round) {
    Bytes bytes = good;
    // Small changes of words: vtables and offsets are most of a small plan.
    for (uint32_t changes = 1 + random() % 2; changes; --changes) {
      size_t at = random() % (bytes.size() / 2) * 2;
      bytes[at] = static_cast<uint8_t>(random() % 3 ? bytes[at] + (random() % 17) * 2 - 16 : random());
    }
    alignas(64) static uint8_t aligned[1 << 14];
    ASSERT_LE(bytes.size(), sizeof(aligned));
    memcpy(aligned, bytes.data(), bytes.size());
    flatbuffers::Verifier verifier(aligned, bytes.size());
    bool theirs = schema::VerifyPlanBuffer(verifier);
    yupana_status_t ours = check(aligned, bytes.size());
    bool isStricter = strstr(ours.message, "more than once") || strstr(ours.message, "not aligned");
    EXPECT_TRUE(isStricter || theirs == (ours.code == YUPANA_STATUS_OK)) << "round " << round << ": " << ours.message;
    ++(theirs ? accepted : refused);
  }
  EXPECT_GT(accepted, 1000u);
  EXPECT_GT(refused, 1000u);
}

// A shape has elements of eight bytes, which FlatBuffers does not ask to be aligned.
TEST(StructureTest, VectorsAreAligned) {
  Bytes good = pack(test_plan().plan);
  alignas(64) static uint8_t place[1 << 14];
  ASSERT_LE(good.size() + 4, sizeof(place));
  memcpy(place, good.data(), good.size());
  EXPECT_EQ(check(place, good.size()).code, YUPANA_STATUS_OK);
  // Everything four bytes further on: numbers of eight bytes are where no field of a table may be, either.
  memcpy(place + 4, good.data(), good.size());
  EXPECT_NE(check(place + 4, good.size()).code, YUPANA_STATUS_OK);
  // A vector whose number of elements is moved by four bytes, with the offset that leads there.
  schema::PlanT plan = std::move(test_plan().plan);
  const auto &shape = plan.weights[0]->shape;
  memcpy(place, good.data(), good.size());
  uint8_t *offset = nullptr, *vector = nullptr;
  for (size_t at = 0; at + 4 + shape.size() * 8 <= good.size() && !offset; at += 4) {
    vector = place + at;
    if (flatbuffers::ReadScalar<uint32_t>(vector) != shape.size() || memcmp(vector + 4, shape.data(), shape.size() * 8))
      continue;
    for (size_t from = 0; from < at && !offset; from += 4)
      if (flatbuffers::ReadScalar<uint32_t>(place + from) == at - from)
        offset = place + from;
  }
  ASSERT_TRUE(offset);
  flatbuffers::WriteScalar<uint32_t>(offset, static_cast<uint32_t>(vector - 4 - offset));
  flatbuffers::WriteScalar<uint32_t>(vector - 4, 1);
  EXPECT_STREQ(check(place, good.size()).message, "plan: a vector of the metadata is not aligned to its elements");
}

/// A plan whose weights and tensors are one table and one string, many times.
template <typename Fill> Bytes shared(Fill fill) {
  flatbuffers::FlatBufferBuilder builder;
  schema::PlanT rest = std::move(test_plan().plan);
  std::vector<flatbuffers::Offset<schema::Weight>> weights = fill(builder, *rest.weights[0]);
  auto targets = std::vector<flatbuffers::Offset<schema::Target>>{schema::CreateTarget(builder, rest.targets[0].get())};
  auto producer = builder.CreateString("p");
  auto model = schema::CreateModel(builder, rest.model.get());
  auto limits = schema::CreateLimits(builder, rest.limits.get());
  auto groups = builder.CreateVector(std::vector<flatbuffers::Offset<schema::CacheGroup>>());
  auto all = builder.CreateVector(weights);
  schema::FinishPlanBuffer(
      builder, schema::CreatePlan(builder, producer, model, limits, all, groups, builder.CreateVector(targets)));
  return Bytes(builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize());
}

TEST(StructureTest, SharedObjects) {
  Bytes tables = shared([](auto &builder, const schema::WeightT &weight) {
    return std::vector<flatbuffers::Offset<schema::Weight>>(100, schema::CreateWeight(builder, &weight));
  });
  yupana_status_t status = check(tables.data(), tables.size());
  EXPECT_STREQ(status.message, "plan: objects of the metadata are referred to more than once");

  // Two levels of sharing: 40,000 tables, each with the 40,000 strings of one vector, in half a megabyte.
  Bytes strings = shared([](auto &builder, const schema::WeightT &) {
    auto text = builder.CreateString("t");
    auto tensors = builder.CreateVector(std::vector<flatbuffers::Offset<flatbuffers::String>>(40000, text));
    auto shape = builder.CreateVector(std::vector<uint64_t>{1});
    auto part = schema::CreateWeightPart(builder, tensors, schema::ElementType::f32, shape,
                                         builder.CreateVectorOfStructs(std::vector<schema::Link>()));
    auto parts = builder.CreateVector(std::vector<flatbuffers::Offset<schema::WeightPart>>(2, part));
    auto weight = schema::CreateWeight(builder, text, schema::ElementType::f32, shape, text, 0, 0, 4, text, parts);
    return std::vector<flatbuffers::Offset<schema::Weight>>(40000, weight);
  });
  EXPECT_LT(strings.size(), 600000u);
  status = check(strings.data(), strings.size());
  EXPECT_STREQ(status.message, "plan: objects of the metadata are referred to more than once");
}

} // namespace
} // namespace yupana::test
