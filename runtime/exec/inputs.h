// SPDX-License-Identifier: Apache-2.0
//
// What the host tells kernels before a step, at fixed places in one block: token ids, page tables, then the other step
// inputs. A device needs one transfer, and only of what the step uses. Ids come first because sampling writes those of
// the next step over them, which a transfer of what lies around them must not touch. On a CPU the block is where
// kernels read.

#ifndef YUPANA_RUNTIME_EXEC_INPUTS_H
#define YUPANA_RUNTIME_EXEC_INPUTS_H

#include "runtime/device/device.h"
#include "runtime/plan/bounds.h"
#include "runtime/plan/check.h"

namespace yupana::runtime {

class StepInputs {
public:
  /// Room for everything at the compiled maxima. OUT_OF_MEMORY.
  Code prepare(Device *device, const Allocator &allocator, const schema::Plan &plan, yupana_status_t *out_status);

  /// Where the host writes an input.
  template <typename T> T *input(schema::StepInput which) const {
    return reinterpret_cast<T *>(block_.host + inputs_[static_cast<uint32_t>(which)]);
  }
  /// Where the host writes row `row` of a group's page table.
  uint32_t *table_row(uint32_t group, uint32_t row) const {
    return reinterpret_cast<uint32_t *>(block_.host + at(group, row));
  }
  /// Where kernels read.
  uint8_t *device_input(uint32_t which) const { return block_.device + inputs_[which]; }
  uint8_t *device_table(uint32_t group) const { return block_.device + tables_[group].offset; }

  /// A step in the order of these calls: it uses the first `entries` entries of rows of page tables, groups and rows
  /// ascending, and of the inputs what its sizes say, but for the first `kept` token ids, which the device has; then
  /// all of it goes to the device.
  void begin() { count_ = 1; }
  void use_table_row(uint32_t group, uint32_t row, uint32_t entries) {
    ranges_[count_++] = {at(group, row), entries * sizeof(uint32_t)};
  }
  void send(Device *device, uint32_t slot, const StepSizes &sizes, uint32_t kept);

  uint64_t bytes() const { return block_.memory.size(); }
  uint64_t bookkeeping_bytes() const { return ranges_.bytes(); }

private:
  struct Table {
    uint64_t offset;
    uint64_t row_bytes;
  };
  uint64_t at(uint32_t group, uint32_t row) const { return tables_[group].offset + row * tables_[group].row_bytes; }

  InputBlock block_ = {};
  Table tables_[kMaxCacheGroups] = {};
  uint64_t inputs_[kStepInputs] = {};
  Array<InputRange> ranges_; // of the step being prepared, that of token ids first
  uint32_t count_ = 0;
};

} // namespace yupana::runtime

#endif
