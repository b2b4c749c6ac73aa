// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_DIALECTS_MOE_IR_MOEOPS_TD
#define YUPANA_DIALECTS_MOE_IR_MOEOPS_TD

include "dialects/LM/IR/LMAttrs.td"
include "dialects/MoE/IR/MoEDialect.td"
include "dialects/MoE/IR/MoEEnums.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class MoE_Op<string mnemonic, list<Trait> traits = []>
    : Op<MoE_Dialect, mnemonic, !listconcat([Pure], traits)> {
  let hasVerifier = 1;
}

def MoE_FloatTensor : RankedTensorOf<[F32, BF16]>;
def MoE_IndexTensor : RankedTensorOf<[I32]>;

def MoE_RouteOp : MoE_Op<"route"> {
  let summary = "Chooses k experts for every token and scores them";
  let description = [{
    The k largest of a token's E logits, the lower index on ties; the result lists them by ascending expert id. Scores
    are computed in float32: `sigmoid` of a chosen logit, or `softmax` over all E logits; `normalize` divides the k
    scores by their sum.

    ```mlir
    %experts, %scores = moe.route %logits top 1 score sigmoid
      : tensor<?x16xf32, #lm.dims<"T", 16>> -> tensor<?x1xi32, #lm.dims<"T", 1>>, tensor<?x1xf32, #lm.dims<"T", 1>>
    ```
  }];
  let arguments = (ins MoE_FloatTensor:$logits, I64Attr:$top_k, MoE_ScoreFunction:$score, UnitAttr:$normalize);
  let results = (outs MoE_IndexTensor:$experts, RankedTensorOf<[F32]>:$scores);
  let assemblyFormat = [{
    $logits `top` $top_k `score` $score (`normalize` $normalize^)? attr-dict
    `:` type($logits) `->` type($experts) `,` type($scores)
  }];
}

def MoE_DispatchOp : MoE_Op<"dispatch"> {
  let summary = "Sorts token copies by expert, scaled by their scores where the score applies to the input";
  let description = [{
    Each of the T·k (token, expert) pairs gets a slot; slots are sorted by expert, then token. `rows` holds the token's
    row in each slot, multiplied by the pair's score if `scores` is given. The slots of expert e are
    offsets[e] .. offsets[e + 1]; `slots` says where each pair went.

    ```mlir
    %rows, %offsets, %slots = moe.dispatch %x to %experts scaled %scores of 16
      : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?x1xi32, #lm.dims<"T", 1>>, tensor<?x1xf32, #lm.dims<"T", 1>>
      -> tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<17xi32>, tensor<?x1xi32, #lm.dims<"T", 1>>
    ```
  }];
  let arguments = (ins MoE_FloatTensor:$input, MoE_IndexTensor:$experts, Optional<RankedTensorOf<[F32]>>:$scores,
                       I64Attr:$num_experts);
  let results = (outs MoE_FloatTensor:$rows, MoE_IndexTensor:$offsets, MoE_IndexTensor:$slots);
  let assemblyFormat = [{
    $input `to` $experts (`scaled` $scores^)? `of` $num_experts attr-dict
    `:` type($input) `,` type($experts) (`,` type($scores)^)?
    `->` type($rows) `,` type($offsets) `,` type($slots)
  }];
}

def MoE_ExpertsOp : Op<MoE_Dialect, "experts", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Runs every expert's gated MLP on the slots that were dispatched to it";
  let description = [{
    For slot s of expert e: y[s] = (activation(x[s] · gate[e]ᵀ) · (x[s] · up[e]ᵀ)) · down[e]ᵀ, with gate and up
    [E, I, H] and down [E, H, I].

    ```mlir
    %y = moe.experts %rows, %offsets gate @gate up @up down @down activation silu
      : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<17xi32> -> tensor<?x64xf32, #lm.dims<"T", 64>>
    ```
  }];
  let arguments = (ins MoE_FloatTensor:$rows, MoE_IndexTensor:$offsets, FlatSymbolRefAttr:$gate,
                       FlatSymbolRefAttr:$up, FlatSymbolRefAttr:$down, LM_Activation:$activation);
  let results = (outs MoE_FloatTensor:$result);
  let assemblyFormat = [{
    $rows `,` $offsets `gate` $gate `up` $up `down` $down `activation` $activation attr-dict
    `:` type($rows) `,` type($offsets) `->` type($result)
  }];
}

def MoE_SharedExpertOp : Op<MoE_Dialect, "shared_expert", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Runs the gated MLP that every token passes, on the unscaled input";
  let description = [{
    ```mlir
    %y = moe.shared_expert %x gate @gate up @up down @down activation silu
      : tensor<?x64xf32, #lm.dims<"T", 64>> -> tensor<?x64xf32, #lm.dims<"T", 64>>
    ```
  }];
  let arguments = (ins MoE_FloatTensor:$input, FlatSymbolRefAttr:$gate, FlatSymbolRefAttr:$up,
                       FlatSymbolRefAttr:$down, LM_Activation:$activation);
  let results = (outs MoE_FloatTensor:$result);
  let assemblyFormat = [{
    $input `gate` $gate `up` $up `down` $down `activation` $activation attr-dict `:` type($input) `->` type($result)
  }];
}

def MoE_CombineOp : MoE_Op<"combine", [AttrSizedOperandSegments]> {
  let summary = "Adds each token's expert rows, in ascending expert id, to the shared expert's row";
  let description = [{
    y[t] = shared[t] + Σ_j rows[slots[t, j]] · scores[t, j], added in the order of j; `scores` only where the score
    applies to the output.

    ```mlir
    %y = moe.combine %rows at %slots shared %shared
      : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?x1xi32, #lm.dims<"T", 1>>
        shared tensor<?x64xf32, #lm.dims<"T", 64>> -> tensor<?x64xf32, #lm.dims<"T", 64>>
    ```
  }];
  let arguments = (ins MoE_FloatTensor:$rows, MoE_IndexTensor:$slots, Optional<RankedTensorOf<[F32]>>:$scores,
                       Optional<MoE_FloatTensor>:$shared);
  let results = (outs MoE_FloatTensor:$result);
  let assemblyFormat = [{
    $rows `at` $slots (`scaled` $scores^)? (`shared` $shared^)? attr-dict
    `:` type($rows) `,` type($slots) (`scaled` type($scores)^)? (`shared` type($shared)^)? `->` type($result)
  }];
}

#endif
