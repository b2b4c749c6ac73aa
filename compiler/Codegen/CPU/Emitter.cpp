// SPDX-License-Identifier: Apache-2.0
//
// Vectors have 16 lanes at every x86 level; LLVM splits one in two where registers are half as wide. Templates are then
// written once, and since the number of partial sums is the number of lanes, all levels have the same bits. bfloat16 is
// held as the i16 of its bits and converted by integer arithmetic, which every level has; the instruction for it is
// used where there is one. A sum over lanes adds the upper half to the lower, then a quarter to a quarter: the tree
// that #kernel.numerics states for 16 partial sums. How much scratch memory a kernel needs is known only when its code
// is written, so pieces are handed out while it is and the total is left on the function for the plan.

#include "compiler/Codegen/CPU/Emitter.h"

#include "runtime/schema/format.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

Emitter::Emitter(OpBuilder builder, Location loc) : OpEmitter(builder, loc, /*wordBits=*/64) {
  vf32 = vectorOf(f32);
  vi1 = vectorOf(i1);
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

Value Emitter::integers(ArrayRef<int64_t> lanes, Type type) {
  SmallVector<Attribute> numbers;
  for (int64_t lane : lanes)
    numbers.push_back(b.getIntegerAttr(type ? type : i64, lane));
  return make<arith::ConstantOp>(DenseElementsAttr::get(vectorOf(type ? type : i64), numbers));
}

Value Emitter::broadcast(Value scalar) {
  return b.createOrFold<vector::BroadcastOp>(loc, vectorOf(scalar.getType()), scalar);
}

Value Emitter::laneRange(Value begin, Value end) {
  std::optional<int64_t> from = getConstantIntValue(begin), to = getConstantIntValue(end);
  if (from && to) {
    SmallVector<bool> bits;
    for (int64_t i = 0; i < vectorLanes; ++i)
      bits.push_back(i >= *from && i < *to);
    return make<arith::ConstantOp>(DenseElementsAttr::get(vi1, bits));
  }
  SmallVector<int64_t> numbers = llvm::to_vector(llvm::seq<int64_t>(0, vectorLanes));
  Value lanes = integers(numbers, begin.getType());
  Value high = less(lanes, broadcast(end));
  return make<arith::AndIOp>(compare(arith::CmpIPredicate::sge, lanes, broadcast(begin)), high);
}

Value Emitter::reduce(Value vector, function_ref<Value(Value, Value)> combine) {
  for (int64_t half = vectorLanes / 2; half > 0; half /= 2) {
    auto low = llvm::to_vector(llvm::seq<int64_t>(0, half)), high = llvm::to_vector(llvm::seq<int64_t>(half, 2 * half));
    vector = combine(make<vector::ShuffleOp>(vector, vector, low), make<vector::ShuffleOp>(vector, vector, high));
  }
  return make<vector::ExtractOp>(vector, 0);
}

Value Emitter::addLanes(Value vector) {
  return reduce(vector, [&](Value x, Value y) { return fadd(x, y); });
}

Value Emitter::maxLanes(Value vector) {
  return reduce(vector, [&](Value x, Value y) { return fmax(x, y); });
}

//===----------------------------------------------------------------------===//
// bfloat16
//===----------------------------------------------------------------------===//

/// `element`, or a vector of it where `like` is one.
static Type typeLike(Value like, Type element) {
  auto vector = dyn_cast<VectorType>(like.getType());
  return vector ? Type(VectorType::get(vector.getShape(), element)) : element;
}

static Value constantLike(Emitter &e, Value like, int64_t value) {
  Value scalar = e.integer(value, getElementTypeOrSelf(like));
  return isa<VectorType>(like.getType()) ? e.broadcast(scalar) : scalar;
}

Value Emitter::widenBF16(Value bits) {
  Value wide = make<arith::ExtUIOp>(typeLike(bits, i32), bits);
  return make<arith::BitcastOp>(typeLike(bits, f32), make<arith::ShLIOp>(wide, constantLike(*this, wide, 16)));
}

Value Emitter::narrowBF16(Value x) {
  Value bits = make<arith::BitcastOp>(typeLike(x, i32), x), sixteen = constantLike(*this, bits, 16);
  Value lowest = make<arith::AndIOp>(make<arith::ShRUIOp>(bits, sixteen), constantLike(*this, bits, 1));
  Value rounded = add(add(bits, constantLike(*this, bits, 0x7fff)), lowest);
  // The quiet bit keeps NaN from becoming infinite when its lower bits go.
  Value quiet = make<arith::OrIOp>(bits, constantLike(*this, bits, 0x400000));
  Value isNumber = make<arith::CmpFOp>(arith::CmpFPredicate::ORD, x, x);
  Value chosen = select(isNumber, rounded, quiet);
  return make<arith::TruncIOp>(typeLike(x, i16), make<arith::ShRUIOp>(chosen, sixteen));
}

Value Emitter::widenHalf(Value pairs, bool odd) {
  Value bits = odd ? Value(make<arith::AndIOp>(pairs, constantLike(*this, pairs, 0xffff0000)))
                   : Value(make<arith::ShLIOp>(pairs, constantLike(*this, pairs, 16)));
  return make<arith::BitcastOp>(vf32, bits);
}

Emitter::Values Emitter::pairs(Value even, Value odd) {
  int64_t count = cast<VectorType>(even.getType()).getNumElements();
  Values vectors;
  for (int64_t begin = 0; begin < count; begin += vectorLanes) {
    SmallVector<int64_t> lanes;
    for (int64_t lane = begin; lane < begin + vectorLanes; ++lane)
      lanes.append({lane, count + lane});
    vectors.push_back(make<vector::BitCastOp>(vectorOf(i32), make<vector::ShuffleOp>(even, odd, lanes)));
  }
  return vectors;
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

static unsigned elementBytes(Type type) {
  if (isa<LLVM::LLVMPointerType>(type))
    return 8;
  return std::max(1u, getElementTypeOrSelf(type).getIntOrFloatBitWidth() / 8);
}

Value Emitter::load(Type type, Value address, unsigned alignment) {
  return make<LLVM::LoadOp>(type, address, alignment ? alignment : elementBytes(type));
}

void Emitter::store(Value value, Value address, unsigned alignment) {
  make<LLVM::StoreOp>(value, address, alignment ? alignment : elementBytes(value.getType()));
}

void Emitter::storeLanes(Value vector, Value address, int64_t count) {
  if (count == vectorLanes)
    return store(vector, address);
  // LLVM 22 turns a masked store of one lane, of a vector that was truncated, into a store of the lane as it was
  // before: 4 bytes for bfloat16 (its issue 179489).
  if (count == 1)
    return store(make<vector::ExtractOp>(vector, 0), address);
  make<LLVM::MaskedStoreOp>(vector, address, laneRange(integer(0), integer(count)),
                            static_cast<uint32_t>(elementBytes(vector.getType())));
}

Value Emitter::local(Type type, int64_t count) {
  // Only the entry block is entered once per call; an alloca in a loop would grow the stack.
  OpBuilder::InsertionGuard guard(b);
  Operation *parent = b.getInsertionBlock()->getParentOp();
  auto function = dyn_cast<LLVM::LLVMFuncOp>(parent);
  if (!function)
    function = parent->getParentOfType<LLVM::LLVMFuncOp>();
  b.setInsertionPointToStart(&function.getBody().front());
  Value elements = integer(count);
  return make<LLVM::AllocaOp>(ptr, type, elements, 64);
}

//===----------------------------------------------------------------------===//
// Control flow
//===----------------------------------------------------------------------===//

Emitter::Values Emitter::pieces(int64_t total, int64_t piece, ValueRange init,
                                function_ref<Values(Value, int64_t, ValueRange)> body) {
  Values values(init);
  int64_t whole = total / piece * piece;
  if (whole == piece)
    values = body(integer(0), piece, values);
  else if (whole > 0)
    values = loop(integer(0), integer(whole), piece, values,
                  [&](Value begin, ValueRange carried) { return body(begin, piece, carried); });
  if (whole < total)
    values = body(integer(whole), total - whole, values);
  return values;
}

void Emitter::pieces(int64_t total, int64_t piece, function_ref<void(Value, int64_t)> body) {
  pieces(total, piece, {},
         [&](Value begin, int64_t size, ValueRange) -> Values { return body(begin, size), Values(); });
}

void Emitter::switchOn(Value value, int64_t low, int64_t high, function_ref<void(int64_t)> body) {
  if (low == high)
    return body(low);
  int64_t middle = low + (high - low) / 2;
  when(
      less(value, integer(middle + 1)), [&] { switchOn(value, low, middle, body); },
      [&] { switchOn(value, middle + 1, high, body); });
}

//===----------------------------------------------------------------------===//
// KernelEmitter
//===----------------------------------------------------------------------===//

static LLVM::LLVMFuncOp declareKernel(kernel::FuncOp func) {
  OpBuilder b(func);
  Type ptr = LLVM::LLVMPointerType::get(b.getContext()), i32 = b.getI32Type();
  auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()), {ptr, ptr, i32, i32, ptr});
  auto function = LLVM::LLVMFuncOp::create(b, func.getLoc(), func.getSymName(), type);
  function.addEntryBlock(b);
  return function;
}

