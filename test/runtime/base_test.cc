// SPDX-License-Identifier: Apache-2.0

#include "runtime/base/checked.h"
#include "runtime/base/crc32.h"
#include "runtime/base/sha256.h"
#include "runtime/base/status.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace yupana::runtime {
namespace {

std::string hex(const uint8_t digest[32]) {
  std::string out;
  for (int i = 0; i < 32; ++i) {
    char text[3];
    snprintf(text, sizeof(text), "%02x", digest[i]);
    out += text;
  }
  return out;
}

std::string sha256(const std::string &text, Sha256::Code code) {
  Sha256 hash(code);
  hash.update(text.data(), text.size());
  uint8_t digest[32];
  hash.finish(digest);
  return hex(digest);
}

class Sha256Test : public testing::TestWithParam<Sha256::Code> {};

// The vectors of FIPS 180-4's example files.
TEST_P(Sha256Test, PublishedVectors) {
  EXPECT_EQ(sha256("", GetParam()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc", GetParam()), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", GetParam()),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256(std::string(1000000, 'a'), GetParam()),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// However the bytes are cut, and wherever the padding falls, the digest is the same as in one piece by portable code.
TEST_P(Sha256Test, PiecesAndLengths) {
  std::string text;
  for (int length = 0; length < 200; ++length, text += static_cast<char>(length * 7))
    for (size_t cut : {size_t{0}, text.size() / 3, text.size() / 2, text.size()}) {
      Sha256 hash(GetParam());
      hash.update(text.data(), cut);
      hash.update(text.data() + cut, text.size() - cut);
      uint8_t digest[32];
      hash.finish(digest);
      ASSERT_EQ(hex(digest), sha256(text, Sha256::Code::portable)) << length;
    }
}

TEST_P(Sha256Test, TwoSideBySide) {
  std::string first(1000, 'x'), second(1000, 'y');
  for (size_t i = 0; i < first.size(); ++i) {
    first[i] = static_cast<char>(i * 7);
    second[i] = static_cast<char>(i * 11 + 3);
  }
  for (size_t before : {0, 64, 5}) // blocks that are pending, or not
    for (size_t length : {0, 1, 63, 64, 65, 128, 500}) {
      Sha256 a(GetParam()), b(GetParam());
      a.update(first.data(), before);
      Sha256::update_both(a, first.data() + before, b, second.data(), length);
      Sha256::update_both(b, second.data() + length, a, first.data() + before + length, 256);
      uint8_t digests[2][Sha256::kBytes];
      a.finish(digests[0]);
      b.finish(digests[1]);
      EXPECT_EQ(hex(digests[0]), sha256(first.substr(0, before + length + 256), Sha256::Code::portable));
      EXPECT_EQ(hex(digests[1]), sha256(second.substr(0, length + 256), Sha256::Code::portable));
    }
}

INSTANTIATE_TEST_SUITE_P(Codes, Sha256Test, testing::Values(Sha256::Code::fastest, Sha256::Code::portable));

TEST(Crc32, PublishedVectors) {
  EXPECT_EQ(crc32("", 0), 0u);
  EXPECT_EQ(crc32("123456789", 9), 0xCBF43926u);
  std::vector<uint8_t> zeros(32);
  EXPECT_EQ(crc32(zeros.data(), zeros.size()), 0x190A55ADu);
}

TEST(Checked, RefusesWhatWraps) {
  uint64_t out;
  EXPECT_FALSE(checked_add(UINT64_MAX, 1, &out));
  EXPECT_FALSE(checked_mul(uint64_t{1} << 32, uint64_t{1} << 32, &out));
  EXPECT_FALSE(checked_align_up(UINT64_MAX - 3, 64, &out));
  ASSERT_TRUE(checked_align_up(65, 64, &out));
  EXPECT_EQ(out, 128u);
  EXPECT_EQ(ceil_div(UINT64_MAX, 2), uint64_t{1} << 63);
}

TEST(Checked, RangeWithin) {
  EXPECT_TRUE(range_within(0, 10, 10));
  EXPECT_TRUE(range_within(10, 0, 10));
  EXPECT_FALSE(range_within(11, 0, 10));
  EXPECT_FALSE(range_within(UINT64_MAX, 2, 10));
  EXPECT_FALSE(range_within(2, UINT64_MAX, 10));
}

TEST(Status, ExitCodes) {
  for (int code = 0; code <= YUPANA_STATUS_DIGEST_MISMATCH; ++code)
    EXPECT_EQ(yupana_status_exit_code(static_cast<yupana_status_code_t>(code)), code);
  EXPECT_EQ(yupana_status_exit_code(YUPANA_STATUS_CANCELLED), 130);
}

// A name from a file must not be able to move the cursor of a terminal, nor a long one to overflow the message.
TEST(Status, MessagesAreCleanAndBounded) {
  yupana_status_t status;
  fail(&status, YUPANA_STATUS_INVALID_DATA, "name '%s'", "a\x1b[2Jb\n");
  EXPECT_STREQ(status.message, "name 'a?[2Jb?'");
  std::string name(5000, 'x');
  EXPECT_FALSE(Report(name.c_str(), &status).invalid("found %d", 1));
  EXPECT_EQ(strlen(status.message), sizeof(status.message) - 1);
  EXPECT_EQ(fail(nullptr, YUPANA_STATUS_INTERNAL, "nobody listens"), YUPANA_STATUS_INTERNAL);
}

} // namespace
} // namespace yupana::runtime
