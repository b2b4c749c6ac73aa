// SPDX-License-Identifier: Apache-2.0
//
// The library's face: modules, memory, launches. Failures are thrown inside and become reports here, so that a user of
// the library sees no exception. Options come from the environment, since programs that load the stand-in as a driver
// have no other way to set them; README.md in this folder lists them.

#include "tools/simdriver/Machine.h"

#include <cstdlib>
#include <cstring>
#include <fmt/format.h>

using namespace yupana;
using namespace yupana::ptx;

void Statistics::add(const Statistics &other) {
  warpInstructions += other.warpInstructions;
  laneInstructions += other.laneInstructions;
  matrixInstructions += other.matrixInstructions;
  blocks += other.blocks;
}

/// A decimal number, perhaps with K, M or G (powers of 1024). An unset or empty variable leaves the default.
static void readVariable(const char *name, uint64_t &value) {
  const char *text = getenv(name);
  if (!text || !*text)
    return;
  char *end = nullptr;
  uint64_t number = strtoull(text, &end, 10);
  switch (*end) {
  case 'K':
    number <<= 10;
    break;
  case 'M':
    number <<= 20;
    break;
  case 'G':
    number <<= 30;
    break;
  default:
    break;
  }
  value = number;
}

Options Options::fromEnvironment() {
  Options options;
  uint64_t races = options.races, undefined = options.undefined, workers = options.workers;
  uint64_t processors = options.multiprocessors, capability = options.capability;
  readVariable("YUPANA_SIM_SEED", options.seed);
  readVariable("YUPANA_SIM_RACES", races);
  readVariable("YUPANA_SIM_UNDEFINED", undefined);
  readVariable("YUPANA_SIM_WORKERS", workers);
  readVariable("YUPANA_SIM_SMS", processors);
  readVariable("YUPANA_SIM_MEMORY", options.memory);
  readVariable("YUPANA_SIM_CAPABILITY", capability);
  readVariable("YUPANA_SIM_PATIENCE", options.patience);
  options.races = races != 0, options.undefined = undefined != 0;
  // Fewer than one of either could run nothing.
  options.workers = static_cast<unsigned>(std::max<uint64_t>(1, workers));
  options.multiprocessors = static_cast<unsigned>(std::max<uint64_t>(1, processors));
  options.capability = static_cast<unsigned>(capability);
  return options;
}

//===----------------------------------------------------------------------===//
// Modules
//===----------------------------------------------------------------------===//

/// Decodes every kernel at once, so that an opcode that is not known shows when the module is loaded and not in a
/// launch.
Report Module::parse(std::string_view text) {
  programs.clear();
  try {
    ModuleText module = parseModule(text);
    // Variables of the module lie in one piece of memory, whose address each device chooses when it first runs a
    // kernel.
    VariablePlaces places;
    auto data = layOut(module, places);
    for (const EntryText &entry : module.entries)
      programs.push_back(std::make_shared<Program>(decode(module, entry, data, places)));
    targetNumber = module.target, exactTarget = module.exact, versionNumber = module.version;
    return {};
  } catch (Failure &failure) {
    programs.clear();
    return failure.report;
  }
}

std::vector<std::string> Module::kernels() const {
  std::vector<std::string> names;
  for (const auto &program : programs)
    names.push_back(program->name);
  return names;
}

std::shared_ptr<const Program> Module::find(std::string_view kernel) const {
  for (const auto &program : programs)
    if (program->name == kernel)
      return program;
  return nullptr;
}

const KernelInfo *Module::info(std::string_view kernel) const {
  auto program = find(kernel);
  return program ? &program->info : nullptr;
}

//===----------------------------------------------------------------------===//
// Devices
//===----------------------------------------------------------------------===//

struct Device::State {
  explicit State(const Options &options) : options(options), memory(options.memory) {}
  // A copy that callers may change between launches: options() gives a reference.
  Options options;
  Memory memory;
  Launch launch; ///< Used again, with the memory that its checks hold.
  std::map<std::shared_ptr<const ModuleData>, uint64_t> modules;

  /// Where the variables of a module lie on this device; 0 without any, and when memory is full.
  uint64_t place(const std::shared_ptr<const ModuleData> &data) {
    if (!data || data->initial.empty())
      return 0;
    // Once for all launches: variables keep their values between kernels of a module.
    uint64_t &address = modules[data];
    if (!address && (address = memory.allocate(data->initial.size()))) {
      memcpy(memory.host(address), data->initial.data(), data->initial.size());
      memset(memory.defined(address), 0xff, data->initial.size());
    }
    return address;
  }
};

Device::Device(const Options &options) : state(std::make_unique<State>(options)) {}
Device::~Device() = default;
const Options &Device::options() const { return state->options; }
Options &Device::options() { return state->options; }
uint64_t Device::allocate(size_t bytes) { return state->memory.allocate(bytes); }
bool Device::release(uint64_t address) { return state->memory.release(address); }
size_t Device::allocated() const { return state->memory.allocated(); }
size_t Device::allocations() const { return state->memory.count(); }
bool Device::contains(uint64_t address, size_t bytes) const {
  return state->memory.find(address).holds(address, bytes);
}

std::pair<uint64_t, size_t> Device::range(uint64_t address) const {
  Range range = state->memory.find(address);
  // A range that holds nothing begins behind its end.
  return range.begin > range.end ? std::pair<uint64_t, size_t>{0, 0}
                                 : std::pair<uint64_t, size_t>{range.begin, range.end - range.begin};
}

