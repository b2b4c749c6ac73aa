// SPDX-License-Identifier: Apache-2.0
//
// The part of the Jinja template language that chat templates use on plain conversations. What is outside it is
// refused when it is reached, by name, so that branches for tools and images may stay unknown. Blocks trim and strip
// as transformers sets them (trim_blocks, lstrip_blocks). Language: https://jinja.palletsprojects.com/templates.
#ifndef YUPANA_FRONTENDS_CHATTEMPLATE_JINJA_H
#define YUPANA_FRONTENDS_CHATTEMPLATE_JINJA_H

#include "compiler/Support/Error.h"

#include <nlohmann/json_fwd.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace yupana::jinja {

struct Statement;

/// Longest template that is read.
inline constexpr size_t maxTemplateBytes = size_t(1) << 18;

/// Stands in texts that a template may copy, join and trim, but not look into: rendering refuses whatever depends on
/// more of such a text than whether it is empty.
inline constexpr std::string_view opaqueMark = "\uE0F7";

/// What a template may still do. A step is a value touched, or 64 bytes copied, compared or scanned: tens of
/// nanoseconds, at most some hundred. All renderings that answer one question share one, so that the whole of them ends
/// soon.
class Work {
public:
  /// Recognising a plain template takes some 100,000, most of them for copies of messages.
  static constexpr uint64_t mostSteps = uint64_t(1) << 21;

  /// `isCancelled`, which may be empty, is asked every few thousand steps.
  explicit Work(std::function<bool()> isCancelled = {}) : isCancelled(std::move(isCancelled)) {}

  /// Counts steps that are about to be taken at `line` of the template. ExitCode::Unsupported when there are too many,
  /// ExitCode::Interrupted when it is cancelled.
  Result<void> spend(uint64_t count, size_t line);
  uint64_t spent() const { return steps; }

private:
  std::function<bool()> isCancelled;
  uint64_t steps = 0, nextQuestion = 0;
};

/// A parsed template. Movable; rendering changes nothing in it.
class Template {
public:
  /// Parses a text of at most maxTemplateBytes. The error names the line and what was found there.
  static Result<Template> parse(std::string_view text);

  Template(Template &&) noexcept;
  Template &operator=(Template &&) noexcept;
  ~Template();

  /// Renders with `variables`, an object. Ends with an error at whatever is not understood, and when `work` is spent,
  /// which bounds time and memory.
  Result<std::string> render(const nlohmann::json &variables, Work &work) const;

private:
  explicit Template(std::vector<std::unique_ptr<Statement>> body);

  std::vector<std::unique_ptr<Statement>> body;
};

/// `text` without white space, as Python's str.strip() sees it, at its start and end.
std::string_view strip(std::string_view text);
std::string_view stripEnd(std::string_view text);
std::string_view stripStart(std::string_view text);

} // namespace yupana::jinja

#endif // YUPANA_FRONTENDS_CHATTEMPLATE_JINJA_H
