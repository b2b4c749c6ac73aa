// SPDX-License-Identifier: Apache-2.0
//
// The pass driver: every dialect, every pass of the compiler, each alone or in any order.

#include "compiler/Codegen/BackEnd.h"
#include "compiler/Codegen/CPU/CodegenCPU.h"
#include "compiler/Codegen/GPU/CodegenGPU.h"
#include "compiler/Pipelines/Pipelines.h"
#include "compiler/Support/SameFile.h"
#include "dialects/Kernel/IR/Kernel.h"
#include "dialects/LM/IR/LM.h"
#include "dialects/MoE/IR/MoE.h"
#include "dialects/Plan/IR/Plan.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/ToolOutputFile.h"
#include "llvm/Support/raw_ostream.h"

/// Ends the program with the documented exit code when the output is the input: a pass that fails would leave neither.
static void keepInput(const std::string &input, const std::string &output) {
  if (std::optional<std::string> sentence =
          yupana::findOverwrittenInput(output, {input == "-" ? "/dev/stdin" : input})) {
    llvm::errs() << "yupana-opt: " << *sentence << "\n";
    std::exit(2);
  }
}

static int report(const llvm::Twine &sentence, int code) {
  llvm::errs() << "yupana-opt: " << sentence << "\n";
  return code;
}

/// What MLIR's driver does with one file, but that an output that is lost ends with the documented exit code: LLVM's
/// stream would end the program as if the compiler were at fault.
static int runPasses(const std::string &input, const std::string &output, mlir::DialectRegistry &registry) {
  std::string sentence;
  std::unique_ptr<llvm::MemoryBuffer> buffer = mlir::openInputFile(input, &sentence);
  if (!buffer)
    return report(sentence, 3);
  std::unique_ptr<llvm::ToolOutputFile> file = mlir::openOutputFile(output, &sentence);
  if (!file)
    return report(sentence, 3);
  // MLIR has reported why.
  if (mlir::failed(
          mlir::MlirOptMain(file->os(), std::move(buffer), registry, mlir::MlirOptMainConfig::createFromCLOptions())))
    return 1;
  file->os().flush();
  if (std::error_code error = file->os().error()) {
    file->os().clear_error();
    return report((output == "-" ? "standard output" : output) + ": cannot be written: " + error.message(), 7);
  }
  // A file that is not kept is removed: a run that fails leaves none.
  file->keep();
  return 0;
}

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  registry.insert<yupana::lm::LMDialect, yupana::moe::MoEDialect, yupana::kernel::KernelDialect,
                  yupana::plan::PlanDialect>();
  registry.insert<mlir::affine::AffineDialect, mlir::arith::ArithDialect, mlir::func::FuncDialect,
                  mlir::linalg::LinalgDialect, mlir::LLVM::LLVMDialect, mlir::math::MathDialect,
                  mlir::memref::MemRefDialect, mlir::scf::SCFDialect, mlir::tensor::TensorDialect,
                  mlir::vector::VectorDialect>();
  yupana::codegen::registerBackEnds(registry);
  mlir::registerTransformsPasses();
  yupana::registerPipelines();
  yupana::codegen::registerCodegenCPUPasses();
  yupana::codegen::cuda::registerCodegenGPUPasses();
  auto [input, output] = mlir::registerAndParseCLIOptions(argc, argv, "Yupana pass driver\n", registry);
  keepInput(input, output);
  mlir::MlirOptMainConfig config = mlir::MlirOptMainConfig::createFromCLOptions();
  // Lists are printed without an input.
  if (config.shouldShowDialects() || config.shouldListPasses())
    return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, input, output, registry));
  return runPasses(input, output, registry);
}
