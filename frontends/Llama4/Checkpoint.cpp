// SPDX-License-Identifier: Apache-2.0
//
// What a layer consists of is written once, as a list of requests for tensors by name and shape. Two finders answer it:
// one looks in a checkpoint, the other declares tensors for a configuration without one.
#include "frontends/Llama4/Checkpoint.h"

#include "compiler/Support/CheckedMath.h"

#include <algorithm>

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

bool isSupported(StoredType type) {
  return type == StoredType::F32 || type == StoredType::F16 || type == StoredType::BF16;
}

/// Where a TensorFinder gets its tensors. Errors say why a tensor that the model needs is not there.
class TensorSupply {
public:
  virtual ~TensorSupply() = default;
  virtual bool exists(const std::string &name) const = 0;
  /// The tensor of that name, which has this shape and a supported type.
  virtual Result<const TensorInfo *> need(const std::string &name, const std::vector<uint64_t> &shape) = 0;
};

/// Tensors that a checkpoint has.
class StoredTensors : public TensorSupply {
public:
  explicit StoredTensors(const SafetensorsCheckpoint &checkpoint)
      : checkpoint(checkpoint), used(checkpoint.tensors().size()) {}

  bool exists(const std::string &name) const override { return checkpoint.find(name) != nullptr; }
  Result<const TensorInfo *> need(const std::string &name, const std::vector<uint64_t> &shape) override {
    const TensorInfo *info = checkpoint.find(name);
    if (!info)
      return makeError(ExitCode::InvalidInput, "{}: has no tensor {}, expected one of shape {}", checkpoint.folder(),
                       inQuotes(name), shapeString(shape));
    if (!isSupported(info->type))
      return makeError(ExitCode::Unsupported, "{}: tensor {} has the dtype {}, supported are F32, F16 and BF16",
                       checkpoint.pathOf(*info), inQuotes(info->name), storedTypeName(info->type));
    if (info->shape != shape)
      return makeError(ExitCode::InvalidInput, "{}: tensor {} has the shape {}, expected {} by config.json",
                       checkpoint.pathOf(*info), inQuotes(info->name), shapeString(info->shape), shapeString(shape));
    used[indexOf(*info)] = true;
    return info;
  }
  bool isUsed(const TensorInfo &info) const { return used[indexOf(info)]; }

private:
  size_t indexOf(const TensorInfo &info) const { return static_cast<size_t>(&info - checkpoint.tensors().data()); }

  const SafetensorsCheckpoint &checkpoint;
  std::vector<bool> used; ///< As checkpoint.tensors().
};

/// Tensors that come into being, without data, as they are asked for.
class DeclaredTensors : public TensorSupply {
public:
  /// Fused experts are taken to exist unless `names` says otherwise.
  DeclaredTensors(StoredType type, const std::set<std::string, std::less<>> &names) : type(type), names(names) {}

  bool exists(const std::string &name) const override { return names.count(name) != 0; }
  Result<const TensorInfo *> need(const std::string &name, const std::vector<uint64_t> &shape) override {
    std::optional<uint64_t> bytes = storedTypeBits(type) / 8;
    for (uint64_t extent : shape)
      bytes = checkedMul(bytes, std::optional<uint64_t>(extent));
    if (!bytes || *bytes > INT64_MAX)
      return makeError(ExitCode::InvalidInput, "tensor {} of shape {} has more than 2^63 bytes", inQuotes(name),
                       shapeString(shape));
    declared->push_back({name, type, shape, /*file=*/0, /*offset=*/0, *bytes});
    return &declared->back();
  }
  std::shared_ptr<const std::deque<TensorInfo>> takeDeclared() { return std::move(declared); }

private:
  StoredType type;
  const std::set<std::string, std::less<>> &names;
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
  const TensorInfo *need(const std::string &name, const std::vector<uint64_t> &shape) {
    Result<const TensorInfo *> found = supply.need(prefix + name, shape);
    if (!found) {
      if (!error)
        error = found.takeError();
      return nullptr;
    }
    bytes = checkedAdd(bytes, (*found)->bytes).value_or(UINT64_MAX);
    allF32 &= (*found)->type == StoredType::F32;
    return *found;
  }
  SwiGLUTensors needSwiGLU(const std::string &path, uint64_t width) {
    SwiGLUTensors out;
    out.gate = need(path + "gate_proj.weight", {width, config.hiddenSize});
    out.up = need(path + "up_proj.weight", {width, config.hiddenSize});
    out.down = need(path + "down_proj.weight", {config.hiddenSize, width});
    return out;
  }

  ExpertTensors needExperts(const std::string &path);
  LayerTensors needLayer(size_t index);

