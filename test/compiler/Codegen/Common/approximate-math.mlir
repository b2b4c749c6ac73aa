// RUN: yupana-opt %s --yupana-approximate-math | FileCheck %s

// Functions become polynomials on vectors; what is one instruction stays.
// CHECK-LABEL: func.func @functions
// CHECK-NOT: math.exp
// CHECK-NOT: math.tanh
// CHECK: math.fma
// CHECK: math.sqrt
func.func @functions(%x: vector<16xf32>) -> vector<16xf32> {
  %0 = math.exp %x : vector<16xf32>
  %1 = math.tanh %0 : vector<16xf32>
  %2 = math.sqrt %1 : vector<16xf32>
  return %2 : vector<16xf32>
}
