# SPDX-License-Identifier: Apache-2.0
"""Every #include goes along an arrow of the design: who may know whom. The runtime knows neither LLVM nor MLIR."""

import re

import common

BASE = ["compiler/Support"]
TARGET = BASE + ["compiler/Target"]
LLVM = ["mlir", "llvm", "llvm-c", "clang"]
RUNTIME = ["runtime/include", "runtime/schema", "runtime/base"]
# The interface alone: which devices there are is known to runtime/device/devices.cc.
DEVICE = ["runtime/device/device.h", "runtime/device/devices.h", "runtime/device/load.h", "runtime/device/profile.h"]

# What keeps an output from destroying an input, for programs that know nothing else of the compiler.
SAME_FILE = ["compiler/Support/SameFile.h"]
# Files that a signal removes, for programs that write any.
TEMPORARY = ["compiler/Support/TemporaryFile.h"]

# Room: what it may include besides itself and the standard library. The longest name that fits a file holds.
ARROWS = {
    "compiler/Support": [],
    "compiler/Target": ["runtime/schema"] + BASE,
    "compiler/Codegen": ["dialects", "runtime/schema"] + TARGET + LLVM,
    "compiler/Pipelines": ["passes", "dialects"] + BASE + LLVM,
    "compiler/Export": ["dialects", "runtime/schema", "runtime/base/sha256.h", "frontends/Safetensors"] + BASE + LLVM,
    "compiler/Simulator": ["runtime/device"] + TARGET + LLVM,
    "compiler/Driver": ["compiler", "dialects", "passes", "frontends", "runtime/schema", "runtime/include", "runtime/plan"] + LLVM,
    "dialects": ["runtime/schema"] + LLVM,
    "frontends": ["dialects"] + BASE + LLVM,
    "frontends/Safetensors": BASE,
    "frontends/ChatTemplate": BASE,
    "frontends/Tokenizer": ["frontends/ChatTemplate", "runtime/schema"] + BASE,
    "passes": ["dialects", "runtime/schema"] + BASE + LLVM,
    "runtime/include": [],
    "runtime/schema": ["runtime/base/checked.h"],
    "runtime/base": ["runtime/include", "runtime/schema"],
    "runtime/device": RUNTIME,
    "runtime/device/cpu": RUNTIME + DEVICE,
    "runtime/device/cuda": RUNTIME + DEVICE,
    "runtime/io": RUNTIME,
    "runtime/plan": RUNTIME + DEVICE + ["runtime/io"],
    "runtime/exec": RUNTIME + DEVICE + ["runtime/io", "runtime/plan"],
    "runtime/text": ["runtime/include", "runtime/schema"],
    "tools": ["compiler/Driver", "runtime/include", "runtime/plan", "runtime/schema"] + BASE + LLVM,
    "tools/simdriver": [],
    "tools/support": ["runtime/include", "runtime/schema"] + TEMPORARY,
    "tools/yupana-bench": ["runtime/include", "runtime/plan", "runtime/schema", "tools/support"],
    "tools/yupana-opt": ["compiler/Pipelines", "compiler/Codegen", "dialects", "passes"] + SAME_FILE + LLVM,
    "tools/yupana": ["compiler/Driver", "runtime/include", "runtime/plan", "runtime/schema", "runtime/text", "tools/support"] + BASE + LLVM,
    "tools/yupana-run": ["runtime/include", "runtime/schema", "runtime/text", "tools/support"] + SAME_FILE + TEMPORARY,
    "tools/cmake": LLVM,
}
INCLUDE = re.compile(r'^\s*#\s*(?:include|if __has_include\()\s*[<"]([^">]+)[">]', re.M)
# Libraries by the first part of their headers' names; the rest are the standard library's and the system's.
LIBRARIES = {
    "fmt": ["compiler", "frontends", "tools", "runtime/text"],
    "nlohmann": ["compiler", "frontends", "tools/yupana", "tools/yupana-bench"],
    "utf8proc.h": ["frontends/Tokenizer"],
    "flatbuffers": ["compiler", "runtime"],
}


def room_of(path, rooms):
    fitting = [room for room in rooms if path == room or path.startswith(room + "/")]
    return max(fitting, key=len, default=None)


def target_of(included):
    """The room an include names, or None for the standard library and the system."""
    if included.startswith("yupana/"):
        return "runtime/include"
    first = included.split("/")[0]
    if first in LLVM:
        return first
    if first in common.ROOMS:
        return included
    return None


def check(path, faults):
    source = common.name(path)
    room = room_of(source, ARROWS)
    if room is None:
        faults.add(path, 1, "lies in no room of the design; add it to ARROWS with what it may include")
        return
    text = path.read_text()
    for match in INCLUDE.finditer(text):
        included, line = match.group(1), text.count("\n", 0, match.start(1)) + 1
        target = target_of(included)
        library = included.split("/")[0]
        if library in LIBRARIES and not room_of(source, LIBRARIES[library]):
            faults.add(path, line, f"{room} must not use {library}")
        if target is None or room_of(target, [room]) or target.startswith(room + "/"):
            continue
        if not room_of(target, ARROWS[room]):
            faults.add(path, line, f"{room} must not include {included}; it may include {', '.join(ARROWS[room]) or 'nothing'}")


def main():
    faults, looked = common.Faults(), 0
    for path in common.files("compiler", "dialects", "frontends", "passes", "runtime", "tools", suffixes={".h", ".cpp", ".cc"}):
        check(path, faults)
        looked += 1
    faults.exit(looked)


if __name__ == "__main__":
    main()
