// SPDX-License-Identifier: Apache-2.0
//
// What the runtime asks of a device, told by one that keeps its inputs and results apart from the host: kernels see the
// inputs that were sent and nothing else, and the host sees the results that were read back.

#include "test/runtime/step_support.h"

#include "runtime/device/devices.h"
#include "runtime/exec/context.h"

namespace yupana::test {
namespace {

using runtime::Allocator;
using runtime::Device;
using runtime::DeviceKind;
using runtime::InputBlock;
using runtime::InputRange;
using runtime::kDevices;

/// Of all devices of the kind below, since a table of functions has no state.
struct Counts {
  uint64_t opened, closed, launched, sent_ranges, sent_bytes, block_bytes, logits_read, sampled_read;
} counts;
std::vector<uint8_t> staging[runtime::kStepResults];
Device *opened_device;

runtime::Code allocate_inputs(Device *device, const Allocator &host, uint64_t bytes, InputBlock *out,
                              yupana_status_t *status) {
  if (runtime::Code code = kDevices[0]->allocate_inputs(device, host, 2 * bytes, out, status))
    return code;
  out->device = out->host + bytes;
  // What nobody sends would be seen: as token ids, pages and positions it is far outside.
  memset(out->device, 0xA5, bytes);
  counts.block_bytes = bytes;
  return YUPANA_STATUS_OK;
}

void send_inputs(Device *, const InputBlock &block, uint32_t, const InputRange *ranges, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    EXPECT_TRUE(i == 0 || ranges[i].offset >= ranges[i - 1].offset + ranges[i - 1].bytes) << "ascending";
    ASSERT_LE(ranges[i].offset + ranges[i].bytes, counts.block_bytes);
    memcpy(block.device + ranges[i].offset, block.host + ranges[i].offset, ranges[i].bytes);
    counts.sent_bytes += ranges[i].bytes;
  }
  counts.sent_ranges += count;
}

runtime::Code run(Device *device, const runtime::StepSizes &sizes, const runtime::ActiveLaunch *launches,
                  uint32_t count, yupana_status_t *status) {
  counts.launched += count;
  return kDevices[0]->run(device, sizes, launches, count, status);
}

runtime::Code finish(Device *, uint32_t, runtime::StepOutput *outputs, yupana_status_t *) {
  for (uint32_t i = 0; i < runtime::kStepResults; ++i) {
    if (!outputs[i].bytes)
      continue;
    const auto *first = static_cast<const uint8_t *>(outputs[i].address);
    staging[i].assign(first, first + outputs[i].bytes);
    outputs[i].host = staging[i].data();
    ++(i == runtime::kLogits ? counts.logits_read : counts.sampled_read);
  }
  return YUPANA_STATUS_OK;
}

const DeviceKind *apart() {
  static const DeviceKind kind = [] {
    DeviceKind copy = *kDevices[0];
    copy.has_host_memory = false;
    copy.open = [](const Allocator &allocator, const runtime::DeviceOptions &options, Device **out,
                   const runtime::Report &report) {
      EXPECT_EQ(options.result_bytes[runtime::kLogits], TEST_MAX_LOGIT_ROWS * TEST_VOCAB * 4u);
      EXPECT_EQ(options.result_bytes[runtime::kSampled], TEST_MAX_LOGIT_ROWS * 4u);
      runtime::Code code = kDevices[0]->open(allocator, options, out, report);
      if (!code) {
        (*out)->kind = apart();
        ++counts.opened;
        opened_device = *out;
      }
      return code;
    };
    copy.close = [](Device *device) {
      ++counts.closed;
      EXPECT_EQ(device, opened_device);
      kDevices[0]->close(device);
    };
    copy.allocate_inputs = allocate_inputs;
    copy.send_inputs = send_inputs;
    copy.run = run;
    copy.finish = finish;
    return copy;
  }();
  return &kind;
}

class DeviceTest : public StepTest {
protected:
  DeviceTest() { counts = {}; }

  ContextOwner create(yupana_context_options_t options = {}, yupana_status_t *status = nullptr) {
    Allocator allocator;
    EXPECT_EQ(Allocator::adopt(nullptr, &allocator, status), YUPANA_STATUS_OK);
    options.size = sizeof(options);
    yupana_context_t *context = nullptr;
    runtime::create_context({apart(), 0, nullptr}, opened_.plan.get(), 0, options, allocator, &context,
                            runtime::Report("memory.yplan", status));
    return ContextOwner(context);
  }

