#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks and times the GPU code of the bundled checkpoints on a GPU, or on another driver.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage() {
  cat <<'TEXT'
Usage: tools/gpu-check.sh --bundle DIR [--targets A,B] [--models A,B] [--precisions A,B] [--build DIR]
       tools/gpu-check.sh [DIR] [--driver FILE] [--cublas FILE] [--python FILE] [--out FOLDER] [--quick] [--only A,B]
                          [--help]

The first form compiles the checkpoints of test/models with the compiler in build/ and writes a bundle to DIR: programs,
plans, expected results and this script, less than 40 MiB for one target. It needs no GPU; to run, it needs the driver,
python3, and 200 MB for temporary files.

The second form runs a bundle: the one in DIR, else the one this script lies in, else build/gpu-bundle, which is made if
it is not there. Golden vectors put to the hardware what the tests read the PTX manual to say; text and logits of every
checkpoint are compared with what is expected; load time and tokens per second are measured, also of four layers of
Llama 4 Scout with random weights (24 GB); compute-sanitizer looks on where it is installed.

Then what the GPU reaches is measured, its read bandwidth and, where cuBLAS is found, its arithmetic peak, and held
against it each kernel of layers of Scout and of Maverick and of the deepest stack of Scout's layers that fits the free
memory, with random weights: decoding of 1, 8 and 64 sequences, prompts of 2,048 and 8,192 tokens, and decoding behind 8
K and 128 K tokens. Where python3 has torch with CUDA, its linear layers, grouped products and attention, a grouped
product in Triton and the block of transformers run in turn with the same operations of ours.

Prints a table, writes as it goes FOLDER/gpu-check.json and, with the roofline picture, FOLDER/gpu-check.html (default:
the working directory; the bundle's report.py makes the page of a JSON again), and ends with 0 if nothing failed, 1 if
something did, 6 without a driver or a GPU.

  --targets A,B   what to compile for (default: every GPU target)
  --models A,B    which checkpoints, by the names of their folders, and of the weightless ones scout-4, maverick-2,
                  scout-stack, small and small-stack (default: all)
  --precisions A,B
                  of bf16 and f32 (default: both)
  --build DIR     where the project is built (default: build)
  --driver FILE   a shared object with the entry points of the CUDA driver instead of the system's, such as the stand-in
  --cublas FILE   the shared object of cuBLAS, where it is not found by itself; python3's packages are looked through
  --python FILE   the Python that has torch (default: python3)
  --quick         one text, whole prompts alone, no timing of checkpoints: for slow drivers
  --only A,B      of vector, text, logits, sanitizer, time, ceiling, roofline and peer (default: all); the last two
                  measure the ceilings as well

On the stand-in for the driver the layers of Scout are not run: small ones take their place, and peers run tiny shapes
on the processor.
TEXT
}

bundle= directory= models= precisions=bf16,f32 build=$here/../build targets=sm_80,sm_89,sm_90a,sm_100a,sm_120a
pass=()
while [ $# -gt 0 ]; do
  case "$1" in
    --help | -h) usage && exit 0 ;;
    --bundle | --targets | --models | --precisions | --build | --driver | --cublas | --python | --out | --only)
      [ $# -ge 2 ] || { echo "gpu-check.sh: option $1: no value" >&2 && exit 2; }
      case "$1" in
        --bundle) bundle=$2 ;;
        --targets) targets=$2 ;;
        --models) models=$2 ;;
        --precisions) precisions=$2 ;;
        --build) build=$2 ;;
        *) pass+=("$1" "$2") ;;
      esac
      shift 2
      ;;
    --quick) pass+=("$1") && shift ;;
    -*) echo "gpu-check.sh: unknown option '$1'; see --help" >&2 && exit 2 ;;
    *) directory=$1 && shift ;;
  esac
done

# compile OUT CHECKPOINT OPTION...: code for every target, weights once. Kernels are kept from bundle to bundle.
compile() {
  local out=$1
  shift
  "$compiler" compile "$@" -o "$out" --target "$targets" --emit cubin,ptx --cache "$build/gpu-kernels"
}

# is_wanted NAME: --models names it, or nothing.
is_wanted() {
  case ",${models:-$1}," in *",$1,"*) ;; *) return 1 ;; esac
}

# make_weightless FOLDER NAME LIMITS OPTION...: code of layers; options are random-checkpoint's, limits the compiler's.
# All plans of a model get the same limits, with which they share their kernels.
make_weightless() {
  local folder=$1 name=$2 limits=$3 config
  shift 3
  config=$(mktemp -d)
  python3 "$here/random-checkpoint" "$config/$name" --config-only "$@"
  # shellcheck disable=SC2086 # limits are words
  compile "$folder/$name.bf16.yplan" "$config/$name" --precision bf16 --strip-weights $limits
  rm -r "$config"
}

