# SPDX-License-Identifier: Apache-2.0
"""What a GPU reaches at most, which kernels are held against: the bandwidth of a kernel that only reads, and cuBLAS on
two random matrices of bfloat16, where the library is found. Both on random data: zeros take less power, at which
hardware runs faster than a model ever sees it.

usage: ceilings.py [--driver FILE] [--cublas FILE] [--rehearse]     prints a JSON object
"""

import argparse
import ctypes
import functools
import glob
import json
import operator
import pathlib
import statistics
import struct
import sys
import sysconfig

import driver

THREADS = 512
BLOCKS = (1, 2, 4)  # Of a multiprocessor. Which is fastest differs from GPU to GPU.
PIECE = 16
UNROLL = 8  # Loads of a thread before its loop goes round; the pieces are a multiple of them.
WORDS_OF_ALL, WORDS_OF_BF16 = (0xffffffff, 0), (0x807f807f, 0x3f003f00)  # Any word; pairs of 0.5 to 1 of either sign.
MOST = 8 << 30
CUDA_R_16BF, COMPUTE_32F, DEFAULT_ALGORITHM, NO_TRANSPOSE, TRANSPOSE = 14, 68, -1, 0, 1


def exclusive_or(words):
    return functools.reduce(operator.xor, words, 0)


class Memory:
    """Random words in device memory, and their exclusive or."""

    def __init__(self, gpu, entry, pieces, words, blocks):
        self.gpu, self.pieces = gpu, pieces
        self.data, self.sums = gpu.allocate(pieces * PIECE), gpu.allocate(4 * blocks * THREADS)
        gpu.launch(entry("fill"), blocks, THREADS, (self.data, self.sums, ctypes.c_uint64(pieces),
                                                    *map(ctypes.c_uint32, words)))
        gpu.synchronize()
        self.sum = exclusive_or(gpu.download(self.sums, blocks * THREADS))

    def free(self):
        self.gpu.free(self.data)
        self.gpu.free(self.sums)


def bandwidth(gpu, entry, rehearse):
    """Bytes/s read, of the best number of blocks, after it has been seen that every word was read."""
    processors = gpu.multiprocessors()
    # Whole rounds for any number of blocks.
    unit = max(BLOCKS) * processors * THREADS * UNROLL
    pieces = unit if rehearse else max(1, min(MOST, gpu.memory()[0] // 2) // PIECE // unit) * unit
    memory = Memory(gpu, entry, pieces, WORDS_OF_ALL, max(BLOCKS) * processors)
    rates, wrong = {}, []
    for each in BLOCKS:
        blocks = each * processors
        launch = functools.partial(gpu.launch, entry("read"), blocks, THREADS,
                                   (memory.data, memory.sums, ctypes.c_uint64(pieces)))
        launch()
        gpu.synchronize()
        if exclusive_or(gpu.download(memory.sums, blocks * THREADS)) != memory.sum:
            wrong.append(each)
        times = [gpu.seconds(launch) for _ in range(1 if rehearse else 15)]
        rates[each] = pieces * PIECE / max(statistics.median(times), 1e-9)
    memory.free()
    best = max(rates, key=rates.get)
    return {"ok": not wrong, "bytes_per_s": rates[best], "bytes": pieces * PIECE, "blocks_per_sm": best,
            "by_blocks_per_sm": rates, "wrong": wrong}


def cublas_names(path):
    """Where the library may be: named, beside the CUDA Toolkit, or in one of Python's packages."""
    if path:
        return [path]
    names = [f"libcublas.so.{version}" for version in (13, 12, 11)]
    packages = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *sys.path}
    places = ["/usr/local/cuda*/lib64", "/usr/local/cuda*/targets/*/lib"]
    places += [f"{package}/nvidia/{folder}/lib" for package in sorted(filter(None, packages))
               for folder in ("cublas", "cu*")]
    return names + [name for place in places for name in sorted(glob.glob(f"{place}/libcublas.so.*"), reverse=True)]


def load_cublas(path):
    for name in cublas_names(path):
        folder = pathlib.Path(name).parent
        try:
            # It asks for its other half by a name that the system need not know.
            for other in sorted(folder.glob("libcublasLt.so.*")) if "/" in name else []:
                ctypes.CDLL(str(other), ctypes.RTLD_GLOBAL)
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def bf16(data, index):
    return struct.unpack("<f", b"\0\0" + data[2 * index:2 * index + 2])[0]


def product_is_right(gpu, size, a, b, c):
    """A few elements against sums in double precision. Rows of A and B are contiguous, C is by columns."""
    read = lambda address, first, count: struct.pack(f"<{count // 2}I", *gpu.download(
        ctypes.c_uint64(address.value + 2 * first), count // 2))
    for row, column in ((0, 0), (size - 1, size // 2), (size // 3, size - 1)):
        left, right = read(a, row * size, size), read(b, column * size, size)
        expected = sum(bf16(left, k) * bf16(right, k) for k in range(size))
        at = column * size + row
        found = bf16(read(c, at - at % 2, 2), at % 2)
        # Terms are below 1: their sum's own size is about the root of their number.
        if not abs(found - expected) <= 0.01 * max(abs(expected), size ** 0.5):
            return False
    return True


def cublas(gpu, entry, library, rehearse):
    """FLOP/s of a product of two square matrices, after some of its elements have been seen to be right."""
    size = 64 if rehearse else 8192
    blocks = gpu.multiprocessors()
    a, b, c = (Memory(gpu, entry, size * size * 2 // PIECE, WORDS_OF_BF16, blocks) for _ in range(3))
    handle, one, zero = ctypes.c_void_p(), ctypes.c_float(1), ctypes.c_float(0)

    def call(name, *arguments):
        result = getattr(library, name)(*arguments)
        if result:
            raise driver.DriverError(f"{name} returned {result}")

    def multiply():
        call("cublasGemmEx", handle, TRANSPOSE, NO_TRANSPOSE, size, size, size, ctypes.byref(one), a.data, CUDA_R_16BF,
             size, b.data, CUDA_R_16BF, size, ctypes.byref(zero), c.data, CUDA_R_16BF, size, COMPUTE_32F,
             DEFAULT_ALGORITHM)

    call("cublasCreate_v2", ctypes.byref(handle))
    try:
        multiply()
        gpu.synchronize()
        ok = product_is_right(gpu, size, a.data, b.data, c.data)
        times = [gpu.seconds(multiply) for _ in range(1 if rehearse else 20)]
    finally:
        call("cublasDestroy_v2", handle)
        for memory in (a, b, c):
            memory.free()
    return {"ok": ok, "flops": 2 * size ** 3 / max(statistics.median(times), 1e-9), "size": size}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--driver")
    parser.add_argument("--cublas")
    parser.add_argument("--rehearse", action="store_true")
    arguments = parser.parse_args()
    found = {}
    try:
        gpu = driver.Driver(arguments.driver)
        entry = gpu.load(pathlib.Path(__file__).with_name("ceilings.ptx").read_text())
        found["memory"] = gpu.memory()
        found["read"] = bandwidth(gpu, entry, arguments.rehearse)
        # The library runs on the system's driver; with another one it must be named.
        library = load_cublas(arguments.cublas) if arguments.cublas or not arguments.driver else None
        if library:
            found["cublas"] = cublas(gpu, entry, library, arguments.rehearse)
    except driver.DriverError as error:
        found["error"] = str(error)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