  yupana_status_code_t step(const ContextOwner &context, const std::vector<yupana_span_t> &spans, uint32_t keep_logits,
                            yupana_step_result_t *out) {
    yupana_batch_t batch = {sizeof(batch), spans.data(), static_cast<uint32_t>(spans.size()), keep_logits};
    *out = {};
    out->size = sizeof(*out);
    return yupana_context_step(context.get(), &batch, out, nullptr);
  }
};

TEST_F(DeviceTest, StepsSeeWhatWasSent) {
  {
    yupana_context_options_t options = with_threads(2);
    options.kv_bytes = yupana_plan_kv_bytes(opened_.plan.get(), 60, 2);
    ContextOwner c = create(options);
    ASSERT_TRUE(c);
    yupana_sequence_t a = sequence(c, 1), b = sequence(c, 2);
    Tokens first = make_tokens(30, 1), second = make_tokens(30, 2);
    // Pieces of both, so that page tables grow, shrink where a chunk is freed, and change rows.
    uint32_t done = 0;
    for (uint32_t take : {1u, 7u, 3u, 11u, 8u}) {
      Tokens x = slice(first, done, done + take), y = slice(second, done, done + take);
      bool swap = take % 2 != 0;
      Step both(c.get(), swap ? std::vector{span(b, y), span(a, x)} : std::vector{span(a, x), span(b, y)});
      std::vector<float> expected = expected_range(swap ? second : first, done, done + take);
      std::vector<float> rest = expected_range(swap ? first : second, done, done + take);
      expected.insert(expected.end(), rest.begin(), rest.end());
      EXPECT_EQ(both.logits, expected) << take;
      done += take;
    }
    yupana_sequence_release(c.get(), a, nullptr);
    Step alone(c.get(), {span(sequence(c, 3), slice(second, 0, 2))});
    EXPECT_EQ(alone.logits, expected_range(second, 0, 2));
    EXPECT_EQ(counts.logits_read, 6u);
    EXPECT_GT(counts.launched, 0u);
  }
  EXPECT_EQ(counts.opened, 1u);
  EXPECT_EQ(counts.closed, 1u);
}

// A decode step sends a few entries, however large the compiled maxima are.
TEST_F(DeviceTest, OnlyUsedInputsAreSent) {
  ContextOwner c = create();
  ASSERT_TRUE(c);
  Tokens tokens = make_tokens(1);
  yupana_step_result_t result;
  ASSERT_EQ(step(c, {span(sequence(c), tokens, YUPANA_ROWS_LAST)}, 0, &result), YUPANA_STATUS_OK);
  // A page of both groups; of T, S and R there is one, of starts there are two.
  EXPECT_EQ(counts.sent_bytes, 2 * 4 + (3 + 2 + 1 + 8) * 4 + 2 * 8u);
  EXPECT_EQ(counts.sent_ranges, 2 + 15u);
  EXPECT_LT(counts.sent_bytes, counts.block_bytes / 8);
}

TEST_F(DeviceTest, LogitsStayWhereNobodyWantsThem) {
  ContextOwner c = create();
  ASSERT_TRUE(c);
  yupana_sequence_t s = sequence(c);
  Tokens tokens = make_tokens(3);
  yupana_span_t sampling = span(s, tokens, YUPANA_ROWS_LAST);
  sampling.sample = 1;
  yupana_step_result_t result;
  ASSERT_EQ(step(c, {sampling}, 1, &result), YUPANA_STATUS_OK);
  EXPECT_EQ(result.rows, 1u);
  EXPECT_EQ(result.logits, nullptr);
  ASSERT_NE(result.sampled, nullptr);
  EXPECT_EQ(result.sampled[0], TEST_VOCAB - 1);
  EXPECT_EQ(counts.logits_read, 0u);
  EXPECT_EQ(counts.sampled_read, 1u);

  ASSERT_EQ(step(c, {span(s, tokens, YUPANA_ROWS_NONE)}, 0, &result), YUPANA_STATUS_OK);
  EXPECT_EQ(counts.logits_read, 0u) << "no rows were asked for";
  ASSERT_EQ(step(c, {sampling}, 0, &result), YUPANA_STATUS_OK);
  EXPECT_NE(result.logits, nullptr);
  EXPECT_EQ(counts.logits_read, 1u);
  EXPECT_EQ(counts.sampled_read, 2u);
  EXPECT_EQ(step(c, {sampling}, 2, &result), YUPANA_STATUS_INVALID_ARGUMENT);
}

// The processor answers with the kernels' own memory, and keep_logits holds there too.
TEST_F(DeviceTest, TheProcessorCopiesNothing) {
  ContextOwner c = context();
  Tokens tokens = make_tokens(2);
  yupana_sequence_t s = sequence(c);
  yupana_step_result_t result;
  ASSERT_EQ(step(c, {span(s, tokens)}, 0, &result), YUPANA_STATUS_OK);
  EXPECT_EQ(result.logits, c->buffer_address(c->target().logits()));
  ASSERT_EQ(step(c, {span(s, tokens)}, 1, &result), YUPANA_STATUS_OK);
  EXPECT_EQ(result.logits, nullptr);
  EXPECT_EQ(result.rows, 2u);
}

TEST_F(DeviceTest, MappedWeightsNeedTheHostsMemory) {
  yupana_context_options_t options = {};
  options.map_weights = 1;
  yupana_status_t status;
  EXPECT_FALSE(create(options, &status));
  EXPECT_EQ(status.code, YUPANA_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(counts.closed, 1u);
}

TEST_F(DeviceTest, FailureOfADeviceIsReported) {
  DeviceKind broken = *kDevices[0];
  broken.run = [](Device *, const runtime::StepSizes &, const runtime::ActiveLaunch *, uint32_t,
                  yupana_status_t *status) {
    return runtime::fail(status, YUPANA_STATUS_INTERNAL, "the device is lost");
  };
  ContextOwner c = context();
  const DeviceKind *whole = c->device->kind;
  c->device->kind = &broken;
  Tokens tokens = make_tokens(2);
  yupana_step_result_t result;
  EXPECT_EQ(step(c, {span(sequence(c), tokens)}, 0, &result), YUPANA_STATUS_INTERNAL);
  c->device->kind = whole;
}

} // namespace
} // namespace yupana::test
