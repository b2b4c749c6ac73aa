// SPDX-License-Identifier: Apache-2.0
//
// What a layer consists of is written once, as a list of requests for tensors by name and shape. Two finders answer it:
// one looks in a checkpoint, the other declares tensors for a configuration without one.
#include "frontends/Llama4/Checkpoint.h"

#include "compiler/Support/CheckedMath.h"
#include "frontends/Llama4/TensorNames.h"

#include <algorithm>
#include <cstring>
#include <map>

using namespace yupana;
using namespace yupana::llama4;

namespace {

bool startsWith(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }

bool endsWith(std::string_view text, std::string_view suffix) {
  return text.size() >= suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
}

/// True if the name belongs to the image encoder or to the matrix that joins it to the text model.
bool isVisionTensor(std::string_view name) {
  return startsWith(name, "vision_model.") || startsWith(name, "multi_modal_projector.");
}

/// True if the name is that of scales, zero points or packed codes of a quantised matrix, in any of the spellings of
/// compressed-tensors, ModelOpt, GPTQ, AWQ and bitsandbytes.
bool isQuantisationTensor(std::string_view name) {
  for (std::string_view suffix : {"weight_scale",
                                  "weight_scale_2",
                                  "weight_scale_inv",
                                  "input_scale",
                                  "output_scale",
                                  "weight_packed",
                                  "weight_shape",
                                  "weight_zero_point",
                                  "weight_g_idx",
                                  "weight_global_scale",
                                  "input_global_scale",
                                  "input_zero_point",
                                  ".qweight",
                                  ".qzeros",
                                  ".scales",
                                  ".g_idx",
                                  ".absmax",
                                  ".nested_absmax",
                                  ".quant_map",
                                  ".nested_quant_map",
                                  ".k_scale",
                                  ".v_scale"})
    if (endsWith(name, suffix))
      return true;
  return name.find(".quant_state.") != name.npos;
}

/// Tensors without a say in what the text model computes: frequencies that follow from the config, and heads that
/// training puts beside the model.
bool isHarmless(std::string_view name) {
  return endsWith(name, "inv_freq") || startsWith(name, "v_head.") || startsWith(name, "value_head.") ||
         startsWith(name, "score.");
}

/// peft's matrices are named lora_A, lora_B and so on; the matrix that they change stands under base_layer.
bool isAdapterTensor(std::string_view name) {
  return name.find("lora_") != name.npos || name.find(".base_layer.") != name.npos;
}

bool isSupported(StoredType type) {
  return type == StoredType::F32 || type == StoredType::F16 || type == StoredType::BF16;
}

/// Where a TensorFinder gets its tensors. Names are those of the model. Errors say why a tensor that the model needs is
/// not there.
class TensorSupply {
public:
  virtual ~TensorSupply() = default;
  virtual bool exists(const std::string &name) const = 0;
  /// The tensor of that name, which has this shape and a supported type.
  virtual Result<const TensorInfo *> need(const std::string &name, const std::vector<uint64_t> &shape) = 0;
  /// True if the two, both needed before, have other values.
  virtual Result<bool> differ(const TensorInfo &a, const TensorInfo &b) const = 0;
};

/// Tensors that a checkpoint has. Which of them were asked for is kept, so that the rest can be accounted for.
class StoredTensors : public TensorSupply {
public:
  StoredTensors(const SafetensorsCheckpoint &checkpoint, const TensorNames &names)
      : checkpoint(checkpoint), names(names), used(checkpoint.tensors().size()) {}

  bool exists(const std::string &name) const override { return !names.stored(name).empty(); }
  Result<const TensorInfo *> need(const std::string &name, const std::vector<uint64_t> &shape) override {
    const TensorInfo *info = checkpoint.find(names.stored(name));
    if (!info)
      return makeError(ExitCode::InvalidInput, "{}: has no tensor {}, expected one of shape {}{}", checkpoint.folder(),
                       inQuotes(names.wrapper() + name), shapeString(shape), whatIsThere(name));
    if (!isSupported(info->type))
      return makeError(ExitCode::Unsupported, "{}: tensor {} has the dtype {}, supported are F32, F16 and BF16",
                       checkpoint.pathOf(*info), inQuotes(info->name), storedTypeName(info->type));
    if (info->shape != shape)
      return makeError(ExitCode::InvalidInput, "{}: tensor {} has the shape {}, expected {} by config.json",
                       checkpoint.pathOf(*info), inQuotes(info->name), shapeString(info->shape), shapeString(shape));
    used[indexOf(*info)] = true;
    return info;
  }
  Result<bool> differ(const TensorInfo &a, const TensorInfo &b) const override;

