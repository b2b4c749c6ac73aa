// SPDX-License-Identifier: Apache-2.0
//
// Which tensor of a checkpoint is which weight of the text model.
#ifndef YUPANA_FRONTENDS_LLAMA4_CHECKPOINT_H
#define YUPANA_FRONTENDS_LLAMA4_CHECKPOINT_H

#include "frontends/Llama4/Config.h"
#include "frontends/Safetensors/Safetensors.h"

#include <deque>
#include <memory>
#include <set>

namespace yupana::llama4 {

/// gate, up: [width, hidden], down: [hidden, width]; y = (silu(x gate^T) * (x up^T)) down^T.
struct SwiGLUTensors {
  const TensorInfo *gate = nullptr;
  const TensorInfo *up = nullptr;
  const TensorInfo *down = nullptr;
};

/// The routed experts of a layer, in one of the forms that files have them in. Each is told by the names:
///
///   experts.gate_up_proj, down_proj                     fused, inputs before outputs; transformers writes these
///   experts.gate_up_proj.weight, down_proj.weight       fused, outputs before inputs
///   experts.gate_proj.weight, up_proj.., down_proj..    stacked, outputs before inputs
///   experts.N.gate_proj.weight, ...                     one by one
///   experts.gate_projs.N.weight, ...                    one by one
struct ExpertTensors {
  /// Fused: gate in the first half of the outputs, up in the second. [experts, hidden, 2 * expertWidth], or with
  /// outputsFirst [experts, 2 * expertWidth, hidden]. Else null.
  const TensorInfo *gateUp = nullptr;
  /// Stacked: [experts, expertWidth, hidden]. Else null.
  const TensorInfo *gate = nullptr;
  const TensorInfo *up = nullptr;
  /// Fused or stacked: [experts, expertWidth, hidden], or with outputsFirst [experts, hidden, expertWidth].
  const TensorInfo *down = nullptr;
  bool outputsFirst = false;
  /// One by one, in the order of the experts; else empty.
  std::vector<SwiGLUTensors> each;

  bool fused() const { return gateUp != nullptr; }
};

/// The weights of one layer; those that the layer does not have are null.
struct LayerTensors {
  const TensorInfo *inputNorm = nullptr;         ///< [hidden]
  const TensorInfo *postAttentionNorm = nullptr; ///< [hidden]
  const TensorInfo *q = nullptr;                 ///< [heads * headDim, hidden]
  const TensorInfo *k = nullptr;                 ///< [kvHeads * headDim, hidden]
  const TensorInfo *v = nullptr;                 ///< [kvHeads * headDim, hidden]
  const TensorInfo *o = nullptr;                 ///< [hidden, heads * headDim]
  const TensorInfo *qBias = nullptr;             ///< [heads * headDim], with TextConfig::attentionBias
  const TensorInfo *kBias = nullptr;             ///< [kvHeads * headDim]
  const TensorInfo *vBias = nullptr;             ///< [kvHeads * headDim]
  const TensorInfo *oBias = nullptr;             ///< [hidden]
  SwiGLUTensors dense;                           ///< Dense layers, width denseWidth.
  const TensorInfo *router = nullptr;            ///< MoE layers: [experts, hidden]
  ExpertTensors experts;                         ///< MoE layers
  SwiGLUTensors shared;                          ///< MoE layers, width expertWidth.
};

/// The weights of the text model. Every tensor present has the shape given here and the type F32, F16 or BF16; types
/// may differ between tensors. The pointers are valid as long as the SafetensorsCheckpoint they come from, or as
/// `declared`.
struct TextTensors {
  const TensorInfo *embedding = nullptr; ///< [vocab, hidden]
  const TensorInfo *finalNorm = nullptr; ///< [hidden]
  const TensorInfo *lmHead = nullptr;    ///< [vocab, hidden]; null when the embedding is the output matrix, too
  std::vector<LayerTensors> layers;      ///< As TextConfig::layers.
  std::string prefix;                    ///< What stands before the names: "language_model." or nothing.
  uint64_t visionTensors = 0;            ///< Recognised and left out.
  uint64_t bytes = 0;                    ///< Of all tensors above together, as stored.
  bool allF32 = false;                   ///< Every tensor above is F32.
  /// Tensors that no file has: names, types and shapes alone. Null when they come from a checkpoint.
  std::shared_ptr<const std::deque<TensorInfo>> declared;
  std::vector<std::string> notes; ///< Sentences for the user about tensors that are left out.
};

/// Finds every tensor that `config` needs, under the model's own names or inside wrappers of training (TensorNames.h).
/// A model whose config ties the output matrix to the embedding and whose file has an lm_head of other values keeps
/// both, as transformers 5 does: the data of the two is compared. Left out by name are vision, rotary frequencies
/// (inv_freq), value heads and an lm_head that equals its tied embedding; no other tensor is.
///
/// ExitCode::InvalidInput when a tensor is missing, has another shape, contradicts the config or has no place in the
/// model; ExitCode::Unsupported when one has a type other than F32, F16 and BF16 or when tensors of a quantised
/// checkpoint stand beside them.
Result<TextTensors> findTextTensors(const TextConfig &config, const SafetensorsCheckpoint &checkpoint);

/// The tensors that a checkpoint of `config` has, without a checkpoint: every one has the type that config.json names,
/// BF16 if it names none. `names` are those of some checkpoint, by which wrappers, prefix, form of the experts and an
/// lm_head beside a tied embedding are told as findTextTensors tells them; without names all are as transformers writes
/// them: the prefix where the text model is part of a larger one, and experts fused. ExitCode::InvalidInput when a
/// tensor has more than 2^63 bytes.
Result<TextTensors> declareTextTensors(const ModelConfig &config, const std::set<std::string, std::less<>> &names = {});

} // namespace yupana::llama4

#endif // YUPANA_FRONTENDS_LLAMA4_CHECKPOINT_H
