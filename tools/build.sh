# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# How the scripts of this folder configure and build; sourced from the root of the repository.

# configure FOLDER [CMAKE-OPTION...]: a Release build with clang 22, unless CC and CXX say otherwise.
configure() {
  local folder=$1
  shift
  [ -f "$folder/build.ninja" ] && [ $# -eq 0 ] && return
  cmake -S . -B "$folder" -G Ninja --log-level=WARNING -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_C_COMPILER="${CC:-clang-22}" -DCMAKE_CXX_COMPILER="${CXX:-clang++-22}" "$@"
}

# build FOLDER [TARGET...]: progress on a terminal, in a pipe only what went wrong.
build() {
  local folder=$1
  shift
  if [ -t 1 ]; then
    ninja -C "$folder" "$@"
  else
    echo "Building $folder"
    ninja --quiet -C "$folder" "$@"
  fi
}
