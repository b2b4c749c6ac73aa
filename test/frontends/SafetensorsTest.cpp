// SPDX-License-Identifier: Apache-2.0
#include "frontends/Safetensors/Safetensors.h"
#include "test/frontends/TestFiles.h"

#include <sys/stat.h>
#include <thread>
#include <unistd.h>

using namespace yupana;
using namespace yupana::test;

namespace {

struct BadFile {
  const char *name;
  std::string bytes;
  std::vector<std::string> fragments;
};

std::string deepValue(unsigned depth) { return std::string(depth, '[') + std::string(depth, ']'); }

std::vector<BadFile> badFiles() {
  auto one = [](std::string_view entry, size_t data) { return container(fmt::format(R"({{"t":{}}})", entry), data); };
  std::vector<BadFile> files = {
      {"Empty", "", {"has 0 bytes"}},
      {"SevenBytes", std::string(7, '\0'), {"has 7 bytes", "at least 8"}},
      {"HeaderBeyondFile", littleEndian64(100) + "{}", {"header of 100 bytes", "2 follow"}},
      {"HeaderBeyondLimit", littleEndian64(100'000'001) + "{}", {"header of 100000001 bytes", "at most 100000000"}},
      {"HeaderOf64Bits", littleEndian64(~uint64_t(0)) + "{}", {"18446744073709551615"}},
      {"HeaderEmpty", container("", 0), {"does not begin with '{'"}},
      {"HeaderBeginsWithSpace", container(" {}", 0), {"does not begin with '{'"}},
      {"HeaderIsList", container("[]", 0), {"does not begin with '{'"}},
      {"HeaderCutOff", container(R"({"t":)", 0), {"not valid JSON"}},
      {"HeaderWithTrailer", container("{}x", 0), {"not valid JSON"}},
      {"HeaderWithZeroByte", container(std::string("{}\0{", 4), 0), {"byte 2 is zero"}},
      {"HeaderNotUtf8", container("{\"\xff\":{}}", 0), {"not valid JSON"}},
      {"EntryIsNumber", one("1", 0), {"tensor 't'", "a number, expected an object"}},
      {"EntryIsList", one("[]", 0), {"tensor 't'", "a list, expected an object"}},
      {"NoType", one(R"({"shape":[],"data_offsets":[0,4]})", 4), {"tensor 't' lacks"}},
      {"NoShape", one(R"({"dtype":"F32","data_offsets":[0,4]})", 4), {"tensor 't' lacks"}},
      {"NoOffsets", one(R"({"dtype":"F32","shape":[]})", 4), {"tensor 't' lacks"}},
      {"TypeUnknown", one(R"({"dtype":"F31","shape":[],"data_offsets":[0,4]})", 4), {"tensor 't'", "'F31'"}},
      {"TypeIsNumber", one(R"({"dtype":32,"shape":[],"data_offsets":[0,4]})", 4), {"a number as dtype"}},
      {"TypeTwice", one(R"({"dtype":"F32","dtype":"F32","shape":[],"data_offsets":[0,4]})", 4), {"'dtype' twice"}},
      {"ShapeIsNumber", one(R"({"dtype":"F32","shape":1,"data_offsets":[0,4]})", 4), {"a number as shape"}},
      {"ShapeNegative", one(R"({"dtype":"F32","shape":[-1],"data_offsets":[0,4]})", 4), {"negative", "shape"}},
      {"ShapeFraction", one(R"({"dtype":"F32","shape":[1.0],"data_offsets":[0,4]})", 4), {"no 64-bit integer"}},
      {"ShapeBeyond64Bits",
       one(R"({"dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,4]})", 4),
       {"no 64-bit integer"}},
      {"ShapeNested", one(R"({"dtype":"F32","shape":[[1]],"data_offsets":[0,4]})", 4), {"a list in its shape"}},
      {"ShapeOf17Dimensions",
       one(R"({"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]})", 1),
       {"more than 16 dimensions"}},
      {"ProductBeyond64Bits",
       one(R"({"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,4]})", 4),
       {"more than 2^64 bits"}},
      {"BitsBeyond64Bits",
       one(R"({"dtype":"F64","shape":[288230376151711744],"data_offsets":[0,0]})", 0),
       {"more than 2^64 bits"}},
      {"HalfByte", one(R"({"dtype":"F4","shape":[3],"data_offsets":[0,1]})", 1), {"whole bytes"}},
      {"OneOffset", one(R"({"dtype":"U8","shape":[1],"data_offsets":[0]})", 1), {"1 data_offsets"}},
      {"ThreeOffsets", one(R"({"dtype":"U8","shape":[1],"data_offsets":[0,1,1]})", 1), {"more than two"}},
      {"OffsetIsString", one(R"({"dtype":"U8","shape":[1],"data_offsets":["0",1]})", 1), {"a string in its data_off"}},
      {"OffsetsReversed", one(R"({"dtype":"U8","shape":[1],"data_offsets":[1,0]})", 1), {"[1, 0]"}},
      {"OffsetsBeyondFile",
       one(R"({"dtype":"U8","shape":[2],"data_offsets":[0,2]})", 1),
       {"[0, 2]", "1 bytes of data"}},
      {"OffsetsHuge",
       one(R"({"dtype":"U8","shape":[1],"data_offsets":[18446744073709551614,18446744073709551615]})", 1),
       {"18446744073709551614"}},
      {"SizeTooSmall", one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,4]})", 4), {"needs 8 bytes", "give it 4"}},
      {"SizeTooLarge", one(R"({"dtype":"U8","shape":[2],"data_offsets":[0,4]})", 4), {"needs 2 bytes", "give it 4"}},
      {"HoleAtStart", one(R"({"dtype":"U8","shape":[2],"data_offsets":[2,4]})", 4), {"hole"}},
      {"BytesAtEnd", one(R"({"dtype":"U8","shape":[2],"data_offsets":[0,2]})", 4), {"end at data offset 2", "4 bytes"}},
      {"DataWithoutTensors", container("{}", 4), {"end at data offset 0", "4 bytes"}},
      {"NestedTooDeep",
       one(R"({"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":)" + deepValue(65) + "}", 1),
       {"deeper than 64"}},
  };
  const std::string byteAt0 = R"({"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  auto pair = [&](const char *secondName, const char *second, size_t data) {
    return container(fmt::format(R"({{"t":{},"{}":{}}})", byteAt0, secondName, second), data);
  };
  files.push_back({"Overlap", pair("u", R"({"dtype":"U8","shape":[2],"data_offsets":[0,2]})", 2), {"overlap"}});
  files.push_back({"Hole", pair("u", R"({"dtype":"U8","shape":[1],"data_offsets":[2,3]})", 3), {"'u'", "hole"}});
  files.push_back(
      {"TensorTwice", pair("t", R"({"dtype":"U8","shape":[1],"data_offsets":[1,2]})", 2), {"'t' stands twice"}});
  files.push_back({"MetadataIsList", pair("__metadata__", "[]", 1), {"__metadata__ is a list"}});
  files.push_back(
      {"MetadataOfNumbers", pair("__metadata__", R"({"a":1})", 1), {"__metadata__ has a value", "a number"}});
  files.push_back({"MetadataKeyTwice", pair("__metadata__", R"({"a":"","a":""})", 1), {"__metadata__", "'a' twice"}});
  files.push_back(
      {"MetadataTwice", container(R"({"__metadata__":{},"__metadata__":{}})", 0), {"__metadata__ stands twice"}});
  files.push_back(
      {"MetadataTwiceAroundATensor",
       container(R"({"__metadata__":{},"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"__metadata__":{}})", 1),
       {"__metadata__ stands twice"}});
  return files;
}

