// SPDX-License-Identifier: Apache-2.0
//
// The catalogue of wrong plans: each is a good plan with one fault, and has the status it must be refused with. Faults
// of the metadata are sealed with right digests and CRCs, so that only the check they are meant for can find them.

#include "test/runtime/test_support.h"

#include "test/runtime/code/test_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>

namespace yupana::test {
namespace {

using schema::ArgumentKind;
using schema::GridOp;
using schema::GridTerm;
using schema::SectionKind;

struct Malformed {
  const char *name;
  yupana_status_code_t expected;
  const char *words; // of the message
  std::function<void(PlanSpec &)> change_spec;
  std::function<void(Bytes &)> change_file;
};

schema::TargetT &target(PlanSpec &spec) { return *spec.plan.targets[0]; }
schema::LaunchT &launch(PlanSpec &spec) { return *target(spec).programs[0]->launches[0]; }
schema::WeightT &weight(PlanSpec &spec) { return *spec.plan.weights[0]; }
schema::WeightPartT &part(PlanSpec &spec) { return *weight(spec).parts[0]; }
/// Replaces link `i` of the embedding: 0 slices, 1 converts.
void set_link(PlanSpec &spec, size_t i, schema::LinkKind kind, uint64_t offset = 0, uint64_t size = 1,
              uint64_t step = 1, uint32_t axis = 0, std::array<uint8_t, 8> permutation = {},
              schema::ElementType element = schema::ElementType::f32) {
  part(spec).links[i] = {offset, size, step, permutation, axis, kind, element};
}
schema::KernelImage &image(PlanSpec &spec) { return target(spec).kernels[0]->images[0]; }
schema::KernelImage host_image(uint32_t section) { return {section, 0, 0, 0, schema::ImageFormat::elf_x86_64}; }

/// Makes the embedding one of rows that alternate between two tensors.
void interleave(PlanSpec &spec) {
  auto half = std::make_unique<schema::WeightPartT>();
  half->tensors = {"half"};
  half->shape = {TEST_VOCAB / 2, 1};
  weight(spec).parts[0] = std::make_unique<schema::WeightPartT>(*half);
  weight(spec).parts.push_back(std::move(half));
  weight(spec).run = 4;
}

/// Gives the logits two entries, for the first program and for what follows it.
void split_logits(PlanSpec &spec) {
  auto &buffers = target(spec).buffers;
  auto second = std::make_unique<schema::BufferT>(*buffers[3]);
  buffers[3]->last_launch = 5;
  second->first_launch = 11;
  buffers.push_back(std::move(second));
  target(spec).programs[1]->launches[5]->arguments[3] = {ArgumentKind::buffer, 5, 0};
}

Malformed in_spec(const char *name, const char *words, std::function<void(PlanSpec &)> change,
                  yupana_status_code_t expected = YUPANA_STATUS_INVALID_DATA) {
  return {name, expected, words, std::move(change), nullptr};
}
/// Changed after sealing; the CRCs are made right again.
Malformed in_frame(const char *name, const char *words, std::function<void(Bytes &)> change,
                   yupana_status_code_t expected = YUPANA_STATUS_INVALID_DATA) {
  return {name, expected, words, nullptr, [change](Bytes &file) {
            change(file);
            reseal(file);
          }};
}
/// Changed after sealing, and left so.
Malformed in_bytes(const char *name, const char *words, std::function<void(Bytes &)> change,
                   yupana_status_code_t expected = YUPANA_STATUS_INVALID_DATA) {
  return {name, expected, words, nullptr, std::move(change)};
}

const Malformed kHeader[] = {
    in_bytes("EmptyFile", "found 0 bytes", [](Bytes &f) { f.clear(); }),
    in_bytes("HalfAHeader", "found 63 bytes", [](Bytes &f) { f.resize(63); }),
    in_bytes("WrongMagic", "not a plan", [](Bytes &f) { f[0] = 'G'; }),
    in_bytes("TextTransfer", "not a plan", [](Bytes &f) { f.erase(f.begin() + 5); }),
    in_bytes("HeaderCrc", "the header has CRC-32", [](Bytes &f) { f[60] ^= 1; }),
    in_bytes("TableCrc", "the section table has CRC-32", [](Bytes &f) { f[64 + 60] ^= 1; }),
    in_frame(
        "NewerMajor", "found plan format 1.", [](Bytes &f) { header_of(f).major = schema::kMajor + 1; },
        YUPANA_STATUS_UNSUPPORTED),
    in_frame(
        "NewerMinor", "found plan format 0.", [](Bytes &f) { header_of(f).minor = schema::kMinor + 1; },
        YUPANA_STATUS_UNSUPPORTED),
    in_frame(
        "OlderMinor", "found plan format 0.4; this runtime reads", [](Bytes &f) { header_of(f).minor = 4; },
        YUPANA_STATUS_UNSUPPORTED),
    in_frame(
        "RequiredFeature", "requires features", [](Bytes &f) { header_of(f).required_features = uint64_t{1} << 40; },
        YUPANA_STATUS_UNSUPPORTED),
    in_frame("HeaderSize", "header_size", [](Bytes &f) { header_of(f).header_size = 72; }),
    in_frame("HeaderReserved", "reserved", [](Bytes &f) { header_of(f).reserved[1] = 1; }),
    in_frame("Truncated", "its header says", [](Bytes &f) { f.pop_back(); }),
    in_frame("TrailingByte", "its header says", [](Bytes &f) { f.push_back(0); }),
    in_frame("TrailingByteCounted", "follow the last section",
             [](Bytes &f) {
               f.push_back(0);
               ++header_of(f).file_size;
             }),
    in_frame("NoSections", "section_count", [](Bytes &f) { header_of(f).section_count = 0; }),
    in_frame("ManySections", "section_count", [](Bytes &f) { header_of(f).section_count = 4097; }),
    in_frame("TableElsewhere", "section_table_offset", [](Bytes &f) { header_of(f).section_table_offset = 128; }),
    in_frame("TableWraps", "section_table_offset",
             [](Bytes &f) { header_of(f).section_table_offset = UINT64_MAX - 8; }),
};

const Malformed kTable[] = {
    in_frame("SectionBeyondFile", "ends beyond the file", [](Bytes &f) { entry_of(f, kTokenizer).size += 1; }),
    in_frame("SectionSizeWraps", "ends beyond the file", [](Bytes &f) { entry_of(f, kTokenizer).size = UINT64_MAX; }),
    in_frame("SectionsOverlap", "begins at",
             [](Bytes &f) { entry_of(f, kCode).offset = entry_of(f, kMetadata).offset; }),
    in_frame("SectionsSwapped", "begins at", [](Bytes &f) { std::swap(entry_of(f, kTokenizer), entry_of(f, kCode)); }),
    in_frame("SectionUnaligned", "begins at", [](Bytes &f) { entry_of(f, kTokenizer).offset -= 1; }),
    in_frame("WideGap", "begins at", [](Bytes &f) { entry_of(f, kTokenizer).offset += schema::kSectionAlignment; }),
    in_frame("PageAlignment", "alignment 4096; expected a power of two from 65536",
             [](Bytes &f) { entry_of(f, kWeights).alignment = 4096; }),
    in_frame("WordAlignment", "alignment 32; expected a power of two from 64 ",
             [](Bytes &f) { entry_of(f, kCode).alignment = 32; }),
    in_frame("OddAlignment", "alignment 65537", [](Bytes &f) { entry_of(f, kCode).alignment = 65537; }),
    in_frame("HugeAlignment", "alignment", [](Bytes &f) { entry_of(f, kCode).alignment = uint64_t{1} << 63; }),
    in_frame("EmptySection", "is empty", [](Bytes &f) { entry_of(f, kCode).size = 0; }),
    in_frame("UnknownFlag", "flags", [](Bytes &f) { entry_of(f, kCode).flags = 2; }),
    in_frame("SectionReserved", "reserved", [](Bytes &f) { entry_of(f, kCode).reserved[0] = 1; }),
    in_frame("HiddenBytes", "lies between sections", [](Bytes &f) { f[entry_of(f, kMetadata).offset - 1] = 1; }),
    in_frame(
        "UnknownRequiredSection", "kind 99",
        [](Bytes &f) {
          entry_of(f, kTokenizer).kind = 99;
          entry_of(f, kTokenizer).flags = schema::kSectionRequired;
        },
        YUPANA_STATUS_UNSUPPORTED),
    in_frame("NoMetadata", "found 0 metadata sections",
             [](Bytes &f) { entry_of(f, kMetadata).kind = 99, entry_of(f, kMetadata).flags = 0; }),
    in_frame("TwoMetadata", "found 2 metadata sections", [](Bytes &f) { entry_of(f, kTokenizer).kind = 1; }),
    in_spec("WeightsWithoutDigests", "the digests of the weights",
            [](PlanSpec &s) { s.sections.erase(s.sections.begin() + kDigests - 1); }),
    in_spec("WeightsLast", "the last section holds weights", [](PlanSpec &s) { s.sections.resize(kWeights); }),
    in_frame("DigestsWithoutWeights", "no weights before it",
             [](Bytes &f) { entry_of(f, kTokenizer).kind = static_cast<uint32_t>(SectionKind::weight_digests); }),
    in_spec("WrongNumberOfDigests", "bytes of digests",
            [](PlanSpec &s) {
              s.sections[kDigests - 1].kind = SectionKind::tokenizer; // keeps the writer from filling it
              s.sections[kDigests - 1].bytes.resize(64);
            }),
    in_bytes(
        "MetadataDigest", "section 0 of kind 1 has SHA-256",
        [](Bytes &f) { f[entry_of(f, kMetadata).offset + 100] ^= 1; }, YUPANA_STATUS_DIGEST_MISMATCH),
};

const Malformed kMetadataTables[] = {
    in_frame("MetadataNotAFlatBuffer", "not a well-formed",
             [](Bytes &f) { memset(f.data() + entry_of(f, kMetadata).offset, 0xFF, entry_of(f, kMetadata).size); }),
    in_frame("MetadataOtherIdentifier", "not a well-formed",
             [](Bytes &f) { f[entry_of(f, kMetadata).offset + 4] = 'X'; }),
    in_frame("MetadataRootOffset", "not a well-formed", [](Bytes &f) { f[entry_of(f, kMetadata).offset + 3] = 0x7F; }),
    in_spec("LongString", "has 4097 bytes", [](PlanSpec &s) { s.plan.model->name.assign(4097, 'x'); }),
    in_spec("StringWithNul", "not UTF-8", [](PlanSpec &s) { s.plan.model->name.assign(3, '\0'); }),
    in_spec("StringNotUtf8", "not UTF-8", [](PlanSpec &s) { s.plan.model->name = "\xC0\xAF"; }),
    in_spec("StringWithEscape", "without control characters",
            [](PlanSpec &s) { target(s).kernels[0]->symbol = "\x1B[2J"; }),
    in_spec("StringWithDelete", "without control characters",
            [](PlanSpec &s) { target(s).buffers[0]->name = "a\x7F"; }),
    in_spec("StringWithUpperControl", "without control characters",
            [](PlanSpec &s) { s.plan.cache_groups[0]->name = "a\u009B2J"; }),
    in_spec("StringWithLineEnd", "without control characters", [](PlanSpec &s) { s.plan.producer = "a\nb"; }),
    in_spec("StringWithSurrogate", "not UTF-8", [](PlanSpec &s) { s.plan.model->name = "\xED\xA0\x80"; }),
    in_spec("NoContext", "max_context is 0", [](PlanSpec &s) { s.plan.limits->max_context = 0; }),
    in_spec("HugeContext", "max_context", [](PlanSpec &s) { s.plan.limits->max_context = UINT32_MAX; }),
    in_spec("NoBatch", "max_batch is 0", [](PlanSpec &s) { s.plan.limits->max_batch = 0; }),
    in_spec("NoRows", "max_logit_rows is 0", [](PlanSpec &s) { s.plan.limits->max_logit_rows = 0; }),
    in_spec("NoVocabulary", "vocab_size 0", [](PlanSpec &s) { s.plan.model->vocab_size = 0; }),
    in_spec("BosOutside", "bos_token", [](PlanSpec &s) { s.plan.model->bos_token = TEST_VOCAB; }),
    in_spec("BosNegative", "bos_token", [](PlanSpec &s) { s.plan.model->bos_token = -2; }),
    in_spec("StopOutside", "stop token", [](PlanSpec &s) { s.plan.model->stop_tokens[0] = TEST_VOCAB; }),
    in_spec("WeightUnaligned", "a multiple of 256", [](PlanSpec &s) { weight(s).offset = 128; }),
    in_spec("WeightBeyondSection", "ends beyond its section", [](PlanSpec &s) { weight(s).size = 65; }),
    in_spec("WeightOffsetWraps", "ends beyond its section", [](PlanSpec &s) { weight(s).offset = UINT64_MAX - 255; }),
    in_spec("WeightShapeWraps", "exceeds 64 bits",
            [](PlanSpec &s) {
              weight(s).shape = {uint64_t{1} << 33, uint64_t{1} << 33};
            }),
    in_spec("WeightShapeTooLarge", "its shape needs",
            [](PlanSpec &s) {
              weight(s).shape = {TEST_VOCAB + 1, 1};
              part(s).shape = {TEST_VOCAB + 1, 2};
            }),
    in_spec("WeightLargerThanItsForm", "its shape needs 60 in layout row-major",
            [](PlanSpec &s) {
              --weight(s).shape[0];
              --part(s).shape[0];
            }),
    in_spec("WeightSmallerThanItsForm", "its shape needs 128 in layout panel32",
            [](PlanSpec &s) { weight(s).layout = "panel32"; }),
    in_spec("WeightInAFormOfTokens", "its layout is for token rows", [](PlanSpec &s) { weight(s).layout = "rows128"; }),
    in_spec("RunOfNoTile", "its runs do not fill the tiles of its layout", interleave),
    in_spec("WeightEmptyExtent", "an extent is 0",
            [](PlanSpec &s) {
              weight(s).shape = {4, 0};
            }),
    in_spec("WeightRank", "more than 8 axes", [](PlanSpec &s) { weight(s).shape.assign(9, 1); }),
    in_spec("WeightElement", "an unknown element type",
            [](PlanSpec &s) { weight(s).element = static_cast<schema::ElementType>(7); }),
    in_spec("WeightInCode", "does not hold weights", [](PlanSpec &s) { weight(s).section = kCode; }),
    in_spec("WeightNowhere", "does not hold weights", [](PlanSpec &s) { weight(s).section = 77; }),
    in_spec("MissingWeightWithOffset", "has no bytes",
            [](PlanSpec &s) {
              strip(s);
              weight(s).offset = 256;
            }),
    in_spec("MissingWeightWithoutParts", "has no bytes",
            [](PlanSpec &s) {
              strip(s);
              weight(s).parts.clear();
            }),
    in_spec("WeightDigestShort", "a digest of 32 bytes", [](PlanSpec &s) { weight(s).digest.assign(31, 1); }),
    in_spec("ThreeParts", "expected one part, or two with runs",
            [](PlanSpec &s) {
              for (int i = 0; i < 2; ++i)
                weight(s).parts.push_back(std::make_unique<schema::WeightPartT>(part(s)));
            }),
    in_spec("RunOfOnePart", "expected one part, or two with runs", [](PlanSpec &s) { weight(s).run = 4; }),
    in_spec("TwoPartsWithoutRun", "expected one part, or two with runs",
            [](PlanSpec &s) {
              interleave(s);
              weight(s).run = 0;
            }),
    in_spec("PartOfOtherRows", "do not end in its shape",
            [](PlanSpec &s) {
              interleave(s);
              weight(s).parts[1]->shape = {TEST_VOCAB / 2 + 1, 1};
            }),
    in_spec("OddRowsOfTwoParts", "do not end in its shape",
            [](PlanSpec &s) {
              interleave(s);
              weight(s).shape = {TEST_VOCAB - 1, 1};
              for (auto &part : weight(s).parts)
                part->shape = {TEST_VOCAB / 2 - 1, 1};
            }),
    in_spec("PartOfOtherDepth", "do not end in its shape",
            [](PlanSpec &s) {
              interleave(s);
              weight(s).parts[0]->shape = {TEST_VOCAB / 2, 2};
            }),
    in_spec("TwoPartsOfOneAxis", "do not end in its shape",
            [](PlanSpec &s) {
              interleave(s);
              weight(s).shape = {TEST_VOCAB};
              for (auto &part : weight(s).parts)
                part->shape = {TEST_VOCAB};
            }),
    in_spec("PartOfOtherElements", "do not end in its shape", [](PlanSpec &s) { part(s).links.pop_back(); }),
    in_spec("PartElement", "an unknown element type",
            [](PlanSpec &s) { part(s).element = static_cast<schema::ElementType>(9); }),
    in_spec("PartTensorNotUtf8", "not UTF-8", [](PlanSpec &s) { part(s).tensors[0] = "\xC0\xAF"; }),
    in_spec("PartWithoutTensors", "no tensors", [](PlanSpec &s) { part(s).tensors.clear(); }),
    in_spec("PartShapeWraps", "exceeds 64 bits",
            [](PlanSpec &s) {
              part(s).shape = {uint64_t{1} << 32, uint64_t{1} << 32};
            }),
    in_spec("PartRank", "more than 8 axes", [](PlanSpec &s) { part(s).shape.assign(9, 1); }),
    in_spec("ManyLinks", "too many of either", [](PlanSpec &s) { part(s).links.resize(65, part(s).links[1]); }),
    in_spec("LinkKindUnknown", "an unknown kind",
            [](PlanSpec &s) { set_link(s, 1, static_cast<schema::LinkKind>(4)); }),
    in_spec("ConvertElement", "an unknown element type",
            [](PlanSpec &s) {
              set_link(s, 1, schema::LinkKind::convert, 0, 0, 0, 0, {}, static_cast<schema::ElementType>(12));
            }),
    in_spec("ConvertWraps", "exceeds 64 bits on the way",
            [](PlanSpec &s) {
              part(s).shape = {uint64_t{1} << 62};
              set_link(s, 0, schema::LinkKind::convert);
            }),
    in_spec("SliceAxis", "an axis that is not there",
            [](PlanSpec &s) { set_link(s, 0, schema::LinkKind::slice, 0, 1, 1, 2); }),
    in_spec("SliceEnd", "beyond its axis", [](PlanSpec &s) { set_link(s, 0, schema::LinkKind::slice, 1, 2, 1, 1); }),
    in_spec("SliceOffset", "beyond its axis", [](PlanSpec &s) { set_link(s, 0, schema::LinkKind::slice, 2, 1, 1, 1); }),
    in_spec("SliceOfNothing", "a slice of nothing",
            [](PlanSpec &s) { set_link(s, 0, schema::LinkKind::slice, 0, 0, 1, 1); }),
    in_spec("SliceStep", "a slice of nothing",
            [](PlanSpec &s) { set_link(s, 0, schema::LinkKind::slice, 0, 1, 0, 1); }),
    in_spec("SliceStepWraps", "beyond its axis",
            [](PlanSpec &s) { set_link(s, 0, schema::LinkKind::slice, 0, 2, UINT64_MAX, 1); }),
    in_spec("TransposeTwice", "permutes other axes",
            [](PlanSpec &s) {
              set_link(s, 1, schema::LinkKind::transpose, 0, 0, 0, 0, {1, 1});
            }),
    in_spec("TransposeOutside", "permutes other axes",
            [](PlanSpec &s) {
              set_link(s, 1, schema::LinkKind::transpose, 0, 0, 0, 0, {0, 64});
            }),
    in_spec("StackLater", "stacked by the first link", [](PlanSpec &s) { set_link(s, 1, schema::LinkKind::stack); }),
    in_spec("TensorsNotStacked", "stacked by the first link", [](PlanSpec &s) { part(s).tensors.push_back("other"); }),
    in_spec("TensorsWithoutLinks", "several without links",
            [](PlanSpec &s) {
              part(s).tensors.push_back("other");
              part(s).links.clear();
            }),
    in_spec("StackOfOtherCount", "stacked by the first link",
            [](PlanSpec &s) {
              part(s).tensors.push_back("other");
              set_link(s, 0, schema::LinkKind::stack, 0, 1);
            }),
    in_spec("StackRank", "up to 8 axes",
            [](PlanSpec &s) {
              part(s).shape.assign(8, 1);
              set_link(s, 0, schema::LinkKind::stack, 0, 1);
            }),
    in_spec("NoPageTokens", "pages of 0 tokens", [](PlanSpec &s) { s.plan.cache_groups[0]->page_tokens = 0; }),
    in_spec("NoPageBytes", "0 bytes", [](PlanSpec &s) { s.plan.cache_groups[0]->page_bytes = 0; }),
    in_spec("LayerOutside", "names layer 2 of 2", [](PlanSpec &s) { s.plan.cache_groups[0]->layers = {2}; }),
    in_spec("NoTargets", "0 targets", [](PlanSpec &s) { s.plan.targets.clear(); }),
};

const Malformed kTargets[] = {
    in_spec("ImageNowhere", "in a section of its kind", [](PlanSpec &s) { image(s) = host_image(99); }),
    in_spec("ImageInWeights", "in a section of its kind", [](PlanSpec &s) { image(s) = host_image(kWeights); }),
    in_spec("ImageFormatUnknown", "format 3",
            [](PlanSpec &s) {
              image(s) = {kCode, 0, 0, 0, static_cast<schema::ImageFormat>(3)};
            }),
    in_spec("CubinInHostCode", "in a section of its kind",
            [](PlanSpec &s) {
              image(s) = {kCode, 0, 0, 0, schema::ImageFormat::cubin};
            }),
    in_spec("NoImage", "has 0 images", [](PlanSpec &s) { target(s).kernels[1]->images.clear(); }),
    in_spec("TwoImagesOfAFormat", "expected one of a format",
            [](PlanSpec &s) { target(s).kernels[0]->images.push_back(target(s).kernels[0]->images[0]); }),
    in_spec("TwoHostImages", "host code alone and the same for all",
            [](PlanSpec &s) {
              s.sections.push_back({SectionKind::host_code, schema::kSectionRequired, {1}});
              target(s).kernels[1]->images[0] = host_image(5);
            }),
    in_spec("HostCodeBesideDeviceCode", "host code alone and the same for all",
            [](PlanSpec &s) {
              for_gpu(s);
              s.sections.push_back({SectionKind::host_code, schema::kSectionRequired, {1}});
              target(s).kernels[1]->images = {host_image(6)};
            }),
    in_spec("ThreadsOnACpu", "expected none on a CPU", [](PlanSpec &s) { launch(s).threads = 32; }),
    in_spec("WaitingOnACpu", "which is for GPUs", [](PlanSpec &s) { s.plan.targets[0]->kernels[0]->waits = true; }),
    in_spec("SharedMemoryOnACpu", "expected none on a CPU", [](PlanSpec &s) { launch(s).shared_bytes = 4; }),
    in_spec("NoThreads", "has 0 threads",
            [](PlanSpec &s) {
              for_gpu(s);
              launch(s).threads = 0;
            }),
    in_spec("ManyThreads", "has 1025 threads",
            [](PlanSpec &s) {
              for_gpu(s);
              launch(s).threads = 1025;
            }),
    in_spec("GridWrapsWithMultiprocessors", "exceed 32 bits",
            [](PlanSpec &s) {
              launch(s).grid = {GridTerm(GridOp::sms, 0), GridTerm(GridOp::constant, 65536), GridTerm(GridOp::mul, 0)};
            }),
    in_spec("LogitsInAWorkspace", "lies in a workspace", [](PlanSpec &s) { target(s).arenas[0]->workspace = true; }),
    in_spec("EntriesElsewhere", "are called 'logits'",
            [](PlanSpec &s) {
              split_logits(s);
              target(s).buffers[5]->offset = 0;
            }),
    in_spec("EntriesOfOtherSizes", "are called 'logits'",
            [](PlanSpec &s) {
              split_logits(s);
              target(s).buffers[5]->size -= 4;
            }),
    in_spec("EntriesMeet", "are called 'logits'",
            [](PlanSpec &s) {
              split_logits(s);
              target(s).buffers[5]->first_launch = 5;
            }),
    in_spec("EntryOfOtherLaunches", "which lives from launch 11 to 12",
            [](PlanSpec &s) {
              split_logits(s);
              target(s).programs[0]->launches[5]->arguments[3] = {ArgumentKind::buffer, 5, 0};
            }),
    in_spec("ArenaAlignment", "alignment 48", [](PlanSpec &s) { target(s).arenas[0]->alignment = 48; }),
    in_spec("BufferBeyondArena", "ends beyond its arena", [](PlanSpec &s) { target(s).buffers[0]->size = 1u << 20; }),
    in_spec("BufferWraps", "ends beyond its arena",
            [](PlanSpec &s) { target(s).buffers[0]->offset = UINT64_MAX - 63; }),
    in_spec("BufferUnaligned", "a multiple of 64", [](PlanSpec &s) { target(s).buffers[0]->offset = 4; }),
    in_spec("BufferArena", "names arena 1 of 1", [](PlanSpec &s) { target(s).buffers[0]->arena = 1; }),
    in_spec("BufferLifeReversed", "lives from launch 12 to 11",
            [](PlanSpec &s) { target(s).buffers[0]->first_launch = 12; }),
    in_spec("BufferLivesTooLong", "there are 13", [](PlanSpec &s) { target(s).buffers[0]->last_launch = 13; }),
    in_spec("BufferDeadWhenUsed", "lives from launch 1 to 11",
            [](PlanSpec &s) { target(s).buffers[0]->first_launch = 1; }),
    in_spec("ScratchHuge", "of scratch", [](PlanSpec &s) { target(s).kernels[0]->scratch_bytes = UINT64_MAX; }),
    in_spec("ArgumentCount", "has 7 arguments", [](PlanSpec &s) { target(s).kernels[0]->arguments = 4; }),
    in_spec("KernelOutside", "names kernel 6 of 6", [](PlanSpec &s) { launch(s).kernel = 6; }),
    in_spec("WeightArgumentOutside", "names weight 1 of 1",
            [](PlanSpec &s) {
              launch(s).arguments[1] = {ArgumentKind::weight, 1, 0};
            }),
    in_spec("WeightArgumentOffset", "points at byte 64",
            [](PlanSpec &s) {
              launch(s).arguments[1] = {ArgumentKind::weight, 0, 64};
            }),
    in_spec("BufferArgumentOutside", "names buffer 5 of 5",
            [](PlanSpec &s) {
              launch(s).arguments[2] = {ArgumentKind::buffer, 5, 0};
            }),
    in_spec("CacheArgumentOutside", "names cache page 2 of 2",
            [](PlanSpec &s) {
              launch(s).arguments[2] = {ArgumentKind::cache, 2, 0};
            }),
    in_spec("CacheArgumentOffset", "points at byte 16",
            [](PlanSpec &s) {
              launch(s).arguments[2] = {ArgumentKind::cache, 0, 16};
            }),
    in_spec("TableArgumentOffset", "points at byte 2 ",
            [](PlanSpec &s) {
              launch(s).arguments[2] = {ArgumentKind::page_table, 0, 2};
            }),
    in_spec("InputArgumentOutside", "names step input 15 of 15",
            [](PlanSpec &s) {
              launch(s).arguments[0] = {ArgumentKind::input, 15, 0};
            }),
    in_spec("HistoryOutside", "names history 1 of 1",
            [](PlanSpec &s) {
              launch(s).arguments[6] = {ArgumentKind::history, 1, 0};
            }),
    in_spec("HistoryBehindItsFirstRow", "points at byte 160 of a history of 160",
            [](PlanSpec &s) {
              launch(s).arguments[6] = {ArgumentKind::history, 0, 160};
            }),
    in_spec("HistoryUnaligned", "points at byte 2 ",
            [](PlanSpec &s) {
              launch(s).arguments[6] = {ArgumentKind::history, 0, 2};
            }),
    in_spec("TemperatureNegative", "temperature is -1; expected 0 to",
            [](PlanSpec &s) { s.plan.model->generation->temperature = -1; }),
    in_spec("TemperatureNoNumber", "temperature is nan",
            [](PlanSpec &s) { s.plan.model->generation->temperature = NAN; }),
    in_spec("TopPZero", "top_p is 0; expected", [](PlanSpec &s) { s.plan.model->generation->top_p = 0; }),
    in_spec("TopPAboveOne", "top_p is 1.5", [](PlanSpec &s) { s.plan.model->generation->top_p = 1.5f; }),
    in_spec("MinPAboveOne", "min_p is 2; expected 0 to 1", [](PlanSpec &s) { s.plan.model->generation->min_p = 2; }),
    in_spec("PenaltyZero", "repetition_penalty is 0",
            [](PlanSpec &s) { s.plan.model->generation->repetition_penalty = 0; }),
    in_spec("PenaltyInfinite", "repetition_penalty is inf",
            [](PlanSpec &s) { s.plan.model->generation->repetition_penalty = INFINITY; }),
    in_spec("ArgumentKindUnknown", "has kind 6",
            [](PlanSpec &s) {
              launch(s).arguments[0] = {static_cast<ArgumentKind>(6), 0, 0};
            }),
    in_spec("GridEmpty", "wrong grid", [](PlanSpec &s) { launch(s).grid.clear(); }),
    in_spec("GridUnderflow", "lacks operands", [](PlanSpec &s) { launch(s).grid = {GridTerm(GridOp::mul, 0)}; }),
    in_spec("GridLeftover", "more than one value",
            [](PlanSpec &s) { launch(s).grid.emplace_back(GridOp::constant, 1); }),
    in_spec("GridWraps", "exceed 32 bits",
            [](PlanSpec &s) {
              launch(s).grid.emplace_back(GridOp::constant, UINT32_MAX);
              launch(s).grid.emplace_back(GridOp::mul, 0);
            }),
    in_spec("GridDividesByRows", "divide by zero",
            [](PlanSpec &s) {
              launch(s).grid.emplace_back(GridOp::rows, 0);
              launch(s).grid.emplace_back(GridOp::ceil_div, 0);
            }),
    in_spec("GridOperatorUnknown", "unknown operator",
            [](PlanSpec &s) {
              launch(s).grid.emplace_back(GridOp::tokens, 0);
              launch(s).grid.emplace_back(static_cast<GridOp>(200), 0);
            }),
    in_spec("ProgramsDescending", "expected ascending",
            [](PlanSpec &s) { std::swap(target(s).programs[0], target(s).programs[1]); }),
    in_spec("ProgramsTooSmall", "for up to 4 tokens",
            [](PlanSpec &s) {
              target(s).programs.erase(target(s).programs.begin() + 1);
              for (auto &buffer : target(s).buffers)
                buffer->last_launch = 6;
              target(s).buffers[4]->first_launch = 6;
            }),
    in_spec("ProgramFunctionUnknown", "function 2",
            [](PlanSpec &s) { target(s).programs[0]->function = static_cast<schema::Function>(2); }),
    in_spec("LogitsTooSmall", "for logits", [](PlanSpec &s) { target(s).logits = 0; }),
    in_spec("LogitsNowhere", "names buffer 5 of 5", [](PlanSpec &s) { target(s).logits = 5; }),
    in_spec("SampledNowhere", "names buffer 9 of 5", [](PlanSpec &s) { target(s).sampled = 9; }),
    in_spec("VocabularyOutgrowsLogits", "for logits", [](PlanSpec &s) { s.plan.model->vocab_size = UINT32_MAX; }),
};

class MalformedTest : public testing::TestWithParam<Malformed> {};

TEST_P(MalformedTest, IsRefused) {
  PlanSpec spec = test_plan();
  if (GetParam().change_spec)
    GetParam().change_spec(spec);
  Bytes file = write(spec);
  if (GetParam().change_file)
    GetParam().change_file(file);
  if (std::string(GetParam().name) == "WrongNumberOfDigests") {
    entry_of(file, kDigests).kind = static_cast<uint32_t>(SectionKind::weight_digests);
    reseal(file);
  }
  OpenedPlan opened(file);
  EXPECT_EQ(opened.code, GetParam().expected) << opened.status.message;
  EXPECT_EQ(opened.status.code, static_cast<uint32_t>(opened.code));
  EXPECT_EQ(opened.plan, nullptr);
  std::string message = opened.status.message;
  EXPECT_EQ(message.rfind("memory.yplan: ", 0), 0u) << "every message names the file: " << message;
  EXPECT_NE(message.find(GetParam().words), std::string::npos) << message;
}

std::string name_of(const testing::TestParamInfo<Malformed> &info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(Header, MalformedTest, testing::ValuesIn(kHeader), name_of);
INSTANTIATE_TEST_SUITE_P(Table, MalformedTest, testing::ValuesIn(kTable), name_of);
INSTANTIATE_TEST_SUITE_P(Metadata, MalformedTest, testing::ValuesIn(kMetadataTables), name_of);
INSTANTIATE_TEST_SUITE_P(Target, MalformedTest, testing::ValuesIn(kTargets), name_of);

// Two targets of one name could not be told apart.
TEST(MalformedPairTest, TwinTargets) {
  PlanSpec spec = test_plan();
  spec.plan.targets.push_back(std::move(test_plan().plan.targets[0]));
  const Bytes file = write(spec);
  OpenedPlan opened(file);
  EXPECT_EQ(opened.code, YUPANA_STATUS_INVALID_DATA);
  EXPECT_NE(std::string(opened.status.message).find("is there twice"), std::string::npos);
}

// Any byte of header, table or metadata set to an extreme value: an answer, and no access outside.
TEST(MalformedSweepTest, EveryByteOfTheMetadata) {
  const Bytes good = write(test_plan());
  Bytes copy = good;
  const schema::SectionEntry entry = entry_of(copy, kMetadata);
  for (uint64_t i = 0; i < entry.size; ++i)
    for (uint8_t value : {uint8_t{0}, uint8_t{1}, uint8_t{0x80}, uint8_t{0xFF}}) {
      Bytes file = good;
      if (file[entry.offset + i] == value)
        continue;
      file[entry.offset + i] = value;
      reseal(file);
      OpenedPlan opened(file);
    }
}

} // namespace
} // namespace yupana::test
