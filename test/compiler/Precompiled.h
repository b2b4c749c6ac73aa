// SPDX-License-Identifier: Apache-2.0
#include "test/Precompiled.h"
#include "tools/cmake/Precompiled.h"

#include "mlir/Parser/Parser.h"
