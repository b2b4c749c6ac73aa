# SPDX-License-Identifier: Apache-2.0
"""The lit suite: textual IR in, FileCheck over what comes out. Configured by lit.site.cfg.py of the build folder."""

import json
import os
import subprocess

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


# What this machine runs, as features that REQUIRES lines may name.
listed = subprocess.run([os.path.join(config.yupana_build_root, "bin", "yupana"), "targets", "--json"],
                        env={**os.environ, **config.environment}, capture_output=True, check=True)
config.available_features.update(target["name"] for target in json.loads(listed.stdout) if target["runs_here"])

# `lit -Droundtrip=1` also checks, in every test, that the module a tool reads is what its own text and bytecode give.
if lit_config.params.get("roundtrip"):
    config.substitutions.append((r"\byupana-opt\b", "yupana-opt --verify-roundtrip"))
