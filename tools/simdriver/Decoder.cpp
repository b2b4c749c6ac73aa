// SPDX-License-Identifier: Apache-2.0
//
// From statements to instructions. Opcodes whose result depends on the lane's registers alone come from one table by
// their whole name; all others have a family, named by the first part of the opcode, which reads the other parts
// itself. What is not known is refused by name with its line, and nothing is skipped, because an ignored modifier would
// make a test pass that proves nothing. Everything that can be decided from the text is decided here, once: the loop
// that runs instructions looks at no string.

#include "tools/simdriver/Decoder.h"

#include "tools/simdriver/Operations.h"

#include <fmt/format.h>

using namespace yupana;
using namespace yupana::ptx;

namespace {

/// `alignment` need not be a power of two.
uint64_t aligned(uint64_t value, uint64_t alignment) { return (value + alignment - 1) / alignment * alignment; }

std::vector<std::string> splitAtDots(const std::string &opcode) {
  std::vector<std::string> parts(1);
  for (char c : opcode)
    if (c == '.')
      parts.emplace_back();
    else
      parts.back() += c;
  return parts;
}

const std::unordered_map<std::string, Special> specials = {{"%tid.x", Special::TidX},
                                                           {"%tid.y", Special::TidY},
                                                           {"%tid.z", Special::TidZ},
                                                           {"%ntid.x", Special::NtidX},
                                                           {"%ntid.y", Special::NtidY},
                                                           {"%ntid.z", Special::NtidZ},
                                                           {"%ctaid.x", Special::CtaidX},
                                                           {"%ctaid.y", Special::CtaidY},
                                                           {"%ctaid.z", Special::CtaidZ},
                                                           {"%nctaid.x", Special::NctaidX},
                                                           {"%nctaid.y", Special::NctaidY},
                                                           {"%nctaid.z", Special::NctaidZ},
                                                           {"%laneid", Special::Laneid},
                                                           {"%warpid", Special::Warpid},
                                                           {"%nwarpid", Special::Nwarpid},
                                                           {"%lanemask_eq", Special::LanemaskEq},
                                                           {"%lanemask_le", Special::LanemaskLe},
                                                           {"%lanemask_lt", Special::LanemaskLt},
                                                           {"%lanemask_ge", Special::LanemaskGe},
                                                           {"%lanemask_gt", Special::LanemaskGt},
                                                           {"%smid", Special::Smid},
                                                           {"%nsmid", Special::Nsmid},
                                                           {"%gridid", Special::Gridid},
                                                           {"%dynamic_smem_size", Special::DynamicShared},
                                                           {"%total_smem_size", Special::TotalShared},
                                                           {"%cluster_ctarank", Special::ClusterRank},
                                                           {"%cluster_nctarank", Special::ClusterSize},
                                                           {"%cluster_ctaid.x", Special::ClusterCtaidX},
                                                           {"%cluster_ctaid.y", Special::ClusterCtaidY},
                                                           {"%cluster_ctaid.z", Special::ClusterCtaidZ},
                                                           {"%cluster_nctaid.x", Special::ClusterNctaidX},
                                                           {"%cluster_nctaid.y", Special::ClusterNctaidY},
                                                           {"%cluster_nctaid.z", Special::ClusterNctaidZ},
                                                           {"%clusterid.x", Special::ClusteridX},
                                                           {"%clusterid.y", Special::ClusteridY},
                                                           {"%clusterid.z", Special::ClusteridZ},
                                                           {"%nclusterid.x", Special::NclusteridX},
                                                           {"%nclusterid.y", Special::NclusteridY},
                                                           {"%nclusterid.z", Special::NclusteridZ},
                                                           {"%is_explicit_cluster", Special::IsExplicitCluster}};

/// Decodes the current statement of the decoder and emits its instructions.
using Family = void (*)(Decoder &);
const std::unordered_map<std::string, Family> families = {{"bra", decodeControl},
                                                          {"brx", decodeControl},
                                                          {"ret", decodeControl},
                                                          {"exit", decodeControl},
                                                          {"trap", decodeControl},
                                                          {"mov", decodeMove},
                                                          {"cvta", decodeMove},
                                                          {"isspacep", decodeMove},
                                                          {"lop3", decodeMove},
                                                          {"mapa", decodeMove},
                                                          {"ld", decodeAccess},
                                                          {"ldu", decodeAccess},
                                                          {"st", decodeAccess},
                                                          {"atom", decodeAtomic},
                                                          {"red", decodeAtomic},
                                                          {"shfl", decodeExchange},
                                                          {"vote", decodeExchange},
                                                          {"match", decodeExchange},
                                                          {"redux", decodeExchange},
                                                          {"activemask", decodeExchange},
                                                          {"elect", decodeExchange},
                                                          {"bar", decodeBarrier},
                                                          {"barrier", decodeBarrier},
                                                          {"fence", decodeBarrier},
                                                          {"membar", decodeBarrier},
                                                          {"mbarrier", decodeMbarrier},
                                                          {"cp", decodeCopy},
                                                          {"ldmatrix", decodeMatrix},
                                                          {"stmatrix", decodeMatrix},
                                                          {"mma", decodeMatrix},
                                                          {"wgmma", decodeMatrix},
                                                          {"prefetch", decodeHint},
                                                          {"prefetchu", decodeHint},
                                                          {"applypriority", decodeHint},
                                                          {"discard", decodeHint},
                                                          {"nanosleep", decodeHint},
                                                          {"griddepcontrol", decodeDependents},
                                                          {"setmaxnreg", decodeHint},
                                                          {"pmevent", decodeHint},
                                                          {"createpolicy", decodeHint}};

/// The conversion between registers of two widths.
/// By the table, so that widening here and a cvt in the text are one code.
Action conversion(int to, int from, bool isSigned) {
  const char *sign = isSigned ? "s" : "u";
  return findOperation(fmt::format("cvt.{0}{1}.{0}{2}", sign, 8 * to, 8 * from))->action;
}

} // namespace

