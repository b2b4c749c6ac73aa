// RUN: not yupana-opt %s --yupana-state-numerics=target=pdp-11 2>&1 | FileCheck %s

// Who adds is asked by name.
// CHECK: error: {{.*}}pdp-11