class BadSafetensors : public testing::TestWithParam<BadFile> {};

TEST_P(BadSafetensors, IsRefused) {
  TemporaryFolder folder;
  std::string path = folder.write("model.safetensors", GetParam().bytes);
  std::vector<std::string> fragments = GetParam().fragments;
  fragments.push_back(path);
  expectError(SafetensorsFile::open(path), ExitCode::InvalidInput, fragments);
}

INSTANTIATE_TEST_SUITE_P(Files, BadSafetensors, testing::ValuesIn(badFiles()),
                         [](const auto &info) { return std::string(info.param.name); });

TEST(Safetensors, ReadsTensorsInWindows) {
  TemporaryFolder folder;
  std::string path = folder.write("a.safetensors", containerOf({{"b", "U8", {3}, 1}, {"a", "F32", {2, 2}, 4}}));
  auto file = SafetensorsFile::open(path);
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_EQ(file->tensors().size(), 2u);
  EXPECT_EQ(file->tensors()[0].name, "a"); // Sorted by name, whatever the order in the file.
  const TensorInfo *a = file->find("a");
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(a->type, StoredType::F32);
  EXPECT_EQ(a->shape, (std::vector<uint64_t>{2, 2}));
  EXPECT_EQ(a->bytes, 16u);
  EXPECT_EQ(file->find("c"), nullptr);
  unsigned char window[4] = {};
  ASSERT_TRUE(file->read(*a, 2, window, 4));
  EXPECT_EQ(window[0], 3 + 2);
  EXPECT_EQ(window[3], 3 + 5);
  EXPECT_TRUE(file->read(*a, 16, window, 0));
  expectError(file->read(*a, 13, window, 4), ExitCode::Internal, {path, "'a'"});
  expectError(file->read(*a, ~uint64_t(0), window, 4), ExitCode::Internal, {path, "'a'"});
}