  bool isUsed(const TensorInfo &info) const { return used[indexOf(info)]; }

private:
  /// `info` is an element of checkpoint.tensors(); find() gives no other.
  size_t indexOf(const TensorInfo &info) const { return static_cast<size_t>(&info - checkpoint.tensors().data()); }
  std::string whatIsThere(const std::string &name) const;

  const SafetensorsCheckpoint &checkpoint;
  const TensorNames &names;
  std::vector<bool> used; ///< As checkpoint.tensors().
};

/// A clause for a message about a missing tensor: the embedding under another prefix, or what stands where the tensor
/// is expected.
std::string StoredTensors::whatIsThere(const std::string &name) const {
  if (endsWith(name, embeddingName))
    for (const TensorInfo &info : checkpoint.tensors())
      // As Llama's own files, GPT-2 and GGUF have it: a prefix that is not understood is likelier than no embedding.
      for (std::string_view other : {"embed_tokens.weight", "tok_embeddings.weight", "wte.weight", "token_embd.weight"})
        if (endsWith(info.name, other))
          return fmt::format("; an embedding is there as {}", inQuotes(info.name));
  std::string folder = name.substr(0, name.rfind('.') + 1);
  // "self_attn.q_proj.weight" lacks its whole module; what is beside that module tells more.
  if (endsWith(name, ".weight"))
    folder = name.substr(0, name.rfind('.', name.size() - std::string_view(".weight").size() - 1) + 1);
  auto next = names.all().lower_bound(folder);
  if (folder.empty() || next == names.all().end() || !startsWith(next->first, folder))
    return "";
  return fmt::format("; beside it is {}", inQuotes(next->second));
}

/// Bytes are compared, not numbers: the question is whether one matrix can be stored for both.
Result<bool> StoredTensors::differ(const TensorInfo &a, const TensorInfo &b) const {
  if (a.type != b.type || a.bytes != b.bytes)
    return true;
  // Of each of the two, whatever their size.
  constexpr uint64_t window = uint64_t{4} << 20;
  std::vector<char> left(std::min(window, a.bytes)), right(left.size());
  for (uint64_t at = 0; at < a.bytes; at += window) {
    uint64_t size = std::min(window, a.bytes - at);
    YUPANA_RETURN_IF_ERROR(checkpoint.read(a, at, left.data(), size));
    YUPANA_RETURN_IF_ERROR(checkpoint.read(b, at, right.data(), size));
    if (std::memcmp(left.data(), right.data(), size) != 0)
      return true;
  }
  return false;
}

/// Tensors that come into being, without data, as they are asked for.
class DeclaredTensors : public TensorSupply {
public:
  /// Fused experts are taken to exist unless `names` says otherwise.
  DeclaredTensors(StoredType type, const TensorNames &names) : type(type), names(names) {}

  bool exists(const std::string &name) const override { return !names.stored(name).empty(); }
  Result<const TensorInfo *> need(const std::string &name, const std::vector<uint64_t> &shape) override {
    std::optional<uint64_t> bytes = storedTypeBits(type) / 8;
    for (uint64_t extent : shape)
      bytes = checkedMul(bytes, std::optional<uint64_t>(extent));
    // The sizes were bounded one by one, their product was not. MLIR counts elements and bytes in signed numbers.
    if (!bytes || *bytes > INT64_MAX)
      return makeError(ExitCode::InvalidInput, "tensor {} of shape {} has more than 2^63 bytes", inQuotes(name),
                       shapeString(shape));
    std::string stored(names.stored(name));
    if (stored.empty())
      stored = names.wrapper() + name;
    declared->push_back({std::move(stored), type, shape, /*file=*/0, /*offset=*/0, *bytes});
    return &declared->back();
  }
  /// Without data nothing can be compared, and a checkpoint that names both is taken to need both.
  Result<bool> differ(const TensorInfo &, const TensorInfo &) const override { return true; }
  std::shared_ptr<const std::deque<TensorInfo>> takeDeclared() { return std::move(declared); }

private:
  StoredType type;
  const TensorNames &names;
  /// A deque, since pointers to its elements stay valid while it grows.
  std::shared_ptr<std::deque<TensorInfo>> declared = std::make_shared<std::deque<TensorInfo>>();
};

/// Asks for tensors and keeps the first error, so that the list of what a layer consists of reads as a list.
class TensorFinder {
public:
  TensorFinder(const TextConfig &config, TensorSupply &supply, std::string prefix)
      : config(config), supply(supply), prefix(std::move(prefix)) {}