# make_all_weightless FOLDER: layers of every kind that the released models have, and stacks of which one fits the GPU.
make_all_weightless() {
  local folder=$1 layers
  local limits="--max-context 135168 --max-batch 64 --max-step-tokens 8192"
  local small="--hidden-size 256 --intermediate-size 128 --num-attention-heads 4 --num-key-value-heads 2 --head-dim 64"
  small+=" --vocab-size 512"
  ! is_wanted scout-4 || make_weightless "$folder" scout-4 "$limits" --preset scout --layers 4
  ! is_wanted maverick-2 || make_weightless "$folder" maverick-2 "$limits" --preset maverick --layers 2
  if is_wanted scout-stack; then
    # For 48, 80, 140, 190 and 288 GB.
    for layers in 8 16 28 36 48; do
      make_weightless "$folder" "scout-stack-$layers" "$limits" --preset scout --layers "$layers"
    done
  fi
  # shellcheck disable=SC2086 # these are words
  ! is_wanted small || make_weightless "$folder" small "--max-context 4096" --preset scout --layers 4 $small
  if is_wanted small-stack; then
    for layers in 1 2; do
      # shellcheck disable=SC2086
      make_weightless "$folder" "small-stack-$layers" "--max-context 4096" --preset scout --layers "$layers" $small
    done
  fi
}

# sizes FOLDER OUT: what each plan takes of a GPU's memory, with one sequence of its longest context, as a JSON object.
sizes() {
  python3 - "$compiler" "$@" <<'PYTHON'
import json, pathlib, subprocess, sys
compiler, folder, out = sys.argv[1], *map(pathlib.Path, sys.argv[2:])
found = {}
for plan in sorted(folder.glob("*.yplan")):
    text = subprocess.run([compiler, "inspect", "--json", plan], check=True, capture_output=True).stdout
    found[plan.stem] = max(target["memory"]["total"] for target in json.loads(text)["targets"])
out.write_text(json.dumps(found, indent=1) + "\n")
PYTHON
}

# pack FOLDER OUT: plans and weightless plans into one archive, since the code of one is much like that of another.
pack() {
  python3 - "$@" <<'PYTHON'
import lzma, pathlib, sys, tarfile
folder, out = map(pathlib.Path, sys.argv[1:])
plans = sorted(folder.glob("*/*.yplan"))
# A bundle of a few plans is small enough without the minutes that packing well takes.
preset = 9 | lzma.PRESET_EXTREME if sum(path.stat().st_size for path in plans) > 32 << 20 else 1
with tarfile.open(out, "w:xz", preset=preset) as archive:
    for path in plans:
        archive.add(path, path.relative_to(folder))
PYTHON
}

# make_bundle FOLDER
make_bundle() {
  local root=$here/.. folder=$1 made model name precision
  local compiler=$build/bin/yupana
  [ -x "$compiler" ] || { echo "gpu-check.sh: $compiler is not there; build the project first" >&2 && exit 3; }
  made=$(mktemp -d)
  mkdir -p "$folder/bin" "$folder/expected" "$folder/vectors" "$made/plans" "$made/weightless"
  cp "$here/gpu-check.sh" "$here"/gpu-check/*.{py,ptx,css} "$folder/"
  cp "$here"/gpu-check/vectors/*.ptx "$folder/vectors/"
  # Not the compiler, which needs LLVM's library.
  for name in yupana-run yupana-bench; do
    strip -o "$folder/bin/$name" "$build/bin/$name"
  done
  for model in "$root"/test/models/nano "$root"/test/models/parity/*; do
    name=$(basename "$model")
    is_wanted "$name" || continue
    mkdir -p "$folder/expected/$name"
    cp "$model"/expected/*.json "$folder/expected/$name/"
    cp "$model"/expected/truth.npy "$folder/expected/$name/"
    [ ! -f "$model/expected/hf_bf16.npy" ] || cp "$model/expected/hf_bf16.npy" "$folder/expected/$name/"
    for precision in ${precisions//,/ }; do
      compile "$made/plans/$name.$precision.yplan" "$model" --precision "$precision"
    done
  done
  make_all_weightless "$made/weightless"
  sizes "$made/weightless" "$folder/weightless.json"
  pack "$made" "$folder/plans.tar.xz"
  rm -r "$made"
}

if [ -n "$bundle" ]; then
  make_bundle "$bundle"
  du -sh "$bundle"
  exit 0
fi
if [ -z "$directory" ]; then
  directory=$here
  if [ ! -f "$here/plans.tar.xz" ]; then
    directory=$build/gpu-bundle
    [ -f "$directory/plans.tar.xz" ] || make_bundle "$directory"
  fi
fi
exec python3 -B "$directory/check.py" "$directory" "${pass[@]}"
