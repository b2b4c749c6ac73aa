// SPDX-License-Identifier: Apache-2.0
//
// Pointers are declared not to alias, since a launched op reads nothing that it writes, and LLVM may then move loads
// over stores. The number of threads is stated as the only one allowed: registers are given out for it, and a launch
// with another is an error of the driver. Dynamic shared memory is one symbol, of which each part of a kernel takes a
// range.

#include "compiler/Codegen/GPU/Emitter.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

namespace {

constexpr unsigned globalSpace = 1, sharedSpace = 3;
constexpr StringLiteral sharedName = "dynamic_shared";

LLVM::LLVMFuncOp declareKernel(kernel::FuncOp func, int64_t threads) {
  OpBuilder b(func);
  MLIRContext *context = b.getContext();
  unsigned count = func.getBody().getNumArguments();
  SmallVector<Type> types(count, LLVM::LLVMPointerType::get(context, globalSpace));
  types.append(3, b.getI32Type());
  auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(context), types);
  auto function = LLVM::LLVMFuncOp::create(b, func.getLoc(), func.getSymName(), type);
  function->setAttr("nvvm.kernel", b.getUnitAttr());
  function->setAttr("nvvm.reqntid", b.getDenseI32ArrayAttr({static_cast<int32_t>(threads), 1, 1}));
  for (BlockArgument argument : func.getBody().getArguments()) {
    auto view = dyn_cast<kernel::ViewType>(argument.getType());
    int64_t alignment = view ? 16 : cast<kernel::CacheType>(argument.getType()).getElementBytes();
    function.setArgAttr(argument.getArgNumber(), "llvm.align", b.getI64IntegerAttr(alignment));
    function.setArgAttr(argument.getArgNumber(), "llvm.noalias", b.getUnitAttr());
  }
  function.addEntryBlock(b);
  return function;
}

/// The one symbol of all dynamic shared memory, declared beside the kernel if no kernel before it has done so.
void declareShared(KernelEmitter &e) {
  if (SymbolTable::lookupNearestSymbolFrom(e.function, e.b.getStringAttr(sharedName)))
    return;
  OpBuilder::InsertionGuard guard(e.b);
  e.b.setInsertionPoint(e.function);
  e.make<LLVM::GlobalOp>(LLVM::LLVMArrayType::get(e.i8, 0), /*isConstant=*/false, LLVM::Linkage::External, sharedName,
                         Attribute(), sharedAlignment, sharedSpace);
}

unsigned elementBytes(Type type) { return std::max(1u, getElementTypeOrSelf(type).getIntOrFloatBitWidth() / 8); }

} // namespace

KernelEmitter::KernelEmitter(kernel::FuncOp func, const Target &target, int64_t threads)
    : OpEmitter(OpBuilder(func), func.getLoc(), /*wordBits=*/32), target(target),
      function(declareKernel(func, threads)), threads(threads) {
  globalPtr = LLVM::LLVMPointerType::get(b.getContext(), globalSpace);
  sharedPtr = LLVM::LLVMPointerType::get(b.getContext(), sharedSpace);
  declareShared(*this);
  b.setInsertionPointToStart(&function.getBody().front());
  unsigned count = func.getBody().getNumArguments();
  for (BlockArgument argument : func.getBody().getArguments())
    addresses[argument] = function.getArgument(argument.getArgNumber());
  for (unsigned i = 0; i < 3; ++i)
    stepSizes[i] = function.getArgument(count + i);
  func.walk([&](kernel::LaunchedOpInterface op) {
    kernel::Accesses accesses = op.getAccesses();
    written.insert(accesses.writes.begin(), accesses.writes.end());
  });
  cell = make<NVVM::BlockIdXOp>(i32);
  thread = make<NVVM::ThreadIdXOp>(i32);
  lane = bitAnd(thread, warpLanes - 1);
  warp = shiftRight(thread, 5);
  sharedBase = make<LLVM::AddressOfOp>(sharedPtr, sharedName);
}

//===----------------------------------------------------------------------===//
// Arguments
//===----------------------------------------------------------------------===//

Value KernelEmitter::stepSize(kernel::GridOp size) const {
  return stepSizes[static_cast<int64_t>(size) - static_cast<int64_t>(kernel::GridOp::Tokens)];
}

Value KernelEmitter::size(lm::DimAttr dimension) {
  return evaluate(dimension, [&](kernel::GridOp size) { return stepSize(size); });
}

Value KernelEmitter::size(kernel::GridAttr grid) {
  return evaluate(grid, [&](kernel::GridOp size) { return stepSize(size); });
}

