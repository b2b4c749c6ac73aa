// SPDX-License-Identifier: Apache-2.0
//
// The driver's entry points, called as a program does that has loaded the library: order of work, errors, what is
// alive.
#include <cstdint>
#include <cstring>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <string>
#include <thread>
#include <vector>

namespace {

using Address = unsigned long long;

void *library() {
  static void *handle = dlopen(YUPANA_SIMDRIVER, RTLD_NOW | RTLD_LOCAL);
  return handle;
}

/// An entry point, found as the runtime finds it.
template <class F> F *entry(const char *name) {
  using Find = int(const char *, void **, int, uint64_t, int *);
  auto *find = reinterpret_cast<Find *>(dlsym(library(), "cuGetProcAddress_v2"));
  void *found = nullptr;
  EXPECT_EQ(find(name, &found, 12000, 0, nullptr), 0) << name;
  return reinterpret_cast<F *>(found);
}

#define CU(name, ...) auto *name = entry<int(__VA_ARGS__)>(#name)

const char *const addOne = R"(
.version 8.0
.target sm_80
.address_size 64
.visible .entry add(.param .u64 x, .param .u32 n)
{
  .reg .pred %p<2>; .reg .b32 %r<8>; .reg .b64 %rd<4>;
  ld.param.u64 %rd1, [x];
  ld.param.u32 %r1, [n];
  mov.u32 %r2, %ctaid.x; mov.u32 %r3, %ntid.x; mov.u32 %r4, %tid.x;
  mad.lo.u32 %r5, %r2, %r3, %r4;
  setp.ge.u32 %p1, %r5, %r1;
  @%p1 bra END;
  mul.wide.u32 %rd2, %r5, 4;
  add.s64 %rd3, %rd1, %rd2;
  ld.global.u32 %r6, [%rd3];
  add.u32 %r7, %r6, 1;
  st.global.u32 [%rd3], %r7;
END:
  ret;
}
.visible .entry bad(.param .u64 x)
{
  .reg .b64 %rd<2>;
  ld.param.u64 %rd1, [x];
  st.global.u32 [%rd1+1048576], 1;
  ret;
}
)";

/// A context, a stream, a library with its kernel.
class Driver : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_NE(library(), nullptr) << dlerror();
    CU(cuInit, unsigned);
    CU(cuDevicePrimaryCtxRetain, void **, int);
    CU(cuCtxPushCurrent, void *);
    CU(cuStreamCreate, void **, unsigned);
    CU(cuLibraryLoadData, void **, const void *, int *, void **, unsigned, int *, void **, unsigned);
    liveBefore = live();
    ASSERT_EQ(cuInit(0), 0);
    ASSERT_EQ(cuDevicePrimaryCtxRetain(&context, 0), 0);
    ASSERT_EQ(cuCtxPushCurrent(context), 0);
    ASSERT_EQ(cuStreamCreate(&stream, 1), 0);
    ASSERT_EQ(cuLibraryLoadData(&code, addOne, nullptr, nullptr, 0, nullptr, nullptr, 0), 0);
    add = function("add");
  }

  void TearDown() override {
    CU(cuLibraryUnload, void *);
    CU(cuStreamDestroy, void *);
    CU(cuCtxPopCurrent, void **);
    CU(cuDevicePrimaryCtxRelease, int);
    if (!dead) {
      EXPECT_EQ(cuLibraryUnload(code), 0);
      EXPECT_EQ(cuStreamDestroy(stream), 0);
    }
    EXPECT_EQ(cuCtxPopCurrent(nullptr), 0);
    EXPECT_EQ(cuDevicePrimaryCtxRelease(0), 0);
    EXPECT_EQ(live(), liveBefore) << "something is left";
  }

  static uint64_t live() { return reinterpret_cast<unsigned long long (*)()>(dlsym(library(), "yupana_sim_live"))(); }

  void *function(const char *name) {
    CU(cuLibraryGetKernel, void **, void *, const char *);
    CU(cuKernelGetFunction, void **, void *);
    void *kernel = nullptr, *result = nullptr;
    EXPECT_EQ(cuLibraryGetKernel(&kernel, code, name), 0);
    EXPECT_EQ(cuKernelGetFunction(&result, kernel), 0);
    return result;
  }

  int launch(void *what, Address x, uint32_t n, uint32_t grid = 2, uint32_t threads = 32, uint32_t shared = 0) {
    CU(cuLaunchKernel, void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **,
       void **);
    void *parameters[] = {&x, &n};
    return cuLaunchKernel(what, grid, 1, 1, threads, 1, 1, shared, stream, parameters, nullptr);
  }

  Address allocate(size_t bytes) {
    CU(cuMemAlloc, Address *, size_t);
    Address address = 0;
    EXPECT_EQ(cuMemAlloc(&address, bytes), 0);
    return address;
  }
  void release(Address address) {
    CU(cuMemFree, Address);
    EXPECT_EQ(cuMemFree(address), 0);
  }

  void *context = nullptr, *stream = nullptr, *code = nullptr, *add = nullptr;
  uint64_t liveBefore = 0;
  bool dead = false;
};

