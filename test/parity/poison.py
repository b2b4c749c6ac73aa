# SPDX-License-Identifier: Apache-2.0
"""Copies a checkpoint whose upper half of experts nobody may choose, and makes that half's weights no numbers."""

import json
import shutil
import struct

NAN = {"F32": b"\x00\x00\xc0\x7f", "F16": b"\x00\x7e", "BF16": b"\xc0\x7f"}


def poisoned(file):
    """The bytes of a safetensors file with the upper half of every tensor of routed experts replaced."""
    data = bytearray(file)
    (length,) = struct.unpack_from("<Q", data)
    count = 0
    for name, tensor in json.loads(data[8 : 8 + length]).items():
        if ".experts." not in name:
            continue
        begin, end = (8 + length + offset for offset in tensor["data_offsets"])
        middle = begin + (end - begin) // 2
        nan = NAN[tensor["dtype"]]
        data[middle:end] = nan * ((end - middle) // len(nan))
        count += 1
    assert count > 0, "the checkpoint has no tensors of experts"
    return bytes(data)


def copy(model, folder):
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(model, folder, ignore=shutil.ignore_patterns("expected"))
    for path in folder.glob("*.safetensors"):
        path.write_bytes(poisoned(path.read_bytes()))
