// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_PASSES_FUSE_PASSES_TD
#define YUPANA_PASSES_FUSE_PASSES_TD

include "mlir/Pass/PassBase.td"

def SpecializeStepsPass : Pass<"yupana-specialize-steps", "::mlir::ModuleOp"> {
  let summary = "Give each size of step a program of its own";
  let description = [{
    A step of one token and a prompt of thousands want other kernels. Every step program is cloned for each of the
    target's buckets below its own largest T, in ascending order in front of it; buffers get the clone's name before
    theirs, but results keep their names. What programs share, weights, tables, caches and the history, has its form
    already. With `batch-invariant` a program is left as it is where the target does not promise that its programs give
    the same bits.

    Precondition: weights have their forms, caches their groups. Postcondition: one step program per bucket, over the
    same weights and caches; every buffer but the results belongs to one program.

    ```mlir
    kernel.program @step function step max_tokens 2048 {
      %h = kernel.buffer "h" : !kernel.view<["T", 64], f32>
    }
    // becomes
    kernel.program @step.1 function step max_tokens 1 {
      %h = kernel.buffer "step.1.h" : !kernel.view<["T", 64], f32>
    }
    kernel.program @step function step max_tokens 2048 {
      %h = kernel.buffer "h" : !kernel.view<["T", 64], f32>
    }
    ```
  }];
  let options = [
    Option<"target", "target", "std::string", /*default=*/"", "The target to ask">,
    Option<"batchInvariant", "batch-invariant", "bool", /*default=*/"false",
           "No result may depend on how many tokens a step has">
  ];
  let dependentDialects = ["::yupana::kernel::KernelDialect"];
}

