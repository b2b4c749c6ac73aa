// Kernels of every family, with bodies that no pass makes, for every target: EveryKernelTest.cpp writes in what differs
// and lets the back end choose the rest. %TYPE% is what weights and activations are stored in, %FORM% the form of
// weights, %RUN% the run of pairs; a line behind //f32 or //bf16 is there for that type alone.

// Groups of 37 lanes, normalised by a sum that needs another sum first.
kernel.func @norm {
^bb0(%x: !kernel.view<["T", 3, 37], f32>, %g: !kernel.view<[37], f32>, %y: !kernel.view<["T", 3, 37], f32>):
  kernel.map rows "T" groups 3 width 37 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %x[%row, %group, %lane] : !kernel.view<["T", 3, 37], f32>
    %n = arith.constant 37.0 : f32
    %eps = arith.constant 1.0e-5 : f32
    %s = kernel.sum %v : f32
    %mean = arith.divf %s, %n : f32
    %c = arith.subf %v, %mean : f32
    %c2 = arith.mulf %c, %c : f32
    %s2 = kernel.sum %c2 : f32
    %var = arith.divf %s2, %n : f32
    %e = arith.addf %var, %eps : f32
    %r = math.sqrt %e : f32
    %q = arith.divf %c, %r : f32
    %gain = kernel.load %g[%lane] : !kernel.view<[37], f32>
    %out = arith.mulf %q, %gain : f32
    kernel.store %out, %y[%row, %group, %lane] : !kernel.view<["T", 3, 37], f32>
  }
}

// x · tanh x, times what the row decides, plus what the feature decides, stored by head and feature of the head.
kernel.func @odd_epilogue {
^bb0(%x: !kernel.view<["T", 19], %TYPE%>, %w: !kernel.view<[72, 19], %TYPE%, "%FORM%">, %bias: !kernel.view<[72], f32>,
     %gain: !kernel.view<["T"], f32>, %y: !kernel.view<["T", 3, 24], f32>):
  kernel.gemm rows "T"
      product %x : !kernel.view<["T", 19], %TYPE%> times %w : !kernel.view<[72, 19], %TYPE%, "%FORM%"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %width = arith.constant 24 : index
    %head = arith.divui %feature, %width : index
    %lane = arith.remui %feature, %width : index
    %t = math.tanh %acc : f32
    %p = arith.mulf %acc, %t : f32
    %b = kernel.load %bias[%feature] : !kernel.view<[72], f32>
    %g = kernel.load %gain[%row] : !kernel.view<["T"], f32>
    %s = math.fma %p, %g, %b : f32
    kernel.store %s, %y[%row, %head, %lane] : !kernel.view<["T", 3, 24], f32>
  }
}

// The input is a gathered row, scaled by a sum that lies beside it in parts and by a gain for each k, and rounded once.
kernel.func @computed_input {
^bb0(%h: !kernel.view<["R", 72], %TYPE%>, %ids: !kernel.view<["T"], i32>, %squares: !kernel.view<["R", 40], f32>,
     %gain: !kernel.view<[72], %TYPE%>, %w: !kernel.view<[66, 72], %TYPE%, "%FORM%">,
     %y: !kernel.view<["T", 66], f32>):
  kernel.gemm rows "T" product {
  ^bb0(%row: index, %k: index):
    %id32 = kernel.load %ids[%row] : !kernel.view<["T"], i32>
    %id = arith.index_castui %id32 : i32 to index
    %x = kernel.load %h[%id, %k] : !kernel.view<["R", 72], %TYPE%>
    %s = kernel.row_sum %squares[%id] : !kernel.view<["R", 40], f32>
    %g = kernel.load %gain[%k] : !kernel.view<[72], %TYPE%>
    //bf16 %xw = arith.extf %x : bf16 to f32
    //bf16 %gw = arith.extf %g : bf16 to f32
    //bf16 %xs = arith.mulf %xw, %s : f32
    //bf16 %xg = arith.mulf %xs, %gw : f32
    //bf16 %r = arith.truncf %xg : f32 to bf16
    //f32 %xs = arith.mulf %x, %s : f32
    //f32 %r = arith.mulf %xs, %g : f32
    kernel.yield %r : %TYPE%
  } times %w : !kernel.view<[66, 72], %TYPE%, "%FORM%"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 66], f32>
  }
}

