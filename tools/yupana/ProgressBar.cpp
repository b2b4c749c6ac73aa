// SPDX-License-Identifier: Apache-2.0

#include "tools/yupana/ProgressBar.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <unistd.h>

using namespace yupana;

std::string yupana::formatBytes(double bytes) {
  constexpr const char *units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  size_t unit = 0;
  for (; bytes >= 999.5 && unit + 1 < std::size(units); ++unit)
    bytes /= 1000;
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.3g} {}", bytes, units[unit]);
}

/// "1:02:03" or "2:03".
static std::string formatTime(double seconds) {
  auto whole = static_cast<uint64_t>(seconds);
  if (whole >= 3600)
    return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

ProgressBar::ProgressBar(std::string label) : label(std::move(label)), isTerminal(isatty(STDERR_FILENO) == 1) {
  start = std::chrono::steady_clock::now();
}

ProgressBar::~ProgressBar() {
  if (drawn)
    fmt::print(stderr, "\r\x1b[K");
}

void ProgressBar::update(uint64_t done, uint64_t total) {
  auto now = std::chrono::steady_clock::now();
  if (!isTerminal || total == 0 || (drawn && now - last < std::chrono::milliseconds(100)))
    return;
  last = now;
  drawn = true;
  constexpr unsigned width = 30;
  double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  auto filled = static_cast<unsigned>(share * width);
  double seconds = std::chrono::duration<double>(now - start).count();
  double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  std::string left = rate > 0 ? formatTime(static_cast<double>(total - std::min(done, total)) / rate) : "-:--";
  fmt::print(stderr, "\r\x1b[K{} [{:#<{}}{:.<{}}] {} of {}, {}/s, {} left", label, "", filled, "", width - filled,
             formatBytes(static_cast<double>(done)), formatBytes(static_cast<double>(total)), formatBytes(rate), left);
  std::fflush(stderr);
}
