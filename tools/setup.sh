#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what building and testing need, from Debian 12 and its security updates.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: tools/setup.sh [--all] [--help]

Installs every package that building and testing need. All come from Debian 12 (bookworm) and its security updates,
which is where LLVM and MLIR 22 come from; the security updates are added to the sources of apt where they are missing.
Needs root, or sudo. Says nothing when everything is installed already.

  --all   also the second compiler, g++ 12, that tools/test.sh --all builds with
TEXT
}

packages=(
  binutils ca-certificates cmake git ninja-build strace                      # tools
  clang-22 libclang-rt-22-dev lld-22                                         # the compiler, its sanitizers, its linker
  libmlir-22-dev llvm-22-dev llvm-22-tools mlir-22-tools                     # MLIR, lit and FileCheck
  flatbuffers-compiler libflatbuffers-dev                                    # the metadata of a plan
  libfmt-dev nlohmann-json3-dev libutf8proc-dev libzstd-dev zlib1g-dev       # libraries
  libgtest-dev python3 python3-jinja2 python3-numpy                          # tests
)

missing_packages() {
  local package
  for package in "${packages[@]}"; do
    dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
      echo "$package"
  done
}

# LLVM 22 reached Debian 12 by way of its security updates.
add_security_updates() {
  if apt-cache show clang-22 >/dev/null 2>&1 || grep -qrs bookworm-security /etc/apt/sources.list*; then
    return
  fi
  "${as_root[@]}" tee /etc/apt/sources.list.d/bookworm-security.list >/dev/null \
    <<<'deb http://deb.debian.org/debian-security bookworm-security main'
}

main() {
  case "${1-}" in
    '') ;;
    --all) packages+=(g++-12) ;;
    --help | -h) usage && exit 0 ;;
    *) echo "setup.sh: unknown argument '$1'; see --help" >&2 && exit 2 ;;
  esac
  local wanted
  mapfile -t wanted < <(missing_packages)
  [ ${#wanted[@]} -gt 0 ] || return 0
  if ! command -v apt-get >/dev/null; then
    echo "setup.sh: this machine has no apt-get; install the equivalents of: ${wanted[*]}" >&2
    exit 3
  fi
  as_root=(env)
  if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "setup.sh: run it as root, or install sudo; missing: ${wanted[*]}" >&2
      exit 3
    fi
    as_root=(sudo)
  fi
  echo "setup.sh: installing ${wanted[*]}"
  add_security_updates
  "${as_root[@]}" apt-get update --quiet=2
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install --quiet=2 --yes --no-install-recommends "${wanted[@]}"
}

main "$@"
