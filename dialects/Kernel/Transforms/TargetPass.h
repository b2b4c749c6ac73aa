// SPDX-License-Identifier: Apache-2.0
//
// The base of passes that ask a target.
#ifndef YUPANA_DIALECTS_KERNEL_TRANSFORMS_TARGETPASS_H
#define YUPANA_DIALECTS_KERNEL_TRANSFORMS_TARGETPASS_H

#include "dialects/Kernel/IR/TargetModel.h"

namespace yupana::kernel {

/// A pass over a module whose record, the class `Generated`, has an option `target`. The pass fails, with an error
/// at the module, when no target is named or no back end answers to the name.
template <typename Generated> class TargetPass : public Generated {
public:
  using Generated::Generated;

  void runOnOperation() final {
    if (const TargetModel *model = lookupTarget(this->getOperation(), this->target))
      return runOnModule(*model);
    this->signalPassFailure();
  }

protected:
  /// What the pass does, for the target that the model answers for.
  virtual void runOnModule(const TargetModel &model) = 0;
};

} // namespace yupana::kernel

#endif // YUPANA_DIALECTS_KERNEL_TRANSFORMS_TARGETPASS_H
