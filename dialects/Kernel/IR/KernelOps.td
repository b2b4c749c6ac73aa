// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_DIALECTS_KERNEL_IR_KERNELOPS_TD
#define YUPANA_DIALECTS_KERNEL_IR_KERNELOPS_TD

include "dialects/Kernel/IR/KernelProgramOps.td"
include "dialects/Kernel/IR/KernelRegionOps.td"
include "dialects/MoE/IR/MoEEnums.td"

//===----------------------------------------------------------------------===//
// Launched ops
//===----------------------------------------------------------------------===//

def Kernel_LaunchedOpInterface : OpInterface<"LaunchedOpInterface"> {
  let cppNamespace = "::yupana::kernel";
  let description = [{
    An op that becomes one launched kernel. `grid` and `config` are absent until `configure-kernels` has run.
  }];
  let methods = [
    InterfaceMethod<"The number of cells.", "::yupana::kernel::GridAttr", "getGridAttr">,
    InterfaceMethod<"Sets the number of cells.", "void", "setGridAttr", (ins "::yupana::kernel::GridAttr":$grid)>,
    InterfaceMethod<"The choices for the target.", "::mlir::Attribute", "getConfigAttr">,
    InterfaceMethod<"Sets the choices for the target.", "void", "setConfigAttr", (ins "::mlir::Attribute":$config)>
  ];
}

class Kernel_LaunchedOp<string mnemonic, list<Trait> traits = []>
    : Kernel_Op<mnemonic, !listconcat([Kernel_LaunchedOpInterface], traits)> {
  let hasVerifier = 1;
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
    over the lanes of a group, with 16 partial sums added in a fixed tree. A cell is `config.rows` rows; grid:
    ceildiv(rows, config.rows).

    ```mlir
    kernel.map rows "T" groups 4 width 16 {
    ^bb0(%row: index, %group: index, %lane: index):
      %x = kernel.load %a[%row, %lane] : !kernel.view<["T", 16], f32>
      kernel.store %x, %b[%row, %lane] : !kernel.view<["T", 16], f32>
    }
    ```
  }];
  let arguments = (ins AnyAttr:$rows, I64Attr:$groups, I64Attr:$width, OptionalAttr<Kernel_GridAttr>:$grid,
                       OptionalAttr<AnyAttr>:$config);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let extraClassDeclaration = [{
    ::mlir::Value getRow() { return getBody().getArgument(0); }
    ::mlir::Value getGroup() { return getBody().getArgument(1); }
    ::mlir::Value getLane() { return getBody().getArgument(2); }
  }];
}

def Kernel_GemmOp : Kernel_LaunchedOp<"gemm", [SingleBlockImplicitTerminator<"EndOp">]> {
  let summary = "Multiplies token rows by a packed weight and runs a scalar region on every accumulator";
  let description = [{
    acc[t, n] = Σ_k input[t, k] · weight[n, k] as one float32 chain of fused multiply-adds over ascending k; then the
    region runs with the accumulator, the token row and the output feature. With `offsets` the weight is [E, N, K] and
    rows offsets[e] .. offsets[e + 1] meet weight[e]. Grid: output panels of 32, times experts where there are any,
    times ceildiv(rows, config.rows) where there are none; the panel is the fastest index.

    ```mlir
    kernel.gemm %x, %w : !kernel.view<["T", 64], f32>, !kernel.view<[128, 64], f32, "panel32"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 128], f32>
    }
    ```
  }];
  let arguments = (ins Kernel_ViewType:$input, Kernel_ViewType:$weight, Optional<Kernel_ViewType>:$offsets,
                       OptionalAttr<Kernel_GridAttr>:$grid, OptionalAttr<AnyAttr>:$config);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $input `,` $weight (`by` $offsets^)? attr-dict
    `:` qualified(type($input)) `,` qualified(type($weight)) (`by` qualified(type($offsets))^)? $body
  }];
  let extraClassDeclaration = [{
    /// Outputs N, depth K, and the number of experts (1 without `offsets`).
    int64_t getOutputs();
    int64_t getDepth();
    int64_t getExperts();
    ::mlir::Value getAccumulator() { return getBody().getArgument(0); }
    ::mlir::Value getRow() { return getBody().getArgument(1); }
    ::mlir::Value getFeature() { return getBody().getArgument(2); }
  }];
}