TEST(Safetensors, AcceptsWhatTheFormatAllows) {
  TemporaryFolder folder;
  // Scalars, empty tensors, padding after the header, metadata, fields of later versions, four-bit elements.
  std::string header = R"({"__metadata__":{"format":"pt"},"scalar":{"dtype":"F64","shape":[],"data_offsets":[0,8]},)"
                       R"("empty":{"dtype":"F32","shape":[0,18446744073709551615],"data_offsets":[8,8]},)"
                       R"("nibbles":{"later":[{"x":[null,true,-1,1.5,"s"]}],"dtype":"F4","shape":[2,3],)"
                       R"("data_offsets":[8,11]},"":{"dtype":"BOOL","shape":[1],"data_offsets":[11,12]}}   )";
  auto file = SafetensorsFile::open(folder.write("a.safetensors", container(header, 12)));
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->tensors().size(), 4u);
  EXPECT_EQ(file->find("empty")->bytes, 0u);
  EXPECT_EQ(file->find("nibbles")->bytes, 3u);
}

TEST(Safetensors, EveryTypeHasItsNameAndWidth) {
  TemporaryFolder folder;
  for (unsigned i = 0; i <= static_cast<unsigned>(StoredType::U64); ++i) {
    StoredType type = static_cast<StoredType>(i);
    unsigned bytes = storedTypeBits(type); // Eight elements.
    std::string header =
        fmt::format(R"({{"t":{{"dtype":"{}","shape":[8],"data_offsets":[0,{}]}}}})", storedTypeName(type), bytes);
    auto file = SafetensorsFile::open(folder.write("a.safetensors", container(header, bytes)));
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_EQ(file->tensors()[0].type, type);
  }
}

TEST(Safetensors, RefusesWhatIsNoFile) {
  TemporaryFolder folder;
  expectError(SafetensorsFile::open(folder.path("none")), ExitCode::MissingFile, {"none", "No such file"});
  expectError(SafetensorsFile::open(folder.path()), ExitCode::MissingFile, {"not a regular file"});
  ASSERT_EQ(::mkfifo(folder.path("fifo").c_str(), 0600), 0);
  expectError(SafetensorsFile::open(folder.path("fifo")), ExitCode::MissingFile, {"not a regular file"});
  expectError(SafetensorsFile::open("/dev/zero"), ExitCode::MissingFile, {"not a regular file"});
}

TEST(Safetensors, NoticesAFileThatShrinks) {
  TemporaryFolder folder;
  std::string path = folder.write("a.safetensors", containerOf({{"t", "U8", {100}, 1}}));
  auto file = SafetensorsFile::open(path);
  ASSERT_TRUE(file) << file.error().message;
  std::filesystem::resize_file(path, 100);
  char data[100];
  expectError(file->read(file->tensors()[0], 0, data, 100), ExitCode::InvalidInput, {path, "ends at offset 100"});
}

