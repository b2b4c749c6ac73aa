// SPDX-License-Identifier: Apache-2.0
//
// Runs the clusters of a launch, which mostly are one block each. Warps of a cluster take turns in an order and for a
// time that the seed draws; clusters that may wait for each other take turns, too, as many as the device would hold at
// once, others run one after the other. With race checking one thread does all, without it each worker takes clusters
// of its own.
#include "tools/simdriver/Machine.h"

#include <fmt/format.h>
#include <mutex>
#include <thread>

using namespace yupana;
using namespace yupana::ptx;

namespace {

/// Takes up the path below when this one has come to where they meet: lanes that parted go on together from the
/// immediate post-dominator of their branch.
void meet(Warp &warp) {
  while (warp.pc == warp.reconverge && !warp.paths.empty()) {
    Path path = warp.paths.back();
    warp.paths.pop_back();
    if (!path.lanes)
      continue;
    warp.pc = path.pc, warp.reconverge = path.reconverge, warp.active = path.lanes;
  }
}

/// A guard that is undefined makes the result undefined; of an instruction with effects it is an error.
void undefinedGuard(Warp &warp, const Inst &inst, uint32_t lanes) {
  if (!inst.flows)
    fail(warp, Fault::Undefined,
         fmt::format("the predicate of lane {} comes from a value that was never written, or that nobody waited for",
                     __builtin_ctz(lanes)));
  warp.undefinedAt(inst.d) |= lanes;
}

/// The loop that runs instructions; `Checked` follows undefined values, too.
template <bool Checked> void run(Warp &warp, uint32_t budget) {
  const Program &program = programOf(warp);
  const Inst *code = program.code.data();
  warp.stop = Stop::None;
  uint64_t laneInstructions = 0;
  uint32_t left = budget;
  for (; left && warp.stop == Stop::None; --left) {
    if (warp.pc == warp.reconverge)
      meet(warp);
    const Inst &inst = code[warp.pc++];
    uint32_t lanes = warp.active, open = 0;
    currentInst = &inst;
    if (inst.guard != zeroRegister) {
      uint32_t guard = *warp.at<uint32_t>(inst.guard);
      lanes &= inst.guardNegated ? ~guard : guard;
      if (Checked)
        open = warp.undefinedAt(inst.guard) & warp.active;
    }
    laneInstructions += static_cast<uint32_t>(__builtin_popcount(lanes));
    if (Checked && open)
      undefinedGuard(warp, inst, open);
    if (!lanes)
      continue;
    if (Checked && inst.flows) {
      uint32_t undefined = warp.undefinedAt(inst.a) | warp.undefinedAt(inst.b) | warp.undefinedAt(inst.c);
      uint32_t &mask = warp.undefinedAt(inst.d);
      mask = (mask & ~lanes) | (undefined & lanes) | open;
      if (program.usesWarpgroups)
        warp.writtenAtFence[inst.d >> 6] = warp.matrixFences;
    }
    inst.action(warp, inst, lanes);
  }
  warp.instructions += budget - left;
  warp.laneInstructions += laneInstructions;
}

/// Everything a launch needs once for each cluster that is resident at a time.
class Worker {
public:
  Worker(Launch &launch, std::atomic<uint32_t> &next, uint32_t resident)
      : launch(launch), next(next), mostResident(resident), random(launch.options->seed * 0x9e3779b97f4a7c15u + 1) {}

  void work();
  Statistics statistics;

private:
  bool takeCluster();
  void prepare(Cluster &cluster);
  void fillConstants(Warp &warp);
  void begin(Cluster &cluster, uint32_t index);
  void beginBlock(Cluster &cluster, Block &block);
  void beginWarp(Warp &warp);
  void setClusterRegisters(Warp &warp);
  bool turn(Cluster &cluster);
  void finish(size_t place);
  void watch(Cluster &cluster, uint64_t executed);
  [[noreturn]] void reportHang(const std::string &why);

