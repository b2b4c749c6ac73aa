// SPDX-License-Identifier: Apache-2.0
#ifndef YUPANA_TOOLS_YUPANA_PROGRESSBAR_H
#define YUPANA_TOOLS_YUPANA_PROGRESSBAR_H

#include <chrono>
#include <cstdint>
#include <string>

namespace yupana {

/// "1.5 GB": bytes with three digits, powers of 1000.
std::string formatBytes(double bytes);

/// Draws one line with bytes done, rate and time left on standard error while that is a terminal; nothing otherwise.
class ProgressBar {
public:
  explicit ProgressBar(std::string label);
  /// Removes the line.
  ~ProgressBar();
  void update(uint64_t done, uint64_t total);

private:
  std::string label;
  bool isTerminal;
  bool drawn = false;
  std::chrono::steady_clock::time_point start, last;
};

} // namespace yupana

#endif // YUPANA_TOOLS_YUPANA_PROGRESSBAR_H
