// SPDX-License-Identifier: Apache-2.0
//
// Every table is written by one function. The finished buffer is unpacked and packed again by the schema's own code, so
// that its bytes depend on what it says alone: a plan that is refitted, whose metadata comes from a file and not from
// ops, is then the plan that was compiled.

#include "compiler/Export/Metadata.h"

#include "runtime/schema/format.h"
#include "runtime/schema/plan_generated.h"

#include "llvm/ADT/StringSwitch.h"

#include <limits>

using namespace mlir;
using namespace yupana;

namespace {

/// Alignment of every arena: a cache line, and a whole vector at any x86 level.
constexpr uint64_t arenaAlignment = 64;

/// The longest a reader accepts is 4096 bytes; a text for people is left out where it is longer than this.
constexpr size_t maxSourceBytes = 1024;

using schema::ArgumentKind;
// Numbers are cast from one enumeration to the other.
static_assert(static_cast<int>(plan::ArgumentKind::Buffer) == static_cast<int>(ArgumentKind::buffer) &&
              static_cast<int>(plan::ArgumentKind::Weight) == static_cast<int>(ArgumentKind::weight) &&
              static_cast<int>(plan::ArgumentKind::Cache) == static_cast<int>(ArgumentKind::cache) &&
              static_cast<int>(plan::ArgumentKind::PageTable) == static_cast<int>(ArgumentKind::page_table) &&
              static_cast<int>(plan::ArgumentKind::Input) == static_cast<int>(ArgumentKind::input) &&
              static_cast<int>(plan::ArgumentKind::History) == static_cast<int>(ArgumentKind::history));
using schema::ImageFormat;
static_assert(static_cast<int>(plan::ImageFormat::ElfX86) == static_cast<int>(ImageFormat::elf_x86_64) &&
              static_cast<int>(plan::ImageFormat::Cubin) == static_cast<int>(ImageFormat::cubin) &&
              static_cast<int>(plan::ImageFormat::Ptx) == static_cast<int>(ImageFormat::ptx));
static_assert(static_cast<int>(kernel::Function::Step) == static_cast<int>(schema::Function::step) &&
              static_cast<int>(kernel::Function::Sample) == static_cast<int>(schema::Function::sample));
static_assert(static_cast<int>(kernel::StepInput::RowPositions) == static_cast<int>(schema::StepInput::row_positions) &&
              static_cast<int>(kernel::StepInput::RowPenalties) == static_cast<int>(schema::StepInput::row_penalties));

class MetadataWriter {
public:
  MetadataWriter(const PlanOps &ops, const PlanPlaces &places) : ops(ops), places(places) {}

  Result<std::vector<uint8_t>> write(const std::string &producer);
  /// Describes one weight, at the first of the places.
  Result<std::unique_ptr<schema::WeightT>> describeWeight(plan::WeightOp op, Operation *parameter);

private:
  template <typename T> using Offsets = std::vector<flatbuffers::Offset<T>>;

  flatbuffers::Offset<schema::Generation> writeGeneration(plan::ModelOp op);
  flatbuffers::Offset<schema::Model> writeModel(plan::ModelOp op);
  flatbuffers::Offset<schema::Limits> writeLimits(plan::ModelOp op);
  schema::Link makeLink(Attribute link);
  flatbuffers::Offset<schema::WeightPart> writePart(lm::WeightOp part);
  flatbuffers::Offset<schema::Weight> writeWeight(plan::WeightOp op, Operation *parameter, size_t index);
  flatbuffers::Offset<schema::CacheGroup> writeGroup(plan::CacheGroupOp op);
  flatbuffers::Offset<schema::Kernel> writeKernel(plan::KernelOp op, ArrayRef<plan::ImageOp> images,
                                                  uint32_t firstSection);
  flatbuffers::Offset<schema::Target> writeTarget(plan::TargetOp op);
  flatbuffers::Offset<schema::Buffer> writeBuffer(plan::BufferOp op);
  flatbuffers::Offset<schema::StepProgram> writeProgram(plan::ProgramOp op);
  flatbuffers::Offset<schema::Launch> writeLaunch(plan::LaunchOp op);
  schema::GridTerm gridTerm(const kernel::GridTerm &term);

