// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_DIALECTS_KERNEL_IR_KERNELPROGRAMOPS_TD
#define YUPANA_DIALECTS_KERNEL_IR_KERNELPROGRAMOPS_TD

include "dialects/Kernel/IR/KernelTypes.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Kernel_Op<string mnemonic, list<Trait> traits = []> : Op<Kernel_Dialect, mnemonic, traits>;

//===----------------------------------------------------------------------===//
// Programs and the memory they name
//===----------------------------------------------------------------------===//

def Kernel_ProgramDocs : OpDocGroup {
  let summary = "Programs";
  let description = [{
    A program and the memory its launches name. Naming memory has no effect: an unused name may go, and equal ones are
    the same memory.
  }];
}

let opDocGroup = Kernel_ProgramDocs in {

def Kernel_ProgramOp : Kernel_Op<"program", [Symbol, IsolatedFromAbove, SingleBlock, NoTerminator, NoRegionArguments]> {
  let summary = "The launches of one function for steps of at most `max_tokens` tokens, in order";
  let description = [{
    A buffer, half of a cache and the history are named once each, so that who writes a view writes all that is read
    under that name.

    ```mlir
    kernel.program @step function step max_tokens 2048 {
      %ids = kernel.input token_ids : !kernel.view<["T"], i32>
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Kernel_Function:$function, I64Attr:$max_tokens);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $sym_name `function` $function `max_tokens` $max_tokens attr-dict-with-keyword $body
  }];
  let hasRegionVerifier = 1;
}

def Kernel_InputOp : Kernel_Op<"input", [Pure]> {
  let summary = "Names an array that the runtime writes before a step";
  let description = [{
    ```mlir
    %ids = kernel.input token_ids : !kernel.view<["T"], i32>
    ```
  }];
  let arguments = (ins Kernel_StepInput:$input);
  let results = (outs Kernel_ViewType:$view);
  let assemblyFormat = "$input attr-dict `:` qualified(type($view))";
  let hasVerifier = 1;
}

def Kernel_WeightOp : Kernel_Op<"weight", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Names a weight or table of the module";
  let description = [{
    ```mlir
    %w = kernel.weight @layers.0.q : !kernel.view<[64, 64], f32, "panel32">
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$weight);
  let results = (outs Kernel_ViewType:$view);
  let assemblyFormat = "$weight attr-dict `:` qualified(type($view))";
}

def Kernel_BufferOp : Kernel_Op<"buffer", [Pure]> {
  let summary = "Names a value that one launched op writes and later ones read";
  let description = [{
    The memory planner gives it an arena and a constant byte offset, `size` bytes at the largest step of its program,
    and the launches it lives through in its program, counted over all programs in order.

    A `workspace` is the one memory that a launch both reads and writes, such as counters and sums of ranges. One launch
    of its program uses it; it finds it zero and leaves it zero. Workspaces lie in an arena of their own, which is zero
    when the plan is prepared.

    ```mlir
    %w = kernel.buffer "layers.0.q.counters" workspace : !kernel.view<[132], i32>
    %h = kernel.buffer "layers.0.q" : !kernel.view<["T", 64], f32>
    %h = kernel.buffer "layers.0.q" arena 0 offset 4096 : !kernel.view<["T", 64], f32>
    %h = kernel.buffer "layers.0.q" arena 0 offset 4096 size 524288 live 3 to 5 : !kernel.view<["T", 64], f32>
    ```
  }];
  let arguments = (ins StrAttr:$name, UnitAttr:$workspace, OptionalAttr<I64Attr>:$arena, OptionalAttr<I64Attr>:$offset,
                       OptionalAttr<I64Attr>:$size, OptionalAttr<I64Attr>:$first, OptionalAttr<I64Attr>:$last);
  let results = (outs Kernel_ViewType:$view);
  let assemblyFormat = [{
    $name (`workspace` $workspace^)? (`arena` $arena^ `offset` $offset)? (`size` $size^ `live` $first `to` $last)?
    attr-dict `:` qualified(type($view))
  }];
  let builders = [OpBuilder<(ins "::mlir::Type":$view, "::mlir::StringAttr":$name), [{
    build($_builder, $_state, view, name, ::mlir::UnitAttr(), {}, {}, {}, {}, {});
  }]>];
  let hasVerifier = 1;
}

def Kernel_CacheOp : Kernel_Op<"cache", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Names the keys or values of one layer's cache";
  let description = [{
    `cache` is an `lm.cache`; once it has a group, `group` is a `kernel.cache_group` and `offset` the place of this part
    in the group's pages.

    ```mlir
    %k = kernel.cache @layers.0 : !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
    %k = kernel.cache @layers.0 in @full offset 8192
      : !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 65536>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$cache, OptionalAttr<FlatSymbolRefAttr>:$group, OptionalAttr<I64Attr>:$offset);
  let results = (outs Kernel_CacheType:$view);
  let assemblyFormat = "$cache (`in` $group^ `offset` $offset)? attr-dict `:` qualified(type($view))";
}

def Kernel_PageTableOp : Kernel_Op<"page_table", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Names the page table of the group that a layer's cache belongs to";
  let description = [{
    Row s lists the physical pages of sequence s by position div page_tokens.

    ```mlir
    %p = kernel.page_table @layers.0 : !kernel.view<["S", 512], i32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$cache, OptionalAttr<FlatSymbolRefAttr>:$group);
  let results = (outs Kernel_ViewType:$view);
  let assemblyFormat = "$cache (`in` $group^)? attr-dict `:` qualified(type($view))";
}

def Kernel_HistoryOp : Kernel_Op<"history", [Pure]> {
  let summary = "Names the token ids that each sequence holds, by slot and position";
  let description = [{
    Row n lists the ids of the sequence in slot n; entries at its length and beyond hold anything. Besides the caches
    the one memory that kernels write and find again in the next step.

    ```mlir
    %h = kernel.history : !kernel.view<["N", 32768], i32>
    ```
  }];
  let results = (outs Kernel_ViewType:$view);
  let assemblyFormat = "attr-dict `:` qualified(type($view))";
  let hasVerifier = 1;
}

def Kernel_CacheGroupOp : Kernel_Op<"cache_group", [Symbol]> {
  let summary = "Declares pages shared by the layers of one retention";
  let description = [{
    ```mlir
    kernel.cache_group @chunk48 layers [0, 1, 2] chunk 48 page_tokens 64 page_bytes 49152
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, DenseI64ArrayAttr:$layers, I64Attr:$chunk, I64Attr:$page_tokens,
                       I64Attr:$page_bytes);
  let assemblyFormat = [{
    $sym_name `layers` $layers `chunk` $chunk `page_tokens` $page_tokens `page_bytes` $page_bytes attr-dict
  }];
  let hasVerifier = 1;
}

def Kernel_ResultOp : Kernel_Op<"result"> {
  let summary = "Says which buffer the runtime reads after the program";
  let description = [{
    ```mlir
    kernel.result logits %l : !kernel.view<["R", 256], f32>
    ```
  }];
  let arguments = (ins Kernel_Result:$kind, Kernel_ViewType:$view);
  let assemblyFormat = "$kind $view attr-dict `:` qualified(type($view))";
  let hasVerifier = 1;
}

} // opDocGroup

//===----------------------------------------------------------------------===//
// Outlined kernels
//===----------------------------------------------------------------------===//

def Kernel_LibraryDocs : OpDocGroup {
  let summary = "Libraries";
  let description = [{ Kernels taken out of their programs, each text once, ready for a code generator. }];
}

let opDocGroup = Kernel_LibraryDocs in {

def Kernel_LibraryOp : Kernel_Op<"library", [Symbol, SymbolTable, IsolatedFromAbove, SingleBlock, NoTerminator,
                                              NoRegionArguments]> {
  let summary = "The kernels of one target";
  let description = [{
    ```mlir
    kernel.library @x86_64_v3 target "x86-64-v3" {
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrAttr:$target);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name `target` $target attr-dict-with-keyword $body";
}

def Kernel_FuncOp : Kernel_Op<"func", [Symbol, IsolatedFromAbove, SingleBlock, NoTerminator,
                                        ParentOneOf<["LibraryOp"]>]> {
  let summary = "One kernel: exactly one launched op over the views and caches it is given";
  let description = [{
    `weights` lists the arguments that are weights or tables, which nothing writes while the plan runs, and `workspace`
    those that are workspaces, both by number and ascending.

    ```mlir
    kernel.func @gemm_0 weights [1] {
    ^bb0(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[128, 64], f32, "panel32">,
         %y: !kernel.view<["T", 128], f32>):
      kernel.gemm rows "T" product %x : !kernel.view<["T", 64], f32>
          times %w : !kernel.view<[128, 64], f32, "panel32"> {
      ^bb0(%acc: f32, %row: index, %feature: index):
        kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 128], f32>
      }
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, OptionalAttr<DenseI64ArrayAttr>:$weights,
                       OptionalAttr<DenseI64ArrayAttr>:$workspaces);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $sym_name (`weights` $weights^)? (`workspace` $workspaces^)? attr-dict-with-keyword $body
  }];
  let hasRegionVerifier = 1;
}

def Kernel_LaunchOp : Kernel_Op<"launch", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Launches a kernel of a library";
  let description = [{
    On a GPU a cell is a block of `threads` threads; on a CPU `threads` is absent. Shared memory beyond what the code
    fixes is the code generator's to say, so that it appears in the plan.

    ```mlir
    kernel.launch @x86_64_v3::@gemm_0 #kernel.grid<4> (%x, %w, %y)
      : !kernel.view<["T", 64], f32>, !kernel.view<[128, 64], f32, "panel32">, !kernel.view<["T", 128], f32>
    kernel.launch @sm_80::@gemm_0 #kernel.grid<4> threads 128 (%x, %tiles, %y)
      : !kernel.view<["T", 64], f32>, !kernel.view<[128, 64], f32, "tile64x128">, !kernel.view<["T", 128], f32>
    ```
  }];
  let arguments = (ins SymbolRefAttr:$kernel, Kernel_GridAttr:$grid,
                       Variadic<AnyTypeOf<[Kernel_ViewType, Kernel_CacheType]>>:$operands,
                       DefaultValuedOptionalAttr<I64Attr, "0">:$threads);
  let assemblyFormat = [{
    $kernel qualified($grid) (`threads` $threads^)? ` ` `(` $operands `)` attr-dict `:` type($operands)
  }];
}

} // opDocGroup

#endif
