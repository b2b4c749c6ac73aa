// SPDX-License-Identifier: Apache-2.0
//
// write_ptx_plan PLAN: writes the test model for sm_80, in PTX.

#include "test/runtime/cuda/ptx_plan.h"

#include <fstream>

int main(int argc, char **argv) {
  if (argc != 2)
    return 2;
  yupana::test::Bytes bytes = write(yupana::test::ptx_plan());
  std::ofstream file(argv[1], std::ios::binary);
  file.write(reinterpret_cast<const char *>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return file.good() ? 0 : 1;
}