KernelEmitter::KernelEmitter(kernel::FuncOp func, const Target &target)
    : Emitter(OpBuilder(func), func.getLoc()), target(target), function(declareKernel(func)) {
  b.setInsertionPointToStart(&function.getBody().front());
  dims = function.getArgument(1);
  first = widen(function.getArgument(2));
  last = widen(function.getArgument(3));
  for (BlockArgument argument : func.getBody().getArguments())
    addresses[argument] = load(ptr, at(function.getArgument(0), argument.getArgNumber() * 8));
}

Value KernelEmitter::stepSize(kernel::GridOp size) {
  int64_t slot = static_cast<int64_t>(size) - static_cast<int64_t>(kernel::GridOp::Tokens);
  return widen(load(i32, at(dims, slot * 4)));
}

Value KernelEmitter::size(lm::DimAttr dimension) {
  return evaluate(dimension, [&](kernel::GridOp size) { return stepSize(size); });
}

Value KernelEmitter::size(kernel::GridAttr grid) {
  return evaluate(grid, [&](kernel::GridOp size) { return stepSize(size); });
}

Value KernelEmitter::scratch(int64_t bytes) {
  Value piece = at(function.getArgument(4), schema::kLaunchScratchBytes + scratchBytes);
  scratchBytes += llvm::alignTo(bytes, 64);
  return piece;
}

