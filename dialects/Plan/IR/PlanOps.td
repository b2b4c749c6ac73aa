// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_DIALECTS_PLAN_IR_PLANOPS_TD
#define YUPANA_DIALECTS_PLAN_IR_PLANOPS_TD

include "dialects/Kernel/IR/KernelTypes.td"
include "dialects/LM/IR/LMAttrs.td"
include "dialects/Plan/IR/PlanDialect.td"
include "dialects/Plan/IR/PlanEnums.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/IR/SymbolInterfaces.td"

class Plan_Op<string mnemonic, list<Trait> traits = []> : Op<Plan_Dialect, mnemonic, traits>;

def Plan_ArgumentAttr : AttrDef<Plan_Dialect, "Argument"> {
  let mnemonic = "argument";
  let summary = "The address a kernel is given: an entry of a table, and bytes added to it";
  let description = [{
    `index` counts within the target's buffers, the plan's weights or cache groups, or the step inputs; of histories
    there is one.

    ```mlir
    #plan.argument<weight 3>
    #plan.argument<cache 0 + 8192>
    ```
  }];
  let parameters = (ins EnumParameter<Plan_ArgumentKind>:$kind, "int64_t":$index,
                        DefaultValuedParameter<"int64_t", "0">:$offset);
  let assemblyFormat = "`<` $kind $index (`+` $offset^)? `>`";
}

def Plan_ModelOp : Plan_Op<"model"> {
  let summary = "Describes what was compiled, and the compiled maxima";
  let description = [{
    ```mlir
    plan.model "nano" architecture "Llama4ForConditionalGeneration" vocabulary 1536 hidden 128 layers 4
      parameters 2300000 active 900000 precision "f32" begin 1472 stop [1473, 1479, 1480]
      generation <do_sample = true, temperature = 0.6, top_k = 50, top_p = 0.9, min_p = 0.0, repetition_penalty = 1.0>
      maxima context 1024 batch 8 tokens 2048 rows 2048
    ```
  }];
  let arguments = (ins StrAttr:$name, StrAttr:$architecture, I64Attr:$vocabulary, I64Attr:$hidden, I64Attr:$layers,
                       I64Attr:$parameters, StrAttr:$precision, I64Attr:$begin_token, DenseI64ArrayAttr:$stop_tokens,
                       OptionalAttr<LM_GenerationAttr>:$generation, I64Attr:$max_context, I64Attr:$max_batch,
                       I64Attr:$max_step_tokens, I64Attr:$max_logit_rows, OptionalAttr<I64Attr>:$active_parameters);
  let assemblyFormat = [{
    $name `architecture` $architecture `vocabulary` $vocabulary `hidden` $hidden `layers` $layers
    `parameters` $parameters (`active` $active_parameters^)? `precision` $precision
    `begin` $begin_token `stop` $stop_tokens (`generation` $generation^)?
    `maxima` `context` $max_context `batch` $max_batch `tokens` $max_step_tokens `rows` $max_logit_rows attr-dict
  }];
  let hasVerifier = 1;
}

