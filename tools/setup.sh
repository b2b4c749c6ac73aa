#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what building and testing need, from Debian 12 and its security updates.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: tools/setup.sh [--all] [--toolkit FOLDER] [--tokenizer FOLDER] [--help]

Installs every package that building and testing need. All come from Debian 12 (bookworm) and its security updates,
which is where LLVM and MLIR 22 come from; the security updates are added to the sources of apt where they are missing.
Needs root, or sudo. Says nothing when everything is installed already.

  --all             also what tools/test.sh --all needs: the second compiler, g++ 12, what Debian packages are made and
                    tried with, and Chromium, in which the page of yupana inspect --html is opened
  --toolkit FOLDER  also ptxas of the CUDA Toolkit 13.0, into FOLDER, from the wheels that NVIDIA has on PyPI; nothing
                    where CUDA_HOME or PATH have one
  --tokenizer FOLDER
                    also Meta's own tokenizer of Llama 4, into a virtual environment in FOLDER, from the package
                    llama-models on PyPI; tests compare with it
TEXT
}

packages=(
  binutils ca-certificates cmake git ninja-build pkg-config strace           # tools
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

# The one release whose code the drivers take that plans are made for, and that knows PTX 9.0.
toolkit_release=13.0
toolkit_wheel=nvidia-cuda-nvcc==13.0.88

has_ptxas() {
  local program
  for program in "${CUDA_HOME:+$CUDA_HOME/bin/}ptxas" "$(command -v ptxas || true)" "$1/nvidia/cu13/bin/ptxas"; do
    if [ -x "$program" ] && "$program" --version | grep -q "release $toolkit_release,"; then
      return
    fi
  done
  return 1
}

# Meta's encoder with its vocabulary, and tiktoken, which it is written on; what else the package asks for is not used.
tokenizer_wheels=(llama-models==0.3.0)
tokenizer_needs=(tiktoken==0.14.0)

has_tokenizer() {
  [ -x "$1/bin/python3" ] && "$1/bin/python3" -c 'import llama_models.llama4.tokenizer' 2>/dev/null
}

install_tokenizer() {
  echo "setup.sh: installing ${tokenizer_wheels[*]} into $1"
  local pip=("$1/bin/python3" -m pip install --quiet --disable-pip-version-check --only-binary=:all:)
  /usr/bin/python3 -m venv "$1"
  "${pip[@]}" --no-deps "${tokenizer_wheels[@]}"
  "${pip[@]}" "${tokenizer_needs[@]}"
}

install_toolkit() {
  echo "setup.sh: installing $toolkit_wheel into $1"
  /usr/bin/python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps \
    --only-binary=:all: --upgrade --target "$1" "$toolkit_wheel"
}

main() {
  local toolkit='' tokenizer=''
  while [ $# -gt 0 ]; do
    case "$1" in
      --all) packages+=(g++-12 chromium debootstrap dpkg-dev file python3-venv) ;;
      --toolkit) toolkit=${2:?setup.sh: --toolkit needs a folder} && shift ;;
      --tokenizer) tokenizer=${2:?setup.sh: --tokenizer needs a folder} && shift ;;
      --help | -h) usage && exit 0 ;;
      *) echo "setup.sh: unknown argument '$1'; see --help" >&2 && exit 2 ;;
    esac
    shift
  done
  if [ -n "$toolkit" ] && has_ptxas "$toolkit"; then
    toolkit=
  fi
  if [ -n "$toolkit" ]; then
    packages+=(python3-pip)
  fi
  if [ -n "$tokenizer" ] && has_tokenizer "$tokenizer"; then
    tokenizer=
  fi
  if [ -n "$tokenizer" ]; then
    packages+=(python3-venv)
  fi
  install_packages
  if [ -n "$toolkit" ]; then
    install_toolkit "$toolkit"
  fi
  if [ -n "$tokenizer" ]; then
    install_tokenizer "$tokenizer"
  fi
}

install_packages() {
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