  /// `value` for a field of 32 bits; the first that does not fit fails the whole.
  uint32_t narrow(uint64_t value, std::string_view what) {
    if (value > std::numeric_limits<uint32_t>::max() && !error)
      error = makeError(ExitCode::Internal, "{} is {}, which a plan cannot hold", what, static_cast<int64_t>(value));
    return static_cast<uint32_t>(value);
  }

  const PlanOps &ops;
  const PlanPlaces &places;
  uint32_t imagesWritten = 0; ///< Of the targets before the one being written.
  flatbuffers::FlatBufferBuilder builder{1 << 16};
  std::optional<Error> error;
};

/// Float32 is what the runtime computes with.
flatbuffers::Offset<schema::Generation> MetadataWriter::writeGeneration(plan::ModelOp op) {
  lm::GenerationAttr generation = op.getGenerationAttr();
  if (!generation)
    return {};
  auto real = [](FloatAttr value) { return static_cast<float>(value.getValueAsDouble()); };
  return schema::CreateGeneration(builder, generation.getDoSample().getValue(), real(generation.getTemperature()),
                                  narrow(generation.getTopK(), "top_k"), real(generation.getTopP()),
                                  real(generation.getMinP()), real(generation.getRepetitionPenalty()));
}

flatbuffers::Offset<schema::Model> MetadataWriter::writeModel(plan::ModelOp op) {
  // Tables of FlatBuffers are written inside out: what a table refers to must be finished before it is begun.
  flatbuffers::Offset<schema::Generation> generation = writeGeneration(op);
  std::vector<uint32_t> stop;
  for (int64_t token : op.getStopTokens())
    stop.push_back(narrow(token, "a stop token"));
  return schema::CreateModelDirect(
      builder, op.getName().str().c_str(), op.getArchitecture().str().c_str(), narrow(op.getVocabulary(), "vocabulary"),
      narrow(op.getHidden(), "hidden"), narrow(op.getLayers(), "layers"), op.getParameters(),
      op.getPrecision().str().c_str(), op.getBeginToken(), &stop, generation, op.getActiveParameters().value_or(0));
}

flatbuffers::Offset<schema::Limits> MetadataWriter::writeLimits(plan::ModelOp op) {
  return schema::CreateLimits(builder, narrow(op.getMaxContext(), "max_context"), narrow(op.getMaxBatch(), "max_batch"),
                              narrow(op.getMaxStepTokens(), "max_step_tokens"),
                              narrow(op.getMaxLogitRows(), "max_logit_rows"));
}

std::string describeRope(lm::RopeTableAttr table) {
  lm::RopeAttr rope = table.getRope();
  std::string text = fmt::format("rope table: theta {}, dim {}, step {}", rope.getTheta().getValueAsDouble(),
                                 table.getDim(), table.getStep());
  if (lm::RopeScalingAttr scaling = rope.getScaling())
    text +=
        fmt::format(", scaling factor {}, low {}, high {}, original {}", scaling.getFactor().getValueAsDouble(),
                    scaling.getLow().getValueAsDouble(), scaling.getHigh().getValueAsDouble(), scaling.getOriginal());
  return text;
}

/// For people: the checkpoint tensor, the first of several, or how a table is computed.
std::string describeSource(Operation *parameter) {
  if (auto table = dyn_cast<lm::TableOp>(parameter)) {
    if (auto rope = dyn_cast<lm::RopeTableAttr>(table.getGenerator()))
      return describeRope(rope);
    auto temperature = cast<lm::TemperatureTableAttr>(table.getGenerator());
    return fmt::format("temperature table: scale {}", temperature.getScale().getValueAsDouble());
  }
  if (auto interleaved = dyn_cast<lm::InterleavedOp>(parameter)) {
    auto source = [&](FlatSymbolRefAttr part) {
      return describeSource(SymbolTable::lookupNearestSymbolFrom(parameter, part));
    };
    std::string first = source(interleaved.getFirstAttr()), second = source(interleaved.getSecondAttr());
    std::string both = first == second ? first : first + " and " + second;
    return both.size() <= maxSourceBytes ? both : "";
  }
  ArrayAttr sources = cast<lm::WeightOp>(parameter).getSources();
  std::string text = cast<StringAttr>(sources[0]).str();
  if (sources.size() > 1)
    text += fmt::format(" and {} more", sources.size() - 1);
  return text.size() <= maxSourceBytes ? text : "";
}

schema::ElementType elementOf(Type type) {
  if (type.isBF16())
    return schema::ElementType::bf16;
  return type.isF16() ? schema::ElementType::f16 : schema::ElementType::f32;
}

/// Of every link but the one that packs: the weight's own entry names its packed form. What a kind does not use is 0,
/// so that equal links are equal bytes.
schema::Link MetadataWriter::makeLink(Attribute link) {
  using schema::LinkKind;
  std::array<uint8_t, 8> permutation = {};
  constexpr auto none = schema::ElementType::f32;
  if (auto stack = dyn_cast<lm::StackAttr>(link))
    return {0, static_cast<uint64_t>(stack.getCount()), 0, permutation, 0, LinkKind::stack, none};
  if (auto slice = dyn_cast<lm::SliceAttr>(link))
    return {static_cast<uint64_t>(slice.getOffset()),
            static_cast<uint64_t>(slice.getSize()),
            static_cast<uint64_t>(slice.getStep()),
            permutation,
            narrow(slice.getAxis(), "the axis of a slice"),
            LinkKind::slice,
            none};
  if (auto convert = dyn_cast<lm::ConvertAttr>(link))
    return {0, 0, 0, permutation, 0, LinkKind::convert, elementOf(convert.getElementType())};
  // Once there is an error, nothing of what is written is used.
  auto transpose = dyn_cast<lm::TransposeAttr>(link);
  if ((!transpose || transpose.getPermutation().size() > permutation.size()) && !error)
    error = makeError(ExitCode::Internal, "a chain has a link that a plan cannot hold");
  if (!error)
    llvm::copy(transpose.getPermutation(), permutation.begin());
  return {0, 0, 0, permutation, 0, LinkKind::transpose, none};
}

flatbuffers::Offset<schema::WeightPart> MetadataWriter::writePart(lm::WeightOp part) {
  Offsets<flatbuffers::String> tensors;
  for (auto source : part.getSources().getAsRange<StringAttr>())
    tensors.push_back(builder.CreateString(source.data(), source.size()));
  auto type = cast<RankedTensorType>(part.getSourceType());
  std::vector<uint64_t> shape(type.getShape().begin(), type.getShape().end());
  std::vector<schema::Link> links;
  for (Attribute link : part.getChain())
    if (!isa<lm::PackAttr>(link))
      links.push_back(makeLink(link));
  return schema::CreateWeightPartDirect(builder, &tensors, elementOf(type.getElementType()), &shape, &links);
}

flatbuffers::Offset<schema::Weight> MetadataWriter::writeWeight(plan::WeightOp op, Operation *parameter, size_t index) {
  RankedTensorType type = lm::getParameterType(parameter);
  std::vector<uint64_t> shape(type.getShape().begin(), type.getShape().end());
  Offsets<schema::WeightPart> parts;
  uint32_t run = 0;
  // A table has no parts: it is made from numbers alone.
  if (auto weight = dyn_cast<lm::WeightOp>(parameter))
    parts.push_back(writePart(weight));
  if (auto interleaved = dyn_cast<lm::InterleavedOp>(parameter)) {
    for (FlatSymbolRefAttr half : {interleaved.getFirstAttr(), interleaved.getSecondAttr()})
      parts.push_back(writePart(SymbolTable::lookupNearestSymbolFrom<lm::WeightOp>(parameter, half)));
    run = narrow(interleaved.getBy(), "the run of an interleaved weight");
    // The type includes the rows that fill up the last runs; the shape in the plan is without padding.
    auto first = SymbolTable::lookupNearestSymbolFrom<lm::WeightOp>(parameter, interleaved.getFirstAttr());
    int64_t rowAxis = type.getRank() - 2;
    shape[rowAxis] = 2 * static_cast<uint64_t>(first.getTensorType().getDimSize(rowAxis));
  }
  const WeightPlace &place = places.weights[index];
  std::vector<uint8_t> digest(place.digest.begin(), place.digest.end());
  return schema::CreateWeightDirect(builder, op.getParameter().str().c_str(), elementOf(type.getElementType()), &shape,
                                    op.getLayout().str().c_str(), place.section, place.offset, place.bytes,
                                    describeSource(parameter).c_str(), parts.empty() ? nullptr : &parts, run,
                                    digest.empty() ? nullptr : &digest);
}

flatbuffers::Offset<schema::CacheGroup> MetadataWriter::writeGroup(plan::CacheGroupOp op) {
  std::vector<uint32_t> layers;
  for (int64_t layer : op.getLayers())
    layers.push_back(narrow(layer, "a layer of a cache group"));
  return schema::CreateCacheGroupDirect(builder, op.getName().str().c_str(), &layers, narrow(op.getChunk(), "chunk"),
                                        narrow(op.getPageTokens(), "page_tokens"), op.getPageBytes());
}

flatbuffers::Offset<schema::Buffer> MetadataWriter::writeBuffer(plan::BufferOp op) {
  return schema::CreateBufferDirect(builder, op.getName().str().c_str(), narrow(op.getArena(), "a buffer's arena"),
                                    op.getOffset(), op.getSize(), narrow(op.getFirst(), "a buffer's first launch"),
                                    narrow(op.getLast(), "a buffer's last launch"));
}

/// By name, so that neither enumeration depends on the order of the other.
schema::GridTerm MetadataWriter::gridTerm(const kernel::GridTerm &term) {
  switch (term.op) {
  case kernel::GridOp::Constant:
    return {schema::GridOp::constant, narrow(term.value, "a term of a grid")};
  case kernel::GridOp::Tokens:
    return {schema::GridOp::tokens, 0};
  case kernel::GridOp::Sequences:
    return {schema::GridOp::sequences, 0};
  case kernel::GridOp::LogitRows:
    return {schema::GridOp::rows, 0};
  case kernel::GridOp::Add:
    return {schema::GridOp::add, 0};
  case kernel::GridOp::Mul:
    return {schema::GridOp::mul, 0};
  case kernel::GridOp::CeilDiv:
    return {schema::GridOp::ceil_div, 0};
  case kernel::GridOp::Min:
    return {schema::GridOp::min, 0};
  case kernel::GridOp::Max:
    return {schema::GridOp::max, 0};
  case kernel::GridOp::SMs:
    return {schema::GridOp::sms, 0};
  }
  return {schema::GridOp::constant, 0};
}

flatbuffers::Offset<schema::Launch> MetadataWriter::writeLaunch(plan::LaunchOp op) {
  std::vector<schema::GridTerm> grid;
  for (const kernel::GridTerm &term : op.getGrid().getTerms())
    grid.push_back(gridTerm(term));
  std::vector<schema::Argument> arguments;
  for (auto argument : op.getArguments().getAsRange<plan::ArgumentAttr>())
    arguments.emplace_back(static_cast<ArgumentKind>(argument.getKind()),
                           narrow(argument.getIndex(), "the index of an argument"),
                           static_cast<uint64_t>(argument.getOffset()));
  return schema::CreateLaunchDirect(builder, narrow(op.getKernel(), "the kernel of a launch"), &grid, &arguments,
                                    narrow(op.getThreads(), "the threads of a launch"),
                                    narrow(op.getShared(), "the shared memory of a launch"));
}

flatbuffers::Offset<schema::StepProgram> MetadataWriter::writeProgram(plan::ProgramOp op) {
  Offsets<schema::Launch> launches;
  for (auto launch : op.getBody().getOps<plan::LaunchOp>())
    launches.push_back(writeLaunch(launch));
  return schema::CreateStepProgramDirect(builder, static_cast<schema::Function>(op.getFunction()),
                                         narrow(op.getMaxTokens(), "max_tokens"), &launches);
}

/// `images` are those of the kernel's target, the first of which is section `firstSection`.
flatbuffers::Offset<schema::Kernel> MetadataWriter::writeKernel(plan::KernelOp op, ArrayRef<plan::ImageOp> images,
                                                                uint32_t firstSection) {
  std::vector<schema::KernelImage> uses;
  for (auto use : op.getImagesAttr().getAsRange<plan::KernelImageAttr>()) {
    plan::ImageOp image = images[use.getImage()];
    uses.emplace_back(firstSection + static_cast<uint32_t>(use.getImage()), static_cast<uint32_t>(use.getRegisters()),
                      static_cast<uint32_t>(use.getShared()), static_cast<uint32_t>(use.getSpills()),
                      static_cast<ImageFormat>(image.getFormat()));
  }
  return schema::CreateKernelDirect(builder, op.getSymbol().str().c_str(), op.getScratch(),
                                    narrow(op.getNumArguments(), "a kernel's arguments"), &uses, op.getWaits());
}

flatbuffers::Offset<schema::Target> MetadataWriter::writeTarget(plan::TargetOp op) {
  Offsets<schema::Arena> arenas;
  for (auto arena : op.getBody().getOps<plan::ArenaOp>())
    arenas.push_back(schema::CreateArenaDirect(builder, arena.getName().str().c_str(), arena.getSize(), arenaAlignment,
                                               arena.getWorkspace()));
  Offsets<schema::Buffer> buffers;
  for (auto buffer : op.getBody().getOps<plan::BufferOp>())
    buffers.push_back(writeBuffer(buffer));
  auto images = llvm::to_vector(op.getBody().getOps<plan::ImageOp>());
  Offsets<schema::Kernel> kernels;
  for (auto kernel : op.getBody().getOps<plan::KernelOp>())
    kernels.push_back(writeKernel(kernel, images, places.firstImageSection + imagesWritten));
  imagesWritten += static_cast<uint32_t>(images.size());
  Offsets<schema::StepProgram> programs;
  for (auto program : op.getBody().getOps<plan::ProgramOp>())
    programs.push_back(writeProgram(program));
  return schema::CreateTargetDirect(builder, op.getName().str().c_str(), &arenas, &buffers, &kernels, &programs,
                                    narrow(op.getLogits(), "logits"), narrow(op.getSampled(), "sampled"));
}

/// Errors are looked at once, at the end: fields that do not fit leave a cut number that nobody sees.
Result<std::vector<uint8_t>> MetadataWriter::write(const std::string &producer) {
  auto model = writeModel(ops.model);
  auto limits = writeLimits(ops.model);
  Offsets<schema::Weight> weights;
  for (size_t i = 0; i < ops.weights.size(); ++i)
    weights.push_back(writeWeight(ops.weights[i], ops.parameters[i], i));
  Offsets<schema::CacheGroup> groups;
  for (plan::CacheGroupOp group : ops.groups)
    groups.push_back(writeGroup(group));
  Offsets<schema::Target> targets;
  for (plan::TargetOp target : ops.targets)
    targets.push_back(writeTarget(target));
  schema::FinishPlanBuffer(
      builder, schema::CreatePlanDirect(builder, producer.c_str(), model, limits, &weights, &groups, &targets));
  if (error)
    return std::move(*error);
  std::unique_ptr<schema::PlanT> plan(schema::GetPlan(builder.GetBufferPointer())->UnPack());
  return packMetadata(*plan);
}

Result<std::unique_ptr<schema::WeightT>> MetadataWriter::describeWeight(plan::WeightOp op, Operation *parameter) {
  builder.Finish(writeWeight(op, parameter, 0));
  if (error)
    return std::move(*error);
  auto *weight = flatbuffers::GetRoot<schema::Weight>(builder.GetBufferPointer());
  return std::unique_ptr<schema::WeightT>(weight->UnPack());
}

} // namespace