TEST_F(Driver, CopiesLaunchesAndWaits) {
  CU(cuMemcpyHtoDAsync, Address, const void *, size_t, void *);
  CU(cuMemcpyDtoHAsync, void *, Address, size_t, void *);
  CU(cuStreamSynchronize, void *);
  CU(cuMemcpyDtoH, void *, Address, size_t);
  std::vector<uint32_t> values(40), back(40);
  for (uint32_t i = 0; i < 40; ++i)
    values[i] = i;
  Address x = allocate(160);
  EXPECT_EQ(cuMemcpyHtoDAsync(x, values.data(), 160, stream), 0);
  EXPECT_EQ(launch(add, x, 39), 0);
  EXPECT_EQ(cuMemcpyDtoHAsync(back.data(), x, 160, stream), 0);
  EXPECT_EQ(back[5], 0u) << "nobody has waited";
  EXPECT_EQ(cuStreamSynchronize(stream), 0);
  EXPECT_EQ(back[5], 6u);
  EXPECT_EQ(back[39], 39u);
  EXPECT_EQ(cuMemcpyDtoH(back.data(), x + 4, 8), 0);
  EXPECT_EQ(back[0], 2u);
  release(x);
}

TEST_F(Driver, PageableCopiesAreLate) {
  // A buffer that is used again before the wait: the device gets what is in it then.
  CU(cuMemcpyHtoDAsync, Address, const void *, size_t, void *);
  CU(cuStreamSynchronize, void *);
  CU(cuMemcpyDtoH, void *, Address, size_t);
  Address x = allocate(8);
  uint32_t value[2] = {1, 2}, back[2];
  EXPECT_EQ(cuMemcpyHtoDAsync(x, value, 8, stream), 0);
  value[0] = 7;
  EXPECT_EQ(cuStreamSynchronize(stream), 0);
  EXPECT_EQ(cuMemcpyDtoH(back, x, 8), 0);
  EXPECT_EQ(back[0], 7u);
  release(x);
}

