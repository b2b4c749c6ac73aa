// SPDX-License-Identifier: Apache-2.0
//
// Weights: where their bytes lie, and where they come from. The chain of every part is followed from the shape of its
// tensors to that of the weight, as the exporter follows it, so that whoever fills a plan without weights can index
// tensors by it without asking again.

#include "runtime/plan/bounds.h"
#include "runtime/plan/check.h"
#include "runtime/schema/forms.h"

namespace yupana::runtime {

namespace {

using internal::check_string;
using internal::CheckScope;
using ull = unsigned long long;

/// A shape while links are applied to it.
struct Shape {
  uint64_t extents[kMaxRank];
  uint32_t rank;
  schema::ElementType element;

  /// False when it has an extent of 0 or more than 2^64 bytes.
  bool bytes(uint64_t *out) const {
    *out = element_bytes(element);
    // Zero is refused as well: nothing divides by an extent, but a weight of no bytes has no place.
    for (uint32_t i = 0; i < rank; ++i)
      if (extents[i] == 0 || !checked_mul(*out, extents[i], out))
        return false;
    return true;
  }
};

// The functions below return what is wrong, or null.

const char *take_shape(const flatbuffers::Vector<uint64_t> &extents, schema::ElementType element, Shape *out) {
  if (element > schema::ElementType::MAX)
    return "an unknown element type";
  if (extents.size() > kMaxRank)
    return "more than 8 axes";
  out->rank = extents.size();
  out->element = element;
  for (uint32_t i = 0; i < out->rank; ++i)
    out->extents[i] = extents.Get(i);
  uint64_t bytes;
  return out->bytes(&bytes) ? nullptr : "an extent is 0 or its size exceeds 64 bits";
}

const char *apply_slice(const schema::Link &link, Shape *shape) {
  if (link.axis() >= shape->rank)
    return "a slice of an axis that is not there";
  // In this form nothing wraps: the last index, offset + (size - 1) * step, is at most extent - 1.
  uint64_t &extent = shape->extents[link.axis()];
  if (link.step() == 0 || link.size() == 0 || link.offset() >= extent ||
      link.size() - 1 > (extent - 1 - link.offset()) / link.step())
    return "a slice of nothing or beyond its axis";
  extent = link.size();
  return nullptr;
}

const char *apply_transpose(const schema::Link &link, Shape *shape) {
  Shape before = *shape;
  // A bit for each axis met: each must come once, and there are at most eight.
  uint32_t met = 0;
  for (uint32_t i = 0; i < shape->rank; ++i) {
    uint32_t from = link.permutation()->Get(i);
    if (from >= shape->rank || met >> from & 1)
      return "a transpose that permutes other axes";
    met |= 1u << from;
    shape->extents[i] = before.extents[from];
  }
  return nullptr;
}

const char *apply(const schema::Link &link, bool first, uint32_t tensors, Shape *shape) {
  // Stacking is how several tensors become one, so it can only be the first thing that happens to them.
  bool stacks = link.kind() == schema::LinkKind::stack;
  if (stacks ? !first || link.size() != tensors || shape->rank == kMaxRank : first && tensors > 1)
    return "several tensors are stacked by the first link, all of them and up to 8 axes";
  switch (link.kind()) {
  case schema::LinkKind::stack:
    for (uint32_t i = shape->rank++; i > 0; --i)
      shape->extents[i] = shape->extents[i - 1];
    shape->extents[0] = tensors;
    return nullptr;
  case schema::LinkKind::slice:
    return apply_slice(link, shape);
  case schema::LinkKind::transpose:
    return apply_transpose(link, shape);
  case schema::LinkKind::convert:
    shape->element = link.element();
    return shape->element > schema::ElementType::MAX ? "an unknown element type" : nullptr;
  }
  return "a link of an unknown kind";
}

const char *follow(const schema::WeightPart &part, Shape *out) {
  uint32_t tensors = part.tensors()->size(), links = part.links()->size();
  if (tensors == 0 || tensors > kMaxPartTensors || links > kMaxLinks || (links == 0 && tensors > 1))
    return "no tensors, several without links, or too many of either";
  const char *fault = take_shape(*part.shape(), part.element(), out);
  for (uint32_t i = 0; i < links && !fault; ++i) {
    uint64_t bytes;
    fault = apply(*part.links()->Get(i), i == 0, tensors, out);
    // Each shape on the way must have a size, since whoever fills the weight may hold any of them.
    if (!fault && !out->bytes(&bytes))
      fault = "its size exceeds 64 bits on the way";
  }
  return fault;
}

/// True if `part` has the shape of `whole`, or half of its rows (the last axis but one) where there are two parts.
bool same_shape(const Shape &whole, const Shape &part, uint32_t parts) {
  if (part.rank != whole.rank || part.element != whole.element || part.rank < parts)
    return false;
  for (uint32_t axis = 0; axis < part.rank; ++axis) {
    uint64_t share = parts == 2 && axis + 2 == part.rank ? 2 : 1;
    if (whole.extents[axis] % share != 0 || part.extents[axis] != whole.extents[axis] / share)
      return false;
  }
  return true;
}

const char *check_parts(const schema::Weight &weight, const Shape &shape, const Report &report) {
  uint32_t count = weight.parts() ? weight.parts()->size() : 0;
  // Two parts have rows that alternate in runs; a table has no parts and no runs.
  if ((weight.parts() && count != 1 && count != 2) || (count == 2) != (weight.run() != 0))
    return "expected one part, or two with runs";
  for (uint32_t i = 0; i < count; ++i) {
    const schema::WeightPart &part = *weight.parts()->Get(i);
    Shape end;
    if (const char *fault = follow(part, &end))
      // Halves are compared before padding, as the shape of the weight is.
      return fault;
    if (!same_shape(shape, end, count))
      return "the links of a part do not end in its shape and element type";
    for (const flatbuffers::String *tensor : *part.tensors())
      if (!check_string(tensor, "a weight", report))
        return "";
  }
  return nullptr;
}

/// Finds the bytes that a weight has in a form.
const char *check_form(const schema::PackedForm &form, const schema::Weight &weight, uint64_t *bytes) {
  if (!form.is_weight_form())
    return "its layout is for token rows";
  if (weight.run() != 0 && !schema::holds_pairs(form, weight.run()))
    return "its runs do not fill the tiles of its layout";
  schema::PackedShape shape;
  // More than any weight has.
  if (!schema::packed_shape(*weight.shape(), element_bytes(weight.element()), &shape) ||
      !schema::packed_bytes(form, shape, bytes))
    *bytes = UINT64_MAX;
  return nullptr;
}

bool check_place(const CheckScope &scope, const schema::Weight &weight) {
  const char *name = weight.name()->c_str();
  if (weight.section() == schema::kNoSection) {
    // Without bytes in the file somebody must be able to make them.
    if (weight.offset() == 0 && weight.parts())
      return true;
    return scope.report.invalid("weight '%s' has no bytes; expected offset 0 and parts to fill it from", name);
  }
  if (!section_is(scope.frame, weight.section(), schema::SectionKind::weights))
    return scope.report.invalid("weight '%s' names section %u, which does not hold weights", name, weight.section());
  uint64_t section_bytes = scope.frame.sections[weight.section()].size;
  if (weight.offset() % schema::kWeightAlignment != 0)
    return scope.report.invalid("weight '%s' lies at %llu; expected a multiple of %llu", name,
                                static_cast<ull>(weight.offset()), static_cast<ull>(schema::kWeightAlignment));
  if (!range_within(weight.offset(), weight.size(), section_bytes))
    return scope.report.invalid("weight '%s' of %llu bytes at %llu ends beyond its section of %llu", name,
                                static_cast<ull>(weight.size()), static_cast<ull>(weight.offset()),
                                static_cast<ull>(section_bytes));
  return true;
}

bool check_weight(const CheckScope &scope, const schema::Weight &weight) {
  const Report &report = scope.report;
  if (!check_string(weight.name(), "a weight", report) || !check_string(weight.layout(), "a weight", report) ||
      !check_string(weight.source(), "a weight", report))
    return false;
  Shape shape;
  uint64_t bytes = 0;
  const char *fault = take_shape(*weight.shape(), weight.element(), &shape);
  if (!fault)
    fault = check_parts(weight, shape, report);
  if (fault && !*fault)
    return false; // check_parts has reported it
  const schema::PackedForm *form = schema::find_form(weight.layout()->string_view());
  if (!fault && shape.bytes(&bytes) && form)
    fault = check_form(*form, weight, &bytes);
  if (!fault && weight.digest() && weight.digest()->size() != 32)
    fault = "expected a digest of 32 bytes";
  if (fault)
    return report.invalid("weight '%s': %s", weight.name()->c_str(), fault);
  if (!check_place(scope, weight))
    return false;
  // A form that is not known here is a later version's: its size is the writer's word, but never below the elements'.
  if (form ? bytes != weight.size() : bytes > weight.size())
    return report.invalid("weight '%s' has %llu bytes; its shape needs %llu in layout %s", weight.name()->c_str(),
                          static_cast<ull>(weight.size()), static_cast<ull>(bytes), weight.layout()->c_str());
  return true;
}

} // namespace

bool internal::check_weights(const CheckScope &scope) {
  const auto &weights = *scope.plan.weights();
  if (weights.size() > kMaxWeights)
    return scope.report.invalid("there are %u weights; expected at most %u", weights.size(), kMaxWeights);
  for (const schema::Weight *weight : weights)
    if (!check_weight(scope, *weight))
      return false;
  return true;
}

} // namespace yupana::runtime
