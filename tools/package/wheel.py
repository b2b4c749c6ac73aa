#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds the Python wheel of the runtime: the package in runtime/python around a libyupana.so.

    wheel.py LIBRARY FOLDER

Writes FOLDER/yupana-VERSION-py3-none-manylinux_X_Y_MACHINE.whl and prints its name. X.Y is the newest glibc that
LIBRARY asks for. Equal input gives equal bytes. Needs Python alone, as does installing the wheel: nothing is compiled.
"""

import base64
import ctypes
import hashlib
import pathlib
import platform
import re
import sys
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
# What manylinux takes for granted, of what the library may need.
SYSTEM = {"libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "ld-linux-x86-64.so.2"}
METADATA = """Metadata-Version: 2.1
Name: yupana
Version: {version}
Summary: Runs plans made of Llama 4 checkpoints, without a compiler
License: Apache-2.0
Requires-Python: >=3.9
Requires-Dist: numpy
Classifier: License :: OSI Approved :: Apache Software License
Classifier: Operating System :: POSIX :: Linux
Classifier: Programming Language :: Python :: 3
Description-Content-Type: text/markdown

{description}"""
WHEEL = """Wheel-Version: 1.0
Generator: tools/package/wheel.py
Root-Is-Purelib: false
Tag: py3-none-{platform}
"""


def strings_of(library):
    """The NUL-terminated strings of a shared library's tables, among them the libraries and versions it needs."""
    return {part.decode("ascii", "replace") for part in library.read_bytes().split(b"\0")}


def platform_tag(library):
    """`manylinux_2_34_x86_64`: what a system must have. Refuses a library that needs more than glibc."""
    strings = strings_of(library)
    foreign = {name for name in strings if re.fullmatch(r"[\w+-]+\.so(\.\d+)*", name)} - SYSTEM
    # The driver of GPUs is looked for when one is asked for; the library's own name is among its strings, too.
    foreign -= {"libcuda.so.1"} | {name for name in foreign if name.startswith("libyupana.so")}
    if foreign:
        sys.exit(f"wheel.py: {library}: needs {', '.join(sorted(foreign))}; link the C++ library statically")
    matches = [re.fullmatch(r"GLIBC_(\d+)\.(\d+)(?:\.\d+)?", name) for name in strings]
    versions = [tuple(map(int, match.groups())) for match in matches if match]
    if not versions:
        sys.exit(f"wheel.py: {library}: names no version of glibc; a shared library of Linux is expected")
    return "manylinux_{}_{}_{}".format(*max(versions), platform.machine())


def contents(library, version, tag, info):
    package = ROOT / "runtime/python/yupana"
    for path in sorted(package.iterdir()):
        if path.suffix == ".py" or path.name == "py.typed":
            yield f"yupana/{path.name}", path.read_bytes()
    yield "yupana/libyupana.so", library.read_bytes()
    yield f"{info}/LICENSE", (ROOT / "LICENSE").read_bytes()
    description = (ROOT / "runtime/python/README.md").read_text()
    yield f"{info}/METADATA", METADATA.format(version=version, description=description).encode()
    yield f"{info}/WHEEL", WHEEL.format(platform=tag).encode()


def main():
    library, folder = (pathlib.Path(argument) for argument in sys.argv[1:])
    version_of = ctypes.CDLL(str(library.resolve())).yupana_version
    version_of.restype = ctypes.c_char_p
    version, tag = version_of().decode(), platform_tag(library)
    info = f"yupana-{version}.dist-info"
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"yupana-{version}-py3-none-{tag}.whl"
    record = []
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        def add(name, data):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr, entry.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)

        for name, data in contents(library, version, tag, info):
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record.append(f"{name},sha256={digest},{len(data)}")
            add(name, data)
        add(f"{info}/RECORD", "\n".join([*record, f"{info}/RECORD,,"]) + "\n")
    print(wheel)


if __name__ == "__main__":
    main()
