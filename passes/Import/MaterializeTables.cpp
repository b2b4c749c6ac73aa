// SPDX-License-Identifier: Apache-2.0
//
// Names every table that rotations and temperatures read as an lm.table of the module. Tables with the same generator
// become one, so that layers share them. They are computed at export, in float64, since position times frequency in
// float32 is off by much of a radian at the end of a long context; here they only get their sizes, from the longest
// context. It runs in the import phase, so that later phases see a table as one more parameter which kernels load from.
// Tables that an op names already are kept.

#include "dialects/LM/IR/LM.h"
#include "passes/Import/Passes.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/MapVector.h"

#define DEBUG_TYPE "yupana-materialize-tables"

namespace yupana {
#define GEN_PASS_DEF_MATERIALIZETABLESPASS
#include "passes/Import/Passes.h.inc"
} // namespace yupana

using namespace mlir;
using namespace yupana;

namespace {

/// Rows of the finer of two rotary tables: position = 256 · coarse + fine. A context of 10 million positions then takes
/// 39,063 + 256 rows; for the usual 32,768 both tables stay in the cache of a core.
constexpr int64_t fineRows = 256;

/// Creates each distinct table once, before the first function.
class TableBuilder {
public:
  explicit TableBuilder(ModuleOp module) : symbols(module), builder(module.getContext()) {
    // Declarations stand together at the top, after those that are there already.
    auto isFunction = [](Operation &op) { return op.getNumRegions() != 0; };
    auto &body = module.getBody()->getOperations();
    builder.setInsertionPoint(module.getBody(), llvm::find_if(body, isFunction));
  }

  FlatSymbolRefAttr rope(lm::RopeAttr rope, int64_t dim, int64_t count, int64_t step) {
    auto generator = lm::RopeTableAttr::get(builder.getContext(), rope, dim, count, step);
    return get(generator, "rope");
  }

  FlatSymbolRefAttr temperature(FloatAttr scale, int64_t count) {
    return get(lm::TemperatureTableAttr::get(builder.getContext(), scale, count), "temperature");
  }

private:
  FlatSymbolRefAttr get(lm::GeneratorAttrInterface generator, StringRef prefix) {
    FlatSymbolRefAttr &symbol = tables[generator];
    if (!symbol) {
      std::string name = (prefix + "." + Twine(tables.size() - 1)).str();
      auto type = RankedTensorType::get(generator.getTableShape(), builder.getF32Type());
      auto table = lm::TableOp::create(builder, builder.getUnknownLoc(), name, generator, type);
      symbols.insert(table, builder.getInsertionPoint());
      symbol = FlatSymbolRefAttr::get(table.getSymNameAttr());
    }
    return symbol;
  }

  SymbolTable symbols;
  OpBuilder builder;
  llvm::MapVector<Attribute, FlatSymbolRefAttr> tables;
};

struct MaterializeTablesPass : yupana::impl::MaterializeTablesPassBase<MaterializeTablesPass> {
  using Base::Base;

  void runOnOperation() override {
    if (maxContext < 1) {
      getOperation().emitError() << "max-context is " << maxContext.getValue() << ", expected at least 1";
      return signalPassFailure();
    }
    TableBuilder tables(getOperation());
    getOperation().walk([&](lm::RopeOp rope) {
      if (!rope.getTables())
        rope.setTablesAttr(ropeTables(rope, tables));
    });
    getOperation().walk([&](lm::AttentionTemperatureOp temperature) {
      if (temperature.getTable())
        return;
      // The factor is constant over floor_scale positions: an entry for each value of floor((p + 1) / floor_scale), p <
      // maxContext.
      int64_t rows = maxContext / static_cast<int64_t>(temperature.getFloorScale()) + 1;
      temperature.setTableAttr(tables.temperature(temperature.getScaleAttr(), rows));
    });
  }

  ArrayAttr ropeTables(lm::RopeOp rope, TableBuilder &tables) {
    int64_t dim = rope.getWidth();
    SmallVector<Attribute> symbols;
    // Within a chunk angles repeat after its length, so that one short table has them all.
    if (rope.getPeriod()) {
      symbols.push_back(tables.rope(rope.getRope(), dim, std::min<int64_t>(*rope.getPeriod(), maxContext), /*step=*/1));
    } else {
      int64_t coarseRows = (maxContext + fineRows - 1) / fineRows;
      symbols.push_back(tables.rope(rope.getRope(), dim, coarseRows, fineRows));
      symbols.push_back(tables.rope(rope.getRope(), dim, fineRows, /*step=*/1));
    }
    return ArrayAttr::get(&getContext(), symbols);
  }
};

} // namespace