TypeInfo yupana::ptx::typeOf(std::string_view type) {
  static const std::unordered_map<std::string_view, TypeInfo> types = {
      {"pred", {0, false, false}}, {"b8", {1, false, false}},   {"u8", {1, false, false}},
      {"s8", {1, true, false}},    {"b16", {2, false, false}},  {"u16", {2, false, false}},
      {"s16", {2, true, false}},   {"f16", {2, false, true}},   {"bf16", {2, false, true}},
      {"b32", {4, false, false}},  {"u32", {4, false, false}},  {"s32", {4, true, false}},
      {"f32", {4, false, true}},   {"f16x2", {4, false, true}}, {"bf16x2", {4, false, true}},
      {"tf32", {4, false, true}},  {"b64", {8, false, false}},  {"u64", {8, false, false}},
      {"s64", {8, true, false}},   {"f64", {8, false, true}},   {"b128", {16, false, false}}};
  auto found = types.find(type);
  return found == types.end() ? TypeInfo{-1, false, false} : found->second;
}

void Decoder::unsupported(const std::string &what) const {
  throw Failure{{Fault::Unsupported,
                 fmt::format("kernel '{}', line {} `{}`: {}", entry.name, now ? now->line : entry.line,
                             now ? now->text : "", what.empty() ? "no such instruction is known here" : what)}};
}

/// Parts of an opcode are compared whole, and their order is left to each family.
bool Decoder::has(std::string_view part) const {
  for (const std::string &own : opcodeParts)
    if (own == part)
      return true;
  return false;
}

const OperandText &Decoder::operand(size_t index) const {
  if (index >= now->operands.size())
    unsupported("operands are missing");
  return now->operands[index];
}

/// A register of 32 lanes begins at a cache line, and the number of its line is that of its mask of undefined lanes.
uint32_t Decoder::allocate(uint32_t bytes) {
  uint32_t offset = program.fileBytes;
  program.fileBytes += static_cast<uint32_t>(aligned(bytes, 64));
  return offset;
}

/// Constants are registers that are filled before a block begins, one for each value and width.
uint32_t Decoder::constant(uint64_t value, int bytes) {
  if (bytes == 0)
    // Predicates are masks of 32 lanes in one word.
    value = value ? ~uint32_t{0} : 0;
  else if (bytes < 8)
    value &= (uint64_t{1} << 8 * bytes) - 1;
  // Value and width together: the same number of 4 and of 8 bytes has lanes of another size.
  auto [entry, isNew] = constants.try_emplace({value, bytes}, 0);
  if (isNew) {
    entry->second = allocate(bytes == 0 ? 4 : 32 * bytes);
    program.constants.push_back({entry->second, static_cast<uint32_t>(bytes), value, Constant::Absolute});
  }
  return entry->second;
}

int64_t Decoder::immediate(const OperandText &operand) const {
  if (operand.kind != OperandText::Number)
    unsupported("a number is expected");
  return static_cast<int64_t>(operand.value);
}

