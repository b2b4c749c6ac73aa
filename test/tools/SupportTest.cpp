// SPDX-License-Identifier: Apache-2.0
//
// What the programs share: the text of the progress bar, and the memory a process may use.
#include "tools/support/ProgressBar.h"

#include <gtest/gtest.h>


using namespace yupana;

namespace {

TEST(ProgressBar, WritesBytesWithThreeDigits) {
  EXPECT_EQ(formatBytes(0), "0 B");
  EXPECT_EQ(formatBytes(999), "999 B");
  EXPECT_EQ(formatBytes(1000), "1 kB");
  EXPECT_EQ(formatBytes(1536), "1.54 kB");
  EXPECT_EQ(formatBytes(999.4e6), "999 MB");
  EXPECT_EQ(formatBytes(999.6e6), "1 GB");
  EXPECT_EQ(formatBytes(218e9), "218 GB");
  EXPECT_EQ(formatBytes(5e18), "5e+03 PB");
}

TEST(ProgressBar, SaysBytesRateAndTimeLeft) {
  EXPECT_EQ(progressLine("weights", 1500000000, 3000000000, 15, 100),
            "weights [###############...............] 1.5 GB of 3 GB, 100 MB/s, 0:15 left");
  EXPECT_EQ(progressLine("load", 0, 1000, 0, 100),
            "load [..............................] 0 B of 1 kB, 0 B/s, -:-- left");
  EXPECT_EQ(progressLine("load", 1000, 1000, 2, 100),
            "load [##############################] 1 kB of 1 kB, 500 B/s, 0:00 left");
}

TEST(ProgressBar, WritesLongTimesWithHours) {
  EXPECT_NE(progressLine("x", 1, 3724, 1, 100).find(" 1:02:03 left"), std::string::npos);
  EXPECT_NE(progressLine("x", 1, 62, 1, 100).find(" 1:01 left"), std::string::npos);
  // A stalled bar has no time left that could be written down.
  EXPECT_NE(progressLine("x", 1, UINT64_MAX, 1e9, 100).find(" 99:59:59 left"), std::string::npos);
}

TEST(ProgressBar, ClampsWhatIsDoneToTheTotal) {
  EXPECT_EQ(progressLine("x", 9, 4, 1, 100), progressLine("x", 4, 4, 1, 100));
  EXPECT_NE(progressLine("x", 0, 0, 1, 100).find("0 B of 0 B"), std::string::npos);
}

TEST(ProgressBar, NeverReachesTheLastColumn) {
  size_t whole = progressLine("weights", 1500000000, 3000000000, 15, 1000).size();
  for (unsigned columns = 0; columns < 100; ++columns) {
    std::string line = progressLine("weights", 1500000000, 3000000000, 15, columns);
    EXPECT_LT(line.size(), columns ? columns : 1u);
    EXPECT_EQ(line.find('[') != std::string::npos, columns > whole) << columns;
  }
}

} // namespace