def SortRowsByExpertPass : Pass<"yupana-sort-rows-by-expert", "::mlir::ModuleOp"> {
  let summary = "Sort rows by expert, so that the products by expert read rows that follow one another";
  let description = [{
    `kernel.group` sorts the pairs of a route, and the gemms by its choices take its offsets. Buffers that only such
    gemms and maps over pairs write and read, each at its own row, are kept in the order of the sorted rows, and those
    maps run in it: a dispatch gathers its rows into place, so that the product reads a plain view, in the form that the
    target wants for it. Everything else a body reads or writes it finds by the pair that stands at its place, so a
    store scatters. No value changes.

    Precondition: kernel form, no members of kernel.parallel. Applies in programs where the target wants it, to gemms by
    the choices that an op of the same program writes. `force` asks no target.

    ```mlir
    kernel.route rows "T" logits %logits : !kernel.view<["T", 16], f32> into %experts, %scores top 2 score softmax
      : !kernel.view<["T", 2], i32>, !kernel.view<["T", 2], f32>
    kernel.gemm rows "2*T" by %experts : !kernel.view<["T", 2], i32> product %rows : !kernel.view<["2*T", 64], f32>
      times %w : !kernel.view<[16, 64, 64], f32> {
    ^bb0(%acc: f32, %pair: index, %feature: index):
      kernel.store %acc, %y[%pair, %feature] : !kernel.view<["2*T", 64], f32>
    }
    // becomes, where `placed` holds the rows at their places
    kernel.route rows "T" logits %logits : !kernel.view<["T", 16], f32> into %experts, %scores top 2 score softmax
      : !kernel.view<["T", 2], i32>, !kernel.view<["T", 2], f32>
    kernel.group %experts into %offsets, %order alignment 8
      : !kernel.view<["T", 2], i32>, !kernel.view<[17], i32>, !kernel.view<["2*T+112"], i32>
    kernel.gemm rows "2*T+112" by %offsets : !kernel.view<[17], i32> sorted %order : !kernel.view<["2*T+112"], i32>
      product %placed : !kernel.view<["2*T+112", 64], f32, "rows128"> times %w : !kernel.view<[16, 64, 64], f32> {
    ^bb0(%acc: f32, %place: index, %feature: index):
      %number = kernel.load %order[%place] : !kernel.view<["2*T+112"], i32>
      %pair = arith.index_castui %number : i32 to index
      kernel.store %acc, %y[%pair, %feature] : !kernel.view<["2*T", 64], f32>
    }
    ```
  }];
  let options = [Option<"target", "target", "std::string", /*default=*/"", "The target to ask">,
                 Option<"force", "force", "bool", "false", "Sort whatever the target says">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::yupana::kernel::KernelDialect"];
}

def JoinProductsPass : Pass<"yupana-join-products", "::mlir::ModuleOp"> {
  let summary = "Compute products that one map adds up in one kernel";
  let description = [{
    With one expert per token, the routed down projection and the shared expert's have the same rows and features, and
    the combine adds them: they become two products of one gemm, whose epilogue has an accumulator of each.

    Precondition: kernel form. Applies where all that reads the results of several gemms of the same rows, features and
    type, of no more than one choice of experts, is a map without sums, with a lane for every feature, at its own. A
    product by expert joins one that is not only in programs where the target wants it: with many tokens the latter's
    weight would be read once for every expert that is hit.

    ```mlir
    kernel.gemm rows "T" by %experts : !kernel.view<["T", 1], i32> product %x : !kernel.view<["T", 32], f32>
      times %down : !kernel.view<[16, 64, 32], f32> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %a[%row, %feature] : !kernel.view<["T", 64], f32>
    }
    kernel.gemm rows "T" product %y : !kernel.view<["T", 32], f32> times %shared_down : !kernel.view<[64, 32], f32> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %b[%row, %feature] : !kernel.view<["T", 64], f32>
    }
    kernel.map rows "T" groups 1 width 64 {
    ^bb0(%row: index, %group: index, %lane: index):
      %p = kernel.load %b[%row, %lane] : !kernel.view<["T", 64], f32>
      %q = kernel.load %a[%row, %lane] : !kernel.view<["T", 64], f32>
      %r = arith.addf %p, %q : f32
      kernel.store %r, %c[%row, %lane] : !kernel.view<["T", 64], f32>
    }
    // becomes
    kernel.gemm rows "T" by %experts : !kernel.view<["T", 1], i32>
      product %y : !kernel.view<["T", 32], f32> times %shared_down : !kernel.view<[64, 32], f32>
      product %x : !kernel.view<["T", 32], f32> times %down : !kernel.view<[16, 64, 32], f32> {
    ^bb0(%p: f32, %q: f32, %row: index, %feature: index):
      %r = arith.addf %p, %q : f32
      kernel.store %r, %c[%row, %feature] : !kernel.view<["T", 64], f32>
    }
    ```
  }];
  let options = [Option<"target", "target", "std::string", /*default=*/"", "The target to ask">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::yupana::kernel::KernelDialect"];
}

def FuseEpiloguesPass : Pass<"yupana-fuse-epilogues", "::mlir::ModuleOp"> {
  let summary = "Continue a kernel with the map that alone reads its result";
  let description = [{
    Residual, bias, temperature, QK-norm, cache append: a map that reads what a gemm or another map stored, at its own
    row and feature, becomes part of that kernel's body, and the buffer between them disappears. Sums
    over a map's groups become sums over groups of a gemm's features; where the gemm has pairs of neighbours, each half
    goes on and a sum adds both.

    Precondition: kernel form. Applies where the map is the buffer's only reader, has a lane for every feature, reads
    nothing else that the kernel writes, and nothing between them is in the way; where it sums, over no more features
    than the target allows, over groups that a cell of the gemm can hold there, and over those that the gemm has already
    if it has some. A map continued so must not sum itself.

    ```mlir
    kernel.gemm rows "T" product %x : !kernel.view<["T", 64], f32> times %o : !kernel.view<[64, 64], f32> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %a[%row, %feature] : !kernel.view<["T", 64], f32>
    }
    kernel.map rows "T" groups 1 width 64 {
    ^bb0(%row: index, %group: index, %lane: index):
      %p = kernel.load %a[%row, %lane] : !kernel.view<["T", 64], f32>
      %q = kernel.load %residual[%row, %lane] : !kernel.view<["T", 64], f32>
      %r = arith.addf %p, %q : f32
      kernel.store %r, %h[%row, %lane] : !kernel.view<["T", 64], f32>
    }
    // becomes
    kernel.gemm rows "T" product %x : !kernel.view<["T", 64], f32> times %o : !kernel.view<[64, 64], f32> {
    ^bb0(%p: f32, %row: index, %feature: index):
      %q = kernel.load %residual[%row, %feature] : !kernel.view<["T", 64], f32>
      %r = arith.addf %p, %q : f32
      kernel.store %r, %h[%row, %feature] : !kernel.view<["T", 64], f32>
    }
    ```
  }];
  let options = [Option<"target", "target", "std::string", /*default=*/"", "The target to ask">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::yupana::kernel::KernelDialect"];
}

def InlineProducersPass : Pass<"yupana-inline-producers", "::mlir::ModuleOp"> {
  let summary = "Compute elements of a gathered, scaled or normalised row where they are read";
  let description = [{
    A map that makes each row from one row of another buffer, element by element, is repeated in front of every load of
    its result and disappears: in the input regions of products, so that norm, gather and score happen while rows are
    staged.

    Precondition: kernel form. Applies to a map without sums that stores one value at its own row and feature and reads
    one buffer along the features, where every use of the result is a load in a region; of one row in all lanes, if the
    map adds up a row (`kernel.row_sum`).

    ```mlir
    kernel.map rows "T" groups 1 width 64 {
    ^bb0(%row: index, %group: index, %lane: index):
      %x = kernel.load %h[%row, %lane] : !kernel.view<["T", 64], f32>
      %s = kernel.load %scores[%row] : !kernel.view<["T"], f32>
      %y = arith.mulf %x, %s : f32
      kernel.store %y, %n[%row, %lane] : !kernel.view<["T", 64], f32>
    }
    kernel.gemm rows "T" product %n : !kernel.view<["T", 64], f32> times %q : !kernel.view<[64, 64], f32> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %a[%row, %feature] : !kernel.view<["T", 64], f32>
    }
    // becomes
    kernel.gemm rows "T" product {
    ^bb0(%row: index, %k: index):
      %x = kernel.load %h[%row, %k] : !kernel.view<["T", 64], f32>
      %s = kernel.load %scores[%row] : !kernel.view<["T"], f32>
      %y = arith.mulf %x, %s : f32
      kernel.yield %y : f32
    } times %q : !kernel.view<[64, 64], f32> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %a[%row, %feature] : !kernel.view<["T", 64], f32>
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::yupana::kernel::KernelDialect"];
}

def MergeLaunchesPass : Pass<"yupana-merge-launches", "::mlir::ModuleOp"> {
  let summary = "Launch products that do not depend on one another side by side";
  let description = [{
    Queries, keys and values; the routed and the shared gate and up: each pair of launches saves a barrier and lets the
    cells of the larger fill the gaps of the smaller. A gemm joins the first one before it that it can run beside,
    itself alone or with others.

    Precondition: kernel form. Applies where nothing from the earlier gemm on touches what the later one writes, or
    writes what it reads.

    ```mlir
    kernel.gemm rows "T" product %x : !kernel.view<["T", 64], f32> times %q : !kernel.view<[64, 64], f32> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %a[%row, %feature] : !kernel.view<["T", 64], f32>
    }
    kernel.gemm rows "T" product %x : !kernel.view<["T", 64], f32> times %k : !kernel.view<[32, 64], f32> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %b[%row, %feature] : !kernel.view<["T", 32], f32>
    }
    // becomes
    kernel.parallel {
      kernel.gemm rows "T" product %x : !kernel.view<["T", 64], f32> times %q : !kernel.view<[64, 64], f32> {
      ^bb0(%acc: f32, %row: index, %feature: index):
        kernel.store %acc, %a[%row, %feature] : !kernel.view<["T", 64], f32>
      }
      kernel.gemm rows "T" product %x : !kernel.view<["T", 64], f32> times %k : !kernel.view<[32, 64], f32> {
      ^bb0(%acc: f32, %row: index, %feature: index):
        kernel.store %acc, %b[%row, %feature] : !kernel.view<["T", 32], f32>
      }
    }
    ```
  }];
  let dependentDialects = ["::yupana::kernel::KernelDialect"];
}

def PadRowsPass : Pass<"yupana-pad-rows", "::mlir::ModuleOp"> {
  let summary = "Keep rows that are read together out of one set of the cache";
  let description = [{
    Where rows of a buffer lie a multiple of the target's critical stride apart, those that a product reads side by side
    push one another out of the first-level cache. Such a buffer gets rows that are a cache line longer. Nobody reads or
    writes the elements behind a row. No value changes.

    Precondition: kernel form, after the passes that compare shapes. Applies to buffers that products of all rows read
    as they are, and that only bodies of kernels and attention's output touch otherwise.

    ```mlir
    %h = kernel.buffer "h" : !kernel.view<["T", 1024], f32>
    kernel.gemm rows "T" product %h : !kernel.view<["T", 1024], f32> times %w : !kernel.view<[64, 1024], f32> {
    ^bb0(%acc: f32, %row: index, %feature: index):
    }
    // becomes
    %h = kernel.buffer "h" : !kernel.view<["T", 1040], f32>
    kernel.gemm rows "T" product %h : !kernel.view<["T", 1040], f32> times %w : !kernel.view<[64, 1024], f32> {
    ^bb0(%acc: f32, %row: index, %feature: index):
    }
    ```
  }];
  let options = [Option<"target", "target", "std::string", /*default=*/"", "The target to ask">];
  let dependentDialects = ["::yupana::kernel::KernelDialect"];
}

def PlaceInputsPass : Pass<"yupana-place-inputs", "::mlir::ModuleOp"> {
  let summary = "Let products of many rows find them where and as they read them";
  let description = [{
    The rows that a product multiplies by are put into the target's form of sorted rows: a buffer that is there takes
    that form, what an input region computes becomes a map in front of the launch, once for products whose regions are
    equal. The reverse of `yupana-inline-producers`, for programs whose products read a row in many blocks. No value
    changes.

    Precondition: kernel form. Applies in programs where the target sorts rows, to products that all rows take part in;
    those by expert have their rows in order already.

    ```mlir
    kernel.gemm rows "T" product {
    ^bb0(%row: index, %k: index):
      %x = kernel.load %h[%row, %k] : !kernel.view<["T", 64], bf16>
      %s = kernel.load %scores[%row] : !kernel.view<["T"], bf16>
      %y = arith.mulf %x, %s : bf16
      kernel.yield %y : bf16
    } times %q : !kernel.view<[64, 64], bf16, "tile64x128"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
    }
    // becomes
    kernel.map rows "T" groups 1 width 64 {
    ^bb0(%row: index, %group: index, %lane: index):
      %x = kernel.load %h[%row, %lane] : !kernel.view<["T", 64], bf16>
      %s = kernel.load %scores[%row] : !kernel.view<["T"], bf16>
      %y = arith.mulf %x, %s : bf16
      kernel.store %y, %placed[%row, %lane] : !kernel.view<["T", 64], bf16, "rows128">
    }
    kernel.gemm rows "T" product %placed : !kernel.view<["T", 64], bf16, "rows128">
      times %q : !kernel.view<[64, 64], bf16, "tile64x128"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
    }
    ```
  }];
  let options = [Option<"target", "target", "std::string", /*default=*/"", "The target to ask">];
  let dependentDialects = ["::yupana::kernel::KernelDialect"];
}

#endif
