// SPDX-License-Identifier: Apache-2.0
//
// One op for each operation of the published model, in its order and with nothing fused: what can be joined is for the
// passes to find. Weights are declared in the order of their first use.

#include "frontends/Llama4/Import.h"

#include "dialects/LM/IR/LM.h"
#include "dialects/MoE/IR/MoE.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

#include <cmath>
#include <limits>

using namespace mlir;

namespace yupana::llama4 {
namespace {

lm::GenerationAttr generationAttr(Builder &builder, const std::optional<GenerationConfig> &config) {
  if (!config)
    return {};
  // A top p of 0 keeps the best token alone, as the smallest number above it does; 0 itself means "off" to the runtime.
  double topP = std::max(config->topP, static_cast<double>(std::numeric_limits<float>::min()));
  auto real = [&](double value) { return builder.getF64FloatAttr(value); };
  return lm::GenerationAttr::get(builder.getContext(), builder.getBoolAttr(config->doSample), real(config->temperature),
                                 static_cast<int64_t>(config->topK), real(topP), real(config->minP),
                                 real(config->repetitionPenalty));
}

/// Builds `@step` and `@sample` op by op, in the order of the published model.
class Importer {
public:
  Importer(MLIRContext &context, const ModelConfig &config, const TextTensors &tensors, Precision precision)
      : config(config.text), tensors(tensors), builder(&context), loc(builder.getUnknownLoc()),
        stored(precision == Precision::BF16 ? Type(builder.getBF16Type()) : Type(builder.getF32Type())) {}

  OwningOpRef<ModuleOp> run(const ModelConfig &model, const ImportOptions &options);

private:
  // Types
  lm::DimAttr size(int64_t value) { return lm::DimAttr::get(builder.getContext(), value); }
  lm::DimAttr size(lm::DimSymbol symbol) { return lm::DimAttr::get(builder.getContext(), symbol); }
  /// Activations; scores and logits say that they are float32.
  RankedTensorType rows(lm::DimAttr dim, int64_t features) { return rows(dim, features, stored); }
  RankedTensorType rows(lm::DimAttr dim, int64_t features, Type element) {
    return lm::getNamedTensorType({dim, size(features)}, element);
  }
  RankedTensorType column(lm::DimAttr dim, Type element) { return lm::getNamedTensorType(dim, element); }
  lm::DimAttr pairs() { return tokenDim.times(config.topK); }

  // Weights
  FlatSymbolRefAttr weight(const std::string &name, ArrayRef<const TensorInfo *> sources, ArrayRef<Attribute> links);
  FlatSymbolRefAttr weight(const std::string &name, const TensorInfo *source) { return weight(name, source, {}); }
  FlatSymbolRefAttr optionalWeight(const std::string &name, const TensorInfo *source) {
    return source ? weight(name, source) : FlatSymbolRefAttr();
  }
  struct MLPWeights {
    FlatSymbolRefAttr gate, up, down;
  };
  MLPWeights mlpWeights(const std::string &name, const SwiGLUTensors &mlp);
  MLPWeights expertWeights(const std::string &name, const ExpertTensors &experts);

  // Layers
  Value norm(Value x, const std::string &name, const TensorInfo *gain);
  Value linear(Value x, FlatSymbolRefAttr weight, int64_t features, FlatSymbolRefAttr bias = {});
  Value logits(Value x, FlatSymbolRefAttr weight, int64_t features);
  Value headNorm(Value x);
  Value rope(Value x, const LayerConfig &layer);
  Value attention(Value x, size_t index);
  Value denseMLP(Value x, size_t index);
  Value mixture(Value x, size_t index);
  void buildStep();
  void buildSample();