TEST(Safetensors, SizesBeyond32BitsOnASparseFile) {
  // The fused gate and up matrices of a layer with 128 experts of width 8192: 10.7 G elements in one tensor.
  constexpr uint64_t bytes = uint64_t(128) * 5120 * 16384 * 2;
  TemporaryFolder folder;
  std::string header = fmt::format(R"({{"gate_up":{{"dtype":"BF16","shape":[128,5120,16384],"data_offsets":[0,{}]}},)"
                                   R"("last":{{"dtype":"U8","shape":[4],"data_offsets":[{},{}]}}}})",
                                   bytes, bytes, bytes + 4);
  std::string path = folder.write("a.safetensors", container(header, 0));
  uint64_t size = 8 + header.size() + bytes + 4;
  std::error_code failed;
  std::filesystem::resize_file(path, size, failed);
  if (failed)
    GTEST_SKIP() << "no sparse file of 21 GB here: " << failed.message();
  {
    std::fstream out(path, std::ios::binary | std::ios::in | std::ios::out);
    out.seekp(static_cast<std::streamoff>(size - 4));
    out << "tail";
  }
  auto file = SafetensorsFile::open(path);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->find("gate_up")->bytes, 21'474'836'480u);
  char tail[5] = {};
  ASSERT_TRUE(file->read(*file->find("last"), 0, tail, 4));
  EXPECT_STREQ(tail, "tail");
  ASSERT_TRUE(file->read(*file->find("gate_up"), bytes - 4, tail, 4));
  EXPECT_EQ(tail[0], 0);
}