def Kernel_AttentionOp : Kernel_LaunchedOp<"attention"> {
  let summary = "Attends from every token to the cached positions it may see";
  let description = [{
    out[t, h] = Σ_j softmax_j(scale · q[t, h] · k[j]) · v[j] over the positions j ≤ position of t of the same sequence,
    and, with a `chunk` C > 0, with j div C equal to position div C. Softmax runs online over blocks of 32 positions at
    absolute multiples of 32, so a row's bits do not depend on the step it is computed in. Grid: tokens × key heads,
    the head is the fastest index.

    ```mlir
    kernel.attention %q, %k, %v at %positions of %sequences through %pages into %o chunk 48 scale 2.5e-1
      : !kernel.view<["T", 64], f32>, !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>,
        !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>, !kernel.view<["T"], i32>,
        !kernel.view<["T"], i32>, !kernel.view<["S", 16], i32>, !kernel.view<["T", 64], f32>
    ```
  }];
  let arguments = (ins Kernel_ViewType:$query, Kernel_CacheType:$keys, Kernel_CacheType:$values,
                       Kernel_ViewType:$positions, Kernel_ViewType:$sequences, Kernel_ViewType:$pages,
                       Kernel_ViewType:$out, I64Attr:$chunk, F64Attr:$scale, OptionalAttr<Kernel_GridAttr>:$grid,
                       OptionalAttr<AnyAttr>:$config);
  let assemblyFormat = [{
    $query `,` $keys `,` $values `at` $positions `of` $sequences `through` $pages `into` $out
    `chunk` $chunk `scale` $scale attr-dict
    `:` qualified(type($query)) `,` qualified(type($keys)) `,` qualified(type($values)) `,`
    qualified(type($positions)) `,` qualified(type($sequences)) `,` qualified(type($pages)) `,` qualified(type($out))
  }];
}

def Kernel_RouteOp : Kernel_LaunchedOp<"route"> {
  let summary = "Chooses and scores the top k experts of every token";
  let description = [{
    As `moe.route`: the k largest logits, the lower index on ties, listed by ascending expert. Grid:
    ceildiv(rows, config.rows).

    ```mlir
    kernel.route %logits into %experts, %scores top 1 score sigmoid
      : !kernel.view<["T", 16], f32>, !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
    ```
  }];
  let arguments = (ins Kernel_ViewType:$logits, Kernel_ViewType:$experts, Kernel_ViewType:$scores, I64Attr:$top_k,
                       MoE_ScoreFunction:$score, UnitAttr:$normalize, OptionalAttr<Kernel_GridAttr>:$grid,
                       OptionalAttr<AnyAttr>:$config);
  let assemblyFormat = [{
    $logits `into` $experts `,` $scores `top` $top_k `score` $score (`normalize` $normalize^)? attr-dict
    `:` qualified(type($logits)) `,` qualified(type($experts)) `,` qualified(type($scores))
  }];
}

def Kernel_SortTokensOp : Kernel_LaunchedOp<"sort_tokens"> {
  let summary = "Sorts (token, expert) pairs by expert, then token";
  let description = [{
    offsets[e] .. offsets[e + 1] are the slots of expert e; order[slot] = t · k + j names the pair in a slot and
    slots[t, j] the slot of a pair. A stable counting sort in one cell.

    ```mlir
    kernel.sort_tokens %experts into %offsets, %order, %slots
      : !kernel.view<["T", 1], i32>, !kernel.view<[17], i32>, !kernel.view<["T"], i32>, !kernel.view<["T", 1], i32>
    ```
  }];
  let arguments = (ins Kernel_ViewType:$experts, Kernel_ViewType:$offsets, Kernel_ViewType:$order,
                       Kernel_ViewType:$slots, OptionalAttr<Kernel_GridAttr>:$grid, OptionalAttr<AnyAttr>:$config);
  let assemblyFormat = [{
    $experts `into` $offsets `,` $order `,` $slots attr-dict
    `:` qualified(type($experts)) `,` qualified(type($offsets)) `,` qualified(type($order)) `,` qualified(type($slots))
  }];
}

def Kernel_SampleOp : Kernel_LaunchedOp<"sample"> {
  let summary = "Draws one token id from each row of logits";
  let description = [{
    As `lm.sample`. Grid: one cell per row.

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
                       OptionalAttr<Kernel_GridAttr>:$grid, OptionalAttr<AnyAttr>:$config);
  let assemblyFormat = [{
    $logits `temperatures` $temperatures `top_k` $top_k `top_p` $top_p `min_p` $min_p `penalties` $penalties
    `seeds` $seeds `sequences` $sequences `positions` $positions `slots` $slots `of` $history `into` $ids attr-dict
    `:` type(operands)
  }];
}

} // opDocGroup

#endif
