// SPDX-License-Identifier: Apache-2.0
//
// Kernels for tests: PTX text around a few instructions, and values in and out.
#ifndef YUPANA_TEST_TOOLS_SIMDRIVER_KERNELS_H
#define YUPANA_TEST_TOOLS_SIMDRIVER_KERNELS_H

#include "tools/simdriver/PtxSim.h"

#include <cstring>

namespace yupana::ptx {

/// A module with one entry "k" of `pointers` 64-bit parameters, whose values are in %rd1, %rd2, ... The body may use
/// %r, %rs, %rd, %f, %fd, %p and %h (16 bits, untyped) up to 63, and has %tid in %r60. Shared memory `smem` is dynamic.
std::string kernelText(int pointers, const std::string &body, const std::string &declarations = "",
                       const std::string &target = "sm_90a");

/// Runs a kernel on a new device; the report must say what it has to.
struct Outcome {
  Report report;
  std::vector<uint32_t> out;
};

/// Evaluates instructions for 32 lanes. Lane i finds a[i], b[i], c[i] in %ra, %rb, %rc (also as %fa, %fb, %fc), the
/// result is taken from %ro.
std::vector<uint32_t> evaluate(const std::string &code, const std::vector<uint32_t> &a,
                               const std::vector<uint32_t> &b = {}, const std::vector<uint32_t> &c = {});
/// The same with 64-bit registers %da, %db, %dc and %do.
std::vector<uint64_t> evaluate64(const std::string &code, const std::vector<uint64_t> &a,
                                 const std::vector<uint64_t> &b = {}, const std::vector<uint64_t> &c = {});

/// Runs `text`'s kernel "k" with one buffer of `words` words, zeroed unless `undefined`, as its first parameter.
Outcome runKernel(const std::string &text, uint32_t grid, uint32_t threads, uint32_t shared, size_t words,
                  Options options = {}, bool undefined = false);

inline uint32_t bits(float value) {
  uint32_t result;
  memcpy(&result, &value, 4);
  return result;
}
inline float number(uint32_t bits) {
  float result;
  memcpy(&result, &bits, 4);
  return result;
}
std::vector<uint32_t> allBits(const std::vector<float> &values);
std::vector<float> numbers(const std::vector<uint32_t> &values);
/// Replaces the `index`-th occurrence; the text must have it.
std::string replaced(std::string text, const std::string &from, const std::string &to, int index = 0);

} // namespace yupana::ptx

#endif // YUPANA_TEST_TOOLS_SIMDRIVER_KERNELS_H
