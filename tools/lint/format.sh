#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Shows, or applies, clang-format to the lines a change touches.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

usage() {
  cat <<'TEXT'
Usage: tools/lint/format.sh [--fix] [BASE] [--help]

Runs clang-format 14 over the lines that differ from BASE (default: HEAD) and shows what it would change; with --fix it
changes them. Other lines stay as they are: reformatting is no reason to touch a file. The exit code is 1 if something
would change.
TEXT
}

base=HEAD
fix=()
for argument in "$@"; do
  case "$argument" in
    --fix) fix=(-i) ;;
    --help | -h) usage && exit 0 ;;
    -*) echo "format.sh: unknown option '$argument'; see --help" >&2 && exit 2 ;;
    *) base=$argument ;;
  esac
done

formatter=$(command -v clang-format-diff-14 || command -v clang-format-diff) || {
  echo "format.sh: clang-format-diff is missing; install clang-format-14" >&2
  exit 3
}
difference=$(git diff -U0 --no-color "$base" -- '*.h' '*.cpp' '*.cc' '*.c' | "$formatter" -p1 "${fix[@]}")
[ -z "$difference" ] || { printf '%s\n' "$difference" && exit 1; }
