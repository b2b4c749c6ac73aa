// SPDX-License-Identifier: Apache-2.0
#include "test/tools/simdriver/Kernels.h"

#include <cstdio>
#include <cstdlib>

using namespace yupana;

std::string ptx::kernelText(int pointers, const std::string &body, const std::string &declarations,
                            const std::string &target) {
  std::string text = ".version 8.6\n.target " + target + "\n.address_size 64\n";
  text += ".extern .shared .align 1024 .b8 smem[];\n" + declarations + "\n.visible .entry k(\n";
  for (int i = 0; i < pointers; ++i)
    text += std::string(i ? ",\n" : "") + "  .param .u64 .ptr .global .align 16 k_param_" + std::to_string(i);
  text += "\n)\n{\n"
          "  .reg .pred %p<64>;\n  .reg .b16 %h<64>;\n  .reg .b32 %r<64>;\n  .reg .f32 %f<64>;\n"
          "  .reg .b64 %rd<64>;\n  .reg .f64 %fd<64>;\n";
  for (int i = 0; i < pointers; ++i)
    text += "  ld.param.u64 %rd" + std::to_string(i + 1) + ", [k_param_" + std::to_string(i) + "];\n";
  return text + "  mov.u32 %r60, %tid.x;\n" + body + "\n  ret;\n}\n";
}

static void mustWork(const ptx::Report &report) {
  if (report) {
    fprintf(stderr, "%s\n", report.message.c_str());
    abort();
  }
}

template <class T>
static std::vector<T> evaluateAs(const std::string &body, const std::vector<T> &a, std::vector<T> b, std::vector<T> c) {
  ptx::Device device;
  ptx::Module module;
  mustWork(module.parse(ptx::kernelText(4, body)));
  b.resize(a.size()), c.resize(a.size());
  uint64_t out = device.upload(std::vector<T>(a.size()));
  mustWork(device.launch(module, "k", {1, static_cast<uint32_t>(a.size())},
                         {device.upload(a), device.upload(b), device.upload(c), out}));
  return device.download<T>(out, a.size());
}

std::vector<uint32_t> ptx::evaluate(const std::string &code, const std::vector<uint32_t> &a,
                                    const std::vector<uint32_t> &b, const std::vector<uint32_t> &c) {
  std::string body =
      "  .reg .b32 %ra, %rb, %rc, %ro;\n  .reg .f32 %fa, %fb, %fc, %fo;\n  mul.wide.u32 %rd10, %r60, 4;\n";
  const char *names[] = {"a", "b", "c"};
  for (int i = 0; i < 3; ++i) {
    std::string from = "%rd" + std::to_string(20 + i), n = names[i];
    body += "  add.s64 " + from + ", %rd" + std::to_string(i + 1) + ", %rd10;\n  ld.global.b32 %r" + n + ", [" + from +
            "];\n  mov.b32 %f" + n + ", %r" + n + ";\n";
  }
  body += code + "\n  add.s64 %rd23, %rd4, %rd10;\n  st.global.b32 [%rd23], %ro;";
  return evaluateAs<uint32_t>(body, a, b, c);
}

std::vector<uint64_t> ptx::evaluate64(const std::string &code, const std::vector<uint64_t> &a,
                                      const std::vector<uint64_t> &b, const std::vector<uint64_t> &c) {
  std::string body = "  .reg .b64 %da, %db, %dc, %do;\n  mul.wide.u32 %rd10, %r60, 8;\n";
  const char *names[] = {"a", "b", "c"};
  for (int i = 0; i < 3; ++i) {
    std::string from = "%rd" + std::to_string(20 + i);
    body += "  add.s64 " + from + ", %rd" + std::to_string(i + 1) + ", %rd10;\n  ld.global.b64 %d" + names[i] + ", [" +
            from + "];\n";
  }
  body += code + "\n  add.s64 %rd23, %rd4, %rd10;\n  st.global.b64 [%rd23], %do;";
  return evaluateAs<uint64_t>(body, a, b, c);
}

ptx::Outcome ptx::runKernel(const std::string &text, uint32_t grid, uint32_t threads, uint32_t shared, size_t words,
                            Options options, bool undefined) {
  Device device(options);
  Module module;
  Outcome run;
  run.report = module.parse(text);
  if (run.report)
    return run;
  uint64_t buffer = undefined ? device.allocate(words * 4) : device.upload(std::vector<uint32_t>(words));
  run.report = device.launch(module, "k", {grid, threads, shared}, {buffer});
  run.out = device.download<uint32_t>(buffer, words, true);
  return run;
}

std::vector<uint32_t> ptx::allBits(const std::vector<float> &values) {
  std::vector<uint32_t> result(values.size());
  if (!values.empty())
    memcpy(result.data(), values.data(), 4 * values.size());
  return result;
}

std::vector<float> ptx::numbers(const std::vector<uint32_t> &values) {
  std::vector<float> result(values.size());
  if (!values.empty())
    memcpy(result.data(), values.data(), 4 * values.size());
  return result;
}

std::string ptx::replaced(std::string text, const std::string &from, const std::string &to, int index) {
  size_t at = text.find(from);
  while (index-- > 0 && at != std::string::npos)
    at = text.find(from, at + 1);
  if (at == std::string::npos) {
    fprintf(stderr, "the text lacks '%s'\n", from.c_str());
    abort();
  }
  return text.replace(at, from.size(), to);
}