TEST_F(Driver, EventsOrderStreams) {
  CU(cuStreamCreate, void **, unsigned);
  CU(cuStreamDestroy, void *);
  CU(cuStreamWaitEvent, void *, void *, unsigned);
  CU(cuStreamSynchronize, void *);
  CU(cuEventCreate, void **, unsigned);
  CU(cuEventRecord, void *, void *);
  CU(cuEventQuery, void *);
  CU(cuEventSynchronize, void *);
  CU(cuEventDestroy, void *);
  CU(cuMemsetD8Async, Address, unsigned char, size_t, void *);
  CU(cuMemcpyDtoHAsync, void *, Address, size_t, void *);
  void *other = nullptr, *event = nullptr;
  ASSERT_EQ(cuStreamCreate(&other, 1), 0);
  ASSERT_EQ(cuEventCreate(&event, 2), 0);
  Address x = allocate(4);
  uint32_t back = 0;
  EXPECT_EQ(cuMemsetD8Async(x, 3, 4, stream), 0);
  EXPECT_EQ(cuEventRecord(event, stream), 0);
  EXPECT_EQ(cuStreamWaitEvent(other, event, 0), 0);
  EXPECT_EQ(cuMemcpyDtoHAsync(&back, x, 4, other), 0);
  EXPECT_EQ(cuEventQuery(event), 600);
  EXPECT_EQ(cuStreamSynchronize(other), 0);
  EXPECT_EQ(back, 0x03030303u);
  EXPECT_EQ(cuEventQuery(event), 0);
  EXPECT_EQ(cuEventSynchronize(event), 0);
  EXPECT_EQ(cuEventDestroy(event), 0);
  EXPECT_EQ(cuStreamDestroy(other), 0);
  release(x);
}

TEST_F(Driver, CapturedGraphs) {
  CU(cuStreamBeginCapture, void *, int);
  CU(cuStreamEndCapture, void *, void **);
  CU(cuGraphInstantiateWithFlags, void **, void *, unsigned long long);
  CU(cuGraphLaunch, void *, void *);
  CU(cuGraphExecDestroy, void *);
  CU(cuGraphDestroy, void *);
  CU(cuMemsetD8, Address, unsigned char, size_t);
  CU(cuStreamSynchronize, void *);
  CU(cuMemcpyDtoH, void *, Address, size_t);
  Address x = allocate(16);
  uint32_t back = 0;
  void *graph = nullptr, *exec = nullptr;
  EXPECT_EQ(cuMemsetD8(x, 0, 16), 0);
  EXPECT_EQ(cuStreamBeginCapture(stream, 1), 0);
  EXPECT_EQ(launch(add, x, 1), 0);
  EXPECT_EQ(launch(add, x, 1), 0);
  EXPECT_EQ(cuStreamSynchronize(stream), 900) << "a stream that captures cannot be waited for";
  EXPECT_EQ(cuStreamEndCapture(stream, &graph), 0);
  EXPECT_EQ(cuMemcpyDtoH(&back, x, 4), 0);
  EXPECT_EQ(back, 0u) << "capturing runs nothing";
  EXPECT_EQ(cuGraphInstantiateWithFlags(&exec, graph, 0), 0);
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(cuGraphLaunch(exec, stream), 0);
  EXPECT_EQ(cuStreamSynchronize(stream), 0);
  EXPECT_EQ(cuMemcpyDtoH(&back, x, 4), 0);
  EXPECT_EQ(back, 6u);
  // The same launches with other values: the executable graph takes them over.
  struct {
    int result;
    void *node, *from;
  } info;
  CU(cuGraphExecUpdate, void *, void *, void *);
  Address y = allocate(16);
  void *second = nullptr;
  EXPECT_EQ(cuMemsetD8(y, 0, 16), 0);
  EXPECT_EQ(cuStreamBeginCapture(stream, 1), 0);
  EXPECT_EQ(launch(add, y, 1), 0);
  EXPECT_EQ(launch(add, y, 1), 0);
  EXPECT_EQ(cuStreamEndCapture(stream, &second), 0);
  EXPECT_EQ(cuGraphExecUpdate(exec, second, &info), 0);
  EXPECT_EQ(cuGraphLaunch(exec, stream), 0);
  EXPECT_EQ(cuStreamSynchronize(stream), 0);
  EXPECT_EQ(cuMemcpyDtoH(&back, y, 4), 0);
  EXPECT_EQ(back, 2u);
  EXPECT_EQ(cuGraphExecDestroy(exec), 0);
  EXPECT_EQ(cuGraphDestroy(graph), 0);
  EXPECT_EQ(cuGraphDestroy(second), 0);
  release(x);
  release(y);
}

