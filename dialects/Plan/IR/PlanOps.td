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

def Plan_KernelImageAttr : AttrDef<Plan_Dialect, "KernelImage"> {
  let mnemonic = "kernel_image";
  let summary = "The image of the target that holds a kernel, and what the kernel takes of a processor";
  let description = [{
    `image` counts the images of the target. Registers and bytes of spilled registers are those of a thread, shared
    memory is that of a block; a CPU has none of them.

    ```mlir
    #plan.kernel_image<0>
    #plan.kernel_image<2, registers = 168, shared = 49152, spills = 16>
    ```
  }];
  let parameters = (ins "int64_t":$image, DefaultValuedParameter<"int64_t", "0">:$registers,
                        DefaultValuedParameter<"int64_t", "0">:$shared, DefaultValuedParameter<"int64_t", "0">:$spills);
  let assemblyFormat = [{
    `<` $image (`,` `registers` `=` $registers^)? (`,` `shared` `=` $shared^)? (`,` `spills` `=` $spills^)? `>`
  }];
  let genVerifyDecl = 1;
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
    `logits` and `sampled` are numbers of buffers; of a value with several entries, of any of them. Images and what
    kernels say of them are there once code has been generated.

    ```mlir
    plan.target "x86-64-v3" logits 0 sampled 1 {
      plan.image elf_x86_64 "\7FELF..."
      plan.arena "activations" size 65536
      plan.buffer "logits" arena 0 offset 0 size 4096 live 0 to 1
      plan.buffer "sampled" arena 0 offset 4096 size 64 live 1 to 1
      plan.kernel "map_0" scratch 0 arguments 3 images [#plan.kernel_image<0>]
      plan.program function step max_tokens 2048 {
        plan.launch 0 #kernel.grid<"T"> [#plan.argument<input 0>, #plan.argument<input 1>, #plan.argument<buffer 0>]
      }
    }
    ```
  }];
  let arguments = (ins StrAttr:$name, I64Attr:$logits, I64Attr:$sampled);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$name `logits` $logits `sampled` $sampled attr-dict-with-keyword $body";
  let hasRegionVerifier = 1;
}

def Plan_ImageOp : Plan_Op<"image", [ParentOneOf<["TargetOp"]>]> {
  let summary = "Holds the code of kernels as a processor or its driver takes it";
  let description = [{
    One section of the plan. A CPU has one image that exports every kernel; on a GPU each kernel may have images of its
    own, one of a format. Images are numbered in the order they stand.

    ```mlir
    plan.image elf_x86_64 "\7FELF..."
    ```
  }];
  let arguments = (ins Plan_ImageFormat:$format, StrAttr:$code);
  let assemblyFormat = "$format $code attr-dict";
  let hasVerifier = 1;
}

def Plan_ArenaOp : Plan_Op<"arena", [ParentOneOf<["TargetOp"]>]> {
  let summary = "Declares memory that buffers share over time";
  let description = [{
    Buffers of a `workspace` are both read and written by one launch, such as counters and sums of ranges. They are zero
    before the first step, and every launch leaves those it is given zero.

    ```mlir
    plan.arena "activations" size 65536
    plan.arena "workspace" size 4096 workspace
    ```
  }];
  let arguments = (ins StrAttr:$name, I64Attr:$size, UnitAttr:$workspace);
  let assemblyFormat = "$name `size` $size (`workspace` $workspace^)? attr-dict";
  let hasVerifier = 1;
}

def Plan_BufferOp : Plan_Op<"buffer", [ParentOneOf<["TargetOp"]>]> {
  let summary = "Places a value in an arena";
  let description = [{
    `first` and `last` are launches, counted over the programs of the target in order; buffers that live at the same
    time do not overlap. Sizes are those at the compiled maxima. A value that programs share, such as the logits, may
    have several entries: of one name, at one place, with ranges that do not meet. A launch names the entry whose range
    holds it.

    ```mlir
    plan.buffer "h" arena 0 offset 0 size 4096 live 0 to 3
    ```
  }];
  let arguments = (ins StrAttr:$name, I64Attr:$arena, I64Attr:$offset, I64Attr:$size, I64Attr:$first, I64Attr:$last);
  let assemblyFormat = "$name `arena` $arena `offset` $offset `size` $size `live` $first `to` $last attr-dict";
}

def Plan_KernelOp : Plan_Op<"kernel", [ParentOneOf<["TargetOp"]>]> {
  let summary = "Declares a function that the target's images export";
  let description = [{
    `images` is there once code has been generated: one of a format at most. A kernel of a GPU that `waits` does so
    before it touches what other launches write, so that it may be launched while the one before it ends.

    ```mlir
    plan.kernel "map_0" scratch 0 arguments 3
    plan.kernel "gemm_1" scratch 0 arguments 5 images [#plan.kernel_image<0, registers = 168>, #plan.kernel_image<1>]
    plan.kernel "map_2" scratch 0 arguments 2 waits images [#plan.kernel_image<1>]
    ```
  }];
  let arguments = (ins StrAttr:$symbol, I64Attr:$scratch, I64Attr:$num_arguments, UnitAttr:$waits,
                       OptionalAttr<TypedArrayAttrBase<Plan_KernelImageAttr, "images">>:$images);
  let assemblyFormat = [{
    $symbol `scratch` $scratch `arguments` $num_arguments (`waits` $waits^)? (`images` $images^)? attr-dict
  }];
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
    On a GPU a cell is a block of `threads` threads, which has `shared` bytes of shared memory beside what the code
    fixes; on a CPU both are absent.

    ```mlir
    plan.launch 0 #kernel.grid<"T"> [#plan.argument<input 0>, #plan.argument<buffer 0>]
    plan.launch 0 #kernel.grid<"T", "sms", "min"> threads 256 shared 65536
      [#plan.argument<input 0>, #plan.argument<buffer 0>]
    ```
  }];
  let arguments = (ins I64Attr:$kernel, Kernel_GridAttr:$grid,
                       TypedArrayAttrBase<Plan_ArgumentAttr, "addresses">:$arguments,
                       DefaultValuedOptionalAttr<I64Attr, "0">:$threads,
                       DefaultValuedOptionalAttr<I64Attr, "0">:$shared);
  let assemblyFormat = [{
    $kernel qualified($grid) (`threads` $threads^)? (`shared` $shared^)? $arguments attr-dict
  }];
  let hasVerifier = 1;
}

#endif
