// RUN: not yupana-opt %s --yupana-configure-kernels=target=pdp-11 2>&1 | FileCheck %s

// A target that nobody has heard of is refused by name.
// CHECK: error: {{.*}}pdp-11