  Result<TextTensors> find();

private:
  bool exists(const std::string &name) const { return supply.exists(prefix + name); }
  /// After an error the results are null and stay so: nobody follows a pointer before find() has looked at the error.
  const TensorInfo *need(const std::string &name, const std::vector<uint64_t> &shape) {
    Result<const TensorInfo *> found = supply.need(prefix + name, shape);
    if (!found) {
      if (!error)
        error = found.takeError();
      return nullptr;
    }
    // Only a sum for the user: declared tensors are bounded one by one and may together be beyond any disk.
    bytes = checkedAdd(bytes, (*found)->bytes).value_or(UINT64_MAX);
    allF32 &= (*found)->type == StoredType::F32;
    return *found;
  }
  /// The names are `path`, then "gate_proj" and so on, then `ending`.
  SwiGLUTensors needSwiGLU(const std::string &path, uint64_t width, const std::string &ending = ".weight") {
    SwiGLUTensors out;
    out.gate = need(path + "gate_proj" + ending, {width, config.hiddenSize});
    out.up = need(path + "up_proj" + ending, {width, config.hiddenSize});
    out.down = need(path + "down_proj" + ending, {config.hiddenSize, width});
    return out;
  }

  ExpertTensors needExperts(const std::string &path);
  const TensorInfo *needHead(const TensorInfo *embedding);
  LayerTensors needLayer(size_t index);

  const TextConfig &config;
  TensorSupply &supply;
  std::string prefix;
  std::optional<Error> error;
  uint64_t bytes = 0;
  bool allF32 = true;
};

} // namespace

/// The names tell the forms apart; the number of experts does not.
ExpertTensors TensorFinder::needExperts(const std::string &path) {
  const uint64_t experts = config.experts, hidden = config.hiddenSize, width = config.expertWidth;
  ExpertTensors out;
  bool isFused = exists(path + "gate_up_proj");
  bool isNumbered = !isFused && exists(path + "0.gate_proj.weight");
  bool isListed = !isFused && !isNumbered && exists(path + "gate_projs.0.weight");
  // Ends with the first error, since a config may name 65536 experts that the file does not have.
  if (isNumbered || isListed) {
    for (uint64_t expert = 0; expert < experts && !error; ++expert)
      out.each.push_back(isNumbered ? needSwiGLU(fmt::format("{}{}.", path, expert), width)
                                    : needSwiGLU(path, width, fmt::format("s.{}.weight", expert)));
    return out;
  }
  if (!isFused && exists(path + "gate_proj.weight")) {
    out.gate = need(path + "gate_proj.weight", {experts, width, hidden});
    out.up = need(path + "up_proj.weight", {experts, width, hidden});
    out.outputsFirst = true;
  } else if (!isFused && exists(path + "gate_up_proj.weight")) {
    out.gateUp = need(path + "gate_up_proj.weight", {experts, 2 * width, hidden});
    out.outputsFirst = true;
  } else {
    // Also without any of the forms, so that the error asks for the one that transformers writes.
    out.gateUp = need(path + "gate_up_proj", {experts, hidden, 2 * width});
  }
  out.down = out.outputsFirst ? need(path + "down_proj.weight", {experts, hidden, width})
                              : need(path + "down_proj", {experts, width, hidden});
  return out;
}