bool Device::write(uint64_t address, const void *data, size_t bytes) {
  if (bytes == 0)
    return true;
  // One allocation must hold the range: what lies between two belongs to nobody.
  if (!contains(address, bytes))
    return false;
  memcpy(state->memory.host(address), data, bytes);
  // What the host writes is defined, whatever the host's bytes are.
  memset(state->memory.defined(address), 0xff, bytes);
  return true;
}

bool Device::read(void *data, uint64_t address, size_t bytes, bool evenUndefined) {
  if (bytes == 0)
    return true;
  if (!contains(address, bytes))
    return false;
  memcpy(data, state->memory.host(address), bytes);
  // The bytes are there even where the answer is false for what was never written.
  if (!state->options.undefined || evenUndefined)
    return true;
  const uint8_t *written = state->memory.defined(address);
  for (size_t i = 0; i < bytes; ++i)
    if (written[i] != 0xff)
      return false;
  return true;
}

bool Device::fill(uint64_t address, const void *pattern, size_t patternBytes, size_t count) {
  if (count == 0)
    return true;
  if (count > SIZE_MAX / patternBytes || !contains(address, patternBytes * count))
    return false;
  for (size_t i = 0; i < count; ++i)
    memcpy(state->memory.host(address) + i * patternBytes, pattern, patternBytes);
  memset(state->memory.defined(address), 0xff, patternBytes * count);
  return true;
}

bool Device::copy(uint64_t to, uint64_t from, size_t bytes) {
  if (bytes == 0)
    return true;
  // The check of both ranges comes first: a wrong copy changes nothing.
  if (!contains(to, bytes) || !contains(from, bytes))
    return false;
  memmove(state->memory.host(to), state->memory.host(from), bytes);
  // What was never written stays so in the copy.
  memmove(state->memory.defined(to), state->memory.defined(from), bytes);
  return true;
}

Report Device::launch(const Module &module, std::string_view kernel, const LaunchShape &shape,
                      const std::vector<uint64_t> &arguments, Statistics *statistics) {
  auto program = module.find(kernel);
  if (!program)
    return {Fault::Launch, fmt::format("there is no kernel '{}'", kernel)};
  const KernelInfo &info = program->info;
  if (arguments.size() != info.parameterBytes.size())
    return {Fault::Launch, fmt::format("kernel '{}' has {} parameters; {} arguments are given", kernel,
                                       info.parameterBytes.size(), arguments.size())};
  std::vector<uint8_t> parameters(program->parameterBytes);
  // Arguments are little-endian numbers of at most 8 bytes; wider parameters are filled up with zeros.
  for (size_t i = 0; i < arguments.size(); ++i)
    memcpy(parameters.data() + info.parameterOffsets[i], &arguments[i], std::min<size_t>(8, info.parameterBytes[i]));
  return launch(*program, shape, parameters, statistics);
}

/// Of one block, by capability, as the CUDA programming guide lists it.
uint32_t yupana::ptx::mostSharedBytes(unsigned capability) {
  switch (capability) {
  case 80:
  case 87:
    return 163 << 10;
  case 86:
  case 89:
  case 120:
  case 121:
    return 99 << 10;
  default:
    return 227 << 10;
  }
}

Report Device::launch(const Program &program, const LaunchShape &shape, const std::vector<uint8_t> &parameters,
                      Statistics *statistics) {
  Launch &launch = state->launch;
  launch.dependents.begin(launch.former, launch.shadow, shape.dependent && state->options.races && launch.former);
  launch.former = state->options.races ? program.weak_from_this().lock() : nullptr;
  launch.program = &program;
  launch.memory = &state->memory;
  launch.options = &state->options;
  launch.shape = shape;
  launch.parameters = parameters;
  launch.parameters.resize(program.parameterBytes + 8);
  // Static shared memory ends where the dynamic one begins.
  launch.sharedBytes = program.dynamicShared - sharedBase + shape.sharedBytes;
  uint32_t most = mostSharedBytes(state->options.capability);
  if (launch.sharedBytes > most || shape.threads == 0 || shape.threads > std::min(1024u, program.info.maxThreads) ||
      shape.grid == 0 || shape.gridY == 0 || shape.gridZ == 0)
    return {Fault::Launch,
            fmt::format("kernel '{}' with {} blocks of {} threads and {} bytes of shared memory; it takes "
                        "up to {} threads, the device up to {} bytes",
                        program.name, shape.grid, shape.threads, launch.sharedBytes, program.info.maxThreads, most)};
  launch.isExplicitCluster = program.info.cluster[0] || shape.cluster[0];
  if (Report fault = resolveCluster(program.info, state->options.capability, launch.shape)) {
    fault.message = fmt::format("kernel '{}': {}", program.name, fault.message);
    return fault;
  }
  const auto &extents = launch.shape.cluster;
  launch.clusterSize = extents[0] * extents[1] * extents[2];
  launch.clusters = shape.grid / extents[0] * (shape.gridY / extents[1]) * (shape.gridZ / extents[2]);
  launch.races = state->options.races;
  launch.undefined = state->options.undefined;
  launch.moduleData = state->place(program.data);
  launch.events = 0;
  // A launch before this one may have failed half way.
  launch.failed = false;
  launch.syncs.clear();
  // What the checks know ends with a launch: the end of a kernel orders everything before the next.
  if (launch.races)
    launch.shadow.reset(Memory::base, state->memory.size(), program.grain, launch.slots(), launch.clusters);
  Statistics own;
  try {
    runLaunch(launch, own);
  } catch (Failure &failure) {
    return failure.report;
  }
  // Of launches that succeeded alone.
  if (statistics)
    statistics->add(own);
  return {};
}