// A launch with programmatic serialization overlaps with a launch right in front of it in its stream, and with nothing
// else.
TEST_F(Driver, LaunchesThatOverlap) {
  struct Attribute {
    int id, padding;
    unsigned value[16];
  } attribute = {6, 0, {1}};
  struct {
    unsigned grid[3], block[3], shared;
    void *stream;
    Attribute *attributes;
    unsigned count;
  } config = {{2, 1, 1}, {32, 1, 1}, 0, stream, &attribute, 1};
  CU(cuLaunchKernelEx, const void *, void *, void **, void **);
  CU(cuStreamSynchronize, void *);
  CU(cuMemsetD8Async, Address, unsigned char, size_t, void *);
  Address x = allocate(256);
  uint32_t n = 64;
  void *parameters[] = {&x, &n};
  auto *report = reinterpret_cast<const char *(*)()>(dlsym(library(), "yupana_sim_report"));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(cuMemsetD8Async(x, 0, 256, stream), 0);
    EXPECT_EQ(cuLaunchKernelEx(&config, add, parameters, nullptr), 0);
  }
  EXPECT_EQ(cuStreamSynchronize(stream), 0) << report();
  EXPECT_EQ(cuLaunchKernelEx(&config, add, parameters, nullptr), 0);
  EXPECT_EQ(cuStreamSynchronize(stream), 719);
  EXPECT_NE(std::string(report()).find("no griddepcontrol.wait stands before it"), std::string::npos) << report();
  dead = true;
}

// The shape of clusters that the code fixes holds for every launch, those of graphs included.
TEST_F(Driver, Clusters) {
  std::string text = addOne;
  text.replace(text.find("sm_80"), 5, "sm_90");
  for (const char *name : {"add(", "bad("}) {
    size_t brace = text.find("{", text.find(name));
    text.insert(brace, name[0] == 'a' ? ".reqnctapercluster 2, 1, 1\n" : ".maxclusterrank 4\n");
  }
  CU(cuModuleLoadData, void **, const void *);
  CU(cuModuleUnload, void *);
  CU(cuModuleGetFunction, void **, void *, const char *);
  CU(cuFuncGetAttribute, int *, int, void *);
  CU(cuLaunchKernelEx, const void *, void *, void **, void **);
  CU(cuStreamSynchronize, void *);
  CU(cuStreamBeginCapture, void *, int);
  CU(cuStreamEndCapture, void *, void **);
  CU(cuGraphInstantiateWithFlags, void **, void *, unsigned long long);
  CU(cuGraphLaunch, void *, void *);
  CU(cuGraphDestroy, void *);
  CU(cuGraphExecDestroy, void *);
  CU(cuMemsetD8Async, Address, unsigned char, size_t, void *);
  CU(cuMemcpyDtoH, void *, Address, size_t);
  void *module = nullptr, *fixed = nullptr, *free = nullptr;
  ASSERT_EQ(cuModuleLoadData(&module, text.c_str()), 0);
  ASSERT_EQ(cuModuleGetFunction(&fixed, module, "add"), 0);
  ASSERT_EQ(cuModuleGetFunction(&free, module, "bad"), 0);
  int width = 0;
  EXPECT_EQ(cuFuncGetAttribute(&width, 11, fixed), 0);
  EXPECT_EQ(width, 2);

  Address x = allocate(256);
  EXPECT_EQ(cuMemsetD8Async(x, 0, 256, stream), 0);
  EXPECT_EQ(launch(fixed, x, 64, 3), 1) << "no multiple of the cluster";
  struct Attribute {
    int id, padding;
    unsigned value[16];
  } attribute = {4, 0, {2, 1, 1}};
  struct {
    unsigned grid[3], block[3], shared;
    void *stream;
    Attribute *attributes;
    unsigned count;
  } config = {{4, 1, 1}, {16, 1, 1}, 0, stream, &attribute, 1};
  uint32_t n = 64;
  void *parameters[] = {&x, &n};
  auto with = [&](void *function, unsigned width) {
    attribute.value[0] = width;
    config.grid[0] = width == 12 ? 12 : 4;
    return cuLaunchKernelEx(&config, function, parameters, nullptr);
  };
  EXPECT_EQ(with(fixed, 4), 1) << "contradicts the code";
  EXPECT_EQ(with(free, 3), 1) << "no multiple";
  EXPECT_EQ(with(free, 12), 912) << "more than 8";
  EXPECT_EQ(with(add, 12), 912) << "more than 8";
  EXPECT_EQ(with(add, 4), 0) << "code without a shape";

  void *graph = nullptr, *executable = nullptr;
  EXPECT_EQ(cuStreamBeginCapture(stream, 2), 0);
  EXPECT_EQ(launch(fixed, x, 64), 0);
  EXPECT_EQ(with(fixed, 2), 0);
  EXPECT_EQ(launch(fixed, x, 64, 5), 1);
  EXPECT_EQ(cuStreamEndCapture(stream, &graph), 0);
  EXPECT_EQ(cuGraphInstantiateWithFlags(&executable, graph, 0), 0);
  EXPECT_EQ(cuGraphLaunch(executable, stream), 0);
  EXPECT_EQ(cuStreamSynchronize(stream), 0);
  std::vector<uint32_t> words(64);
  EXPECT_EQ(cuMemcpyDtoH(words.data(), x, 256), 0);
  EXPECT_EQ(words, std::vector<uint32_t>(64, 3));
  EXPECT_EQ(cuGraphExecDestroy(executable), 0);
  EXPECT_EQ(cuGraphDestroy(graph), 0);
  EXPECT_EQ(cuModuleUnload(module), 0);
  release(x);
}