/// A variable, a special register: what `mov` takes besides registers.
uint32_t Decoder::symbol(const OperandText &operand, int bytes) {
  auto special = specials.find(operand.symbol);
  // Special registers are filled before the first instruction and have 32 bits, but for one predicate.
  if (special != specials.end() && bytes == (special->second == Special::IsExplicitCluster ? 0 : 4)) {
    program.readsCluster |= special->second >= Special::ClusterRank;
    return offsetOf(special->second);
  }
  // Variables of shared and local memory have their place when the text is read, so that their addresses are constants,
  // those of shared memory relative to the window of a block.
  if (auto found = sharedPlaces.find(operand.symbol); found != sharedPlaces.end() && bytes >= 4) {
    auto [entry, isNew] = sharedAddresses.try_emplace({found->second + operand.value, bytes}, 0);
    if (isNew) {
      entry->second = allocate(32 * bytes);
      program.constants.push_back(
          {entry->second, static_cast<uint32_t>(bytes), found->second + operand.value, Constant::Block});
    }
    return entry->second;
  }
  if (auto found = localPlaces.find(operand.symbol); found != localPlaces.end())
    return constant(found->second + operand.value, bytes);
  if (auto found = places.find(operand.symbol); found != places.end() && bytes == 8) {
    uint32_t offset = allocate(256);
    // Not shared: what is added is the address of the module's data, which a launch knows.
    program.constants.push_back({offset, 8, found->second + operand.value, Constant::Module});
    return offset;
  }
  unsupported(fmt::format("'{}' names nothing that is known here", operand.symbol));
}

/// PTX lets an operand of a narrower type be a wider register, whose low bits count. The instruction that takes them is
/// written before the one that is being decoded.
uint32_t Decoder::source(const OperandText &operand, int bytes) {
  switch (operand.kind) {
  case OperandText::Number: {
    uint64_t value = operand.value;
    return constant(value, bytes);
  }
  case OperandText::Symbol:
    return symbol(operand, bytes);
  case OperandText::Register:
    break;
  default:
    unsupported("a register or a number is expected");
  }
  uint32_t offset = registerOffsets[operand.reg];
  int width = static_cast<int>(entry.registers[operand.reg].bytes);
  // A predicate has no width that could be cut or widened.
  if ((bytes == 0) != (width == 0))
    unsupported("a predicate stands where a register is expected, or the reverse");
  Inst inst;
  inst.flows = true;
  inst.a = offset;
  // A negated predicate is computed before it is used.
  if (operand.negated) {
    inst.action = findOperation("not.pred")->action;
    inst.d = allocate(4);
  } else if (width == bytes) {
    return offset;
  } else if (width > bytes) {
    inst.action = conversion(bytes, width, false);
    inst.d = allocate(32 * bytes);
  } else {
    unsupported(fmt::format("register '{}' is narrower than the operand", entry.registers[operand.reg].name));
  }
  emit(inst);
  return inst.d;
}

/// A result may go to a wider register: the instruction that widens it is written behind the one that is being decoded.
uint32_t Decoder::destination(const OperandText &operand, int bytes, bool isSigned) {
  if (operand.kind == OperandText::Sink)
    // Somebody must take the result: a register that nobody reads.
    return allocate(bytes ? 32 * bytes : 4);
  if (operand.kind != OperandText::Register)
    unsupported("a register is expected");
  int width = static_cast<int>(entry.registers[operand.reg].bytes);
  uint32_t offset = registerOffsets[operand.reg];
  if (width == bytes)
    return offset;
  if (width < bytes || bytes == 0)
    unsupported(fmt::format("register '{}' does not take the result", entry.registers[operand.reg].name));
  Inst inst;
  inst.flows = true;
  inst.action = conversion(width, bytes, isSigned);
  inst.d = offset;
  inst.a = allocate(32 * bytes);
  // Written by emit() behind the instruction, in decodeStatement.
  after.push_back(inst);
  return inst.a;
}

std::vector<OperandText> Decoder::elements(const OperandText &operand) const {
  if (operand.kind == OperandText::Vector)
    return operand.elements;
  return {operand};
}

void Decoder::list(Inst &inst, const std::vector<uint32_t> &registers) {
  // A second call goes on where the first ended, which must still be the end of the list.
  if (inst.count == 0)
    inst.list = static_cast<uint32_t>(program.operands.size());
  program.operands.insert(program.operands.end(), registers.begin(), registers.end());
  inst.count = static_cast<uint16_t>(inst.count + registers.size());
}