def Plan_WeightOp : Plan_Op<"weight", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Stores a parameter in one packed form";
  let description = [{
    `parameter` is the `lm.weight` or `lm.table` whose chain leads from the checkpoint to these bytes. Weights are
    numbered in the order they stand.

    ```mlir
    plan.weight @layers.0.q layout "panel32"
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$parameter, StrAttr:$layout);
  let assemblyFormat = "$parameter `layout` $layout attr-dict";
}

def Plan_CacheGroupOp : Plan_Op<"cache_group"> {
  let summary = "Declares pages shared by the layers of one retention";
  let description = [{
    ```mlir
    plan.cache_group "chunk48" layers [0, 1, 2] chunk 48 page_tokens 64 page_bytes 49152
    ```
  }];
  let arguments = (ins StrAttr:$name, DenseI64ArrayAttr:$layers, I64Attr:$chunk, I64Attr:$page_tokens,
                       I64Attr:$page_bytes);
  let assemblyFormat = [{
    $name `layers` $layers `chunk` $chunk `page_tokens` $page_tokens `page_bytes` $page_bytes attr-dict
  }];
  let hasVerifier = 1;
}

def Plan_TargetOp : Plan_Op<"target", [SingleBlock, NoTerminator, NoRegionArguments]> {
  let summary = "One device the plan has code for";
  let description = [{
    `code` is one ELF shared object that exports every kernel. `logits` and `sampled` are numbers of buffers.

    ```mlir
    plan.target "x86-64-v3" code "\7FELF..." logits 12 sampled 13 {
      plan.arena "activations" size 65536
      plan.buffer "h" arena 0 offset 0 size 4096 live 0 to 3
      plan.kernel "map_0" scratch 0 arguments 3
      plan.program function step max_tokens 2048 {
        plan.launch 0 #kernel.grid<"T"> [#plan.argument<input 0>, #plan.argument<weight 0>, #plan.argument<buffer 0>]
      }
    }
    ```
  }];
  let arguments = (ins StrAttr:$name, OptionalAttr<StrAttr>:$code, I64Attr:$logits, I64Attr:$sampled);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $name (`code` $code^)? `logits` $logits `sampled` $sampled attr-dict-with-keyword $body
  }];
  let hasRegionVerifier = 1;
}

def Plan_ArenaOp : Plan_Op<"arena", [ParentOneOf<["TargetOp"]>]> {
  let summary = "Declares memory that buffers share over time";
  let description = [{
    ```mlir
    plan.arena "activations" size 65536
    ```
  }];
  let arguments = (ins StrAttr:$name, I64Attr:$size);
  let assemblyFormat = "$name `size` $size attr-dict";
  let hasVerifier = 1;
}

def Plan_BufferOp : Plan_Op<"buffer", [ParentOneOf<["TargetOp"]>]> {
  let summary = "Places a value in an arena";
  let description = [{
    `first` and `last` are launches, counted over the programs of the target in order; buffers that live at the same
    time do not overlap. Sizes are those at the compiled maxima.

    ```mlir
    plan.buffer "h" arena 0 offset 0 size 4096 live 0 to 3
    ```
  }];
  let arguments = (ins StrAttr:$name, I64Attr:$arena, I64Attr:$offset, I64Attr:$size, I64Attr:$first, I64Attr:$last);
  let assemblyFormat = "$name `arena` $arena `offset` $offset `size` $size `live` $first `to` $last attr-dict";
}

def Plan_KernelOp : Plan_Op<"kernel", [ParentOneOf<["TargetOp"]>]> {
  let summary = "Declares an exported function of the target's code";
  let description = [{
    ```mlir
    plan.kernel "map_0" scratch 0 arguments 3
    ```
  }];
  let arguments = (ins StrAttr:$symbol, I64Attr:$scratch, I64Attr:$num_arguments);
  let assemblyFormat = "$symbol `scratch` $scratch `arguments` $num_arguments attr-dict";
  let hasVerifier = 1;
}

def Plan_ProgramOp : Plan_Op<"program", [SingleBlock, NoTerminator, NoRegionArguments, ParentOneOf<["TargetOp"]>]> {
  let summary = "The launches of one function for steps of at most `max_tokens` tokens";
  let description = [{
    ```mlir
    plan.program function step max_tokens 2048 {
    }
    ```
  }];
  let arguments = (ins Kernel_Function:$function, I64Attr:$max_tokens);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "`function` $function `max_tokens` $max_tokens attr-dict-with-keyword $body";
  let hasVerifier = 1;
}

def Plan_LaunchOp : Plan_Op<"launch", [ParentOneOf<["ProgramOp"]>]> {
  let summary = "Launches a kernel over a grid of cells";
  let description = [{
    ```mlir
    plan.launch 0 #kernel.grid<"T"> [#plan.argument<input 0>, #plan.argument<buffer 0>]
    ```
  }];
  let arguments = (ins I64Attr:$kernel, Kernel_GridAttr:$grid,
                       TypedArrayAttrBase<Plan_ArgumentAttr, "addresses">:$arguments);
  let assemblyFormat = "$kernel qualified($grid) $arguments attr-dict";
}

#endif
