// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_DIALECTS_KERNEL_IR_KERNELOPS_TD
#define YUPANA_DIALECTS_KERNEL_IR_KERNELOPS_TD

include "dialects/Kernel/IR/KernelProgramOps.td"
include "dialects/Kernel/IR/KernelRegionOps.td"
include "dialects/MoE/IR/MoEEnums.td"

//===----------------------------------------------------------------------===//
// Launched ops
//===----------------------------------------------------------------------===//

/// N is no size of a step: nothing that is launched can have that many rows.
def Kernel_RowsAttr : ConfinedAttr<LM_DimAttr, [
    AttrConstraint<CPred<"::mlir::cast<::yupana::lm::DimAttr>($_self).getSymbol() != ::yupana::lm::DimSymbol::N">>]> {
  let summary = "a number of rows that a step gives";
}

class Kernel_LaunchedOp<string mnemonic, list<Trait> traits = []>
    : Kernel_Op<mnemonic, !listconcat([Kernel_LaunchedOpInterface,
                                       DeclareOpInterfaceMethods<MemoryEffectsOpInterface>], traits)> {
  let hasVerifier = 1;
  // Its effects are its accesses.
  let extraClassDefinition = [{
    void $cppClass::getEffects(::llvm::SmallVectorImpl<::mlir::MemoryEffects::EffectInstance> &effects) {
      ::yupana::kernel::detail::addEffects(getAccesses(), effects);
    }
  }];
}

def Kernel_LaunchedDocs : OpDocGroup {
  let summary = "Launched ops";
  let description = [{ One op, one kernel. }];
}