/// Shapes are [out, in], as torch.nn.Linear stores them; an error names what config.json makes of it.
LayerTensors TensorFinder::needLayer(size_t index) {
  const uint64_t hidden = config.hiddenSize;
  const uint64_t queries = config.heads * config.headDim, keys = config.kvHeads * config.headDim;
  const std::string path = fmt::format("model.layers.{}.", index);
  const std::string attention = path + "self_attn.", feedForward = path + "feed_forward.";
  LayerTensors out;
  out.inputNorm = need(path + "input_layernorm.weight", {hidden});
  out.postAttentionNorm = need(path + "post_attention_layernorm.weight", {hidden});
  out.q = need(attention + "q_proj.weight", {queries, hidden});
  out.k = need(attention + "k_proj.weight", {keys, hidden});
  out.v = need(attention + "v_proj.weight", {keys, hidden});
  out.o = need(attention + "o_proj.weight", {hidden, queries});
  if (config.attentionBias) {
    out.qBias = need(attention + "q_proj.bias", {queries});
    out.kBias = need(attention + "k_proj.bias", {keys});
    out.vBias = need(attention + "v_proj.bias", {keys});
    out.oBias = need(attention + "o_proj.bias", {hidden});
  }
  if (!config.layers[index].isMoE) {
    out.dense = needSwiGLU(feedForward, config.denseWidth);
    return out;
  }
  out.router = need(feedForward + "router.weight", {config.experts, hidden});
  out.experts = needExperts(feedForward + "experts.");
  out.shared = needSwiGLU(feedForward + "shared_expert.", config.expertWidth);
  return out;
}

/// The output matrix; null when the embedding takes its place. Training may have parted the two without saying so.
const TensorInfo *TensorFinder::needHead(const TensorInfo *embedding) {
  if (config.tiedEmbeddings && !exists("lm_head.weight"))
    return nullptr;
  const TensorInfo *head = need("lm_head.weight", {config.vocabSize, config.hiddenSize});
  if (!config.tiedEmbeddings || error)
    return head;
  Result<bool> differ = supply.differ(*embedding, *head);
  if (!differ)
    error = differ.takeError();
  if (error || *differ)
    return head;
  // It was counted when it was asked for. It stays in use, so that it is not reported as left over.
  bytes -= head->bytes;
  return nullptr;
}

Result<TextTensors> TensorFinder::find() {
  TextTensors out;
  out.prefix = prefix;
  out.embedding = need(std::string(embeddingName), {config.vocabSize, config.hiddenSize});
  out.layers.reserve(config.layers.size());
  // A depth that the file does not have would otherwise make an error for each tensor of each layer.
  for (size_t i = 0; i < config.layers.size() && !error; ++i)
    out.layers.push_back(needLayer(i));
  out.finalNorm = need("model.norm.weight", {config.hiddenSize});
  out.lmHead = needHead(out.embedding);
  if (error)
    return std::move(*error);
  out.bytes = bytes;
  out.allF32 = allF32;
  return out;
}

/// What stands before the names of the text model, which the embedding tells: files of the text model alone have no
/// prefix. `fallback` is for files without an embedding under either name.
static std::string prefixOf(const TensorSupply &supply, std::string_view fallback) {
  std::string prefixed = std::string(largerModelPrefix) + std::string(embeddingName);
  if (supply.exists(prefixed))
    return std::string(largerModelPrefix);
  return supply.exists(std::string(embeddingName)) ? "" : std::string(fallback);
}

/// Why a tensor that the model has no place for is there, as far as its name tells.
static std::string whyWithoutPlace(const TextConfig &config, std::string_view name) {
  size_t layers = name.find("layers.");
  uint64_t index = 0;
  if (layers != name.npos) {
    std::string_view rest = name.substr(layers + std::string_view("layers.").size());
    // Nine digits fit, and a number that has more is beyond any depth by its first nine.
    size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
    for (size_t i = 0; i < std::min<size_t>(digits, 9); ++i)
      index = index * 10 + static_cast<uint64_t>(rest[i] - '0');
  }
  if (index >= config.layers.size())
    return fmt::format("'num_hidden_layers' is {} in config.json, so that its layer, {}, is not part of the model",
                       config.layers.size(), index);
  if (name.find(".self_attn.") != name.npos && endsWith(name, "_proj.bias"))
    return "'attention_bias' is false in config.json";
  return "it has no place in the model that config.json describes";
}

