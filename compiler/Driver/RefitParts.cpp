// SPDX-License-Identifier: Apache-2.0
//
// A plan says of each part of a weight from which tensors it was made and through which links: first those of the
// importer, which depend on how the checkpoint is arranged, then those of the passes, which do not. To exchange the
// first for those of another arrangement, the model is imported twice: with tensors declared under the names that the
// plan knows, and with the tensors there are. Both imports name their weights alike, so that what the first makes of a
// tensor tells which weight of the second takes its place. No name of a tensor is interpreted here. Conversions stand
// where the importer has put them and do not tell weights apart.

#include "compiler/Driver/RefitParts.h"

#include "compiler/Driver/Diagnostics.h"
#include "dialects/Plan/IR/Plan.h"
#include "runtime/schema/format.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/Verifier.h"
#include "llvm/ADT/STLExtras.h"

#include <map>
#include <set>

using namespace mlir;
using namespace yupana;

namespace {

/// The links of a part as attributes, without conversions.
SmallVector<Attribute> linksOf(Builder &builder, const schema::WeightPart &part) {
  MLIRContext *context = builder.getContext();
  SmallVector<Attribute> links;
  size_t rank = part.shape()->size();
  for (const schema::Link *link : *part.links()) {
    auto size = static_cast<int64_t>(link->size());
    switch (link->kind()) {
    case schema::LinkKind::stack:
      links.push_back(lm::StackAttr::get(context, size));
      ++rank;
      break;
    case schema::LinkKind::slice:
      links.push_back(lm::SliceAttr::get(context, link->axis(), static_cast<int64_t>(link->offset()), size,
                                         static_cast<int64_t>(link->step())));
      break;
    case schema::LinkKind::transpose: {
      SmallVector<int64_t> permutation;
      // The plan has eight entries, of which as many count as there are axes at this point.
      for (size_t axis = 0; axis < rank; ++axis)
        permutation.push_back(link->permutation()->Get(static_cast<uint32_t>(axis)));
      links.push_back(lm::TransposeAttr::get(context, permutation));
      break;
    }
    case schema::LinkKind::convert:
      break;
    }
  }
  return links;
}

SmallVector<Attribute> withoutConversions(ArrayAttr chain) {
  SmallVector<Attribute> links(chain.getValue());
  llvm::erase_if(links, [](Attribute link) { return isa<lm::ConvertAttr>(link); });
  return links;
}

/// As the file names them; the strings belong to the module.
SmallVector<StringRef> sourcesOf(lm::WeightOp weight) {
  return llvm::to_vector(weight.getSources().getAsValueRange<StringAttr>());
}

class Deriver {
public:
  Deriver(MLIRContext &context, const schema::Plan &plan, const std::string &name, const OpenedCheckpoint &checkpoint)
      : builder(&context), plan(plan), name(name), checkpoint(checkpoint) {}

  Result<OwningOpRef<ModuleOp>> run();

private:
  /// A weight of the model as the plan's tensors give it, and as the checkpoint's do.
  struct Twin {
    SmallVector<Attribute> links; ///< Of the former, without conversions.
    lm::WeightOp ours;
    bool used = false;
  };

  Result<void> importBoth();
  Result<Twin *> findTwin(const schema::Weight &weight, const schema::WeightPart &part);
  /// Creates the `lm.weight` of a part, unpacked where `layout` is empty.
  Result<lm::WeightOp> derivePart(const schema::Weight &weight, const schema::WeightPart &part, StringRef symbol,
                                  StringRef layout);
  Result<void> checkShape(const schema::Weight &weight, RankedTensorType found, lm::WeightOp ours);
  Result<void> deriveWeight(const schema::Weight &weight);
  Result<void> checkAllUsed();