TEST_F(Driver, FaultsEndTheContext) {
  CU(cuStreamSynchronize, void *);
  CU(cuMemGetInfo, size_t *, size_t *);
  CU(cuGetErrorName, int, const char **);
  Address x = allocate(16);
  EXPECT_EQ(launch(function("bad"), x, 0), 0) << "a launch returns before it runs";
  EXPECT_EQ(cuStreamSynchronize(stream), 700);
  size_t free = 0, total = 0;
  EXPECT_EQ(cuMemGetInfo(&free, &total), 700) << "every later call says so";
  auto *report = reinterpret_cast<const char *(*)()>(dlsym(library(), "yupana_sim_report"));
  EXPECT_NE(std::string(report()).find("kernel 'bad', line 26 `st.global.u32 [%rd1+1048576], 1`"), std::string::npos)
      << report();
  const char *name = nullptr;
  EXPECT_EQ(cuGetErrorName(700, &name), 0);
  EXPECT_STREQ(name, "CUDA_ERROR_ILLEGAL_ADDRESS");
  dead = true;
}

TEST_F(Driver, RefusesWhatADriverRefuses) {
  CU(cuLibraryLoadData, void **, const void *, int *, void **, unsigned, int *, void **, unsigned);
  CU(cuFuncSetAttribute, void *, int, int);
  CU(cuFuncGetAttribute, int *, int, void *);
  CU(cuMemFree, Address);
  CU(cuLibraryGetKernel, void **, void *, const char *);
  CU(cuMemcpyHtoDAsync, Address, const void *, size_t, void *);
  void *made = nullptr;
  auto load = [&](const char *text, char *log = nullptr, size_t bytes = 0) {
    int options[] = {5, 6};
    void *values[] = {log, reinterpret_cast<void *>(bytes)};
    return cuLibraryLoadData(&made, text, options, values, log ? 2 : 0, nullptr, nullptr, 0);
  };
  char log[400] = "";
  EXPECT_EQ(load("\177ELF cubin"), 209);
  EXPECT_EQ(load("neither"), 200);
  EXPECT_EQ(load(".version 8.0\n.target sm_100a\n.address_size 64\n"), 209);
  EXPECT_EQ(load(".version 8.0\n.target sm_80a\n.address_size 64\n"), 209);
  EXPECT_EQ(load(".version 9.1\n.target sm_80\n.address_size 64\n"), 222);
  EXPECT_EQ(load(".version 8.0\n.target sm_80\n.visible .entry k() { broken broken; }", log, sizeof log), 801);
  EXPECT_NE(std::string(log).find("broken"), std::string::npos) << log;
  void *kernel = nullptr;
  EXPECT_EQ(cuLibraryGetKernel(&kernel, code, "absent"), 500);
  Address x = allocate(16);
  EXPECT_EQ(launch(add, x, 1, 1, 2048), 1);
  EXPECT_EQ(launch(add, x, 1, 1, 32, 60000), 1) << "more shared memory than it was told";
  EXPECT_EQ(cuFuncSetAttribute(add, 8, 60000), 0);
  EXPECT_EQ(launch(add, x, 0, 1, 32, 60000), 0);
  EXPECT_EQ(cuFuncSetAttribute(add, 8, 1 << 20), 1);
  int value = 0;
  EXPECT_EQ(cuFuncGetAttribute(&value, 8, add), 0);
  EXPECT_EQ(value, 60000);
  EXPECT_EQ(cuFuncGetAttribute(&value, 0, add), 0);
  EXPECT_EQ(value, 1024);
  EXPECT_EQ(cuMemFree(x + 4), 1);
  EXPECT_EQ(cuMemcpyHtoDAsync(x, log, 17, stream), 1);
  release(x);
}

