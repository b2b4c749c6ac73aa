// RUN: yupana-opt %s --split-input-file --verify-diagnostics

// expected-error @below {{digest is "9f86", expected 64 lower-case hexadecimal digits}}
func.func private @f() attributes {a = #kernel.signature<"9f86", tokens = 8, configs = 5>}

// -----

// expected-error @below {{expected 64 lower-case hexadecimal digits}}
func.func private @f() attributes {a = #kernel.signature<"9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08", tokens = 8, configs = 5>}

// -----

// expected-error @below {{has 0 tokens and 5 configs, expected at least one of each}}
func.func private @f() attributes {a = #kernel.signature<"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", tokens = 0, configs = 5>}
