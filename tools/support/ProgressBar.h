// SPDX-License-Identifier: Apache-2.0
#ifndef YUPANA_TOOLS_SUPPORT_PROGRESSBAR_H
#define YUPANA_TOOLS_SUPPORT_PROGRESSBAR_H

#include <chrono>
#include <cstdint>
#include <string>

namespace yupana {

/// "1.5 GB": bytes with three digits, powers of 1000.
std::string formatBytes(double bytes);

/// "weights [####....] 1.5 GB of 3 GB, 100 MB/s, 0:15 left", without a line end: what a bar shows `seconds` after its
/// start. The drawing in brackets gives way where the line would not fit in `columns`.
std::string progressLine(const std::string &label, uint64_t done, uint64_t total, double seconds, unsigned columns);

/// Draws one line with bytes done, rate and time left on standard error while that is a terminal; nothing otherwise.
class ProgressBar {
public:
  explicit ProgressBar(std::string label);
  ProgressBar(const ProgressBar &) = delete;
  ProgressBar &operator=(const ProgressBar &) = delete;
  /// Removes the line.
  ~ProgressBar();
  /// `done` of `total` bytes are finished. Draws ten times a second at most.
  void update(uint64_t done, uint64_t total);

private:
  std::string label;
  bool isTerminal;
  bool drawn = false;
  std::chrono::steady_clock::time_point start, last;
};

} // namespace yupana

#endif // YUPANA_TOOLS_SUPPORT_PROGRESSBAR_H
