// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_DIALECTS_KERNEL_IR_KERNELREGIONOPS_TD
#define YUPANA_DIALECTS_KERNEL_IR_KERNELREGIONOPS_TD

include "dialects/Kernel/IR/KernelProgramOps.td"
include "mlir/Interfaces/InferTypeOpInterface.td"

//===----------------------------------------------------------------------===//
// Scalar regions
//===----------------------------------------------------------------------===//

def Kernel_LastingMemory : Resource<"::yupana::kernel::LastingMemory">;

def Kernel_RegionDocs : OpDocGroup {
  let summary = "Scalar regions";
  let description = [{
    What a region may hold besides `arith` and `math`. Indices are of type index. Loads and row sums have no effects,
    since a launched op reads nothing that it writes, workspaces apart; they are not speculatable, since an index may be
    out of range where a region does not ask for it.
  }];
}

let opDocGroup = Kernel_RegionDocs in {

def Kernel_LoadOp : Kernel_Op<"load", [DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "Reads one element";
  let description = [{
    ```mlir
    %x = kernel.load %a[%row, %lane] : !kernel.view<["T", 16], f32>
    ```
  }];
  let arguments = (ins Kernel_ViewType:$view, Variadic<Index>:$indices);
  let results = (outs AnyTypeOf<[F32, BF16, I32, I64]>:$value);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
}

def Kernel_StoreOp : Kernel_Op<"store", [DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "Writes one element";
  let description = [{
    In a view of token rows, writing the last column of a row writes zero to the columns behind it as well, up to the
    whole tile.

    ```mlir
    kernel.store %x, %b[%row, %lane] : !kernel.view<["T", 16], f32>
    ```
  }];
  let arguments = (ins AnyTypeOf<[F32, BF16, I32]>:$value, Kernel_ViewType:$view, Variadic<Index>:$indices);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
}

def Kernel_AppendOp : Kernel_Op<"append"> {
  let summary = "Writes one feature of a key or value into the page of its position";
  let description = [{
    ```mlir
    kernel.append %x, %keys[%head, %lane] at %position of %sequence through %pages
      : f32, !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>, !kernel.view<["S", 16], i32>
    ```
  }];
  let arguments = (ins AnyTypeOf<[F32, BF16]>:$value,
                       Arg<Kernel_CacheType, "", [MemWrite<Kernel_LastingMemory>]>:$cache, Index:$head, Index:$lane,
                       Index:$position, Index:$sequence, Kernel_ViewType:$pages);
  let assemblyFormat = [{
    $value `,` $cache `[` $head `,` $lane `]` `at` $position `of` $sequence `through` $pages attr-dict
    `:` type($value) `,` qualified(type($cache)) `,` qualified(type($pages))
  }];
  let hasVerifier = 1;
}

def Kernel_SumOp : Kernel_Op<"sum", [Pure, SameOperandsAndResultType, ParentOneOf<["MapOp", "GemmOp"]>]> {
  let summary = "Adds a value over the lanes or features of its group";
  let description = [{
    In the partial sums that the numerics of the launched op state.

    ```mlir
    %s = kernel.sum %x : f32
    ```
  }];
  let arguments = (ins F32:$value);
  let results = (outs F32:$result);
  let assemblyFormat = "$value attr-dict `:` type($value)";
  let hasVerifier = 1;
}

def Kernel_RowSumOp : Kernel_Op<"row_sum", [DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "Adds the elements of one row of a view";
  let description = [{
    In the partial sums that the numerics of the launched op state.

    ```mlir
    %s = kernel.row_sum %squares[%row] : !kernel.view<["T", 4], f32>
    ```
  }];
  let arguments = (ins Kernel_ViewType:$view, Index:$row);
  let results = (outs F32:$result);
  let assemblyFormat = "$view `[` $row `]` attr-dict `:` qualified(type($view))";
  let hasVerifier = 1;
}

def Kernel_YieldOp : Kernel_Op<"yield", [Terminator, Pure, ParentOneOf<["GemmOp", "RouteOp"]>]> {
  let summary = "Ends an input region with the element it computed";
  let description = [{
    ```mlir
    kernel.yield %x : f32
    ```
  }];
  let arguments = (ins AnyTypeOf<[F32, BF16]>:$value);
  let assemblyFormat = "$value attr-dict `:` type($value)";
}

def Kernel_EndOp : Kernel_Op<"end", [Terminator, Pure, ParentOneOf<["MapOp", "GemmOp"]>]> {
  let summary = "Ends a scalar region";
  let description = [{ Implicit in the textual form. }];
  let assemblyFormat = "attr-dict";
}

} // opDocGroup

#endif