void Decoder::address(const OperandText &operand, int bytes, uint32_t &base, int64_t &distance) {
  if (operand.kind != OperandText::Address)
    unsupported("an address in brackets is expected");
  OperandText plain = operand;
  distance = 0;
  if (operand.reg >= 0) {
    plain.kind = OperandText::Register;
    distance = static_cast<int64_t>(operand.value);
    // A negative distance may also be written as an unsigned number of 32 bits.
    if (distance > INT32_MAX && distance <= int64_t{UINT32_MAX})
      distance = static_cast<int32_t>(distance);
  } else {
    plain.kind = operand.symbol.empty() ? OperandText::Number : OperandText::Symbol;
  }
  base = source(plain, bytes);
}

std::pair<uint32_t, bool> Decoder::parameter(const OperandText &operand) const {
  auto found = parameterPlaces.find(operand.symbol);
  if (found == parameterPlaces.end())
    return {0, false};
  return {static_cast<uint32_t>(found->second + operand.value), true};
}

void Decoder::emit(Inst inst) {
  // The register of zeros stands for no guard.
  inst.guard = now->guard < 0 ? zeroRegister : registerOffsets[now->guard];
  inst.guardNegated = now->guardNegated;
  inst.statement = static_cast<uint32_t>(program.lines.size() - 1);
  program.code.push_back(inst);
}

/// The race check keeps one cell for the smallest element that the program accesses: coarser cells would find races
/// between neighbours, finer ones cost memory and time.
void Decoder::noteGrain(unsigned bytes) {
  unsigned grain = bytes >= 4 ? 2 : bytes == 2 ? 1 : 0;
  program.grain = std::min(program.grain, grain);
}

void Decoder::requireClusters() const {
  if (module.target < 90)
    unsupported("clusters need sm_90");
}

/// Registers, parameters, variables of shared and local memory get their places.
void Decoder::declare() {
  uint64_t at = 0;
  // As the driver lays parameters out: each at its alignment, in order.
  for (const VariableText &parameter : entry.parameters) {
    at = aligned(at, parameter.align);
    parameterPlaces[parameter.name] = at;
    program.info.parameterOffsets.push_back(static_cast<uint32_t>(at));
    program.info.parameterBytes.push_back(static_cast<uint32_t>(parameter.bytes));
    at += parameter.bytes;
  }
  program.parameterBytes = static_cast<uint32_t>(at);
  // Shared memory begins behind what the system reserves.
  uint64_t shared = sharedBase, local = 0, words = 0;
  std::vector<VariableText> all = module.variables;
  all.insert(all.end(), entry.variables.begin(), entry.variables.end());
  // Dynamic shared memory lies behind all that is declared with a size, and all names of it are one place.
  uint32_t dynamicAlign = 16;
  for (const VariableText &variable : all) {
    if (variable.space == ".shared" && !variable.isExtern) {
      shared = aligned(shared, variable.align);
      sharedPlaces[variable.name] = shared;
      shared += variable.bytes;
    } else if (variable.space == ".local") {
      // Local memory is accessed in vectors of up to 16 bytes.
      local = aligned(local, std::max(16u, variable.align));
      localPlaces[variable.name] = local;
      local += variable.bytes;
    } else if (variable.space == ".shared") {
      dynamicAlign = std::max(dynamicAlign, variable.align);
    }
  }
  program.dynamicShared = static_cast<uint32_t>(aligned(shared, dynamicAlign));
  for (const VariableText &variable : all)
    if (variable.space == ".shared" && variable.isExtern)
      sharedPlaces[variable.name] = program.dynamicShared;
  program.info.staticShared = static_cast<uint32_t>(shared - sharedBase);
  program.localBytes = static_cast<uint32_t>(aligned(local, 16));
  for (const RegisterText &reg : entry.registers) {
    registerOffsets.push_back(allocate(reg.bytes ? 32 * reg.bytes : 4));
    words += reg.bytes / 4;
  }
  // Registers of PTX are without number. Their sum is above what an assembler would need, and 255 is the most a thread
  // may have.
  program.info.registers = static_cast<uint32_t>(std::min<uint64_t>(words, 255));
  if (entry.maxThreads)
    program.info.maxThreads = entry.maxThreads;
  program.info.cluster = entry.cluster;
  program.info.needsCluster = entry.needsCluster;
  program.info.mostClusterBlocks = entry.mostClusterBlocks;
  if (entry.cluster[0] || entry.needsCluster || entry.mostClusterBlocks)
    requireClusters();
}