  Launch &launch;
  std::atomic<uint32_t> &next;
  uint32_t mostResident;
  std::mt19937_64 random;
  std::vector<std::unique_ptr<Cluster>> resident, idle;
  std::vector<uint32_t> initialUndefined;
  uint64_t quiet = 0, seenEvents = 0;
};

/// The same special register for all lanes.
void setSpecial(Warp &warp, Special special, uint32_t value) {
  forLanes(~0u, [to = warp.at<uint32_t>(offsetOf(special)), value](int lane) { to[lane] = value; });
}

void Worker::fillConstants(Warp &warp) {
  for (const Constant &constant : launch.program->constants) {
    uint64_t value = constant.value;
    if (constant.base == Constant::Module)
      value += launch.moduleData;
    else if (constant.base == Constant::Block)
      value += uint64_t{warp.block->rank} * blockWindow;
    for (int lane = 0; lane < 32; ++lane) {
      if (constant.bytes == 8)
        warp.at<uint64_t>(constant.offset)[lane] = value;
      else if (constant.bytes == 4)
        warp.at<uint32_t>(constant.offset)[lane] = static_cast<uint32_t>(value);
      else if (constant.bytes == 2)
        warp.at<uint16_t>(constant.offset)[lane] = static_cast<uint16_t>(value);
    }
    if (constant.bytes == 0)
      *warp.at<uint32_t>(constant.offset) = static_cast<uint32_t>(value);
  }
}

/// Memory and register files, once: constants stay in them from cluster to cluster.
void Worker::prepare(Cluster &cluster) {
  const Program &program = *launch.program;
  uint32_t bytes = (program.fileBytes + 63) & ~63u;
  cluster.launch = &launch;
  cluster.size = launch.clusterSize;
  cluster.threads = launch.shape.threads;
  cluster.warpsPerBlock = launch.warpsPerBlock();
  cluster.warpCount = cluster.size * cluster.warpsPerBlock;
  // Not filled: the host gives pages only to what is touched.
  size_t shared = size_t{cluster.size - 1} * blockWindow + launch.sharedBytes;
  cluster.shared.reset(new uint8_t[shared]), cluster.sharedDefined.reset(new uint8_t[shared]);
  cluster.blocks.resize(cluster.size);
  cluster.warps.resize(cluster.warpCount);
  cluster.ranges.resize(program.code.size());
  cluster.files.assign(size_t{bytes} * cluster.warpCount + 64, 0);
  auto *base = reinterpret_cast<uint8_t *>((reinterpret_cast<uintptr_t>(cluster.files.data()) + 63) & ~uintptr_t{63});
  for (uint32_t rank = 0; rank < cluster.size; ++rank) {
    Block &block = cluster.blocks[rank];
    block.rank = rank;
    block.shared = rank * blockWindow + sharedBase;
    block.firstWarp = rank * cluster.warpsPerBlock;
    for (uint32_t w = 0; w < cluster.warpsPerBlock; ++w) {
      Warp &warp = cluster.warps[block.firstWarp + w];
      warp.cluster = &cluster, warp.block = &block;
      warp.index = block.firstWarp + w, warp.number = w;
      warp.file = base + size_t{bytes} * warp.index;
      fillConstants(warp);
    }
  }
  if (initialUndefined.empty()) {
    initialUndefined.assign(bytes / 64, launch.undefined ? ~0u : 0);
    std::fill_n(initialUndefined.begin(), (scratchRegister + 256) / 64, 0);
    for (const Constant &constant : program.constants)
      initialUndefined[constant.offset / 64] = 0;
  }
}

void Worker::setClusterRegisters(Warp &warp) {
  const LaunchShape &shape = launch.shape;
  const Block &block = *warp.block;
  uint32_t grid[] = {shape.grid, shape.gridY, shape.gridZ}, place[] = {block.x, block.y, block.z};
  for (uint32_t i = 0; i < 3; ++i) {
    auto set = [&](Special x, uint32_t value) {
      setSpecial(warp, static_cast<Special>(static_cast<uint32_t>(x) + i), value);
    };
    set(Special::ClusterCtaidX, place[i] % shape.cluster[i]), set(Special::ClusterNctaidX, shape.cluster[i]);
    set(Special::ClusteridX, place[i] / shape.cluster[i]), set(Special::NclusteridX, grid[i] / shape.cluster[i]);
  }
  setSpecial(warp, Special::ClusterRank, block.rank);
  setSpecial(warp, Special::ClusterSize, launch.clusterSize);
  *warp.at<uint32_t>(offsetOf(Special::IsExplicitCluster)) = launch.isExplicitCluster ? ~0u : 0;
}

void Worker::beginWarp(Warp &warp) {
  const LaunchShape &shape = launch.shape;
  const Block &block = *warp.block;
  auto set = [&](Special special, uint32_t value) { setSpecial(warp, special, value); };
  for (uint32_t lane = 0; lane < 32; ++lane) {
    warp.at<uint32_t>(offsetOf(Special::TidX))[lane] = warp.number * 32 + lane;
    warp.at<uint32_t>(offsetOf(Special::Laneid))[lane] = lane;
    warp.at<uint32_t>(offsetOf(Special::LanemaskEq))[lane] = 1u << lane;
    warp.at<uint32_t>(offsetOf(Special::LanemaskLt))[lane] = (1u << lane) - 1;
    warp.at<uint32_t>(offsetOf(Special::LanemaskLe))[lane] = (2u << lane) - 1;
    warp.at<uint32_t>(offsetOf(Special::LanemaskGt))[lane] = ~((2u << lane) - 1);
    warp.at<uint32_t>(offsetOf(Special::LanemaskGe))[lane] = ~((1u << lane) - 1);
  }
  set(Special::NtidX, shape.threads), set(Special::NtidY, 1), set(Special::NtidZ, 1);
  set(Special::CtaidX, block.x), set(Special::CtaidY, block.y), set(Special::CtaidZ, block.z);
  set(Special::NctaidX, shape.grid), set(Special::NctaidY, shape.gridY), set(Special::NctaidZ, shape.gridZ);
  set(Special::Warpid, warp.number), set(Special::Nwarpid, warp.cluster->warpsPerBlock);
  set(Special::Smid, block.index % launch.options->multiprocessors),
      set(Special::Nsmid, launch.options->multiprocessors);
  set(Special::DynamicShared, shape.sharedBytes), set(Special::TotalShared, launch.sharedBytes);
  if (launch.program->readsCluster)
    setClusterRegisters(warp);
  uint32_t rest = shape.threads - warp.number * 32;
  warp.live = warp.active = rest >= 32 ? ~0u : (1u << rest) - 1;
  warp.pc = 0, warp.reconverge = -1;
  warp.triedWait = warp.atBarrier = nullptr;
  warp.stop = Stop::None;
  warp.clusterArrived = warp.clusterOwed = 0;
  warp.paths.clear();
  warp.undefined = initialUndefined;
  warp.instructions = warp.laneInstructions = warp.matrixInstructions = 0;
  for (int lane = 0; lane < 32; ++lane) {
    warp.openCopies[lane].clear();
    warp.copyGroups[lane].clear();
  }
  if (launch.program->usesWarpgroups) {
    warp.writers.assign(initialUndefined.size(), 0);
    warp.undefinedLater.assign(initialUndefined.size(), 0);
    warp.writtenAtFence.assign(initialUndefined.size(), 0);
    warp.openRegisters.clear();
    warp.pendingRegisters.clear();
    warp.committedGroups = warp.waitedGroups = warp.matrixFences = 0;
  }
  warp.local.assign(size_t{launch.program->localBytes} * 64, 0); // the second half: which bytes were written
  if (launch.races) {
    warp.knowledge = {Clock(launch.slots()), nullptr};
    warp.knowledge.own[warp.index] = 1;
    warp.fenced = warp.seen = warp.seenOfOthers = {};
    warp.hasFenced = warp.hasSeen = false;
    warp.proxyFences.clear();
    warp.knownAtProxyFence.clear();
    warp.initFence = 0;
    warp.knownInits.clear();
  }
}

void Worker::beginBlock(Cluster &cluster, Block &block) {
  block.index = launch.blockIndex(cluster.index, block.rank);
  block.x = block.index % launch.shape.grid;
  block.y = block.index / launch.shape.grid % launch.shape.gridY;
  block.z = block.index / launch.shape.grid / launch.shape.gridY;
  // NaN in every format, for what slips through the checks.
  std::fill_n(cluster.shared.get() + (block.shared - sharedBase), launch.sharedBytes, 0xff);
  std::fill_n(cluster.sharedDefined.get() + (block.shared - sharedBase), launch.sharedBytes, 0);
  block.mbarriersMade = 0;
  block.barriers = {};
  block.peerUses.clear();
  block.liveWarps = cluster.warpsPerBlock;
}

void Worker::begin(Cluster &cluster, uint32_t index) {
  if (cluster.warps.empty())
    prepare(cluster);
  cluster.index = index;
  // By the cluster and not by the worker, so that it has the same schedule with any number of workers.
  cluster.random.seed(launch.options->seed * 1000003 + index);
  cluster.mbarriers.clear();
  cluster.barrier = {};
  cluster.copies.clear();
  cluster.syncs.clear();
  cluster.epoch = 1;
  cluster.liveWarps = cluster.warpCount;
  if (launch.races)
    cluster.shadow.reset(sharedBase, launch.sharedBytes, launch.program->grain, launch.slots(), launch.clusters);
  for (Block &block : cluster.blocks)
    beginBlock(cluster, block);
  for (Warp &warp : cluster.warps)
    beginWarp(warp);
}

bool Worker::takeCluster() {
  if (next >= launch.clusters)
    return false;
  uint32_t index = next++;
  if (index >= launch.clusters)
    return false;
  // Clusters are used again, since preparing register files takes longer than most blocks run.
  if (idle.empty())
    idle.push_back(std::make_unique<Cluster>());
  begin(*idle.back(), index);
  resident.push_back(std::move(idle.back()));
  idle.pop_back();
  return true;
}

/// One turn of each warp that can run; false if none can.
bool Worker::turn(Cluster &cluster) {
  bool ran = false;
  uint64_t draw = cluster.random();
  uint32_t start = static_cast<uint32_t>(draw % cluster.warpCount);
  for (uint32_t q = 0; q < cluster.warpCount; ++q) {
    uint32_t index = start + q < cluster.warpCount ? start + q : start + q - cluster.warpCount;
    Warp &warp = cluster.warps[index];
    if (warp.stop == Stop::Ended || warp.stop == Stop::AtBarrier ||
        (warp.stop == Stop::Blocked && warp.blockedEpoch == cluster.epoch))
      continue;
    draw = draw * 6364136223846793005u + 1442695040888963407u;
    // From 32 to 4096 instructions: short turns interleave closely, long ones let a warp run far ahead of the others.
    uint32_t budget = 32u << (draw >> 61);
    uint64_t before = warp.instructions;
    runWarp(warp, budget);
    watch(cluster, warp.instructions - before);
    ran = true;
    if (warp.stop == Stop::Ended) {
      --cluster.liveWarps;
      happen(cluster);
      if (--warp.block->liveWarps)
        leaveBarriers(cluster, *warp.block);
      else
        endBlock(warp);
    }
  }
  // Copies end when the draw says so, and at the latest when nobody can go on without.
  if (!cluster.copies.empty() && cluster.liveWarps && (!ran || cluster.random() % 2)) {
    finishOneCopy(cluster);
    ran = true;
  }
  return ran;
}

void Worker::finish(size_t place) {
  for (const Warp &warp : resident[place]->warps) {
    statistics.warpInstructions += warp.instructions;
    statistics.laneInstructions += warp.laneInstructions;
    statistics.matrixInstructions += warp.matrixInstructions;
  }
  statistics.blocks += launch.clusterSize;
  idle.push_back(std::move(resident[place]));
  resident.erase(resident.begin() + static_cast<std::ptrdiff_t>(place));
}

/// Counts instructions since anything happened that another warp could have waited for. A loop that polls memory runs
/// for ever without an event anywhere; one that computes for long ends, so the patience has to be more than any kernel
/// computes in one go.
void Worker::watch(Cluster &cluster, uint64_t executed) {
  quiet += executed;
  if (cluster.events) {
    cluster.events = 0;
    quiet = 0;
    launch.events.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  if (quiet < launch.options->patience)
    return;
  // Other workers may be what is waited for.
  uint64_t events = launch.events.load(std::memory_order_relaxed);
  if (events == seenEvents)
    reportHang(fmt::format("{} instructions ran and nothing came of them", quiet));
  seenEvents = events;
  quiet = 0;
}

void Worker::reportHang(const std::string &why) {
  const Program &program = *launch.program;
  std::string message = fmt::format("kernel '{}' hangs: {}", program.name, why);
  int listed = 0;
  for (const auto &cluster : resident)
    for (const Warp &warp : cluster->warps) {
      if (!warp.live || ++listed > 64)
        continue;
      const Inst &inst = warp.atBarrier ? *warp.atBarrier : program.code[std::max(0, warp.pc - 1)];
      message += fmt::format("\n  block {}, warp {} {} {}", warp.block->index, warp.number,
                             warp.stop == Stop::AtBarrier ? "waits at"
                             : warp.stop == Stop::Blocked ? "waits after"
                                                          : "is at",
                             describe(program, inst.statement));
    }
  throw Failure{{Fault::Deadlock, message}};
}

void Worker::work() {
  for (;;) {
    while (resident.size() < mostResident && takeCluster())
      ;
    if (resident.empty() || launch.failed)
      return;
    size_t place = resident.size() > 1 ? random() % resident.size() : 0;
    Cluster &cluster = *resident[place];
    if (!turn(cluster))
      reportHang(fmt::format("no warp of a {} can go on", cluster.size > 1 ? "cluster" : "block"));
    if (!cluster.liveWarps)
      finish(place);
  }
}

/// How many clusters a device of this many multiprocessors holds at once.
uint32_t residentClusters(const Launch &launch) {
  if (!launch.program->talksBetweenBlocks)
    return 1;
  // 228 KB of shared memory and 2048 threads of a multiprocessor, as an H100 has.
  uint32_t shared = std::max(1u, launch.sharedBytes + 1024), perProcessor = std::min(32u, 233472 / shared);
  perProcessor = std::max(1u, std::min(perProcessor, 2048 / std::max(32u, launch.shape.threads)));
  return std::max(1u, perProcessor * launch.options->multiprocessors / launch.clusterSize);
}

} // namespace

void yupana::ptx::runWarp(Warp &warp, uint32_t budget) {
  if (warp.cluster->launch->undefined)
    run<true>(warp, budget);
  else
    run<false>(warp, budget);
}

void yupana::ptx::runLaunch(Launch &launch, Statistics &statistics) {
  std::atomic<uint32_t> next{0};
  std::mutex mutex;
  Report first;
  uint32_t resident = residentClusters(launch);
  unsigned workers = launch.races ? 1 : std::max(1u, std::min(launch.options->workers, launch.clusters));
  // A cluster that waits for one that no worker has taken yet would wait for ever, so together they hold what the
  // device holds, and at least one each.
  auto work = [&] {
    Worker worker(launch, next, std::max(1u, resident / workers));
    try {
      worker.work();
    } catch (Failure &failure) {
      std::lock_guard<std::mutex> lock(mutex);
      if (!first)
        first = std::move(failure.report);
      launch.failed = true;
    }
    std::lock_guard<std::mutex> lock(mutex);
    statistics.add(worker.statistics);
  };
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < workers; ++i)
    threads.emplace_back(work);
  work();
  for (std::thread &thread : threads)
    thread.join();
  if (first)
    throw Failure{first};
}
