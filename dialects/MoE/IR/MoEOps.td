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
  let summary = "Copies every token's row once for each of its experts, scaled where the score applies to the input";
  let description = [{
    Token t and its j-th expert are pair t·k + j; the pair's row is that of the token, multiplied by the pair's score if
    `scores` is given. In which order pairs are computed is no business of this level.

    ```mlir
    %rows = moe.dispatch %x to %experts scaled %scores
      : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?x1xi32, #lm.dims<"T", 1>>, tensor<?x1xf32, #lm.dims<"T", 1>>
      -> tensor<?x64xf32, #lm.dims<"T", 64>>
    ```
  }];
  let arguments = (ins MoE_FloatTensor:$input, MoE_IndexTensor:$experts, Optional<RankedTensorOf<[F32]>>:$scores);
  let results = (outs MoE_FloatTensor:$rows);
  let assemblyFormat = [{
    $input `to` $experts (`scaled` $scores^)? attr-dict
    `:` type($input) `,` type($experts) (`,` type($scores)^)? `->` type($rows)
  }];
}

def MoE_ExpertsOp : Op<MoE_Dialect, "experts", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Runs each pair's row through the gated MLP of its expert";
  let description = [{
    For pair p = t·k + j and e = experts[t, j]: y[p] = (activation(x[p] · gate[e]ᵀ) · (x[p] · up[e]ᵀ)) · down[e]ᵀ, with
    gate and up [E, I, H] and down [E, H, I].

    ```mlir
    %y = moe.experts %rows by %experts gate @gate up @up down @down activation silu
      : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?x1xi32, #lm.dims<"T", 1>> -> tensor<?x64xf32, #lm.dims<"T", 64>>
    ```
  }];
  let arguments = (ins MoE_FloatTensor:$rows, MoE_IndexTensor:$experts, FlatSymbolRefAttr:$gate,
                       FlatSymbolRefAttr:$up, FlatSymbolRefAttr:$down, LM_Activation:$activation);
  let results = (outs MoE_FloatTensor:$result);
  let assemblyFormat = [{
    $rows `by` $experts `gate` $gate `up` $up `down` $down `activation` $activation attr-dict
    `:` type($rows) `,` type($experts) `->` type($result)
  }];
}

def MoE_SharedExpertOp : Op<MoE_Dialect, "shared_expert", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Runs the gated MLP that every token passes, on the unscaled input";
  let description = [{
    ```mlir
    %y = moe.shared_expert %x gate @shared.gate up @shared.up down @shared.down activation silu
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
    y[t] = shared[t] + Σ_j rows[t·k + j] · scores[t, j], added in the order of j; `scores` only where the score applies
    to the output. k is how many times more rows than results there are.

    ```mlir
    %y = moe.combine %rows shared %shared
      : tensor<?x64xf32, #lm.dims<"T", 64>> shared tensor<?x64xf32, #lm.dims<"T", 64>>
      -> tensor<?x64xf32, #lm.dims<"T", 64>>
    ```
  }];
  let arguments = (ins MoE_FloatTensor:$rows, Optional<RankedTensorOf<[F32]>>:$scores,
                       Optional<MoE_FloatTensor>:$shared);
  let results = (outs MoE_FloatTensor:$result);
  let assemblyFormat = [{
    $rows (`scaled` $scores^)? (`shared` $shared^)? attr-dict
    `:` type($rows) (`scaled` type($scores)^)? (`shared` type($shared)^)? `->` type($result)
  }];
  let extraClassDeclaration = [{
    /// Experts per token, k.
    int64_t getTopK();
  }];
}

#endif
