# SPDX-License-Identifier: Apache-2.0
"""The Debian packages install in a bare root and run there: first the runtime, which brings no LLVM along and writes
text; then a C compiler and the development package, with which the C program is built; then the compiler.

    debian_test.py BUILD PLAN CHECKPOINT WORK

Makes a root of Debian 12 with debootstrap, which takes root and a mirror of Debian; skipped without.
"""

import os
import pathlib
import shutil
import sys
import urllib.request

from common import PROMPT, ROOT, clean_environment, expect, expected_text, run

SKIPPED = 77
MIRROR = os.environ.get("YUPANA_DEBIAN_MIRROR", "http://deb.debian.org")
SOURCES = f"deb {MIRROR}/debian bookworm main\ndeb {MIRROR}/debian-security bookworm-security main\n"


class BareRoot:
    """A root of Debian 12 with nothing but what is essential."""

    def __init__(self, path):
        self.path = path
        run("debootstrap", "--variant=minbase", "bookworm", path, f"{MIRROR}/debian")
        (path / "etc/apt/sources.list").write_text(SOURCES)
        self.run("apt-get", "update", "-qq")

    def run(self, *command):
        environment = clean_environment(DEBIAN_FRONTEND="noninteractive", LC_ALL="C.UTF-8",
                                        PATH="/usr/sbin:/usr/bin:/sbin:/bin")
        return run("chroot", self.path, *command, env=environment)

    def install(self, *packages):
        self.run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages)

    def libraries(self):
        return self.run("find", "/usr", "-name", "libLLVM*", "-o", "-name", "libMLIR*")


def check(root, build, plan, checkpoint, packages):
    for path in (*packages.values(), plan, ROOT / "test/package/embed.c"):
        shutil.copy(path, root.path / "tmp")
    shutil.copytree(checkpoint, root.path / "tmp/checkpoint")
    expected = expected_text(build / "bin/yupana-run", plan)
    generate = ["--prompt", PROMPT, "--max-new-tokens", "32", "--temperature", "0"]

    root.install(f"/tmp/{packages['yupana-runtime'].name}")
    text = root.run("yupana-run", f"/tmp/{plan.name}", *generate)
    expect(text == expected, f"yupana-run writes {expected!r} in a bare root, but wrote {text!r}")

    root.install("gcc", "libc6-dev", "pkg-config", f"/tmp/{packages['libyupana-dev'].name}")
    root.run("sh", "-ec", "cc -std=c11 /tmp/embed.c $(pkg-config --cflags --libs yupana) -o /tmp/embed")
    text = root.run("/tmp/embed", f"/tmp/{plan.name}", PROMPT)
    expect(text == expected, f"the C program writes {expected!r} in a bare root, but wrote {text!r}")
    expect(not root.libraries(), "neither has brought LLVM along")

    root.install(f"/tmp/{packages['yupana'].name}")
    expect(root.libraries(), "the compiler has")
    root.run("yupana", "compile", "/tmp/checkpoint", "-o", "/tmp/own.yplan", "--target", "x86-64-v3", "--max-step-tokens",
             "16", "--name", "nano")
    expect((root.path / "tmp/own.yplan").read_bytes() == plan.read_bytes(), "the plan is that of this build, byte for byte")
    root.run("apt-get", "remove", "-y", "-qq", *packages)
    expect(not root.run("sh", "-c", "ls /usr/bin | grep yupana || true"), "what was installed can be removed")


def main():
    build, plan, checkpoint, work = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
    if os.geteuid() or not shutil.which("debootstrap"):
        print("skipped: needs debootstrap (tools/setup.sh --all) and root")
        sys.exit(SKIPPED)
    try:
        urllib.request.urlopen(f"{MIRROR}/debian/dists/bookworm/Release", timeout=60).close()
    except OSError as error:
        print(f"skipped: {MIRROR} does not answer: {error}")
        sys.exit(SKIPPED)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    run("cpack", "--config", build / "CPackConfig.cmake", "-G", "DEB", "-B", work / "packages")
    packages = {path.name.split("_")[0]: path for path in (work / "packages").glob("*.deb")}
    expect(set(packages) == {"yupana", "yupana-runtime", "libyupana-dev"}, f"three packages, not {sorted(packages)}")
    root = BareRoot(work / "root")
    check(root, build, plan, checkpoint, packages)
    shutil.rmtree(root.path)


if __name__ == "__main__":
    main()
