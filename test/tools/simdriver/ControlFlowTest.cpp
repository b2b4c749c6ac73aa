// SPDX-License-Identifier: Apache-2.0
//
// Branches of lanes, loops of different length, and what text the parser refuses.
#include "test/tools/simdriver/Kernels.h"

#include <gtest/gtest.h>

using namespace yupana::ptx;
using Words = std::vector<uint32_t>;

TEST(ControlFlow, Paths) {
  // Both sides of a branch inside both sides of another, in every order that a seed draws.
  std::string code = R"(
  setp.lt.u32 %p1, %ra, 2;
  @%p1 bra LOW;
  setp.eq.u32 %p2, %ra, 2;
  @%p2 bra TWO;
  mov.b32 %ro, 30;
  bra JOINED;
TWO:
  mov.b32 %ro, 20;
JOINED:
  add.s32 %ro, %ro, 1;
  bra DONE;
LOW:
  mov.b32 %ro, 10;
DONE:
  add.s32 %ro, %ro, 100;)";
  EXPECT_EQ(evaluate(code, {0, 1, 2, 3, 2, 0}), (Words{110, 110, 121, 131, 121, 110}));
}

TEST(ControlFlow, LoopsOfDifferentLength) {
  std::string code = R"(
  mov.b32 %ro, 0;
  mov.b32 %r1, 0;
LOOP:
  setp.ge.u32 %p1, %r1, %ra;
  @%p1 bra DONE;
  add.s32 %ro, %ro, %r1;
  add.s32 %r1, %r1, 1;
  bra.uni LOOP;
DONE:
  activemask.b32 %r2;
  popc.b32 %r3, %r2;
  mad.lo.s32 %ro, %r3, 1000, %ro;)";
  // All eight lanes are together again behind the loop.
  EXPECT_EQ(evaluate(code, {0, 1, 2, 3, 4, 5, 10, 100}), (Words{8000, 8000, 8001, 8003, 8006, 8010, 8045, 12950}));
}

TEST(ControlFlow, EndsOfSomeLanes) {
  std::string text = kernelText(1, R"(
  setp.gt.u32 %p1, %r60, 3;
  @%p1 ret;
  mul.wide.u32 %rd2, %r60, 4;
  add.s64 %rd3, %rd1, %rd2;
  activemask.b32 %r1;
  st.global.b32 [%rd3], %r1;)");
  Outcome run = runKernel(text, 1, 32, 0, 6);
  EXPECT_FALSE(run.report) << run.report.message;
  EXPECT_EQ(run.out, (Words{15, 15, 15, 15, 0, 0}));
}

TEST(ControlFlow, IndexedBranches) {
  std::string code = R"(
  TABLE: .branchtargets ONE, TWO, ONE;
  brx.idx %ra, TABLE;
ONE:
  mov.b32 %ro, 1;
  bra DONE;
TWO:
  mov.b32 %ro, 2;
DONE:
  add.s32 %ro, %ro, 4;)";
  EXPECT_EQ(evaluate(code, {0, 1, 2, 1}), (Words{5, 6, 5, 6}));
}

TEST(ControlFlow, ScopesOfInlineAssembly) {
  std::string code = R"(
  { .reg .pred p; .reg .b32 t; setp.eq.s32 p, %ra, 1; selp.b32 t, 5, 6, p; mov.b32 %ro, t; }
  { .reg .pred p; setp.eq.s32 p, %ra, 2; @p bra SKIP; add.s32 %ro, %ro, 10; SKIP: }
  { .reg .pred p; setp.eq.s32 p, %ra, 1; @p bra SKIP; add.s32 %ro, %ro, 100; SKIP: })";
  EXPECT_EQ(evaluate(code, {1, 2, 3}), (Words{15, 106, 116}));
}

TEST(ControlFlow, Trap) {
  Outcome run = runKernel(kernelText(1, "  setp.eq.s32 %p1, %r60, 7;\n  @%p1 trap;"), 1, 32, 0, 1);
  EXPECT_EQ(run.report.fault, Fault::Trap);
}

TEST(ControlFlow, UnknownTextIsNamed) {
  Module module;
  Report report = module.parse(kernelText(1, "  frobnicate.b32 %r1, %r2;"));
  EXPECT_EQ(report.fault, Fault::Unsupported);
  EXPECT_NE(report.message.find("line 18 `frobnicate.b32 %r1, %r2`"), std::string::npos) << report.message;
  report = module.parse(kernelText(1, "  add.s32 %r1, %r2, %nowhere;"));
  EXPECT_NE(report.message.find("%nowhere"), std::string::npos) << report.message;
  report = module.parse(kernelText(1, "  bra NOWHERE;"));
  EXPECT_NE(report.message.find("NOWHERE"), std::string::npos) << report.message;
  report = module.parse(".version 8.0\n.target sm_80\nnonsense");
  EXPECT_EQ(report.fault, Fault::Syntax);
  EXPECT_EQ(module.parse(".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k(").fault, Fault::Syntax);
  for (const char *number : {"1.5", "08", "0x", "99999999999999999999", "1f3f800000"}) {
    report = module.parse(kernelText(1, std::string("  add.s32 %r1, %r2, ") + number + ";"));
    EXPECT_EQ(report.fault, Fault::Syntax) << number;
    EXPECT_NE(report.message.find("is no number that is known"), std::string::npos) << report.message;
  }
}

/// Before memory is asked for.
TEST(ControlFlow, TextBeyondItsLimitsIsRefused) {
  std::string operand = "%r2", scopes;
  for (int i = 0; i < 100000; ++i)
    operand.insert(operand.begin(), '!'), scopes += '{';
  Module module;
  for (const std::string &body :
       {"  add.s32 %r1, %r2, " + operand + ";", scopes, std::string("  .reg .b32 x<5000000000>;"),
        std::string("  .local .b8 x[2000000000];"), std::string("  .local .v4 .b32 x;")})
    EXPECT_EQ(module.parse(kernelText(1, body)).fault, Fault::Unsupported) << body.substr(0, 60);
  EXPECT_EQ(module.parse(kernelText(1, "  .shared .align 3 .b8 x[8];")).fault, Fault::Syntax);
  EXPECT_EQ(module.parse(kernelText(1, "  .shared .align 0 .b8 x[8];")).fault, Fault::Syntax);
}
