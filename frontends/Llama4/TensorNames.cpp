// SPDX-License-Identifier: Apache-2.0
//
// Training wraps modules in others, and a state saved from outside carries the names of the wrappers. Which of them
// stand before the model is told by the embedding, whose own name is known: what is left of it must be a chain of
// wrappers. That all names share the chain is demanded, since a file of two models has no single meaning.
#include "frontends/Llama4/TensorNames.h"

#include <algorithm>
#include <optional>

using namespace yupana;
using namespace yupana::llama4;

namespace {

/// A module around the model, or around a part of it.
struct Wrapper {
  std::string_view name;
  bool inside; ///< Also inside names: no model has such a module of its own.
};
constexpr Wrapper wrappers[] = {
    {"_orig_mod.", true},                  // torch.compile
    {"_fsdp_wrapped_module.", true},       // FullyShardedDataParallel
    {"_checkpoint_wrapped_module.", true}, // activation checkpointing
    {"module.", false},                    // DataParallel, DeepSpeed
    {"base_model.model.", false},          // peft
    {"model.", false},                     // a class of the trainer's own around the model
};

bool startsWith(std::string_view text, std::string_view start) { return text.substr(0, start.size()) == start; }

/// `name` without the wrappers inside it. One before it is another matter: all names or none have that. In one pass,
/// since a name may be as long as a file's header.
std::string withoutInner(std::string_view name) {
  std::string out;
  while (!name.empty()) {
    auto wrapper = std::find_if(std::begin(wrappers), std::end(wrappers), [&](const Wrapper &wrapper) {
      return wrapper.inside && !out.empty() && out.back() == '.' && startsWith(name, wrapper.name);
    });
    size_t length = wrapper == std::end(wrappers) ? 1 : wrapper->name.size();
    if (wrapper == std::end(wrappers))
      out += name.front();
    name.remove_prefix(length);
  }
  return out;
}

/// True for the embedding's own name, with wrappers inside it or not, as part of a larger model or not.
bool isEmbedding(std::string_view name) {
  std::string own = withoutInner(name);
  if (startsWith(own, largerModelPrefix))
    own.erase(0, largerModelPrefix.size());
  return own == embeddingName;
}

/// The length of a chain of wrappers before the embedding's own name, if `name` is such a chain and that name.
std::optional<size_t> chainBefore(std::string_view name) {
  // Wrappers in a row; published files have one or two. The bound keeps the search linear in the name's length.
  constexpr size_t longest = 8; // wrappers
  size_t length = 0;
  for (size_t count = 0; count <= longest; ++count) {
    // A wrapper that may stand inside is part of the chain too, so that all names must share it.
    auto next = std::find_if(std::begin(wrappers), std::end(wrappers),
                             [&](const Wrapper &wrapper) { return startsWith(name.substr(length), wrapper.name); });
    bool isChain = next != std::end(wrappers) && (next->inside || !isEmbedding(name.substr(length)));
    if (!isChain)
      return isEmbedding(name.substr(length)) ? std::optional<size_t>(length) : std::nullopt;
    length += next->name.size();
  }
  return std::nullopt;
}

/// What stands before every name: the shortest chain that an embedding has.
std::string findWrapper(const std::vector<std::string_view> &stored) {
  std::optional<std::string_view> shortest;
  for (std::string_view name : stored)
    if (std::optional<size_t> length = chainBefore(name); length && (!shortest || *length < shortest->size()))
      shortest = name.substr(0, *length);
  return std::string(shortest.value_or(""));
}

} // namespace

Result<TensorNames> TensorNames::find(const std::vector<std::string_view> &stored) {
  TensorNames names;
  names.taken = findWrapper(stored);
  for (std::string_view name : stored) {
    if (!startsWith(name, names.taken))
      return makeError(ExitCode::InvalidInput,
                       "tensor {} has no {} before its name, which the embedding has; expected it before all names or "
                       "none",
                       inQuotes(name), inQuotes(names.taken));
    std::string own = withoutInner(name.substr(names.taken.size()));
    if (own.size() + names.taken.size() != name.size())
      names.inside = name;
    auto [entry, isNew] = names.byName.emplace(std::move(own), name);
    if (!isNew)
      return makeError(ExitCode::InvalidInput,
                       "tensors {} and {} have the same name, {}, without the wrappers of training",
                       inQuotes(entry->second), inQuotes(name), inQuotes(entry->first));
  }
  return names;
}
