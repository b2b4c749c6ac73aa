#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks and times the GPU code of the bundled checkpoints on a GPU, or on another driver.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage() {
  cat <<'TEXT'
Usage: tools/gpu-check.sh --bundle DIR [--targets A,B]
       tools/gpu-check.sh [DIR] [--driver FILE] [--out FOLDER] [--quick] [--help]

The first form compiles the checkpoints of test/models with the compiler in build/ and writes a bundle to DIR: programs,
plans, expected results and this script. It needs no GPU; running it needs the driver and python3 alone.

The second form runs a bundle: the one in DIR, else the one this script lies in, else build/gpu-bundle, which is made if
it is not there. Text and logits of every checkpoint are compared with what is expected; load time and tokens per second
are measured; compute-sanitizer looks on where it is installed. Prints a table, writes FOLDER/gpu-check.json (default:
the working directory), and ends with 0 if nothing failed.

  --targets A,B   what to compile for (default: every GPU target)
  --driver FILE   a shared object with the entry points of the CUDA driver instead of the system's, such as the stand-in
  --quick         whole prompts alone, no timing: for slow drivers
TEXT
}

bundle= directory= targets=sm_80,sm_89,sm_90a,sm_100a,sm_120a
pass=()
while [ $# -gt 0 ]; do
  case "$1" in
    --help | -h) usage && exit 0 ;;
    --bundle | --targets | --driver | --out)
      [ $# -ge 2 ] || { echo "gpu-check.sh: option $1: no value" >&2 && exit 2; }
      case "$1" in
        --bundle) bundle=$2 ;;
        --targets) targets=$2 ;;
        *) pass+=("$1" "$2") ;;
      esac
      shift 2
      ;;
    --quick) pass+=("$1") && shift ;;
    -*) echo "gpu-check.sh: unknown option '$1'; see --help" >&2 && exit 2 ;;
    *) directory=$1 && shift ;;
  esac
done

# make_bundle FOLDER: plans hold code for every target and their weights once.
make_bundle() {
  local root=$here/.. folder=$1 model name precision
  local compiler=$root/build/bin/yupana
  [ -x "$compiler" ] || { echo "gpu-check.sh: $compiler is not there; build the project first" >&2 && exit 3; }
  mkdir -p "$folder/bin" "$folder/plans" "$folder/expected"
  cp "$here/gpu-check.sh" "$here/gpu-check/check.py" "$folder/"
  # Not the compiler, which needs LLVM's library.
  for name in yupana-run yupana-bench; do
    strip -o "$folder/bin/$name" "$root/build/bin/$name"
  done
  for model in "$root"/test/models/nano "$root"/test/models/parity/*; do
    name=$(basename "$model")
    mkdir -p "$folder/expected/$name"
    cp "$model"/expected/*.json "$folder/expected/$name/"
    cp "$model"/expected/truth.npy "$folder/expected/$name/"
    [ ! -f "$model/expected/hf_bf16.npy" ] || cp "$model/expected/hf_bf16.npy" "$folder/expected/$name/"
    for precision in bf16 f32; do
      "$compiler" compile "$model" -o "$folder/plans/$name.$precision.yplan" --precision "$precision" \
        --target "$targets" --emit cubin,ptx
    done
  done
}

if [ -n "$bundle" ]; then
  make_bundle "$bundle"
  du -sh "$bundle"
  exit 0
fi
if [ -z "$directory" ]; then
  directory=$here
  if [ ! -d "$here/plans" ]; then
    directory=$here/../build/gpu-bundle
    [ -d "$directory/plans" ] || make_bundle "$directory"
  fi
fi
exec python3 -B "$directory/check.py" "$directory" "${pass[@]}"