// Two products whose accumulators meet; groups of 24 pairs end in the middle of tiles, and the sum of a group goes back
// to each of its pairs.
kernel.func @pairs {
^bb0(%x: !kernel.view<["T", 80], %TYPE%>, %z: !kernel.view<["T", 40], %TYPE%>,
     %w: !kernel.view<[%ROWS%, 80], %TYPE%, "%FORM%">, %v: !kernel.view<[%ROWS%, 40], %TYPE%, "%FORM%">,
     %y: !kernel.view<["T", 72, 2], f32>, %sums: !kernel.view<["T", 3], f32>):
  kernel.gemm rows "T" pairs 72 by %RUN% group 24
      product %x : !kernel.view<["T", 80], %TYPE%> times %w : !kernel.view<[%ROWS%, 80], %TYPE%, "%FORM%">
      product %z : !kernel.view<["T", 40], %TYPE%> times %v : !kernel.view<[%ROWS%, 40], %TYPE%, "%FORM%"> {
  ^bb0(%a: f32, %b: f32, %c: f32, %d: f32, %row: index, %feature: index):
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %width = arith.constant 24 : index
    %g = arith.divui %feature, %width : index
    %first = arith.addf %a, %c : f32
    %second = arith.addf %b, %d : f32
    %product = arith.mulf %first, %second : f32
    %s = kernel.sum %product : f32
    %left = arith.mulf %first, %s : f32
    kernel.store %left, %y[%row, %feature, %c0] : !kernel.view<["T", 72, 2], f32>
    kernel.store %second, %y[%row, %feature, %c1] : !kernel.view<["T", 72, 2], f32>
    kernel.store %s, %sums[%row, %g] : !kernel.view<["T", 3], f32>
  }
}

// Two experts a token, scored on the way in, beside a product that all experts share.
kernel.func @experts {
^bb0(%x: !kernel.view<["T", 96], %TYPE%>, %e: !kernel.view<["T", 2], i32>, %scores: !kernel.view<["2*T"], f32>,
     %w: !kernel.view<[3, 40, 96], %TYPE%, "%FORM%">, %v: !kernel.view<[40, 96], %TYPE%, "%FORM%">,
     %y: !kernel.view<["2*T", 40], f32>):
  kernel.gemm rows "2*T" by %e : !kernel.view<["T", 2], i32> product {
  ^bb0(%row: index, %k: index):
    %c2 = arith.constant 2 : index
    %token = arith.divui %row, %c2 : index
    %u = kernel.load %x[%token, %k] : !kernel.view<["T", 96], %TYPE%>
    %s = kernel.load %scores[%row] : !kernel.view<["2*T"], f32>
    //bf16 %uw = arith.extf %u : bf16 to f32
    //bf16 %us = arith.mulf %uw, %s : f32
    //bf16 %r = arith.truncf %us : f32 to bf16
    //f32 %r = arith.mulf %u, %s : f32
    kernel.yield %r : %TYPE%
  } times %w : !kernel.view<[3, 40, 96], %TYPE%, "%FORM%"> product {
  ^bb0(%row: index, %k: index):
    %c2 = arith.constant 2 : index
    %token = arith.divui %row, %c2 : index
    %u = kernel.load %x[%token, %k] : !kernel.view<["T", 96], %TYPE%>
    kernel.yield %u : %TYPE%
  } times %v : !kernel.view<[40, 96], %TYPE%, "%FORM%"> {
  ^bb0(%a: f32, %b: f32, %row: index, %feature: index):
    %r = arith.addf %a, %b : f32
    kernel.store %r, %y[%row, %feature] : !kernel.view<["2*T", 40], f32>
  }
}

// Logits, choices, and the pairs of each expert side by side.
kernel.func @route {
^bb0(%x: !kernel.view<["T", 31], f32>, %w: !kernel.view<[18, 31], f32>, %e: !kernel.view<["T", 3], i32>,
     %s: !kernel.view<["T", 3], f32>):
  kernel.route rows "T" product %x : !kernel.view<["T", 31], f32> times %w : !kernel.view<[18, 31], f32>
    into %e, %s top 3 score softmax : !kernel.view<["T", 3], i32>, !kernel.view<["T", 3], f32>
}
kernel.func @group {
^bb0(%e: !kernel.view<["T", 3], i32>, %o: !kernel.view<[19], i32>, %r: !kernel.view<["3*T+126"], i32>):
  kernel.group %e into %o, %r alignment 8
    : !kernel.view<["T", 3], i32>, !kernel.view<[19], i32>, !kernel.view<["3*T+126"], i32>
}