  const TextConfig &config;
  const TextTensors &tensors;
  OpBuilder builder;
  Location loc;
  Type stored; ///< The element type of weights and activations.
  ModuleOp module;
  func::FuncOp step; ///< Weights and caches are declared before it.
  uint64_t parameters = 0;
  const lm::DimAttr tokenDim = size(lm::DimSymbol::T), rowDim = size(lm::DimSymbol::R);
  Value ids, positions, sequences, logitRows;
};

/// Declares a weight: the checkpoint's tensors, and the steps from them to the matrix that an op takes. Several sources
/// are stacked by the first step; they have the shape and type of the first one.
FlatSymbolRefAttr Importer::weight(const std::string &name, ArrayRef<const TensorInfo *> sources,
                                   ArrayRef<Attribute> links) {
  const TensorInfo &first = *sources.front();
  // What a checkpoint stores is F32, F16 or BF16; findTextTensors has refused other types.
  Type given = first.type == StoredType::F32   ? Type(builder.getF32Type())
               : first.type == StoredType::F16 ? Type(builder.getF16Type())
                                               : Type(builder.getBF16Type());
  SmallVector<int64_t> shape(first.shape.begin(), first.shape.end());
  auto sourceType = RankedTensorType::get(shape, given);
  SmallVector<Attribute> chain(links);
  // Once, behind the steps that only move elements; what is stored in the wanted type already is never touched.
  if (given != stored)
    chain.push_back(lm::ConvertAttr::get(builder.getContext(), stored));

  auto emitError = [&] { return mlir::emitError(loc); };
  RankedTensorType type = sourceType;
  for (Attribute link : chain)
    // Cannot fail: findTextTensors has checked the shapes that the steps were chosen for.
    type = *cast<lm::TransformAttrInterface>(link).apply(type, emitError);
  parameters += type.getNumElements();

  SmallVector<StringRef> names;
  for (const TensorInfo *source : sources)
    names.push_back(source->name);
  // Before @step, and so in the order in which @step first uses them.
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(module.getBody(), step->getIterator());
  lm::WeightOp::create(builder, loc, name, builder.getStrArrayAttr(names), sourceType, builder.getArrayAttr(chain),
                       type);
  return FlatSymbolRefAttr::get(builder.getContext(), name);
}

Importer::MLPWeights Importer::mlpWeights(const std::string &name, const SwiGLUTensors &mlp) {
  return {weight(name + ".gate", mlp.gate), weight(name + ".up", mlp.up), weight(name + ".down", mlp.down)};
}

Importer::MLPWeights Importer::expertWeights(const std::string &name, const ExpertTensors &experts) {
  MLIRContext *context = builder.getContext();
  if (!experts.each.empty()) {
    // Experts one by one are stacked into one weight [expert, out, in], as experts are always computed.
    SmallVector<const TensorInfo *> gates, ups, downs;
    for (const SwiGLUTensors &expert : experts.each) {
      gates.push_back(expert.gate);
      ups.push_back(expert.up);
      downs.push_back(expert.down);
    }
    Attribute stack = lm::StackAttr::get(context, experts.each.size());
    return {weight(name + ".gate", gates, stack), weight(name + ".up", ups, stack),
            weight(name + ".down", downs, stack)};
  }
  if (!experts.gateUp)
    return mlpWeights(name, {experts.gate, experts.up, experts.down});
  // The fused form of transformers is [expert, in, out], gate before up; a product takes [out, in].
  int64_t width = config.expertWidth, outputAxis = experts.outputsFirst ? 1 : 2;
  SmallVector<Attribute> gate = {lm::SliceAttr::get(context, outputAxis, 0, width, 1)}, down;
  SmallVector<Attribute> up = {lm::SliceAttr::get(context, outputAxis, width, width, 1)};
  if (!experts.outputsFirst)
    for (SmallVector<Attribute> *links : {&gate, &up, &down})
      links->push_back(lm::TransposeAttr::get(context, {0, 2, 1}));
  return {weight(name + ".gate", experts.gateUp, gate), weight(name + ".up", experts.gateUp, up),
          weight(name + ".down", experts.down, down)};
}

/// Statistics over the whole row, with a gain for each feature.
Value Importer::norm(Value x, const std::string &name, const TensorInfo *gain) {
  return lm::RMSNormOp::create(builder, loc, x.getType(), x, weight(name, gain),
                               builder.getI64IntegerAttr(config.hiddenSize), builder.getF64FloatAttr(config.rmsEps));
}

static lm::DimAttr rowsOf(Value x) { return lm::getDims(cast<RankedTensorType>(x.getType()))[0]; }

Value Importer::linear(Value x, FlatSymbolRefAttr weight, int64_t features, FlatSymbolRefAttr bias) {
  return lm::LinearOp::create(builder, loc, rows(rowsOf(x), features), x, weight, bias);
}

/// Router and output logits, which choices are made by, stay in float32 under every precision.
Value Importer::logits(Value x, FlatSymbolRefAttr weight, int64_t features) {
  return lm::LinearOp::create(builder, loc, rows(rowsOf(x), features, builder.getF32Type()), x, weight,
                              FlatSymbolRefAttr());
}

/// Over each head by itself and without a gain, with the same epsilon as the other norms.
Value Importer::headNorm(Value x) {
  return lm::RMSNormOp::create(builder, loc, x.getType(), x, FlatSymbolRefAttr(),
                               builder.getI64IntegerAttr(config.headDim), builder.getF64FloatAttr(config.rmsEps));
}

Value Importer::rope(Value x, const LayerConfig &layer) {
  MLIRContext *context = builder.getContext();
  lm::RopeScalingAttr scaling;
  if (const auto &s = config.ropeScaling)
    scaling =
        lm::RopeScalingAttr::get(context, builder.getF64FloatAttr(s->factor), builder.getF64FloatAttr(s->lowFreqFactor),
                                 builder.getF64FloatAttr(s->highFreqFactor), s->originalMaxPositions);
  auto rope = lm::RopeAttr::get(context, builder.getF64FloatAttr(config.ropeTheta), scaling);
  // Within a chunk only differences of positions count, so the angle may start over with the chunk.
  IntegerAttr period = layer.chunk ? builder.getI64IntegerAttr(*layer.chunk) : IntegerAttr();
  return lm::RopeOp::create(builder, loc, x.getType(), x, positions, builder.getI64IntegerAttr(config.headDim), rope,
                            period, ArrayAttr());
}

/// The order is the published one: rotate, then normalise each head, then scale by position. Normalising first would be
/// another model.
Value Importer::attention(Value x, size_t index) {
  const LayerConfig &layer = config.layers[index];
  const LayerTensors &t = tensors.layers[index];
  std::string name = fmt::format("layers.{}", index);
  int64_t queryRow = config.heads * config.headDim, keyRow = config.kvHeads * config.headDim;
  Value q = linear(x, weight(name + ".q", t.q), queryRow, optionalWeight(name + ".q_bias", t.qBias));
  Value k = linear(x, weight(name + ".k", t.k), keyRow, optionalWeight(name + ".k_bias", t.kBias));
  Value v = linear(x, weight(name + ".v", t.v), keyRow, optionalWeight(name + ".v_bias", t.vBias));
  if (layer.usesRope) {
    q = rope(q, layer);
    k = rope(k, layer);
  }
  if (layer.qkNorm) {
    q = headNorm(q);
    k = headNorm(k);
  }
  // The floor of the temperature is read as a number; importModel has checked that it is whole.
  if (layer.temperatureTuned)
    q = lm::AttentionTemperatureOp::create(
        builder, loc, q.getType(), q, positions, builder.getF64FloatAttr(config.temperature->attnScale),
        builder.getI64IntegerAttr(static_cast<int64_t>(config.temperature->floorScale)), FlatSymbolRefAttr());
  // Beside @step, in the order of the layers: a cache belongs to the model and not to a step.
  {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(module.getBody(), step->getIterator());
    lm::CacheOp::create(builder, loc, name, index, config.kvHeads, config.headDim,
                        layer.chunk ? builder.getI64IntegerAttr(*layer.chunk) : IntegerAttr(), stored);
  }
  // Of the head's width, whatever the rotation and the temperature have done to the queries.
  double scale = 1.0 / std::sqrt(static_cast<double>(config.headDim));
  Value o =
      lm::AttentionOp::create(builder, loc, q.getType(), q, k, v, positions, sequences, name, llvm::APFloat(scale));
  return linear(o, weight(name + ".o", t.o), config.hiddenSize, optionalWeight(name + ".o_bias", t.oBias));
}

Value Importer::denseMLP(Value x, size_t index) {
  MLPWeights w = mlpWeights(fmt::format("layers.{}.mlp", index), tensors.layers[index].dense);
  Value gate = linear(x, w.gate, config.denseWidth), up = linear(x, w.up, config.denseWidth);
  Value inner = lm::GatedOp::create(builder, loc, gate.getType(), gate, up, lm::Activation::SiLU);
  return linear(inner, w.down, config.hiddenSize);
}

/// Llama 4 scales the input of an expert by its score, not its output: the scores go to the dispatch.
Value Importer::mixture(Value x, size_t index) {
  const LayerTensors &t = tensors.layers[index];
  std::string name = fmt::format("layers.{}", index);
  int64_t experts = config.experts, k = config.topK;
  Type i32 = builder.getI32Type(), f32 = builder.getF32Type();
  auto chosenType = lm::getNamedTensorType({tokenDim, size(k)}, i32);
  auto scoreType = lm::getNamedTensorType({tokenDim, size(k)}, f32);

  Value scored = logits(x, weight(name + ".router", t.router), experts);
  // The chosen scores are used as they are. Each comes from a sigmoid of its own and they do not sum to one.
  auto route = moe::RouteOp::create(builder, loc, chosenType, scoreType, scored, k, moe::ScoreFunction::Sigmoid,
                                    /*normalize=*/false);
  Value dispatched =
      moe::DispatchOp::create(builder, loc, rows(pairs(), config.hiddenSize), x, route.getExperts(), route.getScores());
  auto silu = lm::ActivationAttr::get(builder.getContext(), lm::Activation::SiLU);
  MLPWeights w = expertWeights(name + ".experts", t.experts);
  Value routed = moe::ExpertsOp::create(builder, loc, dispatched.getType(), dispatched, route.getExperts(), w.gate,
                                        w.up, w.down, silu);
  MLPWeights s = mlpWeights(name + ".shared", t.shared);
  Value shared = moe::SharedExpertOp::create(builder, loc, x.getType(), x, s.gate, s.up, s.down, silu);
  // Scores are in the inputs already, so the outputs of routed and shared experts are just added.
  return moe::CombineOp::create(builder, loc, x.getType(), routed, Value(), shared);
}

void Importer::buildStep() {
  Type i32 = builder.getI32Type();
  auto perToken = column(tokenDim, i32);
  auto logitsType = rows(rowDim, config.vocabSize, builder.getF32Type());
  auto type = builder.getFunctionType({perToken, perToken, perToken, column(rowDim, i32)}, {logitsType});
  builder.setInsertionPointToEnd(module.getBody());
  // Ids, positions and sequences of the tokens, and the rows that logits are wanted of.
  step = func::FuncOp::create(builder, loc, "step", type);
  Block *block = step.addEntryBlock();
  builder.setInsertionPointToStart(block);
  ids = block->getArgument(0);
  positions = block->getArgument(1);
  sequences = block->getArgument(2);
  logitRows = block->getArgument(3);

  // The history that the repetition penalty reads has every token that the model has seen, so it is written in a
  // step.
  lm::RecordOp::create(builder, loc, ids, positions, sequences);
  FlatSymbolRefAttr embedding = weight("embedding", tensors.embedding);
  Value h = lm::EmbedOp::create(builder, loc, rows(tokenDim, config.hiddenSize), ids, embedding);
  for (size_t i = 0; i < config.layers.size(); ++i) {
    const LayerTensors &t = tensors.layers[i];
    Value x = norm(h, fmt::format("layers.{}.input_norm", i), t.inputNorm);
    h = lm::AddOp::create(builder, loc, h, attention(x, i));
    x = norm(h, fmt::format("layers.{}.post_attention_norm", i), t.postAttentionNorm);
    h = lm::AddOp::create(builder, loc, h, config.layers[i].isMoE ? mixture(x, i) : denseMLP(x, i));
  }
  h = norm(h, "final_norm", tensors.finalNorm);
  // Only rows that somebody asked for meet the output matrix, the largest product of a step that decodes.
  Value last = lm::TakeRowsOp::create(builder, loc, rows(rowDim, config.hiddenSize), h, logitRows);
  // Tied: the embedding's matrix is the head as well.
  FlatSymbolRefAttr head = tensors.lmHead ? weight("lm_head", tensors.lmHead) : embedding;
  func::ReturnOp::create(builder, loc, logits(last, head, config.vocabSize));
}

void Importer::buildSample() {
  Type f32s = column(rowDim, builder.getF32Type()), i32s = column(rowDim, builder.getI32Type());
  Type i64s = column(rowDim, builder.getI64Type());
  // As the operands of the op: logits; temperature, top k, top p, min p, penalty; seed, sequence, position, slot.
  auto type = builder.getFunctionType(
      {rows(rowDim, config.vocabSize, builder.getF32Type()), f32s, i32s, f32s, f32s, f32s, i64s, i64s, i32s, i32s},
      {i32s});
  builder.setInsertionPointToEnd(module.getBody());
  auto sample = func::FuncOp::create(builder, loc, "sample", type);
  Block *block = sample.addEntryBlock();
  builder.setInsertionPointToStart(block);
  Value drawn = lm::SampleOp::create(builder, loc, i32s, block->getArguments());
  func::ReturnOp::create(builder, loc, drawn);
}

/// The model's own op comes last, when the parameters are counted, and stands first.
OwningOpRef<ModuleOp> Importer::run(const ModelConfig &model, const ImportOptions &options) {
  OwningOpRef<ModuleOp> result = ModuleOp::create(loc);
  module = *result;
  buildStep();
  buildSample();
  std::vector<uint64_t> stopTokens = model.stopTokens();
  SmallVector<int64_t> stops(stopTokens.begin(), stopTokens.end());
  builder.setInsertionPointToStart(module.getBody());
  // Three matrices of each idle expert.
  uint64_t idle = 0; // parameters of the experts that a token is not sent to
  for (const LayerConfig &layer : config.layers)
    idle += layer.isMoE ? (config.experts - config.topK) * 3 * config.hiddenSize * config.expertWidth : 0;
  lm::ModelOp::create(builder, loc, options.name, options.architecture, config.vocabSize, config.hiddenSize,
                      config.layers.size(), parameters, config.bosToken ? static_cast<int64_t>(*config.bosToken) : -1,
                      stops, generationAttr(builder, model.generation),
                      builder.getI64IntegerAttr(static_cast<int64_t>(parameters - idle)));
  return result;
}

} // namespace

Result<OwningOpRef<ModuleOp>> importModel(MLIRContext &context, const ModelConfig &config, const TextTensors &tensors,
                                          const ImportOptions &options) {
  if (const auto &temperature = config.text.temperature)
    // The op has it as an integer. Below 9e15 a double tells whole numbers apart.
    if (temperature->floorScale != std::floor(temperature->floorScale) || temperature->floorScale >= 9e15)
      return makeError(ExitCode::Unsupported, "floor_scale is {}, expected a whole number", temperature->floorScale);
  return Importer(context, config, tensors, options.precision).run(config, options);
}

} // namespace yupana::llama4