Result<PlanOps> yupana::collectPlanOps(ModuleOp module) {
  // In the order of the module. Numbers in arguments are places in these lists.
  PlanOps ops;
  SymbolTableCollection symbols;
  for (Operation &op : *module.getBody()) {
    if (auto model = dyn_cast<plan::ModelOp>(op)) {
      if (ops.model)
        return makeError(ExitCode::Internal, "the module has two plan.model ops, expected one");
      ops.model = model;
    } else if (auto weight = dyn_cast<plan::WeightOp>(op)) {
      Operation *parameter = symbols.lookupNearestSymbolFrom(weight, weight.getParameterAttr());
      if (!isa_and_nonnull<lm::WeightOp, lm::InterleavedOp, lm::TableOp>(parameter))
        return makeError(ExitCode::Internal,
                         "plan.weight names {}, expected an lm.weight, an lm.interleaved or an lm.table",
                         inQuotes(weight.getParameter().str()));
      ops.weights.push_back(weight);
      ops.parameters.push_back(parameter);
    } else if (auto group = dyn_cast<plan::CacheGroupOp>(op)) {
      ops.groups.push_back(group);
    } else if (auto target = dyn_cast<plan::TargetOp>(op)) {
      for (auto kernel : target.getBody().getOps<plan::KernelOp>())
        if (!kernel.getImages() || kernel.getImages()->empty())
          return makeError(ExitCode::Internal, "target {}: kernel {} has no image", target.getName().str(),
                           inQuotes(kernel.getSymbol().str()));
      ops.targets.push_back(target);
      llvm::append_range(ops.images, target.getBody().getOps<plan::ImageOp>());
    }
  }
  if (!ops.model || ops.targets.empty())
    return makeError(ExitCode::Internal, "the module has {} and {} targets, expected a plan.model and a plan.target",
                     ops.model ? "a plan.model" : "no plan.model", ops.targets.size());
  return ops;
}

Result<std::vector<uint8_t>> yupana::writeMetadata(const PlanOps &ops, const PlanPlaces &places,
                                                   const std::string &producer) {
  return MetadataWriter(ops, places).write(producer);
}

Result<std::unique_ptr<schema::WeightT>> yupana::describeWeight(plan::WeightOp weight, Operation *parameter,
                                                                const WeightPlace &place) {
  PlanOps none;
  PlanPlaces places;
  places.weights = place;
  return MetadataWriter(none, places).describeWeight(weight, parameter);
}

Result<std::vector<uint8_t>> yupana::packMetadata(const schema::PlanT &plan) {
  flatbuffers::FlatBufferBuilder builder(1 << 16);
  schema::FinishPlanBuffer(builder, schema::Plan::Pack(builder, &plan));
  if (builder.GetSize() > schema::kMaxMetadataBytes)
    return makeError(ExitCode::Internal, "the metadata has {} bytes, a plan holds at most {}", builder.GetSize(),
                     schema::kMaxMetadataBytes);
  return std::vector<uint8_t>(builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize());
}
