# SPDX-License-Identifier: Apache-2.0
"""The page of yupana inspect --html in Chromium: it fits a phone and a desktop, follows the reader's colours, breaks no
rule of its own policy, and no name of a plan becomes a script. Pictures stay in FOLDER to be looked at.

usage: html_browser_test.py YUPANA RANDOM_CHECKPOINT MODELS GOLDEN FOLDER [CHROMIUM]
"""

import json
import pathlib
import re
import struct
import subprocess
import sys
import unittest
import zlib

from page import ATTACK, make_page, write_attack

YUPANA, RANDOM, MODELS, GOLDEN, FOLDER = map(pathlib.Path, sys.argv[1:6])
CHROMIUM = sys.argv[6] if len(sys.argv) > 6 else None
WIDTHS = (320, 390, 1280)
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>\n')
# Everything unfolded, then what reaches over the right edge of the page but for what scrolls inside.
MEASURE = """<script>
document.querySelectorAll('details').forEach(d => d.open = true);
const width = document.documentElement.clientWidth;
const over = [...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll, svg') &&
  e.getBoundingClientRect().right > width + 1).map(e => e.outerHTML.slice(0, 80));
const small = [...document.querySelectorAll('body *')].filter(e => e.childElementCount == 0 && e.textContent.trim() &&
  !e.closest('svg') && parseFloat(getComputedStyle(e).fontSize) < 10).length;
parent.postMessage(JSON.stringify(
  {inner: innerWidth, scroll: document.documentElement.scrollWidth, client: width, over, small, title: document.title}), '*');
</script>"""
# A window without a screen is never narrower than 500 pixels; a frame is.
FRAME = """<!doctype html><body style="margin:0">
<script>addEventListener('message', e => document.body.dataset.measured = e.data);</script>
<iframe src="measured.html" style="border:0;width:%dpx;height:900px"></iframe>"""


def chromium(page, *words):
    done = subprocess.run([CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                           "--enable-logging=stderr", *words, page.resolve().as_uri()], capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, done.stderr
    return done


def first_pixel(picture):
    """Width, height and the red of the first pixel of a PNG of 8 bits a channel."""
    data = picture.read_bytes()
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    assert (depth, colour in (2, 6)) == (8, True)
    at, packed = 8, b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        packed += data[at + 8:at + 8 + size] if kind == b"IDAT" else b""
        at += 12 + size
    # Whatever its filter, nothing stands before the first pixel.
    return width, height, zlib.decompressobj().decompress(packed, 16)[1]


class Browser(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        FOLDER.mkdir(parents=True, exist_ok=True)
        checkpoint = FOLDER / "Llama-4-Scout-17B-16E"
        if not checkpoint.exists():
            subprocess.run([RANDOM, checkpoint, "--preset", "scout", "--config-only", "--tokenizer", MODELS / "nano"],
                           check=True, capture_output=True)
        cls.pages = {}
        for name, source, words in (("nano", MODELS / "nano", ["--target", "x86-64-v3,sm_90a", "--emit=ptx"]),
                                    ("scout", checkpoint, ["--target", "x86-64-v4-bf16,sm_90a", "--emit=ptx",
                                                           "--strip-weights"])):
            plan = FOLDER / f"{name}.yplan"
            subprocess.run([YUPANA, "compile", source, "-o", plan, *words], check=True, capture_output=True)
            cls.pages[name] = make_page(YUPANA, plan)
        cls.pages["attack"] = make_page(YUPANA, write_attack(YUPANA, GOLDEN, FOLDER))

    def measure(self, name, width):
        """The page without its policy, which would refuse the script that measures."""
        text, count = POLICY.subn("", self.pages[name].read_text())
        self.assertEqual(count, 1)
        copy = FOLDER / "measured.html"
        copy.write_text(text.replace("</body>", MEASURE + "</body>"))
        frame = FOLDER / "frame.html"
        frame.write_text(FRAME % width)
        dom = chromium(frame, "--window-size=1400,1000", "--virtual-time-budget=5000", "--dump-dom").stdout
        found = re.search(r'data-measured="([^"]*)"', dom)
        self.assertTrue(found, "the script did not run")
        return json.loads(found.group(1).replace("&quot;", '"').replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))

    def test_fits(self):
        for name in self.pages:
            for width in WIDTHS:
                with self.subTest(name=name, width=width):
                    measured = self.measure(name, width)
                    self.assertEqual(measured["inner"], width)
                    self.assertEqual(measured["over"], [])
                    self.assertLessEqual(measured["scroll"], measured["client"])
                    self.assertEqual(measured["small"], 0)

    def test_names_run_nothing(self):
        self.assertIn(ATTACK, self.measure("attack", 390)["title"])

    def test_colours_and_policy(self):
        for name, height in (("nano", 5200), ("scout", 6000)):
            for width in WIDTHS[1:]:
                for colours in ("light", "dark"):
                    with self.subTest(name=name, width=width, colours=colours):
                        picture = FOLDER / f"{name}-{width}-{colours}.png"
                        picture.unlink(missing_ok=True)
                        done = chromium(self.pages[name], f"--window-size={width},{height}", f"--screenshot={picture}",
                                        f"--blink-settings=preferredColorScheme={int(colours == 'light')}")
                        self.assertNotIn("Refused", done.stderr)
                        self.assertNotIn("Content Security Policy", done.stderr)
                        shown = first_pixel(picture)
                        self.assertEqual(shown[:2], (width, height))
                        self.assertEqual(shown[2] > 128, colours == "light", shown)


if __name__ == "__main__":
    if not CHROMIUM:
        print("no chromium: tools/setup.sh --all installs it")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
