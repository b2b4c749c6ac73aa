// SPDX-License-Identifier: Apache-2.0
//
// What the tests of the text layer share.

#ifndef YUPANA_TEST_TEXT_SUPPORT_H
#define YUPANA_TEST_TEXT_SUPPORT_H

#include "frontends/Tokenizer/Tokenizer.h"
#include "runtime/text/tokenizer.h"

#include <string>
#include <string_view>
#include <vector>

namespace yupana::test {

/// Path of a file under test/models.
std::string model_path(std::string_view name);

/// The bytes of a file under test/models; the test program ends when it cannot be read.
std::string read_model_file(std::string_view name);

/// The tokenizer section of the folder `name` under test/models, or, when `name` ends with ".model", that of a tiktoken
/// file there with Meta's special tokens.
std::vector<uint8_t> compile_section(std::string_view name);

/// A tokenizer with the bytes it reads.
struct OpenTokenizer {
  std::vector<uint8_t> section;
  text::Tokenizer tokenizer;
};
/// The tokenizer of compile_section(name), compiled once per program.
const text::Tokenizer &open_tokenizer(std::string_view name);

/// The section whose text splits as compiled tables say, for tests that work below the tokenizer.
const text::Section &open_shared_section();

/// A small generator of random numbers with the same values everywhere.
class Random {
public:
  explicit Random(uint64_t seed) : state_(seed) {}
  /// A number below `bound`, which is not 0.
  uint32_t below(uint32_t bound) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>((state_ >> 33) % bound);
  }

private:
  uint64_t state_;
};

} // namespace yupana::test

#endif
