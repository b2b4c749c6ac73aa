// SPDX-License-Identifier: Apache-2.0
//
// Refits whatever plan from whatever checkpoint. The end is a plan that verifies, or an error that is the input's fault
// and no file. The mutator changes one thing at a time and gives the plan digests that are right, so that mutations
// reach what lies behind the reader: metadata by its bytes or by its fields, numbers and bytes of both JSON texts.

#include "test/compiler/Driver/RefitInput.h"

#include "runtime/plan/structure.h"

#include <cctype>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <sys/resource.h>
#include <unistd.h>

extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t maxSize);

using namespace yupana;
using namespace yupana::test;

namespace {

constexpr uint32_t mostDataBytes = 1 << 20;
/// Of any file; a plan may say that its weights take more, which then end as on a full disk.
constexpr rlim_t mostFileBytes = rlim_t{64} << 20;

void require(bool condition, const std::string &what) {
  if (condition)
    return;
  std::fprintf(stderr, "%s\n", what.c_str());
  std::abort();
}

/// Files of one run, in memory where the system has a folder for that: every plan is brought to the disk.
struct Folder {
  Folder() {
    std::string memory = "/dev/shm";
    std::string parent = access(memory.c_str(), W_OK) == 0 ? memory : std::filesystem::temp_directory_path().string();
    std::string pattern = parent + "/yupana-refit-XXXXXX";
    require(mkdtemp(pattern.data()), "no folder for files");
    path = pattern;
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit limit = {mostFileBytes, mostFileBytes};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::filesystem::path path;
};

const Folder &folder() {
  static const Folder only;
  return only;
}

/// Another number where one stands, which keeps JSON what it is.
void changeNumber(std::string &text, std::mt19937 &random) {
  std::vector<std::pair<size_t, size_t>> numbers;
  for (size_t at = 0; at < text.size(); ++at) {
    size_t begin = at;
    while (at < text.size() && std::isdigit(static_cast<unsigned char>(text[at])))
      ++at;
    if (at > begin)
      numbers.emplace_back(begin, at - begin);
  }
  if (numbers.empty())
    return;
  auto [begin, length] = numbers[random() % numbers.size()];
  uint64_t number = std::strtoull(text.c_str() + begin, nullptr, 10);
  uint64_t others[] = {0, 1, number + 1, number - 1, number * 2, number / 2, random() % 100, random(), UINT64_MAX};
  text.replace(begin, length, std::to_string(others[random() % std::size(others)]));
}

template <typename Bytes> void changeBytes(Bytes &bytes) {
  size_t size = bytes.size();
  bytes.resize(size + 64);
  bytes.resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t *>(bytes.data()), size, bytes.size()));
  if (bytes.empty())
    bytes.resize(1);
}

void changeText(std::string &text, std::mt19937 &random) {
  if (random() % 4 == 0)
    changeBytes(text);
  else
    changeNumber(text, random);
}

/// Changes fields of metadata that can be read; whatever else it says stays as it is.
void changeFields(std::vector<uint8_t> &metadata, std::mt19937 &random) {
  if (!runtime::check_structure(metadata.data(), metadata.size(), runtime::Report("", nullptr)))
    return changeBytes(metadata);
  std::unique_ptr<schema::PlanT> plan(schema::GetPlan(metadata.data())->UnPack());
  auto hasNothing = [](const auto &weight) {
    return !weight || weight->shape.empty() ||
           llvm::any_of(weight->parts, [](const auto &part) { return !part || part->tensors.empty(); });
  };
  if (plan->weights.empty() || llvm::any_of(plan->weights, hasNothing))
    return changeBytes(metadata);
  PlanChange(static_cast<unsigned>(random())).apply(*plan);
  if (auto packed = packMetadata(*plan))
    metadata = std::move(*packed);
}

} // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t maxSize, unsigned seed) {
  std::mt19937 random(seed);
  std::optional<RefitInput> input = RefitInput::read(data, size);
  if (!input)
    return LLVMFuzzerMutate(data, size, maxSize);
  switch (random() % 16) {
  case 0:
    input->sameDigests = !input->sameDigests;
    break;
  case 1:
    changeBytes(input->sections[random() % input->sections.size()].bytes);
    break;
  case 2:
  case 3:
  case 4:
    changeText(input->config, random);
    break;
  case 5:
  case 6:
  case 7:
    changeText(input->header, random);
    break;
  case 8:
  case 9:
  case 10:
    changeBytes(input->sections.front().bytes);
    break;
  default:
    changeFields(input->sections.front().bytes, random);
  }
  std::vector<uint8_t> bytes = input->write();
  if (bytes.size() > maxSize)
    return size;
  std::copy(bytes.begin(), bytes.end(), data);
  return bytes.size();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::optional<RefitInput> input = RefitInput::read(data, size);
  if (!input || input->dataBytes > mostDataBytes)
    return -1;
  Result<RefitOptions> options = input->place(folder().path);
  require(options.ok(), "the plan cannot be written");
  auto refitted = refit(*options);
  yupana_status_t status = {};
  if (refitted) {
    PlanPointer plan = openPlan(options->output, status);
    require(plan && yupana_plan_verify(plan.get(), nullptr, &status) == YUPANA_STATUS_OK, status.message);
    require(yupana_plan_missing_weights(plan.get()) == 0, "a refitted plan lacks weights");
    std::filesystem::remove(options->output);
    return 0;
  }
  require(refitted.error().code != ExitCode::Internal && !refitted.error().message.empty(), refitted.error().message);
  require(!std::filesystem::exists(options->output), "a failed refit left a file: " + refitted.error().message);
  return 0;
}