Value KernelEmitter::ready() {
  usesReady = true;
  return function.getArgument(4);
}

void KernelEmitter::makeReady(Value key, function_ref<void()> make) {
  when(compare(arith::CmpIPredicate::ne, load(i64, ready()), key), [&] {
    make();
    store(key, ready());
  });
}

void KernelEmitter::beginMember(int64_t number) {
  Value current = integer(number), ranLast = equal(load(i64, member()), current);
  store(select(ranLast, load(i64, ready()), integer(0)), ready());
  store(current, member());
}

Value KernelEmitter::dotBF16(Value sum, Value x, Value y) {
  auto bf16 = VectorType::get({2 * vectorLanes}, b.getBF16Type());
  Value operands[] = {sum, make<vector::BitCastOp>(bf16, x), make<vector::BitCastOp>(bf16, y)};
  return make<LLVM::CallIntrinsicOp>(vf32, b.getStringAttr("llvm.x86.avx512bf16.dpbf16ps.512"), operands).getResult(0);
}

Value KernelEmitter::narrow16(Value x) {
  if (!target.cpu().bf16Dot || x.getType() != vf32)
    return narrowBF16(x);
  auto narrow = make<LLVM::CallIntrinsicOp>(vectorOf(b.getBF16Type()),
                                            b.getStringAttr("llvm.x86.avx512bf16.cvtneps2bf16.512"), ValueRange{x});
  return make<arith::BitcastOp>(vectorOf(i16), narrow.getResult(0));
}

Value KernelEmitter::narrow32(Value low, Value high) {
  auto narrow =
      make<LLVM::CallIntrinsicOp>(VectorType::get({2 * vectorLanes}, b.getBF16Type()),
                                  b.getStringAttr("llvm.x86.avx512bf16.cvtne2ps2bf16.512"), ValueRange{high, low});
  return make<vector::BitCastOp>(vectorOf(i32), narrow.getResult(0));
}

FailureOr<kernel::X86Attr> KernelEmitter::config(kernel::LaunchedOpInterface op) {
  auto config = dyn_cast_or_null<kernel::X86Attr>(op.getConfigAttr());
  if (!config)
    return op->emitError() << "has no #kernel.x86 config, which code for " << target.name << " needs";
  if (config.getIsa().getValue() != StringRef(target.name))
    return op->emitError() << "is configured for " << config.getIsa().getValue() << ", but its library is for "
                           << target.name;
  return config;
}

void KernelEmitter::call(const std::string &name, ValueRange arguments, function_ref<void(ValueRange)> body) {
  LLVM::LLVMFuncOp callee = callees[name].function;
  if (!callee) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointAfter(function);
    auto type =
        LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()), llvm::to_vector(arguments.getTypes()));
    callee = make<LLVM::LLVMFuncOp>(function.getSymName().str() + "." + name, type, LLVM::Linkage::Internal);
    Block *entry = callee.addEntryBlock(b);
    b.setInsertionPointToStart(entry);
    body(entry->getArguments());
    make<LLVM::ReturnOp>(ValueRange());
    callees[name].function = callee;
  }
  ++callees[name].calls;
  make<LLVM::CallOp>(callee, arguments);
}

void KernelEmitter::finish() {
  make<LLVM::ReturnOp>(ValueRange());
  for (auto &callee : callees)
    callee.second.function.setAlwaysInline(callee.second.calls == 1);
  int64_t bytes = scratchBytes || usesReady ? schema::kLaunchScratchBytes + scratchBytes : 0;
  function->setAttr(scratchBytesName, b.getI64IntegerAttr(bytes));
}
