# SPDX-License-Identifier: Apache-2.0
"""Golden vectors: what tools/simdriver/Readings.md takes the PTX manual to say, put to a driver.

A vector is an entry of a PTX file in vectors/, the words it is given and the words it is to leave. Where hardware may
do as it likes, above all in the order and rounding of sums inside matrix instructions, the words are what the
interpreter does, and how far the hardware is from them is recorded, not judged.

usage: vectors.py NAME [DRIVER]     runs one, and prints a JSON object with the words found, or what went wrong
"""

import json
import math
import pathlib
import struct
import sys

import driver

FOLDER = pathlib.Path(__file__).resolve().parent / "vectors"


def bits(value):
    return struct.unpack("<I", struct.pack("<f", value))[0]


def number(word):
    return struct.unpack("<f", struct.pack("<I", word))[0]


def f32(value):
    """`value` rounded to float32, to nearest even. The sum of two float32 in double rounds as if it were exact."""
    return number(bits(value))


def pair(low, high):
    """Two numbers that bfloat16 has."""
    return bits(high) >> 16 << 16 | bits(low) >> 16


class Vector:
    """`judge` takes the words found and returns (True, False, or None where nothing is judged; what to say of it)."""

    def __init__(self, name, module, entry, words, expected, judge=None, threads=32, shared=0, value=0, needs=80,
                 blocks=1):
        self.name, self.module, self.entry, self.words, self.expected = name, module, entry, words, expected
        self.threads, self.shared, self.value, self.needs, self.blocks = threads, shared, value, needs, blocks
        self.judge = judge or self.equal

    def runs_on(self, capability):
        """Code for 9.0 is for that generation alone."""
        return capability == 90 if self.needs == 90 else capability >= self.needs

    def run(self, path):
        text = (FOLDER / (self.module + ".ptx")).read_text()
        return driver.Driver(path).run(text, self.entry, self.threads, self.shared, self.words, len(self.expected),
                                       self.value, self.blocks)

    def wrong(self, found):
        """Places of words that differ; where None is expected, any word will do."""
        return [i for i, (a, b) in enumerate(zip(found, self.expected)) if b is not None and a != b]

    def equal(self, found):
        wrong = self.wrong(found)
        if not wrong:
            free = {i: found[i] for i, word in enumerate(self.expected) if word is None}
            return True, f"{len(found) - len(free)} words as expected" + (f", and {free}" if free else "")
        i = wrong[0]
        return False, (f"{len(wrong)} of {len(found)} words differ; word {i} is {found[i]:#010x}, "
                       f"expected {self.expected[i]:#010x}")

    def recorded(self, found):
        wrong = self.wrong(found)
        return None, f"{len(found) - len(wrong)} of {len(found)} words as the interpreter has them"

    def recorded_sums(self, found):
        same = sum(a == b for a, b in zip(found, self.expected))
        most = max(abs(number(a) - number(b)) / max(abs(number(b)), 1) for a, b in zip(found, self.expected))
        return None, (f"{same} of {len(found)} sums as the interpreter has them (ascending, each rounded to nearest); "
                      f"the largest difference is {most:.1e}")


# Single lanes.

def shifts():
    cases = [(0x80000001, count) for count in (0, 1, 31, 32, 33, 0xffffffff)] + [(0x7fffffff, 31), (0x7fffffff, 32)]
    expected = []
    for value, count in cases:
        sign = value >> 31
        signed = value - (sign << 32)
        expected += [value << count & 0xffffffff if count < 32 else 0, value >> count if count < 32 else 0,
                     signed >> min(count, 31) & 0xffffffff]
    return Vector("shifts", "arithmetic", "shifts", [word for case in cases for word in case], expected,
                  threads=len(cases))