// Keys and values go to pages of 32 positions and are attended to within chunks of 40.
kernel.func @append {
^bb0(%k: !kernel.view<["T", 40], %TYPE%>, %v: !kernel.view<["T", 40], %TYPE%>, %p: !kernel.view<["T"], i32>,
     %s: !kernel.view<["T"], i32>, %pages: !kernel.view<["S", 3], i32>, %keys: %KEYS%, %values: %VALUES%):
  kernel.map rows "T" groups 2 width 20 {
  ^bb0(%row: index, %head: index, %lane: index):
    %width = arith.constant 20 : index
    %base = arith.muli %head, %width : index
    %at = arith.addi %base, %lane : index
    %p32 = kernel.load %p[%row] : !kernel.view<["T"], i32>
    %s32 = kernel.load %s[%row] : !kernel.view<["T"], i32>
    %pos = arith.index_cast %p32 : i32 to index
    %seq = arith.index_cast %s32 : i32 to index
    %key = kernel.load %k[%row, %at] : !kernel.view<["T", 40], %TYPE%>
    %value = kernel.load %v[%row, %at] : !kernel.view<["T", 40], %TYPE%>
    kernel.append %key, %keys[%head, %lane] at %pos of %seq through %pages
      : %TYPE%, %KEYS%, !kernel.view<["S", 3], i32>
    kernel.append %value, %values[%head, %lane] at %pos of %seq through %pages
      : %TYPE%, %VALUES%, !kernel.view<["S", 3], i32>
  }
}
kernel.func @attend {
^bb0(%q: !kernel.view<["T", 120], %TYPE%>, %keys: %KEYS%, %values: %VALUES%, %p: !kernel.view<["T"], i32>,
     %s: !kernel.view<["T"], i32>, %pages: !kernel.view<["S", 3], i32>, %o: !kernel.view<["T", 120], %TYPE%>):
  kernel.attention %q, %keys, %values at %p of %s through %pages into %o chunk 40 scale 2.5e-1
    : !kernel.view<["T", 120], %TYPE%>, %KEYS%, %VALUES%, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
      !kernel.view<["S", 3], i32>, !kernel.view<["T", 120], %TYPE%>
}

// A map and a product side by side in one launch.
kernel.func @members {
^bb0(%x: !kernel.view<["T", 21], %TYPE%>, %w: !kernel.view<[70, 21], %TYPE%, "%FORM%">, %a: !kernel.view<["R"], i32>,
     %y: !kernel.view<["T", 70], f32>):
  kernel.parallel {
    kernel.map rows "R" groups 1 width 1 {
    ^bb0(%row: index, %group: index, %lane: index):
      %i = arith.index_cast %row : index to i32
      kernel.store %i, %a[%row] : !kernel.view<["R"], i32>
    }
    kernel.gemm rows "T"
        product %x : !kernel.view<["T", 21], %TYPE%> times %w : !kernel.view<[70, 21], %TYPE%, "%FORM%"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 70], f32>
    }
  }
}

// Ids drawn from logits.
kernel.func @sample {
^bb0(%l: !kernel.view<["R", 300], f32>, %t: !kernel.view<["R"], f32>, %k: !kernel.view<["R"], i32>,
     %p: !kernel.view<["R"], f32>, %m: !kernel.view<["R"], f32>, %r: !kernel.view<["R"], f32>,
     %s: !kernel.view<["R"], i64>, %n: !kernel.view<["R"], i64>, %x: !kernel.view<["R"], i32>,
     %h: !kernel.view<["R"], i32>, %g: !kernel.view<["N", 40], i32>, %i: !kernel.view<["R"], i32>):
  kernel.sample %l temperatures %t top_k %k top_p %p min_p %m penalties %r seeds %s sequences %n positions %x
    slots %h of %g into %i
    : !kernel.view<["R", 300], f32>, !kernel.view<["R"], f32>, !kernel.view<["R"], i32>, !kernel.view<["R"], f32>,
      !kernel.view<["R"], f32>, !kernel.view<["R"], f32>, !kernel.view<["R"], i64>, !kernel.view<["R"], i64>,
      !kernel.view<["R"], i32>, !kernel.view<["R"], i32>, !kernel.view<["N", 40], i32>, !kernel.view<["R"], i32>
}
