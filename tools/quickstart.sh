#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From a clean checkout to generated text.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

prompt='The capital of France is'

usage() {
  cat <<TEXT
Usage: tools/quickstart.sh [--help] [PROMPT]

Installs what is missing (tools/setup.sh), builds the compiler and the runtime into build/, compiles the small bundled
checkpoint test/models/nano into build/nano.yplan, and runs that plan on PROMPT (default: "$prompt").
TEXT
}

case "${1-}" in
  --help | -h) usage && exit 0 ;;
  -*) echo "quickstart.sh: unknown option '$1'; see --help" >&2 && exit 2 ;;
  '') ;;
  *) prompt=$1 ;;
esac

tools/setup.sh
source tools/build.sh
configure build
build build yupana yupana-run
build/bin/yupana compile test/models/nano -o build/nano.yplan
build/bin/yupana-run build/nano.yplan --prompt "$prompt" --max-new-tokens 32 --temperature 0