FailureOr<kernel::GPUAttr> KernelEmitter::config(kernel::LaunchedOpInterface op) {
  auto config = dyn_cast_or_null<kernel::GPUAttr>(op.getConfigAttr());
  if (!config)
    return op->emitError() << "has no #kernel.gpu config, which code for " << target.name << " needs";
  if (config.getTarget() != StringRef(target.name))
    return op->emitError() << "is configured for " << config.getTarget() << ", but its library is for " << target.name;
  return config;
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Value KernelEmitter::load(Type type, Value address, unsigned alignment) {
  return make<LLVM::LoadOp>(type, address, alignment ? alignment : elementBytes(type));
}

Value KernelEmitter::loadConstant(Type type, Value address, unsigned alignment) {
  return make<LLVM::LoadOp>(type, address, alignment ? alignment : elementBytes(type), /*isVolatile=*/false,
                            /*isNonTemporal=*/false, /*isInvariant=*/true);
}

void KernelEmitter::store(Value value, Value address, unsigned alignment) {
  make<LLVM::StoreOp>(value, address, alignment ? alignment : elementBytes(value.getType()));
}

Value KernelEmitter::vector(ValueRange scalars) {
  auto type = VectorType::get({static_cast<int64_t>(scalars.size())}, scalars.front().getType());
  Value vector = make<LLVM::PoisonOp>(type);
  for (auto [i, scalar] : llvm::enumerate(scalars))
    vector = make<LLVM::InsertElementOp>(vector, scalar, integer(static_cast<int64_t>(i)));
  return vector;
}

Value KernelEmitter::extract(Value vector, int64_t index) {
  return make<LLVM::ExtractElementOp>(vector, integer(index));
}

Value KernelEmitter::bitcast(Type type, Value value) {
  return value.getType() == type ? value : Value(make<LLVM::BitcastOp>(type, value));
}

Value KernelEmitter::shared(int64_t bytes, int64_t alignment) {
  int64_t begin = llvm::alignTo(sharedBytes, alignment);
  sharedBytes = begin + bytes;
  mostSharedBytes = std::max(mostSharedBytes, sharedBytes);
  return at(sharedBase, begin);
}

void KernelEmitter::copyAsync(Value to, Value from, Value bytes) {
  auto kind = NVVM::LoadCacheModifierKindAttr::get(b.getContext(), NVVM::LoadCacheModifierKind::CG);
  make<NVVM::CpAsyncOp>(to, from, b.getI32IntegerAttr(16), kind, bytes);
}

void KernelEmitter::commitCopies() { make<NVVM::CpAsyncCommitGroupOp>(); }

void KernelEmitter::waitCopies(int64_t pending) { make<NVVM::CpAsyncWaitGroupOp>(static_cast<uint32_t>(pending)); }

//===----------------------------------------------------------------------===//
// Threads
//===----------------------------------------------------------------------===//

Value KernelEmitter::shuffleXor(Value value, int64_t bits) {
  return make<NVVM::ShflOp>(value.getType(), integer(-1), value, integer(bits), integer(warpLanes - 1),
                            NVVM::ShflKind::bfly, UnitAttr());
}

Value KernelEmitter::shuffle(Value value, Value lane) {
  return make<NVVM::ShflOp>(value.getType(), integer(-1), value, lane, integer(warpLanes - 1), NVVM::ShflKind::idx,
                            UnitAttr());
}

Value KernelEmitter::ballot(Value condition) {
  return make<NVVM::VoteSyncOp>(i32, integer(-1), condition, NVVM::VoteSyncKind::ballot);
}

Value KernelEmitter::reduceLanes(Value value, function_ref<Value(Value, Value)> combine) {
  for (int64_t half = warpLanes / 2; half > 0; half /= 2)
    value = combine(value, shuffleXor(value, half));
  return value;
}

Value KernelEmitter::addLanes(Value value) {
  return reduceLanes(value, [&](Value x, Value y) { return fadd(x, y); });
}

Value KernelEmitter::maxLanes(Value value) {
  return reduceLanes(value, [&](Value x, Value y) { return fmax(x, y); });
}

void KernelEmitter::syncWarp() { make<NVVM::SyncWarpOp>(integer(-1)); }

void KernelEmitter::barrier() {
  Value number = barrierNumber ? barrierNumber : integer(0);
  make<NVVM::BarrierOp>(TypeRange(), number, integer(threads), NVVM::BarrierReductionAttr(), Value());
}

//===----------------------------------------------------------------------===//
// Blocks
//===----------------------------------------------------------------------===//

Value KernelEmitter::blockCount() { return make<NVVM::GridDimXOp>(i32); }

/// LLVM's back end drops the order of an atomic, so that fences state it.
static void fenceDevice(KernelEmitter &e) { e.make<LLVM::FenceOp>(LLVM::AtomicOrdering::acq_rel, StringRef("device")); }

Value KernelEmitter::atomic(LLVM::AtomicBinOp change, Value address, Value value) {
  return make<LLVM::AtomicRMWOp>(change, address, value, LLVM::AtomicOrdering::monotonic, StringRef("device"));
}

Value KernelEmitter::countArrival(Value counter, Value amount) {
  fenceDevice(*this);
  Value before = atomic(LLVM::AtomicBinOp::add, counter, amount);
  fenceDevice(*this);
  return before;
}

/// One thread releases and acquires for its block: the barriers before and after hand on what the others did.
Value KernelEmitter::arriveLast(Value counter, Value amount, Value total, Value flag) {
  barrier();
  when(equal(thread, integer(0)), [&] {
    Value isLast = equal(add(countArrival(counter, amount), amount), total);
    when(isLast, [&] { store(integer(0), counter); });
    store(make<arith::ExtUIOp>(i32, isLast), flag);
  });
  barrier();
  return equal(load(i32, flag), integer(1));
}

/// The thread that reads the counter is the one with the fence: a barrier hands on what it has learned.
void KernelEmitter::waitForCount(Value counter, Value least) {
  when(equal(thread, integer(0)), [&] {
    auto loop = make<scf::WhileOp>(TypeRange(), ValueRange());
    {
      OpBuilder::InsertionGuard guard(b);
      b.createBlock(&loop.getBefore());
      Value count = make<LLVM::LoadOp>(i32, counter, /*alignment=*/4, /*isVolatile=*/false, /*isNonTemporal=*/false,
                                       /*isInvariant=*/false, /*isInvariantGroup=*/false,
                                       LLVM::AtomicOrdering::monotonic, StringRef("device"));
      make<scf::ConditionOp>(less(count, least), ValueRange());
      b.createBlock(&loop.getAfter());
      make<scf::YieldOp>();
    }
    fenceDevice(*this);
  });
  barrier();
}

//===----------------------------------------------------------------------===//
// Clusters
//===----------------------------------------------------------------------===//

void KernelEmitter::formClusters(int64_t blocks) {
  function->setAttr(NVVM::NVVMDialect::getClusterDimAttrName(),
                    b.getDenseI32ArrayAttr({static_cast<int32_t>(blocks), 1, 1}));
}

Value KernelEmitter::clusterRank() { return make<NVVM::ClusterId>(i32); }

void KernelEmitter::clusterBarrier() {
  make<NVVM::ClusterArriveOp>(UnitAttr());
  make<NVVM::ClusterWaitOp>(UnitAttr());
}

//===----------------------------------------------------------------------===//
// Asynchronous work
//===----------------------------------------------------------------------===//

static NVVM::MemScopeKindAttr blockScope(KernelEmitter &e) {
  return NVVM::MemScopeKindAttr::get(e.b.getContext(), NVVM::MemScopeKind::CTA);
}

static NVVM::MemScopeKindAttr clusterScope(KernelEmitter &e) {
  return NVVM::MemScopeKindAttr::get(e.b.getContext(), NVVM::MemScopeKind::CLUSTER);
}

static LLVM::LLVMPointerType clusterPtr(KernelEmitter &e) {
  return LLVM::LLVMPointerType::get(e.b.getContext(), static_cast<unsigned>(NVVM::NVVMMemorySpace::SharedCluster));
}

void KernelEmitter::initBarrier(Value barrier, int64_t count) {
  make<NVVM::MBarrierInitOp>(barrier, integer(count), Value());
}

void KernelEmitter::publishBarriers() { make<NVVM::FenceMbarrierInitOp>(); }

void KernelEmitter::arrive(Value barrier) {
  make<NVVM::MBarrierArriveOp>(TypeRange(), barrier, Value(), blockScope(*this), b.getBoolAttr(false));
}

void KernelEmitter::arriveWithCopies(Value barrier) {
  make<NVVM::CpAsyncMBarrierArriveOp>(barrier, b.getBoolAttr(true));
}

void KernelEmitter::arriveExpecting(Value barrier, Value bytes) {
  make<NVVM::MBarrierArriveExpectTxOp>(TypeRange(), barrier, bytes, blockScope(*this), b.getBoolAttr(false), Value());
}

void KernelEmitter::arriveAt(Value barrier, Value rank) {
  Value there = make<NVVM::MapaOp>(clusterPtr(*this), barrier, rank);
  make<NVVM::MBarrierArriveOp>(TypeRange(), there, Value(), clusterScope(*this), /*relaxed=*/b.getBoolAttr(true));
}

void KernelEmitter::wait(Value barrier, Value phase, bool ofCluster) {
  auto loop = make<scf::WhileOp>(TypeRange(), ValueRange());
  OpBuilder::InsertionGuard guard(b);
  b.createBlock(&loop.getBefore());
  NVVM::MemScopeKindAttr scope = ofCluster ? clusterScope(*this) : blockScope(*this);
  BoolAttr relaxed = b.getBoolAttr(ofCluster);
  // Waiting in hardware came with bulk copies.
  Value done = hasBulkCopies() ? Value(make<NVVM::MBarrierTryWaitOp>(i1, barrier, phase, Value(), scope, relaxed))
                               : Value(make<NVVM::MBarrierTestWaitOp>(i1, barrier, phase, scope, relaxed));
  make<scf::ConditionOp>(bitXor(done, integer(1, i1)), ValueRange());
  b.createBlock(&loop.getAfter());
  make<scf::YieldOp>();
}

void KernelEmitter::copyBulk(Value to, Value from, Value bytes, Value barrier) {
  make<NVVM::CpAsyncBulkGlobalToSharedClusterOp>(to, from, barrier, bytes, Value(), Value());
}

void KernelEmitter::copyBulkToCluster(Value to, Value from, Value bytes, Value barrier, int64_t blocks) {
  Value there = make<LLVM::AddrSpaceCastOp>(clusterPtr(*this), to);
  make<NVVM::CpAsyncBulkGlobalToSharedClusterOp>(there, from, barrier, bytes, integer(blocks, b.getI16Type()), Value());
}

void KernelEmitter::prefetchBulk(Value from, Value bytes) { make<NVVM::CpAsyncBulkPrefetchOp>(from, bytes, Value()); }

void KernelEmitter::fenceAsync() {
  make<NVVM::FenceProxyOp>(NVVM::ProxyKindAttr::get(b.getContext(), NVVM::ProxyKind::async_shared),
                           NVVM::SharedSpaceAttr::get(b.getContext(), NVVM::SharedSpace::shared_cta));
}

OpEmitter::Values KernelEmitter::assembly(StringRef text, ValueRange inOut, ValueRange inputs, StringRef constraints,
                                          bool touchesMemory) {
  SmallVector<std::string> parts;
  for (Value value : inOut)
    parts.push_back(value.getType().isF32() ? "=f" : "=r");
  for (size_t i = 0; i < inOut.size(); ++i)
    parts.push_back(std::to_string(i));
  if (!constraints.empty())
    parts.push_back(constraints.str());
  if (touchesMemory)
    parts.push_back("~{memory}");
  SmallVector<Value> operands(inOut);
  llvm::append_range(operands, inputs);
  SmallVector<Type> types(inOut.getTypes());
  Type all = types.size() == 1 ? types.front() : Type(LLVM::LLVMStructType::getLiteral(b.getContext(), types));
  auto dialect = LLVM::AsmDialectAttr::get(b.getContext(), LLVM::AsmDialect::AD_ATT);
  auto code = make<LLVM::InlineAsmOp>(types.empty() ? TypeRange() : TypeRange(ArrayRef<Type>(all)), operands, text,
                                      llvm::join(parts, ","), /*has_side_effects=*/true, /*is_align_stack=*/false,
                                      LLVM::tailcallkind::TailCallKind::None, dialect, ArrayAttr());
  if (types.size() < 2)
    return Values(code->getResults());
  Values written;
  for (size_t i = 0; i < types.size(); ++i)
    written.push_back(make<LLVM::ExtractValueOp>(code->getResult(0), static_cast<int64_t>(i)));
  return written;
}

void KernelEmitter::waitForEarlier() {
  if (overlaps(target))
    firstWait = make<NVVM::GriddepcontrolOp>(NVVM::GridDepActionKind::wait);
}

/// The next launch is let in behind the wait and not in front of it: it may then overlap with this one alone, so what
/// it does before its own wait has to be independent of one launch and not of all before it.
void KernelEmitter::startNext() {
  if (overlaps(target))
    make<NVVM::GriddepcontrolOp>(NVVM::GridDepActionKind::launch_dependents);
}

void KernelEmitter::beginOverlapped() {
  waitForEarlier();
  startNext();
}

void KernelEmitter::waitLater() {
  if (!firstWait)
    return;
  firstWait->getNextNode()->erase();
  firstWait->erase();
  firstWait = nullptr;
}

void KernelEmitter::finish() {
  make<LLVM::ReturnOp>(ValueRange());
  // LLVM loads whole vectors, and may not use all of the last.
  constexpr uint64_t vectorBytes = 16;
  uint64_t bytes = llvm::alignTo(static_cast<uint64_t>(mostSharedBytes), vectorBytes);
  function->setAttr(sharedBytesName, b.getI64IntegerAttr(static_cast<int64_t>(bytes)));
}