let opDocGroup = Kernel_LaunchedDocs in {

def Kernel_MapOp : Kernel_LaunchedOp<"map", [SingleBlockImplicitTerminator<"EndOp">]> {
  let summary = "Runs a scalar region for every row, group and lane";
  let description = [{
    The region is evaluated for row in [0, rows), group in [0, groups), lane in [0, width). `kernel.sum` adds a value
    over the lanes of a group, lane by lane into the partial sums that `numerics` states. A cell is `config.rows` rows;
    grid: ceildiv(rows, config.rows).

    ```mlir
    kernel.map rows "T" groups 4 width 16 {
    ^bb0(%row: index, %group: index, %lane: index):
      %x = kernel.load %a[%row, %lane] : !kernel.view<["T", 16], f32>
      kernel.store %x, %b[%row, %lane] : !kernel.view<["T", 16], f32>
    }
    ```
  }];
  let arguments = (ins Kernel_RowsAttr:$rows, I64Attr:$groups, I64Attr:$width,
                       OptionalAttr<Kernel_NumericsAttr>:$numerics, OptionalAttr<Kernel_GridAttr>:$grid,
                       OptionalAttr<Kernel_ConfigInterface>:$config);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let extraClassDeclaration = [{
    ::mlir::Region *getScalarBody() { return &getBody(); }
    bool addsUp();
    ::mlir::Value getRow() { return getBody().getArgument(0); }
    ::mlir::Value getGroup() { return getBody().getArgument(1); }
    ::mlir::Value getLane() { return getBody().getArgument(2); }
  }];
}

def Kernel_GemmOp : Kernel_LaunchedOp<"gemm", [AttrSizedOperandSegments, SingleBlock]> {
  let summary = "Multiplies token rows by packed weights and runs a scalar region on every accumulator";
  let description = [{
    For every row r, feature n and product i: acc_i[r, n] = Σ_k input_i(r, k) · weight_i[n, k], added in float32 in the
    ranges and the order that `numerics` states, each product by itself. Then the body runs with the accumulators of the
    products, the row and the feature.

    *Inputs* are read from a view, or computed by a region from row and k: a gather, a scale, a norm. What the region
    yields is rounded to the weight's type, once. Row-major rows of a view may be longer than K.

    *Experts.* With `by`, rows are the pairs of `experts` [T, k], and a weight of three dimensions [E, N, K] meets pair
    r as weight[experts[r div k, r rem k]]. With `by .. sorted`, rows are places in the order that `kernel.group` wrote:
    those of expert e are [offsets[e], offsets[e + 1]), input and body get the place as their row, and the pair at place
    r is order[r]. Fillers (-1) are computed by no one: neither input nor body runs for them.

    *Pairs.* With `pairs F by R` the rows of every weight are two halves that alternate, R rows at a time
    (`lm.interleaved`), and the body has two accumulators a product, feature n of either half, for n in [0, F).

    *Groups.* With `group G`, `kernel.sum` in the body adds over the G features [g·G, (g + 1)·G) that n lies in.

    *Workspaces* are what blocks that share a cell leave for one another; which ones it takes is the target's choice.

    Grid: cells of whole row tiles of the weight's form (panels of 32 rows on x86) and whole groups, times experts with
    `by`, else times ceildiv(rows, config.rows), the tile being the fastest index.

    ```mlir
    kernel.gemm rows "T" product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[128, 64], f32, "panel32"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 128], f32>
    }
    %sums = kernel.buffer "sums" workspace : !kernel.view<[8, 2048], f32>
    %counts = kernel.buffer "counts" workspace : !kernel.view<[8], i32>
    kernel.gemm rows "T" workspace %sums, %counts : !kernel.view<[8, 2048], f32>, !kernel.view<[8], i32>
        product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[128, 64], f32, "panel32"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
    }
    kernel.gemm rows "T" by %experts : !kernel.view<["T", 1], i32> pairs 24 by 16 product {
    ^bb0(%row: index, %k: index):
      %x = kernel.load %h[%row, %k] : !kernel.view<["T", 64], f32>
      %s = kernel.load %scores[%row] : !kernel.view<["T"], f32>
      %y = arith.mulf %x, %s : f32
      kernel.yield %y : f32
    } times %w : !kernel.view<[16, 64, 64], f32, "panel32"> {
    ^bb0(%gate: f32, %up: f32, %row: index, %feature: index):
      %y = arith.mulf %gate, %up : f32
      kernel.store %y, %inner[%row, %feature] : !kernel.view<["T", 24], f32>
    }
    kernel.gemm rows "T+112" by %offsets : !kernel.view<[17], i32> sorted %order : !kernel.view<["T+112"], i32>
        product %placed : !kernel.view<["T+112", 64], f32> times %w : !kernel.view<[16, 64, 64], f32, "panel32"> {
    ^bb0(%acc: f32, %place: index, %feature: index):
      %pair = kernel.load %order[%place] : !kernel.view<["T+112"], i32>
      %row = arith.index_castui %pair : i32 to index
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 64], f32>
    }
    ```
  }];
  let arguments = (ins Kernel_RowsAttr:$rows, Variadic<Kernel_ViewType>:$weights, Optional<Kernel_ViewType>:$experts,
                       Optional<Kernel_ViewType>:$order, Variadic<Kernel_ViewType>:$workspaces,
                       OptionalAttr<I64Attr>:$pairs, OptionalAttr<I64Attr>:$run,
                       OptionalAttr<I64Attr>:$group, OptionalAttr<Kernel_NumericsAttr>:$numerics,
                       OptionalAttr<Kernel_GridAttr>:$grid,
                       OptionalAttr<Kernel_ConfigInterface>:$config);
  let regions = (region SizedRegion<1>:$body, VariadicRegion<SizedRegion<1>>:$inputs);
  let hasCustomAssemblyFormat = 1;
  let extraClassDeclaration = [{
    ::mlir::Region *getScalarBody() { return &getBody(); }
    bool addsUp() { return true; }
    ::llvm::SmallVector<::mlir::Value> getWrittenOperands() { return getGivenWorkspaces(); }
    ::llvm::SmallVector<::mlir::Value> getGivenWorkspaces() { return {getWorkspaces().begin(), getWorkspaces().end()}; }
    void giveWorkspaces(::mlir::ValueRange workspaces) { getWorkspacesMutable().assign(workspaces); }
    unsigned getProductCount() { return getWeights().size(); }
    ::yupana::kernel::ViewType getWeightType(unsigned product) {
      return ::mlir::cast<::yupana::kernel::ViewType>(getWeights()[product].getType());
    }
    /// Accumulators of a product: 1, or 2 with `pairs`.
    unsigned getArity() { return getPairs() ? 2 : 1; }
    /// Features the body sees, F or N; rows of a weight, N; depth K of a product; experts, 1 without `by`.
    int64_t getFeatures();
    int64_t getWeightRows();
    /// Rows that a token of the step has; 1 where the rows are no multiple of T.
    int64_t getRowsPerToken();
    int64_t getDepth(unsigned product);
    int64_t getExpertCount();
    /// True if the product's weight is chosen by expert.
    bool isGrouped(unsigned product) { return getWeightType(product).getRank() == 3; }
    /// The view that an input region does no more than read, null when it computes.
    ::mlir::Value getPlainInput(unsigned product);
    ::mlir::Value getAccumulator(unsigned product, unsigned half = 0) {
      return getBody().getArgument(product * getArity() + half);
    }
    ::mlir::Value getRow() { return getBody().getArgument(getProductCount() * getArity()); }
    ::mlir::Value getFeature() { return getBody().getArgument(getProductCount() * getArity() + 1); }
    /// Features that a row tile of the weight holds; tiles that one cell covers: as few as begin and end with a group.
    int64_t getTileFeatures();
    int64_t getCellTiles();
    int64_t getCells();
  }];
}

def Kernel_AttentionOp : Kernel_LaunchedOp<"attention"> {
  let summary = "Attends from every token to the cached positions it may see";
  let description = [{
    out[t, h] = Σ_j softmax_j(scale · q[t, h] · k[j]) · v[j] over the positions j ≤ position of t of the same sequence,
    and, with a `chunk` C > 0, with j div C equal to position div C. The tokens of a sequence follow one another by
    ascending position, and sequences ascend. Softmax runs online over the blocks of positions that `numerics` states.
    They lie at absolute multiples, so a row's bits do not depend on the step it is computed in. Rows of the output may
    be longer than those of the query; what is behind h · width is left alone. Scores are products
    over the features of a head in the stated range and order; values are added by ascending position, or by pairs of
    positions where the order is of pairs. Workspaces are as those of `kernel.gemm`. Grid: tokens × key heads, the head
    is the fastest index, or what the target's template says.

    ```mlir
    kernel.attention %q, %k, %v at %positions of %sequences through %pages into %o chunk 48 scale 2.5e-1
      : !kernel.view<["T", 64], f32>, !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>,
        !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>, !kernel.view<["T"], i32>,
        !kernel.view<["T"], i32>, !kernel.view<["S", 16], i32>, !kernel.view<["T", 64], f32>
    ```
  }];
  let arguments = (ins Kernel_ViewType:$query, Kernel_CacheType:$keys, Kernel_CacheType:$values,
                       Kernel_ViewType:$positions, Kernel_ViewType:$sequences, Kernel_ViewType:$pages,
                       Kernel_ViewType:$out, Variadic<Kernel_ViewType>:$workspaces, I64Attr:$chunk, F64Attr:$scale,
                       OptionalAttr<Kernel_NumericsAttr>:$numerics, OptionalAttr<Kernel_GridAttr>:$grid,
                       OptionalAttr<Kernel_ConfigInterface>:$config);
  let assemblyFormat = [{
    $query `,` $keys `,` $values `at` $positions `of` $sequences `through` $pages `into` $out
    `chunk` $chunk `scale` $scale (`workspace` $workspaces^ `:` type($workspaces))? attr-dict
    `:` qualified(type($query)) `,` qualified(type($keys)) `,` qualified(type($values)) `,`
    qualified(type($positions)) `,` qualified(type($sequences)) `,` qualified(type($pages)) `,` qualified(type($out))
  }];
  let extraClassDeclaration = [{
    bool addsUp() { return true; }
    ::yupana::lm::DimAttr getRows() { return getQuery().getType().getDims()[0]; }
    ::llvm::SmallVector<::mlir::Value> getWrittenOperands() {
      ::llvm::SmallVector<::mlir::Value> written = getGivenWorkspaces();
      written.push_back(getOut());
      return written;
    }
    ::llvm::SmallVector<::mlir::Value> getGivenWorkspaces() { return {getWorkspaces().begin(), getWorkspaces().end()}; }
    void giveWorkspaces(::mlir::ValueRange workspaces) { getWorkspacesMutable().assign(workspaces); }
  }];
}

def Kernel_RouteOp : Kernel_LaunchedOp<"route", [AttrSizedOperandSegments]> {
  let summary = "Chooses and scores the top k experts of every token";
  let description = [{
    As `moe.route`: the k largest logits, the lower index on ties, listed by ascending expert. The logits are given, or
    computed here: logit[r, e] = Σ_k input(r, k) · router[e, k] with the input region's values in float32, as a sum over
    k with the partial sums that `numerics` states, for a row-major router [E, K]. Workspaces are as those of
    `kernel.gemm`. Grid: ceildiv(rows, config.rows), or several cells for each row that share its experts.

    ```mlir
    kernel.route rows "T" logits %logits : !kernel.view<["T", 16], f32> into %experts, %scores top 1 score sigmoid
      : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
    kernel.route rows "T" product {
    ^bb0(%row: index, %k: index):
      %x = kernel.load %h[%row, %k] : !kernel.view<["T", 64], f32>
      kernel.yield %x : f32
    } times %router : !kernel.view<[16, 64], f32> into %experts, %scores top 1 score sigmoid
      : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
    ```
  }];
  let arguments = (ins Kernel_RowsAttr:$rows, Optional<Kernel_ViewType>:$logits, Optional<Kernel_ViewType>:$router,
                       Kernel_ViewType:$experts, Kernel_ViewType:$scores, Variadic<Kernel_ViewType>:$workspaces,
                       I64Attr:$top_k, MoE_ScoreFunction:$score, UnitAttr:$normalize,
                       OptionalAttr<Kernel_NumericsAttr>:$numerics, OptionalAttr<Kernel_GridAttr>:$grid,
                       OptionalAttr<Kernel_ConfigInterface>:$config);
  let regions = (region MaxSizedRegion<1>:$input);
  let assemblyFormat = [{
    `rows` custom<Rows>($rows) custom<Logits>($logits, type($logits), $input, $router, type($router))
    `into` $experts `,` $scores
    `top` $top_k `score` $score (`normalize` $normalize^)? (`workspace` $workspaces^ `:` type($workspaces))? attr-dict
    `:` qualified(type($experts)) `,` qualified(type($scores))
  }];
  let extraClassDeclaration = [{
    bool addsUp() { return bool(getRouter()); }
    int64_t getExpertCount();
    ::llvm::SmallVector<::mlir::Value> getWrittenOperands() {
      ::llvm::SmallVector<::mlir::Value> written = getGivenWorkspaces();
      written.append({getExperts(), getScores()});
      return written;
    }
    ::llvm::SmallVector<::mlir::Value> getGivenWorkspaces() { return {getWorkspaces().begin(), getWorkspaces().end()}; }
    void giveWorkspaces(::mlir::ValueRange workspaces) { getWorkspacesMutable().assign(workspaces); }
  }];
}

def Kernel_GroupOp : Kernel_LaunchedOp<"group"> {
  let summary = "Sorts pairs by expert, each expert's rows beginning at a multiple of an alignment";
  let description = [{
    From the choices [T, k] among E experts: where the rows of each expert begin, [E + 1], and which pair stands at each
    place of the order, pairs of one expert ascending, -1 where an expert's rows end before the next multiple of
    `alignment` and behind the last expert. So offsets[0] is 0, every offset is a multiple of `alignment`, and the order
    has room for k·T + (alignment - 1)·E places, whatever the choices are. Grid: one cell.

    ```mlir
    kernel.group %experts into %offsets, %order alignment 8
      : !kernel.view<["T", 1], i32>, !kernel.view<[17], i32>, !kernel.view<["T+112"], i32>
    ```
  }];
  let arguments = (ins Kernel_ViewType:$experts, Kernel_ViewType:$offsets, Kernel_ViewType:$order, I64Attr:$alignment,
                       OptionalAttr<Kernel_GridAttr>:$grid, OptionalAttr<Kernel_ConfigInterface>:$config);
  let assemblyFormat = [{
    $experts `into` $offsets `,` $order `alignment` $alignment attr-dict
    `:` qualified(type($experts)) `,` qualified(type($offsets)) `,` qualified(type($order))
  }];
  let extraClassDeclaration = [{
    ::llvm::SmallVector<::mlir::Value> getWrittenOperands() { return {getOffsets(), getOrder()}; }
    int64_t getExpertCount() { return getOffsets().getType().getDimSize(0) - 1; }
    /// Rows of buffers in the order of pairs sorted by expert: k·T + (alignment - 1)·E.
    static ::yupana::lm::DimAttr getPlaces(::yupana::kernel::ViewType experts, int64_t expertCount, int64_t alignment) {
      return experts.getDims()[0].times(experts.getDimSize(1)).plus((alignment - 1) * expertCount);
    }
  }];
}

def Kernel_SampleOp : Kernel_LaunchedOp<"sample"> {
  let summary = "Draws one token id from each row of logits";
  let description = [{
    As `lm.sample`, whose description fixes every bit of the result; it states no numerics, since its sums are of
    integers. Workspaces are as those of `kernel.gemm`. Grid: one cell per row, or several that share it.

    ```mlir
    kernel.sample %logits temperatures %t top_k %k top_p %p min_p %m penalties %r seeds %s sequences %n positions %x
      slots %h of %history into %ids
      : !kernel.view<["R", 256], f32>, !kernel.view<["R"], f32>, !kernel.view<["R"], i32>, !kernel.view<["R"], f32>,
        !kernel.view<["R"], f32>, !kernel.view<["R"], f32>, !kernel.view<["R"], i64>, !kernel.view<["R"], i64>,
        !kernel.view<["R"], i32>, !kernel.view<["R"], i32>, !kernel.view<["N", 1024], i32>, !kernel.view<["R"], i32>
    ```
  }];
  let arguments = (ins Kernel_ViewType:$logits, Kernel_ViewType:$temperatures, Kernel_ViewType:$top_k,
                       Kernel_ViewType:$top_p, Kernel_ViewType:$min_p, Kernel_ViewType:$penalties,
                       Kernel_ViewType:$seeds, Kernel_ViewType:$sequences, Kernel_ViewType:$positions,
                       Kernel_ViewType:$slots, Kernel_ViewType:$history, Kernel_ViewType:$ids,
                       Variadic<Kernel_ViewType>:$workspaces, OptionalAttr<Kernel_GridAttr>:$grid,
                       OptionalAttr<Kernel_ConfigInterface>:$config);
  let assemblyFormat = [{
    $logits `temperatures` $temperatures `top_k` $top_k `top_p` $top_p `min_p` $min_p `penalties` $penalties
    `seeds` $seeds `sequences` $sequences `positions` $positions `slots` $slots `of` $history `into` $ids
    (`workspace` $workspaces^)? attr-dict `:` type(operands)
  }];
  let extraClassDeclaration = [{
    ::yupana::lm::DimAttr getRows() { return getLogits().getType().getDims()[0]; }
    ::llvm::SmallVector<::mlir::Value> getWrittenOperands() {
      ::llvm::SmallVector<::mlir::Value> written = getGivenWorkspaces();
      written.push_back(getIds());
      return written;
    }
    ::llvm::SmallVector<::mlir::Value> getGivenWorkspaces() { return {getWorkspaces().begin(), getWorkspaces().end()}; }
    void giveWorkspaces(::mlir::ValueRange workspaces) { getWorkspacesMutable().assign(workspaces); }
  }];
}

def Kernel_ParallelOp : Kernel_LaunchedOp<"parallel", [SingleBlock, NoTerminator, NoRegionArguments]> {
  let summary = "Launches several ops side by side";
  let description = [{
    The cells of the members follow one another in one grid; none may read what another writes. Grid: the sum of theirs,
    or, where the target lets blocks share out the work of all members, a number of blocks. The members then have the
    workspaces in common.

    ```mlir
    kernel.parallel {
      kernel.gemm rows "T" product %x : !kernel.view<["T", 64], f32> times %q : !kernel.view<[64, 64], f32, "panel32"> {
      ^bb0(%acc: f32, %row: index, %feature: index):
        kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 64], f32>
      }
      kernel.gemm rows "T" product %x : !kernel.view<["T", 64], f32> times %k : !kernel.view<[32, 64], f32, "panel32"> {
      ^bb0(%acc: f32, %row: index, %feature: index):
        kernel.store %acc, %z[%row, %feature] : !kernel.view<["T", 32], f32>
      }
    }
    ```
  }];
  let arguments = (ins Variadic<Kernel_ViewType>:$workspaces, OptionalAttr<Kernel_GridAttr>:$grid,
                       OptionalAttr<Kernel_ConfigInterface>:$config);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "(`workspace` $workspaces^ `:` type($workspaces))? attr-dict-with-keyword $body";
  let extraClassDeclaration = [{
    ::llvm::SmallVector<::mlir::Value> getWrittenOperands() { return getGivenWorkspaces(); }
    ::llvm::SmallVector<::mlir::Value> getGivenWorkspaces() { return {getWorkspaces().begin(), getWorkspaces().end()}; }
    void giveWorkspaces(::mlir::ValueRange workspaces) { getWorkspacesMutable().assign(workspaces); }
  }];
  let hasVerifier = 0;
  let hasRegionVerifier = 1;
}

} // opDocGroup

#endif
