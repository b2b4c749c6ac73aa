// RUN: yupana-opt %s --yupana-approximate-math --verify-diagnostics

// There is no polynomial of float64's precision, and a kernel calls no library.
func.func @double(%x: f64) -> f64 {
  // expected-error @below {{'math.exp' op of 'f64' has neither an instruction nor a polynomial}}
  %0 = math.exp %x : f64
  return %0 : f64
}
