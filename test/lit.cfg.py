# SPDX-License-Identifier: Apache-2.0
"""The lit suite: textual IR in, FileCheck over what comes out. Configured by lit.site.cfg.py of the build folder."""

import os

import lit.formats

config.name = "yupana"
config.test_format = lit.formats.ShTest(execute_external=False)
# Every file with one of these endings below test/ is a test; there is no list to forget an entry in.
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs", "golden", "models", "parity"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.yupana_build_root, "test", "lit")

config.environment["PATH"] = os.pathsep.join(
    [os.path.join(config.yupana_build_root, "bin"), config.llvm_tools_dir, os.environ.get("PATH", "")]
)
for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LD_LIBRARY_PATH"):
    if name in os.environ:
        config.environment[name] = os.environ[name]

config.substitutions.append(("%models", os.path.join(config.test_source_root, "models")))
config.substitutions.append(("%python", config.python))


def cpu_levels():
    """The x86 levels this machine runs, as features that REQUIRES lines may name."""
    flags = set()
    with open("/proc/cpuinfo") as cpuinfo:
        for line in cpuinfo:
            if line.startswith("flags"):
                flags = set(line.split(":", 1)[1].split())
                break
    if {"avx2", "fma", "bmi1", "bmi2", "f16c", "movbe"} <= flags:
        yield "x86-64-v3"
        if {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"} <= flags:
            yield "x86-64-v4"
            if "avx512_bf16" in flags:
                yield "x86-64-v4-bf16"


config.available_features.update(cpu_levels())

# `lit -Droundtrip=1` also checks, in every test, that the module a tool reads is what its own text and bytecode give.
if lit_config.params.get("roundtrip"):
    config.substitutions.append((r"\byupana-opt\b", "yupana-opt --verify-roundtrip"))
