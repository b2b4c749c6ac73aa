# SPDX-License-Identifier: Apache-2.0
"""The runtime and its programs build, install and run where neither LLVM nor any other library of the compiler is found,
with the system's own compiler.

    runtime_alone_test.py BUILD PLAN WORK
"""

import pathlib
import shutil
import sys

from common import PROMPT, ROOT, clean_environment, expect, expected_text, run

ABSENT = ["MLIR", "LLVM", "Clang", "GTest"]


def main():
    build, plan, work = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
    shutil.rmtree(work, ignore_errors=True)
    # Folders of libraries as Debian has them.
    run("cmake", "-S", ROOT, "-B", work / "build", "-G", "Ninja", "-DYUPANA_BUILD_COMPILER=OFF", "-DYUPANA_BUILD_FRONTENDS=OFF",
        "-DYUPANA_BUILD_TESTS=OFF", "-DCMAKE_INSTALL_LIBDIR=lib/x86_64-linux-gnu",
        *(f"-DCMAKE_DISABLE_FIND_PACKAGE_{name}=ON" for name in ABSENT), env=clean_environment(CC="cc", CXX="c++"))
    run("ninja", "-C", work / "build")
    run("cmake", "--install", work / "build", "--prefix", work / "prefix", "--strip")
    text = run(work / "prefix/bin/yupana-run", plan, "--prompt", PROMPT, "--max-new-tokens", 32, "--temperature", 0)
    expect(text == expected_text(build / "bin/yupana-run", plan), "it writes what the other build's program writes")
    environment = clean_environment(PKG_CONFIG_PATH=str(work / "prefix/lib/x86_64-linux-gnu/pkgconfig"))
    flags = run("pkg-config", "--cflags", "--libs", "yupana", env=environment).split()
    program = work / "embed"
    run("cc", "-std=c11", ROOT / "test/package/embed.c", *flags, "-o", program)
    libraries = str(work / "prefix/lib/x86_64-linux-gnu")
    expect(run(program, plan, PROMPT, env=clean_environment(LD_LIBRARY_PATH=libraries)) == text, "the C program, too")
    expect(not (work / "prefix/bin/yupana").exists(), "there is no compiler")


if __name__ == "__main__":
    main()