/// An instruction of the table: a destination and up to three sources.
/// The table says which operands there are and how wide; a count that differs is another instruction.
void Decoder::simple() {
  std::string opcode = now->opcode;
  const Operation *operation = findOperation(opcode);
  if (!operation)
    unsupported();
  Inst inst;
  inst.action = operation->action;
  inst.flows = operation->flows;
  size_t at = 1;
  // For a result that goes to a wider register: what sign it is widened by.
  TypeInfo type = opcodeParts[0] == "cvt" ? typeOf(opcodeParts[opcodeParts.size() - 2]) : typeOf(opcodeParts.back());
  if (operation->a >= 0)
    inst.a = source(operand(at++), operation->a);
  if (operation->b >= 0)
    inst.b = source(operand(at++), operation->b);
  if (operation->c >= 0)
    inst.c = source(operand(at++), operation->c);
  if (at != operandCount())
    unsupported(fmt::format("{} operands are expected, not {}", at, operandCount()));
  inst.d = destination(operand(0), operation->d, type.isSigned);
  emit(inst);
  // The second destination is the first one negated.
  if (operand(0).second >= 0) { // setp p|q
    Inst inverse;
    inverse.action = findOperation("not.pred")->action;
    inverse.a = inst.d;
    inverse.d = registerOffsets[operand(0).second];
    emit(inverse);
  }
}

void Decoder::decodeStatement(size_t index) {
  now = &entry.statements[index];
  opcodeParts = splitAtDots(now->opcode);
  // Each statement has a line for reports, though it may have several instructions or none.
  program.lines.push_back({now->line, now->text});
  placeOf.push_back(static_cast<int32_t>(program.code.size()));
  after.clear();
  auto family = families.find(opcodeParts[0]);
  // setp with a boolean operation has two results and one more source, which the table has no room for.
  bool joined = opcodeParts[0] == "setp" && opcodeParts.size() == 4 && operandCount() == 4;
  if (joined)
    decodeMove(*this);
  else if (family != families.end())
    family->second(*this);
  else
    simple();
  for (Inst &widening : after)
    emit(widening);
}

void Decoder::resolveLabels() {
  placeOf.push_back(static_cast<int32_t>(program.code.size()) - 1); // a label at the end means the final return
  for (const Fix &fix : fixes) {
    // Labels are known when all statements are there, since jumps go forwards, too.
    auto place = entry.label(fix.label, fix.scope);
    if (!place)
      throw Failure{{Fault::Syntax,
                     fmt::format("kernel '{}', line {}: there is no label '{}'", entry.name, fix.line, fix.label)}};
    if (fix.operandSlot < 0)
      program.code[fix.inst].target = placeOf[*place];
    else
      program.operands[fix.operandSlot] = static_cast<uint32_t>(placeOf[*place]);
  }
}

void Decoder::run() {
  declare();
  for (size_t i = 0; i < entry.statements.size(); ++i)
    decodeStatement(i);
  // Code may end without a return: one is added, to which labels at the end belong, too.
  static const StatementText end = [] {
    StatementText statement;
    statement.opcode = statement.text = "ret";
    return statement;
  }();
  now = &end;
  opcodeParts = {"ret"};
  program.lines.push_back({entry.statements.empty() ? entry.line : entry.statements.back().line, "ret"});
  decodeControl(*this);
  resolveLabels();
  findReconvergence(program);
}

/// Variables of global and constant memory, one behind the other; a launch adds the address that the module is loaded
/// at.
std::shared_ptr<const ModuleData> yupana::ptx::layOut(const ModuleText &module, VariablePlaces &places) {
  auto data = std::make_shared<ModuleData>();
  for (const VariableText &variable : module.variables) {
    if (variable.space == ".shared")
      continue;
    uint64_t at = aligned(data->initial.size(), std::max(variable.align, 16u));
    places[variable.name] = at;
    data->initial.resize(at + variable.bytes);
    std::copy(variable.initial.begin(), variable.initial.end(), data->initial.begin() + static_cast<int64_t>(at));
  }
  return data;
}

Program yupana::ptx::decode(const ModuleText &module, const EntryText &entry, std::shared_ptr<const ModuleData> data,
                            const VariablePlaces &places) {
  Program program;
  program.name = entry.name;
  program.data = std::move(data);
  Decoder(module, entry, places, program).run();
  return program;
}