def division():
    cases = [5, 0, 0x80000000, 0xfffffff9]
    expected = [word for value in cases for word in (0xffffffff, value, 0xffffffff, value)]
    vector = Vector("division-by-zero", "arithmetic", "division", [word for value in cases for word in (value, 0)],
                    expected, threads=len(cases))
    vector.judge = vector.recorded
    return vector


def extremes():
    zero, minus, nan, one = 0, 0x80000000, 0x7fc00000, bits(1)
    cases = [(zero, minus, minus, zero), (minus, zero, minus, zero), (nan, one, one, one), (one, nan, one, one)]
    return Vector("extremes", "arithmetic", "extremes", [word for a, b, _, _ in cases for word in (a, b)],
                  [word for _, _, least, most in cases for word in (least, most)], threads=len(cases))


def conversions():
    # value, to s32, to u32, to bf16
    cases = [(bits(1.9), 1, 1, 0x3ff3), (bits(-1.9), 0xffffffff, 0, 0xbff3),
             (bits(3e9), 0x7fffffff, 3000000000, 0x4f33), (bits(-3e9), 0x80000000, 0, 0xcf33),
             (0x7f800000, 0x7fffffff, 0xffffffff, 0x7f80), (0xff800000, 0x80000000, 0, 0xff80),
             (0x7fc12345, 0, 0, 0x7fff), (0xffc12345, 0, 0, 0x7fff),
             (0x3f808000, 1, 1, 0x3f80), (0x3f818000, 1, 1, 0x3f82), (0x3f808001, 1, 1, 0x3f81),
             (0x7f7fffff, 0x7fffffff, 0xffffffff, 0x7f80)]
    return Vector("conversions", "arithmetic", "conversions", [word for case in cases for word in (case[0], 0)],
                  [word for case in cases for word in case[1:]], threads=len(cases))


# Of each approximation the truth, and how far the manual lets it be from it, as a part of the truth or in all.
APPROXIMATIONS = [("ex2", lambda x: 2 ** x, 2 ** -22, 0), ("lg2", math.log2, 2 ** -22, 2 ** -22),
                  ("sin", math.sin, 0, 2 ** -20.5), ("cos", math.cos, 0, 2 ** -20.5),
                  ("rcp", lambda x: 1 / x, 2 ** -23, 0), ("sqrt", math.sqrt, 2 ** -23, 0),
                  ("rsqrt", lambda x: x ** -0.5, 2 ** -22.9, 0), ("tanh", math.tanh, 2 ** -11, 0)]