  const TextConfig &config;
  TensorSupply &supply;
  std::string prefix;
  std::optional<Error> error;
  uint64_t bytes = 0;
  bool allF32 = true;
};

constexpr std::string_view embeddingName = "model.embed_tokens.weight";
constexpr std::string_view largerModelPrefix = "language_model.";

} // namespace

/// The names tell the two forms apart; the number of experts does not.
ExpertTensors TensorFinder::needExperts(const std::string &path) {
  ExpertTensors out;
  if (!exists(path + "gate_up_proj") && exists(path + "0.gate_proj.weight")) {
    for (uint64_t expert = 0; expert < config.experts && !error; ++expert)
      out.each.push_back(needSwiGLU(fmt::format("{}{}.", path, expert), config.expertWidth));
    return out;
  }
  out.gateUp = need(path + "gate_up_proj", {config.experts, config.hiddenSize, 2 * config.expertWidth});
  out.down = need(path + "down_proj", {config.experts, config.expertWidth, config.hiddenSize});
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

Result<TextTensors> TensorFinder::find() {
  TextTensors out;
  out.prefix = prefix;
  out.embedding = need(std::string(embeddingName), {config.vocabSize, config.hiddenSize});
  out.layers.reserve(config.layers.size());
  for (size_t i = 0; i < config.layers.size() && !error; ++i)
    out.layers.push_back(needLayer(i));
  out.finalNorm = need("model.norm.weight", {config.hiddenSize});
  if (!config.tiedEmbeddings)
    out.lmHead = need("lm_head.weight", {config.vocabSize, config.hiddenSize});
  if (error)
    return std::move(*error);
  out.bytes = bytes;
  out.allF32 = allF32;
  return out;
}

/// Exports of the text model alone drop the prefix; which is told by the embedding. `fallback` holds without one.
static std::string prefixOf(const TensorSupply &supply, std::string_view fallback) {
  std::string prefixed = std::string(largerModelPrefix) + std::string(embeddingName);
  if (supply.exists(prefixed))
    return std::string(largerModelPrefix);
  return supply.exists(std::string(embeddingName)) ? "" : std::string(fallback);
}

/// Counts what is left over. A bias that the config denies would change the result either way, so that it is an error;
/// anything else has no place in the model, and its own code ignores it too.
static Result<void> describeLeftOvers(const SafetensorsCheckpoint &checkpoint, const StoredTensors &supply,
                                      TextTensors &out) {
  uint64_t others = 0;
  const TensorInfo *firstOther = nullptr;
  for (const TensorInfo &info : checkpoint.tensors()) {
    if (supply.isUsed(info))
      continue;
    if (isVisionTensor(info.name)) {
      ++out.visionTensors;
      continue;
    }
    if (info.name.find(".self_attn.") != std::string::npos && endsWith(info.name, "_proj.bias"))
      return makeError(ExitCode::InvalidInput, "{}: has the tensor {}, but 'attention_bias' is false in config.json",
                       checkpoint.pathOf(info), inQuotes(info.name));
    firstOther = firstOther ? firstOther : &info;
    ++others;
  }
  if (out.visionTensors > 0)
    out.notes.push_back(fmt::format("{}: {} vision tensors are left out: only text is supported", checkpoint.folder(),
                                    out.visionTensors));
  if (others > 0)
    out.notes.push_back(fmt::format("{}: {} tensors have no place in the model and are left out, the first is {}",
                                    checkpoint.folder(), others, inQuotes(firstOther->name)));
  return {};
}

Result<TextTensors> llama4::findTextTensors(const TextConfig &config, const SafetensorsCheckpoint &checkpoint) {
  for (const TensorInfo &info : checkpoint.tensors())
    if (isQuantisationTensor(info.name))
      return makeError(ExitCode::Unsupported, "{}: tensor {} belongs to a quantised checkpoint, which is not supported",
                       checkpoint.pathOf(info), inQuotes(info.name));

  StoredTensors supply(checkpoint);
  YUPANA_ASSIGN_OR_RETURN(TextTensors out, TensorFinder(config, supply, prefixOf(supply, largerModelPrefix)).find());
  YUPANA_RETURN_IF_ERROR(describeLeftOvers(checkpoint, supply, out));
  return out;
}

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
  DeclaredTensors supply(storedTypeOf(config.text), names);
  std::string prefix = prefixOf(supply, config.isNested ? largerModelPrefix : "");
  YUPANA_ASSIGN_OR_RETURN(TextTensors out, TensorFinder(config.text, supply, prefix).find());
  out.declared = supply.takeDeclared();
  return out;
}