TEST(Safetensors, ThreadsReadAtOnce) {
  TemporaryFolder folder;
  auto file = SafetensorsFile::open(folder.write("a.safetensors", containerOf({{"t", "U8", {4096}, 1}})));
  ASSERT_TRUE(file) << file.error().message;
  std::vector<std::thread> threads;
  std::vector<unsigned> wrong(4, 0);
  for (unsigned t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (unsigned i = 0; i < 1000; ++i) {
        unsigned offset = (i * 37 + t * 101) % 4000;
        unsigned char window[64];
        bool ok = file->read(file->tensors()[0], offset, window, sizeof window).ok();
        for (unsigned k = 0; k < sizeof window; ++k)
          wrong[t] += !ok || window[k] != static_cast<unsigned char>(offset + k);
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(wrong, std::vector<unsigned>(4, 0));
}

constexpr const char *indexName = "model.safetensors.index.json";

TEST(SafetensorsCheckpoint, OpensOneFile) {
  TemporaryFolder folder;
  folder.write("model.safetensors", containerOf({{"t", "U8", {4}, 1}}));
  auto checkpoint = SafetensorsCheckpoint::open(folder.path());
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  EXPECT_EQ(checkpoint->files().size(), 1u);
  EXPECT_EQ(checkpoint->pathOf(*checkpoint->find("t")), folder.path("model.safetensors"));
}

TEST(SafetensorsCheckpoint, IndexDecidesWhichShardCounts) {
  TemporaryFolder folder;
  folder.write("a.st", containerOf({{"x", "U8", {2}, 1}, {"y", "U8", {2}, 1}}));
  folder.write("b.st", containerOf({{"y", "U8", {3}, 1}, {"z", "U8", {4}, 1}}));
  folder.write(indexName, R"({"metadata":{"total_size":7},"weight_map":{"y":"b.st","x":"a.st"}})");
  auto checkpoint = SafetensorsCheckpoint::open(folder.path());
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  ASSERT_EQ(checkpoint->tensors().size(), 2u);
  const TensorInfo *y = checkpoint->find("y");
  ASSERT_NE(y, nullptr);
  EXPECT_EQ(y->bytes, 3u);
  EXPECT_EQ(checkpoint->pathOf(*y), folder.path("b.st"));
  EXPECT_EQ(checkpoint->find("z"), nullptr);
  char first = 1;
  ASSERT_TRUE(checkpoint->read(*y, 0, &first, 1));
  EXPECT_EQ(first, 0);
}

// As in transformers: the single file counts, unless it is one of the shards.
TEST(SafetensorsCheckpoint, SingleFileBesideAnIndex) {
  for (const char *index : {R"({"weight_map":{"y":"gone.st"}})", R"({"weight_map":{"y":"a.st"}})", "{", "{}"}) {
    TemporaryFolder folder;
    folder.write("model.safetensors", containerOf({{"x", "U8", {2}, 1}}));
    folder.write("a.st", containerOf({{"y", "U8", {3}, 1}}));
    folder.write(indexName, index);
    auto checkpoint = SafetensorsCheckpoint::open(folder.path());
    ASSERT_TRUE(checkpoint) << checkpoint.error().message;
    ASSERT_EQ(checkpoint->tensors().size(), 1u);
    EXPECT_EQ(checkpoint->tensors()[0].name, "x");
    ASSERT_EQ(checkpoint->notes().size(), 1u);
    EXPECT_NE(checkpoint->notes()[0].find("is not used, since model.safetensors stands beside it"), std::string::npos);
  }
  TemporaryFolder folder;
  folder.write("model.safetensors", containerOf({{"x", "U8", {2}, 1}}));
  folder.write("a.st", containerOf({{"y", "U8", {3}, 1}}));
  folder.write(indexName, R"({"weight_map":{"x":"model.safetensors","y":"a.st"}})");
  auto checkpoint = SafetensorsCheckpoint::open(folder.path());
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  EXPECT_EQ(checkpoint->tensors().size(), 2u);
  EXPECT_TRUE(checkpoint->notes().empty());
}

TEST(SafetensorsCheckpoint, MetadataMayBeNull) {
  TemporaryFolder folder;
  folder.write("model.safetensors", container(R"({"__metadata__":null})", 0));
  EXPECT_TRUE(SafetensorsCheckpoint::open(folder.path()));
}

struct OtherFile {
  const char *name;
  std::string content;
  std::vector<std::string> fragments;
};

class FileOfAnotherKind : public testing::TestWithParam<OtherFile> {};

TEST_P(FileOfAnotherKind, IsNamed) {
  TemporaryFolder folder;
  std::string path = folder.write("model.safetensors", GetParam().content);
  std::vector<std::string> fragments = GetParam().fragments;
  fragments.insert(fragments.end(), {path + ": is ", "expected a safetensors file"});
  expectError(SafetensorsCheckpoint::open(folder.path()), ExitCode::InvalidInput, fragments);
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, FileOfAnotherKind,
    testing::Values(
        OtherFile{"LfsPointer",
                  "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n",
                  {"a Git LFS pointer", "git lfs pull"}},
        OtherFile{"WebPage", "<!DOCTYPE html>\n<html>", {"a web page", "fetch the file again"}},
        OtherFile{"XmlPage", "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", {"a web page"}},
        OtherFile{"FailedDownload", "Entry not found", {"a failed download"}},
        OtherFile{"Zip", std::string("PK\x03\x04\x14\0\x08\x08\0\0", 10), {"a zip archive"}},
        OtherFile{"Gguf", std::string("GGUF\x03\0\0\0\x01\0", 10), {"a GGUF file"}},
        OtherFile{"Gzip", std::string("\x1f\x8b\x08\0\0\0\0\0\0\x03", 10), {"a gzip archive"}},
        OtherFile{
            "SentencePiece", std::string("\n\x0e\n\x05<unk>\x15\0\0\0\0\x18\x02", 16), {"a SentencePiece model"}}),
    [](const auto &info) { return std::string(info.param.name); });

TEST(CheckpointFolder, OtherFormatsAreNamed) {
  TemporaryFolder folder;
  expectError(checkCheckpointFolder(folder.path("nowhere")), ExitCode::MissingFile, {"nowhere", "No such file"});
  expectError(checkCheckpointFolder(folder.path()), ExitCode::MissingFile, {"config.json"});
  folder.write("training_args.bin", "");
  expectError(checkCheckpointFolder(folder.path()), ExitCode::MissingFile, {"config.json"});
  folder.write("scout-Q4_K_M.gguf", "GGUF");
  expectError(checkCheckpointFolder(folder.path()), ExitCode::Unsupported, {"'scout-Q4_K_M.gguf'", "llama.cpp"});
  folder.write("config.json", "{}");
  EXPECT_TRUE(checkCheckpointFolder(folder.path()));
  expectError(SafetensorsCheckpoint::open(folder.path()), ExitCode::Unsupported, {"'scout-Q4_K_M.gguf'"});
  expectError(checkCheckpointFolder(folder.path("scout-Q4_K_M.gguf")), ExitCode::Unsupported,
              {"is a GGUF file, expected a folder with config.json"});
  expectError(checkCheckpointFolder(folder.path("config.json")), ExitCode::MissingFile,
              {"is a file, expected a folder"});
}

TEST(CheckpointFolder, CacheOfTheHub) {
  TemporaryFolder folder;
  std::filesystem::create_directories(folder.path("snapshots/0123"));
  expectError(checkCheckpointFolder(folder.path()), ExitCode::MissingFile, {"no config.json", "/snapshots"});
}

TEST(CheckpointFolder, AdaptersAreRefused) {
  TemporaryFolder folder;
  folder.write("config.json", "{}");
  folder.write("adapter_model.safetensors", containerOf({}));
  expectError(checkCheckpointFolder(folder.path()), ExitCode::InvalidInput, {"LoRA adapter for its base model"});
  folder.write("adapter_config.json", R"({"base_model_name_or_path":"acme/base"})");
  expectError(checkCheckpointFolder(folder.path()), ExitCode::InvalidInput, {"'acme/base'", "merge_and_unload"});
  // transformers would apply it to the model beside it.
  folder.write("model.safetensors", containerOf({}));
  expectError(checkCheckpointFolder(folder.path()), ExitCode::InvalidInput, {"'acme/base'"});
}

struct BadIndex {
  const char *name;
  const char *text;
  ExitCode code;
  std::vector<std::string> fragments;
};

class BadSafetensorsIndex : public testing::TestWithParam<BadIndex> {};

TEST_P(BadSafetensorsIndex, IsRefused) {
  TemporaryFolder folder;
  folder.write("a.st", containerOf({{"x", "U8", {2}, 1}}));
  folder.write("broken.st", "short");
  folder.write(indexName, GetParam().text);
  expectError(SafetensorsCheckpoint::open(folder.path()), GetParam().code, GetParam().fragments);
}

INSTANTIATE_TEST_SUITE_P(
    Texts, BadSafetensorsIndex,
    testing::Values(
        BadIndex{"NotJson", "{", ExitCode::InvalidInput, {indexName, "line 1, column 2"}},
        BadIndex{"NotAnObject", "[]", ExitCode::InvalidInput, {indexName, "a list, expected an object"}},
        BadIndex{"NoMap", "{}", ExitCode::InvalidInput, {indexName, "no weight_map"}},
        BadIndex{"MapIsList", R"({"weight_map":[]})", ExitCode::InvalidInput, {"weight_map is a list"}},
        BadIndex{"FileIsNumber", R"({"weight_map":{"x":1}})", ExitCode::InvalidInput, {"a number", "'x'"}},
        BadIndex{"KeyTwice", R"({"weight_map":{"x":"a.st","x":"a.st"}})", ExitCode::InvalidInput, {"'x' stands twice"}},
        BadIndex{
            "FileInParent", R"({"weight_map":{"x":"../a.st"}})", ExitCode::InvalidInput, {"'../a.st'", "plain name"}},
        BadIndex{"FileAbsolute", R"({"weight_map":{"x":"/etc/passwd"}})", ExitCode::InvalidInput, {"plain name"}},
        BadIndex{"FileIsParent", R"({"weight_map":{"x":".."}})", ExitCode::InvalidInput, {"plain name"}},
        BadIndex{"FileNameEmpty", R"({"weight_map":{"x":""}})", ExitCode::InvalidInput, {"plain name"}},
        BadIndex{"FileNameWithZero", R"({"weight_map":{"x":"a.st\u0000"}})", ExitCode::InvalidInput, {"plain name"}},
        BadIndex{"ShardMissing",
                 R"({"weight_map":{"x":"b.st"}})",
                 ExitCode::MissingFile,
                 {"/b.st", "No such file", std::string(indexName) + " names it as the file of tensor 'x'"}},
        BadIndex{
            "ShardBroken", R"({"weight_map":{"x":"broken.st"}})", ExitCode::InvalidInput, {"broken.st", "5 bytes"}},
        BadIndex{
            "TensorNotInShard", R"({"weight_map":{"w":"a.st"}})", ExitCode::InvalidInput, {"a.st", "no tensor 'w'"}}),
    [](const auto &info) { return std::string(info.param.name); });

TEST(SafetensorsCheckpoint, FolderWithoutWeights) {
  TemporaryFolder folder;
  expectError(SafetensorsCheckpoint::open(folder.path()), ExitCode::MissingFile, {folder.path(), "holds neither"});
  expectError(SafetensorsCheckpoint::open(folder.path("none")), ExitCode::MissingFile, {"none"});
}

} // namespace