def approximations():
    inputs = [f32(0.01 * 1.3 ** i) for i in range(24)]
    expected = [bits(truth(x)) for x in inputs for _, truth, _, _ in APPROXIMATIONS]

    def judge(found):
        worst = [0.0] * len(APPROXIMATIONS)
        same = sum(a == b for a, b in zip(found, expected))
        for i, word in enumerate(found):
            _, truth, part, whole = APPROXIMATIONS[i % len(APPROXIMATIONS)]
            x = inputs[i // len(APPROXIMATIONS)]
            # Half a unit in the last place beside the bound: what is compared has been rounded.
            bound = abs(truth(x)) * (part + 2 ** -24) + whole
            worst[i % len(APPROXIMATIONS)] = max(worst[i % len(APPROXIMATIONS)], abs(number(word) - truth(x)) / bound)
        text = ", ".join(f"{name} {value:.2f}" for (name, *_), value in zip(APPROXIMATIONS, worst))
        return max(worst) <= 1, f"{same} of {len(found)} words the nearest; worst over the manual's bound: {text}"

    return Vector("approximations", "arithmetic", "approximations", [word for x in inputs for word in (bits(x), 0)],
                  expected, judge, threads=len(inputs))


# Matrices. A is [rows, K], B is [K, columns].

def element_a(row, k):
    return (row * 3 + k * 5) % 7 - 3


def element_b(k, n):
    return (k * 2 + n * 3) % 5 - 2


def product_words(a, b, c):
    """m16n8k16: a(row, k), b(k, n), c(row, n), spread over lanes as the manual draws them."""
    words = []
    for lane in range(32):
        g, q = lane // 4, lane % 4 * 2
        for r in range(4):
            row, k = g + r % 2 * 8, q + r // 2 * 8
            words.append(pair(a(row, k), a(row, k + 1)))
        words += [pair(b(q + r * 8, g), b(q + r * 8 + 1, g)) for r in range(2)]
        words += [bits(c(g + r // 2 * 8, q + r % 2)) for r in range(4)]
    return words


def product_places():
    return [(lane // 4 + r // 2 * 8, lane % 4 * 2 + r % 2) for lane in range(32) for r in range(4)]


def ascending(products):
    """What the interpreter makes of products: added from zero in ascending K, each sum rounded to nearest."""
    total = 0.0
    for product in products:
        total = f32(total + product)
    return total


def fragments():
    expected = [bits(row - n + sum(element_a(row, k) * element_b(k, n) for k in range(16)))
                for row, n in product_places()]
    return Vector("mma-fragments", "matrix", "product", product_words(element_a, element_b, lambda row, n: row - n),
                  expected)


def random_bf16(seed):
    """A number of bfloat16 between -4 and 4, of any of 256 mantissas."""
    z = (seed + 1) * 0x9E3779B97F4A7C15 & (1 << 64) - 1
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & (1 << 64) - 1
    z = (z ^ z >> 27) * 0x94D049BB133111EB & (1 << 64) - 1
    z ^= z >> 31
    return (1 + (z >> 8 & 127) / 128) * 2.0 ** (z >> 16 & 3) / 4 * (-1 if z & 1 else 1)


BIG = 2.0 ** 24  # The next number of float32 is 2 away.
# Rows of sixteen products and what is added to, each of which tells another order, width or rounding of sums.
ROWS = [
    ([BIG] + [1] * 15, 0),                 # ascending sums lose every 1; sums of groups do not
    ([1] * 15 + [BIG], 0),                 # descending ones do
    ([1] * 8 + [BIG] + [1] * 7, 0),        # halves of eight
    ([1] * 4 + [BIG] + [1] * 11, 0),       # quarters
    ([BIG, -BIG] + [2.0 ** -4] * 14, 0),   # small ones are shifted out beside large ones that cancel
    ([BIG] + [2.0 ** -4] * 14 + [-BIG], 0),
    ([1] * 16, BIG),                       # is the accumulator added last?
    ([1] + [0] * 15, BIG),                 # a tie: to even, up, or cut off
    ([1, 2.0 ** -4] + [0] * 14, BIG),      # just above the tie
    ([-1, -2.0 ** -4] + [0] * 14, BIG),    # the same below
    ([2.0 ** -24] * 3 + [0] * 13, 1),      # bits below the accumulator's last
    ([2.0 ** -25] * 16, 1),
    ([2.0 ** -130] * 16, 0),               # numbers below the normal ones
    ([2.0 ** 120] * 16, 0),
    (None, 0), (None, 1.5),                # random numbers
]


def order_a(row, k):
    values = ROWS[row % 16][0]
    return random_bf16(row * 64 + k) if values is None or k >= 16 else values[k]


def order_b(k, n):
    return (1, -1)[n] if n < 2 else random_bf16(4096 + k * 16 + n)


def mma_order():
    expected = [bits(f32(ROWS[row][1] + ascending(f32(order_a(row, k) * order_b(k, n)) for k in range(16))))
                for row, n in product_places()]
    vector = Vector("mma-order", "matrix", "product", product_words(order_a, order_b, lambda row, n: ROWS[row][1]),
                    expected)
    vector.judge = vector.recorded_sums
    return vector


def ldmatrix():
    expected = []
    for lane in range(32):
        first = [(8 * matrix + lane // 4) * 8 + lane % 4 * 2 for matrix in range(4)]
        expected += [element + 1 << 16 | element for element in first]
        above = [(8 * matrix + lane % 4 * 2) * 8 + lane // 4 for matrix in range(2)]
        expected += [element + 8 << 16 | element for element in above]
    return Vector("ldmatrix", "matrix", "rows_of_lanes", [2 * i + 1 << 16 | 2 * i for i in range(128)], expected)


def warpgroup(name, a, b, accumulates, sums=False):
    words = [pair(a(row, k), a(row, k + 1)) for row in range(64) for k in range(0, 32, 2)]
    words += [pair(b(k, n), b(k + 1, n)) for n in range(16) for k in range(0, 32, 2)]
    expected = []
    for thread in range(128):
        for v in range(8):
            lane = thread % 32
            row, n = thread // 32 * 16 + lane // 4 + v // 2 % 2 * 8, v // 4 * 8 + lane % 4 * 2 + v % 2
            total = 1.0 if accumulates else 0.0
            for begin in (0, 16):
                total = f32(total + ascending(f32(a(row, k) * b(k, n)) for k in range(begin, begin + 16)))
            expected.append(bits(total))
    vector = Vector(name, "hopper", "warpgroup_product", words, expected, threads=128, shared=10240,
                    value=int(accumulates), needs=90)
    if sums:
        vector.judge = vector.recorded_sums
    return vector


def warpgroup_transposed():
    columns = 72
    words = [pair(element_a(row, k), element_a(row, k + 1)) for row in range(64) for k in range(0, 16, 2)]
    words += [pair(element_b(k, n), element_b(k, n + 1)) for k in range(16) for n in range(0, 128, 2)]
    expected = []
    for thread in range(128):
        for v in range(columns // 2):
            lane = thread % 32
            row, n = thread // 32 * 16 + lane // 4 + v // 2 % 2 * 8, v // 4 * 8 + lane % 4 * 2 + v % 2
            expected.append(bits(ascending(f32(element_a(row, k) * element_b(k, n)) for k in range(16))))
    return Vector("wgmma-transposed", "hopper", "warpgroup_transposed", words, expected, threads=128, shared=4096,
                  needs=90)


# Barriers, copies, memory.

def ended_threads():
    words = list(range(1, 33))
    return Vector("ended-threads", "synchronization", "ended_threads", words, words, threads=64)


def parity():
    return Vector("mbarrier-parity", "synchronization", "parity", [], [1, 0, 0, 1, 0], threads=1)


def places():
    return Vector("dynamic-shared", "synchronization", "places", [], [0, 256, None, None], threads=1, shared=256)


def bulk_copies():
    copies = 40
    words = [(i * 2654435761 >> 7) % 100003 for i in range(copies * 64)]
    sums = [sum(words[lane::64]) for lane in range(64)]
    return Vector("bulk-copies", "hopper", "bulk_copies", words, sums, threads=64, shared=1024, value=copies, needs=90)


def cluster_copies():
    words = [(i * 2654435761 >> 7) % 100003 for i in range(64)]
    return Vector("cluster-copies", "hopper", "cluster_copies", words, words + words + [None, None], threads=64,
                  shared=1024, needs=90, blocks=2)


def all_vectors():
    return [shifts(), division(), extremes(), conversions(), approximations(), fragments(), mma_order(), ldmatrix(),
            warpgroup("wgmma-swizzle", element_a, element_b, True),
            warpgroup("wgmma-scale", element_a, element_b, False),
            warpgroup("wgmma-order", order_a, order_b, True, sums=True),
            warpgroup_transposed(), ended_threads(), parity(), places(), bulk_copies(), cluster_copies()]


def main():
    vector = next(vector for vector in all_vectors() if vector.name == sys.argv[1])
    try:
        print(json.dumps({"found": vector.run(sys.argv[2] if len(sys.argv) > 2 else None)}))
    except driver.DriverError as error:
        print(json.dumps({"error": str(error)}))


if __name__ == "__main__":
    main()