  OpBuilder builder;
  const schema::Plan &plan;
  const std::string &name;
  const OpenedCheckpoint &checkpoint;
  OwningOpRef<ModuleOp> theirs, ours; ///< The model from the plan's tensors and from the checkpoint's.
  /// By the tensors of the plan.
  std::map<SmallVector<StringRef>, SmallVector<Twin>> twins;
};

Result<void> Deriver::importBoth() {
  // All names that the plan knows: which wrappers and which form of the experts the old checkpoint had shows in them.
  std::set<std::string, std::less<>> names;
  for (const schema::Weight *weight : *plan.weights())
    if (weight->parts())
      for (const schema::WeightPart *part : *weight->parts())
        for (const flatbuffers::String *tensor : *part->tensors())
          names.insert(tensor->str());
  YUPANA_ASSIGN_OR_RETURN(llama4::TextTensors declared, llama4::declareTextTensors(checkpoint.config, names));
  llama4::ImportOptions options = checkpoint.importOptions(plan.model()->precision()->str());
  MLIRContext &context = *builder.getContext();
  YUPANA_ASSIGN_OR_RETURN(theirs, llama4::importModel(context, checkpoint.config, declared, options));
  // The names of symbols come from the config alone, so that they pair the two models whatever the tensors are called.
  YUPANA_ASSIGN_OR_RETURN(ours, llama4::importModel(context, checkpoint.config, checkpoint.text, options));
  for (auto weight : theirs->getOps<lm::WeightOp>()) {
    auto twin = ours->lookupSymbol<lm::WeightOp>(weight.getSymName());
    if (!twin)
      return makeError(ExitCode::InvalidInput,
                       "{}: has a weight that is made from tensor {}, which the model in {} does not have", name,
                       inQuotes(sourcesOf(weight).front().str()), checkpoint.folder);
    twins[sourcesOf(weight)].push_back({withoutConversions(weight.getChain()), twin});
  }
  return {};
}

Result<Deriver::Twin *> Deriver::findTwin(const schema::Weight &weight, const schema::WeightPart &part) {
  SmallVector<StringRef> tensors;
  for (const flatbuffers::String *tensor : *part.tensors())
    tensors.push_back(StringRef(tensor->data(), tensor->size()));
  SmallVector<Attribute> links = linksOf(builder, part);
  // The longest chain that the part's begins with: gate and up of one tensor differ in their slice, and a chain without
  // links begins every other.
  Twin *best = nullptr;
  if (auto found = twins.find(tensors); found != twins.end())
    for (Twin &twin : found->second) {
      bool begins =
          twin.links.size() <= links.size() && llvm::equal(twin.links, ArrayRef(links).take_front(twin.links.size()));
      if (begins && (!best || best->links.size() < twin.links.size()))
        best = &twin;
    }
  if (best)
    return best;
  // The same tensors through other links: slices of another size.
  if (auto found = twins.find(tensors); found != twins.end())
    YUPANA_RETURN_IF_ERROR(checkShape(weight, found->second.front().ours.getTensorType(), found->second.front().ours));
  return makeError(ExitCode::InvalidInput,
                   "{}: weight {} is made from {} tensors, the first of them {}, of which the "
                   "model in {} has no counterpart of the same size",
                   name, inQuotes(weight.name()->str()), tensors.size(), inQuotes(tensors.front().str()),
                   checkpoint.folder);
}

/// A part has the weight's shape, or half of its rows where it is one of two.
Result<void> Deriver::checkShape(const schema::Weight &weight, RankedTensorType found, lm::WeightOp ours) {
  std::vector<uint64_t> expected(weight.shape()->begin(), weight.shape()->end());
  if (weight.parts()->size() == 2)
    // The runtime has checked that there are two axes at least.
    expected[expected.size() - 2] /= 2;
  std::vector<uint64_t> given(found.getShape().begin(), found.getShape().end());
  if (given == expected)
    return {};
  return makeError(ExitCode::InvalidInput,
                   "{}: tensor {} makes a part of weight {} that has the shape {}, expected {} "
                   "by {}",
                   checkpoint.folder, inQuotes(sourcesOf(ours).front().str()), inQuotes(weight.name()->str()),
                   shapeString(given), shapeString(expected), name);
}

Result<lm::WeightOp> Deriver::derivePart(const schema::Weight &weight, const schema::WeightPart &part, StringRef symbol,
                                         StringRef layout) {
  YUPANA_ASSIGN_OR_RETURN(Twin * twin, findTwin(weight, part));
  twin->used = true;
  lm::WeightOp from = twin->ours;
  SmallVector<Attribute> chain(from.getChain().getValue()), links = linksOf(builder, part);
  // Our links of the importer, then the plan's links of the passes.
  llvm::append_range(chain, ArrayRef(links).drop_front(twin->links.size()));
  DiagnosticCollector diagnostics(*builder.getContext());
  Location loc = builder.getUnknownLoc();
  auto emitError = [&] { return mlir::emitError(loc); };
  if (!layout.empty()) {
    auto pack = lm::PackAttr::getChecked(emitError, builder.getContext(), layout);
    if (!pack)
      return diagnostics.takeError(ExitCode::Unsupported, fmt::format("{}: weight {}", name, weight.name()->str()));
    chain.push_back(pack);
  }
  // Followed from the tensor that is there, which has any shape and type: only now can the passes' links not fit.
  auto type = cast<RankedTensorType>(from.getSourceType());
  for (Attribute link : chain) {
    FailureOr<RankedTensorType> next = cast<lm::TransformAttrInterface>(link).apply(type, emitError);
    if (failed(next))
      return diagnostics.takeError(ExitCode::InvalidInput,
                                   fmt::format("{}: tensor {} as a part of weight {} of {}", checkpoint.folder,
                                               inQuotes(sourcesOf(from).front().str()), weight.name()->str(), name));
    type = *next;
  }
  YUPANA_RETURN_IF_ERROR(checkShape(weight, type, from));
  return lm::WeightOp::create(builder, loc, symbol, from.getSources(), from.getSourceType(),
                              builder.getArrayAttr(chain), type);
}

Result<void> Deriver::deriveWeight(const schema::Weight &weight) {
  std::string symbol = weight.name()->str();
  StringRef layout(weight.layout()->data(), weight.layout()->size());
  Location loc = builder.getUnknownLoc();
  if (weight.parts()->size() == 1) {
    YUPANA_RETURN_IF_ERROR(derivePart(weight, *weight.parts()->Get(0), symbol, layout));
  } else {
    // Names of the halves are only for this module; the plan names the whole.
    YUPANA_ASSIGN_OR_RETURN(lm::WeightOp first, derivePart(weight, *weight.parts()->Get(0), symbol + ":first", ""));
    YUPANA_ASSIGN_OR_RETURN(lm::WeightOp second, derivePart(weight, *weight.parts()->Get(1), symbol + ":second", ""));
    RankedTensorType type = first.getTensorType();
    SmallVector<int64_t> shape(type.getShape());
    int64_t &rows = shape[shape.size() - 2];
    // Runs of both parts are padded to whole ones, as pairing did when the plan was compiled.
    rows = 2 * static_cast<int64_t>(llvm::alignTo(rows, weight.run()));
    lm::InterleavedOp::create(builder, loc, symbol, first.getSymName(), second.getSymName(), weight.run(),
                              builder.getStringAttr(layout), RankedTensorType::get(shape, type.getElementType()));
  }
  plan::WeightOp::create(builder, loc, FlatSymbolRefAttr::get(builder.getContext(), symbol),
                         builder.getStringAttr(layout));
  return {};
}

/// A tensor of the model that no weight of the plan is made from would be left out in silence: the output matrix of a
/// checkpoint that does not tie it, a bias, a layer too many.
Result<void> Deriver::checkAllUsed() {
  // First what has no twin at all, then twins that no weight asked for.
  for (auto weight : ours->getOps<lm::WeightOp>())
    if (!theirs->lookupSymbol(weight.getSymName()))
      return makeError(ExitCode::InvalidInput, "{}: has tensor {} in its model, from which no weight of {} is made",
                       checkpoint.folder, inQuotes(sourcesOf(weight).front().str()), name);
  for (const auto &[tensors, candidates] : twins)
    for (const Twin &twin : candidates)
      if (!twin.used)
        return makeError(ExitCode::InvalidInput, "{}: has tensor {} in its model, from which no weight of {} is made",
                         checkpoint.folder, inQuotes(sourcesOf(twin.ours).front().str()), name);
  return {};
}

Result<OwningOpRef<ModuleOp>> Deriver::run() {
  YUPANA_RETURN_IF_ERROR(importBoth());
  OwningOpRef<ModuleOp> module = ModuleOp::create(builder.getUnknownLoc());
  builder.setInsertionPointToEnd(module->getBody());
  for (const schema::Weight *weight : *plan.weights())
    if (weight->section() == schema::kNoSection)
      YUPANA_RETURN_IF_ERROR(deriveWeight(*weight));
  YUPANA_RETURN_IF_ERROR(checkAllUsed());
  // What the plan says was made by a compiler or by anybody: the verifier decides.
  DiagnosticCollector diagnostics(*builder.getContext());
  if (failed(verify(*module)))
    return diagnostics.takeError(ExitCode::InvalidInput, name);
  return module;
}

} // namespace

Result<OwningOpRef<ModuleOp>> yupana::deriveWeights(MLIRContext &context, const schema::Plan &plan,
                                                    const std::string &name, const OpenedCheckpoint &checkpoint) {
  return Deriver(context, plan, name, checkpoint).run();
}