TEST_F(Driver, FailuresOnDemand) {
  auto *calls = reinterpret_cast<unsigned long long (*)()>(dlsym(library(), "yupana_sim_calls"));
  auto *fail = reinterpret_cast<void (*)(unsigned long long, int)>(dlsym(library(), "yupana_sim_fail"));
  CU(cuMemGetInfo, size_t *, size_t *);
  size_t free = 0, total = 0;
  unsigned long long before = calls();
  fail(2, 2);
  EXPECT_EQ(cuMemGetInfo(&free, &total), 0);
  EXPECT_EQ(cuMemGetInfo(&free, &total), 0);
  EXPECT_EQ(cuMemGetInfo(&free, &total), 2);
  EXPECT_EQ(cuMemGetInfo(&free, &total), 0);
  EXPECT_EQ(calls(), before + 4);
}

TEST_F(Driver, TwoThreads) {
  auto work = [&](uint32_t value) {
    CU(cuCtxPushCurrent, void *);
    CU(cuCtxPopCurrent, void **);
    CU(cuMemAlloc, Address *, size_t);
    CU(cuMemFree, Address);
    CU(cuMemcpyHtoD, Address, const void *, size_t);
    CU(cuMemcpyDtoH, void *, Address, size_t);
    EXPECT_EQ(cuCtxPushCurrent(context), 0);
    for (int i = 0; i < 20; ++i) {
      Address x = 0;
      uint32_t in = value + static_cast<uint32_t>(i), out = 0;
      EXPECT_EQ(cuMemAlloc(&x, 4), 0);
      EXPECT_EQ(cuMemcpyHtoD(x, &in, 4), 0);
      EXPECT_EQ(cuMemcpyDtoH(&out, x, 4), 0);
      EXPECT_EQ(out, in);
      EXPECT_EQ(cuMemFree(x), 0);
    }
    EXPECT_EQ(cuCtxPopCurrent(nullptr), 0);
  };
  std::thread other(work, 1000);
  work(1);
  other.join();
  CU(cuMemAlloc, Address *, size_t);
  int result = 0;
  std::thread([&] {
    Address x = 0;
    result = cuMemAlloc(&x, 4);
  }).join();
  EXPECT_EQ(result, 201) << "a thread without a context";
}

} // namespace
