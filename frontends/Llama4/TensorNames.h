// SPDX-License-Identifier: Apache-2.0
//
// The names of a checkpoint's tensors, freed of what wrappers of training put around them.
#ifndef YUPANA_FRONTENDS_LLAMA4_TENSORNAMES_H
#define YUPANA_FRONTENDS_LLAMA4_TENSORNAMES_H

#include "compiler/Support/Error.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace yupana::llama4 {

/// What stands before the names of the text model where it is one part of a larger model.
inline constexpr std::string_view largerModelPrefix = "language_model.";
inline constexpr std::string_view embeddingName = "model.embed_tokens.weight";

/// From the names that the model's own code uses to those in the file. A wrapper before the names, such as `_orig_mod.`
/// of torch.compile, is taken away where all names have it; inside them only modules that no model has by itself are,
/// such as `_fsdp_wrapped_module`.
class TensorNames {
public:
  /// ExitCode::InvalidInput, naming a tensor, when some names have the wrapper and others do not, or when two names
  /// become one.
  static Result<TensorNames> find(const std::vector<std::string_view> &stored);

  /// The name in the file; empty where no tensor has this name.
  std::string_view stored(std::string_view name) const {
    auto found = byName.find(name);
    return found == byName.end() ? std::string_view() : std::string_view(found->second);
  }
  /// Ascending: the model's name, then the file's.
  const std::map<std::string, std::string, std::less<>> &all() const { return byName; }
  /// The wrapper before all names, "_orig_mod."; empty without one.
  const std::string &wrapper() const { return taken; }
  /// A name that another module stood inside of, with it; empty without one.
  const std::string &wrappedInside() const { return inside; }

private:
  std::map<std::string, std::string, std::less<>> byName;
  std::string taken;
  std::string inside;
};

} // namespace yupana::llama4

#endif // YUPANA_FRONTENDS_LLAMA4_TENSORNAMES_H
