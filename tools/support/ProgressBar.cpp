// SPDX-License-Identifier: Apache-2.0
//
// A line on standard error that is drawn again at most ten times a second and removed at the end. Nothing is drawn
// where standard error is no terminal, so that logs and pipes stay clean.

#include "tools/support/ProgressBar.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <iterator>
#include <sys/ioctl.h>
#include <unistd.h>

using namespace yupana;

namespace {

/// "1:02:03" or "2:03".
std::string formatTime(double seconds) {
  // No bar is watched for longer, and what is left of a stalled one has no bound.
  auto whole = static_cast<uint64_t>(std::min(seconds, 359999.0));
  char text[32];
  if (whole >= 3600)
    std::snprintf(text, sizeof text, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, whole / 3600, whole / 60 % 60, whole % 60);
  else
    std::snprintf(text, sizeof text, "%" PRIu64 ":%02" PRIu64, whole / 60, whole % 60);
  return text;
}

/// Columns of the terminal on standard error; 80 where it does not say.
unsigned terminalColumns() {
  winsize size = {};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

} // namespace

std::string yupana::formatBytes(double bytes) {
  constexpr const char *units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  size_t unit = 0;
  // Rounded to three digits, 999.5 would become "1e+03".
  for (; bytes >= 999.5 && unit + 1 < std::size(units); ++unit)
    bytes /= 1000;
  char text[64];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.3g %s", bytes, units[unit]);
  return text;
}

std::string yupana::progressLine(const std::string &label, uint64_t done, uint64_t total, double seconds,
                                 unsigned columns) {
  // Of the drawing between brackets, in columns.
  constexpr size_t width = 30;
  done = std::min(done, total);
  double share = total ? static_cast<double>(done) / static_cast<double>(total) : 1;
  // Over the whole time, which is steadier than the last moments and rarely far off.
  double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  std::string left = rate > 0 ? formatTime(static_cast<double>(total - done) / rate) : "-:--";
  std::string numbers = formatBytes(static_cast<double>(done)) + " of " + formatBytes(static_cast<double>(total)) +
                        ", " + formatBytes(rate) + "/s, " + left + " left";
  std::string drawing(static_cast<size_t>(share * width), '#');
  drawing.resize(width, '.');
  std::string line = label + " [" + drawing + "] " + numbers;
  // A terminal wraps a line that reaches its last column, and a wrapped one is not removed whole.
  return line.size() < columns ? line : (label + " " + numbers).substr(0, columns ? columns - 1 : 0);
}

ProgressBar::ProgressBar(std::string label) : label(std::move(label)), isTerminal(::isatty(STDERR_FILENO) == 1) {
  start = std::chrono::steady_clock::now();
}

ProgressBar::~ProgressBar() {
  if (drawn)
    std::fputs("\r\x1b[K", stderr);
}

void ProgressBar::update(uint64_t done, uint64_t total) {
  auto now = std::chrono::steady_clock::now();
  if (!isTerminal || total == 0 || (drawn && now - last < std::chrono::milliseconds(100)))
    return;
  last = now;
  drawn = true;
  double seconds = std::chrono::duration<double>(now - start).count();
  // To the line's start and clear to its end, so that a shorter line leaves nothing of a longer one.
  std::fprintf(stderr, "\r\x1b[K%s", progressLine(label, done, total, seconds, terminalColumns()).c_str());
  std::fflush(stderr);
}
