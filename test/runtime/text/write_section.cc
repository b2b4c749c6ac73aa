// SPDX-License-Identifier: Apache-2.0
//
// write_section FOLDER FILE: the tokenizer section of a folder under test/models, as a file.
#include "test/runtime/text/support.h"

#include <cstdio>

int main(int argc, char **argv) {
  if (argc != 3)
    return 2;
  std::vector<uint8_t> section = yupana::test::compile_section(argv[1]);
  FILE *file = std::fopen(argv[2], "wb");
  bool written = file && std::fwrite(section.data(), 1, section.size(), file) == section.size();
  return written && std::fclose(file) == 0 ? 0 : 3;
}