/// Reports what is left out, and refuses a tensor that the model has no place for: without it the results would be
/// those of another model than the file's, and nobody would be told.
static Result<void> describeLeftOvers(const TextConfig &config, const SafetensorsCheckpoint &checkpoint,
                                      const TensorNames &names, const StoredTensors &supply, TextTensors &out) {
  uint64_t harmless = 0;
  std::string firstHarmless;
  for (const auto &[name, stored] : names.all()) {
    const TensorInfo &info = *checkpoint.find(stored);
    if (supply.isUsed(info))
      continue;
    // Wrappers are gone from `name`; the prefix of a larger model may stand before value heads as well.
    std::string_view own = name;
    if (startsWith(own, largerModelPrefix))
      own.remove_prefix(largerModelPrefix.size());
    if (isVisionTensor(name)) {
      ++out.visionTensors;
    } else if (isHarmless(own)) {
      if (harmless++ == 0)
        firstHarmless = stored;
    } else {
      return makeError(ExitCode::InvalidInput, "{}: has the tensor {}, but {}", checkpoint.pathOf(info),
                       inQuotes(stored), whyWithoutPlace(config, own));
    }
  }
  if (out.visionTensors > 0)
    out.notes.push_back(fmt::format("{}: {} vision tensors are left out: only text is supported", checkpoint.folder(),
                                    out.visionTensors));
  if (harmless > 0)
    out.notes.push_back(fmt::format("{}: {} tensors without a say in the text are left out, the first is {}",
                                    checkpoint.folder(), harmless, inQuotes(firstHarmless)));
  if (config.tiedEmbeddings && out.lmHead)
    out.notes.push_back(fmt::format("{}: 'tie_word_embeddings' is true, but {} has other values than {}, so that both "
                                    "are kept",
                                    checkpoint.folder(), inQuotes(out.lmHead->name), inQuotes(out.embedding->name)));
  return {};
}

/// Tells of wrappers around the model that were seen through.
static void describeWrappers(const SafetensorsCheckpoint &checkpoint, const TensorNames &names, TextTensors &out) {
  if (!names.wrapper().empty())
    out.notes.push_back(fmt::format("{}: all tensors are named with {} before the model's own names; it is left out",
                                    checkpoint.folder(), inQuotes(names.wrapper())));
  if (!names.wrappedInside().empty())
    out.notes.push_back(fmt::format("{}: names of wrappers inside of tensors' names are left out, as of {}",
                                    checkpoint.folder(), inQuotes(names.wrappedInside())));
}

Result<TextTensors> llama4::findTextTensors(const TextConfig &config, const SafetensorsCheckpoint &checkpoint) {
  // These first, over all names: such files also lack tensors of the model or have them in other shapes, and an
  // error about those would hide the cause.
  std::vector<std::string_view> stored;
  for (const TensorInfo &info : checkpoint.tensors()) {
    if (isAdapterTensor(info.name))
      return makeError(ExitCode::InvalidInput,
                       "{}: tensor {} belongs to a LoRA adapter that is not merged into its base model; merge the two "
                       "(peft: merge_and_unload) and compile what this saves",
                       checkpoint.pathOf(info), inQuotes(info.name));
    if (isQuantisationTensor(info.name))
      return makeError(ExitCode::Unsupported, "{}: tensor {} belongs to a quantised checkpoint, which is not supported",
                       checkpoint.pathOf(info), inQuotes(info.name));
    stored.push_back(info.name);
  }
  Result<TensorNames> names = TensorNames::find(stored);
  if (!names)
    return withContext(names.takeError(), checkpoint.folder());
  StoredTensors supply(checkpoint, *names);
  YUPANA_ASSIGN_OR_RETURN(TextTensors out, TensorFinder(config, supply, prefixOf(supply, largerModelPrefix)).find());
  describeWrappers(checkpoint, *names, out);
  YUPANA_RETURN_IF_ERROR(describeLeftOvers(config, checkpoint, *names, supply, out));
  return out;
}

/// BF16 where the config is silent, as Llama 4 is published.
static StoredType storedTypeOf(const TextConfig &config) {
  switch (config.weightType.value_or(WeightType::BF16)) {
  case WeightType::F32:
    return StoredType::F32;
  case WeightType::F16:
    return StoredType::F16;
  case WeightType::BF16:
    return StoredType::BF16;
  }
  return StoredType::BF16;
}

Result<TextTensors> llama4::declareTextTensors(const ModelConfig &config,
                                               const std::set<std::string, std::less<>> &names) {
  YUPANA_ASSIGN_OR_RETURN(TensorNames known, TensorNames::find({names.begin(), names.end()}));
  DeclaredTensors supply(storedTypeOf(config.text), known);
  std::string prefix = prefixOf(supply, config.isNested ? largerModelPrefix : "");
  YUPANA_ASSIGN_OR_RETURN(TextTensors out, TensorFinder(config.text, supply, prefix).find());
  out.declared = supply.takeDeclared();
  return out;
}
