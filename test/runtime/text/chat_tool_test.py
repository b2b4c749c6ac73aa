#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Conversations with yupana-run, over pipes and on a pseudo-terminal, with a fake core whose "plan" is a tokenizer
section and whose model says random bytes.

usage: chat_tool_test.py YUPANA_RUN WRITE_SECTION MODELS
"""
import json
import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import jinja2.sandbox

TOOL, WRITE_SECTION, MODELS = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
BEGIN = "<|begin_of_text|>"
SETTINGS = {"FAKE_VOCABULARY": "1536", "FAKE_CONTEXT": "2048"}


class Terminal:
    """The program on a terminal of its own."""

    def __init__(self, *arguments, **settings):
        self.text = b""
        self.process, self.master = pty.fork()
        if self.process == 0:
            os.environ.update(SETTINGS, **settings)
            os.execv(TOOL, [TOOL, *map(str, arguments)])

    def type(self, text):
        os.write(self.master, text.encode())

    def read_some(self):
        """Waits until something was written since the last call."""
        while not self.text:
            self.text += os.read(self.master, 1 << 16)

    def read_until(self, wanted, timeout=60):
        """Waits until `wanted` was written since the last call; returns what came before it."""
        end = time.monotonic() + timeout
        while wanted not in self.text:
            if time.monotonic() > end or not select.select([self.master], [], [], end - time.monotonic())[0]:
                raise AssertionError(f"no {wanted!r} in {self.text[-400:]!r}")
            try:
                self.text += os.read(self.master, 1 << 16)
            except OSError as error: # how Linux tells of a program that has ended
                raise AssertionError(f"the program ended without {wanted!r}: {self.text[-400:]!r}") from error
        before, self.text = self.text.split(wanted, 1)
        return before

    def wait(self, timeout=60):
        """The exit code, and what was still written."""
        while True:
            if not select.select([self.master], [], [], timeout)[0]:
                os.kill(self.process, signal.SIGKILL)
                raise AssertionError(f"the program does not end: {self.text[-400:]!r}")
            try:
                block = os.read(self.master, 1 << 16)
            except OSError:
                block = b""
            if not block:
                break
            self.text += block
        os.close(self.master)
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1]), self.text


def inner_places(text):
    """The places in `text`, some bytes, that lie inside a character; bytes that are none are passed over."""
    places, at = set(), 0
    for character in text.decode(errors="surrogateescape"):
        size = len(character.encode(errors="surrogateescape"))
        places.update(range(at + 1, at + size))
        at += size
    return places


class ChatTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.scratch.name)
        cls.plan = cls.folder / "nano.yplan"
        subprocess.run([WRITE_SECTION, "nano", cls.plan], check=True)
        environment = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        cls.template = environment.from_string((MODELS / "nano/chat_template.jinja").read_text())

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def chat(self, stdin, *arguments, **settings):
        return subprocess.run([TOOL, self.plan, "--chat", *map(str, arguments)], input=stdin, capture_output=True,
                              timeout=60, env={**os.environ, **SETTINGS, **settings})

    def ids_of(self, messages):
        """The template rendered whole, and encoded at once."""
        text = self.template.render(messages=messages, bos_token=BEGIN, add_generation_prompt=True)
        done = subprocess.run([TOOL, self.plan, "--tokenize"], input=json.dumps(text).encode(), capture_output=True,
                              check=True)
        return json.loads(done.stdout)

    def test_reads_what_the_template_gives(self):
        """In every turn the first token is drawn from exactly the ids of the template rendered whole."""
        said = [" Hello!", "What is a yupana?  ", "a\u2003b\u00A0", "Tell me a story."]
        for system in (None, "You are random.\n"):
            trace = self.folder / f"trace.{system is None}"
            arguments = ["--max-new-tokens", "7", *(["--system", system] if system else [])]
            result = self.chat("".join(f"{line}\n" for line in said).encode(), *arguments, FAKE_TRACE=str(trace))
            self.assertEqual(result.returncode, 0, result.stderr)
            steps = [list(map(int, line.split())) for line in trace.read_text().splitlines()]
            messages = [{"role": "system", "content": system}] if system else []
            for turn, line in enumerate(said):
                messages.append({"role": "user", "content": line})
                ids = self.ids_of(messages)
                self.assertEqual(steps[7 * turn], ids)
                messages.append({"role": "assistant", "content": self.reply_to(ids)})
            self.assertEqual(len(steps), 7 * len(said))

    def reply_to(self, ids):
        """What the model says to `ids`, in a sequence of its own."""
        done = subprocess.run([TOOL, self.plan, "--tokens", ",".join(map(str, ids)), "--json", "--max-new-tokens", "7"],
                              capture_output=True, check=True, env={**os.environ, **SETTINGS})
        return json.loads(done.stdout)["text"]

    def test_what_is_written_is_the_replies(self):
        """A reply per line of input, empty lines and line ends of Windows aside, and nothing else."""
        one, two = self.chat(b"Hello!\n"), self.chat(b"\nHello!\r\n\n\n")
        self.assertEqual((one.returncode, one.stdout), (two.returncode, two.stdout))
        self.assertEqual(self.chat(b"").stdout, b"")
        self.assertTrue(self.chat(b"Hello!\nHello!").stdout.startswith(one.stdout))

    def test_user_is_the_first_turn(self):
        for arguments in ([], ["--system", "Be nice."]):
            done = subprocess.run([TOOL, self.plan, "--user", "Hello!", *arguments], capture_output=True, timeout=60,
                                  env={**os.environ, **SETTINGS})
            self.assertEqual(done.stdout, self.chat(b"Hello!\n", *arguments).stdout)

    def test_pieces_end_with_characters(self):
        said = self.folder / "said.txt"
        said.write_bytes(b"Hello!\n")
        for arguments in (["--chat"], ["--user", "Hello!"], ["--prompt", "Hello!"]):
            with open(said, "rb") as stdin:
                process = subprocess.Popen([TOOL, self.plan, *arguments, "--max-new-tokens", "1500"], stdin=stdin,
                                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                           env={**os.environ, **SETTINGS})
            text, ends = b"", []
            while block := os.read(process.stdout.fileno(), 1 << 16):
                text += block
                ends.append(len(text))
            self.assertFalse(inner_places(text) & set(ends))
            process.stdout.close()
            self.assertEqual(process.wait(timeout=60), 0)
            self.assertGreater(len(inner_places(text)), 10)

    def test_bad_lines_in_a_pipe(self):
        for stdin, code, part in ((b"Hello!\n\xFF\n", 4, b"line 2: is not well-formed UTF-8 at byte 0"),
                                  (b"Hello!\n" + b"x " * 5000 + b"\n", 2, b"the context is full: with this message"),
                                  (b"x" * 3000000, 4, b"line 1: has more than")):
            result = self.chat(stdin, "--max-new-tokens", "3")
            self.assertEqual(result.returncode, code, result.stderr)
            self.assertIn(part, result.stderr)
        self.assertEqual(self.chat(b"a\0b\n", "--max-new-tokens", "3").returncode, 0)
        result = self.chat(b"Hello!\n", "--system", b"\xFF".decode(errors="surrogateescape"))
        self.assertEqual(result.returncode, 4)

    def test_sampling(self):
        """Every turn is drawn as the flags say, else as the plan's generation_config does; a note comes once."""
        said, count = b"Hello!\nAnd then?\nTell me a story.\n", 5
        flags = ["--temperature", "2", "--top-k", "3", "--top-p", "0.5", "--min-p", "0.25", "--repetition-penalty", "1.5",
                 "--seed", "9"]
        drawn, greedy = "1 0.6 50 0.9 0.05 1.1", "0 0.6 50 0.9 0.05 1.1"
        for generation, more, wanted in ((drawn, [], "span 0.6 50 0.9 0.05 1.1 0"), (greedy, [], "span 0 50 0.9 0.05 1.1 0"),
                                         (drawn, ["--temperature", "0"], "span 0 50 0.9 0.05 1.1 0"),
                                         (drawn, flags, "span 2 3 0.5 0.25 1.5 9"), (greedy, flags, "span 2 3 0.5 0.25 1.5 9"),
                                         (greedy, ["--top-k", "3"], "span 0 3 0.9 0.05 1.1 0")):
            result = self.chat(said, "--max-new-tokens", count, *more, FAKE_GENERATION=generation)
            self.assertEqual(result.returncode, 0, result.stderr)
            lines = result.stderr.decode().splitlines()
            spans = [line for line in lines if line.startswith("span")]
            self.assertEqual(set(spans), {wanted})
            self.assertGreaterEqual(len(spans), 3 * count)
            notes = [line for line in lines if "has no effect" in line]
            self.assertEqual(len(notes), int(more == ["--top-k", "3"]), lines)
        for flag, value in (("--temperature", "-1"), ("--top-p", "2"), ("--seed", "x")):
            self.assertEqual(self.chat(said, flag, value).returncode, 2)

    def test_full_context(self):
        """A reply ends where the context does, and is said to; then there is no room for another message."""
        result = self.chat(b"Hello!\nHello!\n", FAKE_CONTEXT="40")
        self.assertIn(b"note: the reply ends because the context is full", result.stderr)
        self.assertIn(b"the context is full: with this message the conversation has", result.stderr)
        self.assertEqual(result.returncode, 2)
        result = self.chat(b"Hello!\n", "--max-new-tokens", "3")
        self.assertIn(b"note: the reply ends at --max-new-tokens", result.stderr)

    def test_no_room_in_the_cache(self):
        result = self.chat(b"Hello!\n", FAKE_FAIL_AT_STEP="4")
        self.assertEqual(result.returncode, 7)
        self.assertEqual(result.stderr, b"yupana-run: the context is full: no free pages\n")

    def test_terminal(self):
        terminal = Terminal(self.plan, "--chat", "--max-new-tokens", "9")
        for line in ("Hello!", "And then?"):
            terminal.read_until(b"> ")
            terminal.type(line + "\n")
            terminal.read_until(line.encode() + b"\r\n")
            terminal.read_until(b"note: the reply ends at --max-new-tokens\r\n")
        # What cannot be taken is said, and the conversation goes on.
        terminal.read_until(b"> ")
        os.write(terminal.master, b"\xFF\n")
        terminal.read_until(b"line 3: is not well-formed UTF-8 at byte 0\r\n> ")
        terminal.type("\x04")
        self.assertEqual(terminal.wait(), (0, b"\r\n"))

    def test_control_characters_at_a_terminal(self):
        """Escape sequences of a model reach files and pipes, not a terminal."""
        limit = ["--max-new-tokens", "400"]
        piped = self.chat(b"Hello!\n", *limit).stdout
        controls = rb"[\x00-\x08\x0B-\x1F\x7F]|\xC2[\x80-\x9F]"
        self.assertRegex(piped, controls)
        terminal = Terminal(self.plan, "--chat", *limit)
        terminal.read_until(b"> ")
        terminal.type("Hello!\n")
        terminal.read_until(b"Hello!\r\n")
        reply = terminal.read_until(b"note: the reply ends")
        terminal.type("\x04")
        self.assertEqual(terminal.wait()[0], 0)
        shown = re.sub(controls, "\uFFFD".encode(), piped).replace(b"\n", b"\r\n")
        self.assertTrue(reply.startswith(shown), (reply[:200], shown[:200]))

    def test_interrupts_on_a_terminal(self):
        """Ctrl-C ends a reply, twice in this conversation; at the prompt it ends the program."""
        terminal = Terminal(self.plan, "--chat", "--max-new-tokens", "4000000000", FAKE_ENDLESS="1")
        terminal.read_until(b"> ")
        terminal.type("Hello!\n")
        terminal.read_until(b"under way")
        terminal.type("\x03")
        terminal.read_until(b"\n> ")
        terminal.type("Again!\n")
        terminal.read_until(b"Again!\r\n")
        terminal.read_some() # the reply is under way
        terminal.type("\x03")
        terminal.read_until(b"\n> ")
        terminal.type("\x03")
        self.assertEqual(terminal.wait()[0], 130)

    def test_second_interrupt(self):
        """Whether the reply has ended by then or not, the second Ctrl-C ends the program."""
        terminal = Terminal(self.plan, "--chat", "--max-new-tokens", "4000000000", FAKE_ENDLESS="1")
        terminal.read_until(b"> ")
        terminal.type("Hello!\n")
        terminal.read_until(b"under way")
        terminal.type("\x03")
        time.sleep(0.2) # two signals at once are one
        terminal.type("\x03")
        self.assertEqual(terminal.wait()[0], 130)

    def test_interrupt_of_one_turn(self):
        """Outside a conversation Ctrl-C ends the reply and the program, after what there is has been written."""
        for arguments in (["--user", "Hello!"], ["--prompt", "Hello!"]):
            terminal = Terminal(self.plan, *arguments, "--max-new-tokens", "4000000000", FAKE_ENDLESS="1")
            terminal.read_until(b"under way")
            terminal.type("\x03")
            code, text = terminal.wait()
            self.assertEqual(code, 130)
            self.assertEqual(text[-1:], b"\n")
            terminal = Terminal(self.plan, *arguments, "--json", "--max-new-tokens", "4000000000", FAKE_ENDLESS="1")
            terminal.read_until(b"under way\r\n")
            terminal.type("\x03")
            code, text = terminal.wait()
            self.assertEqual(code, 130)
            answer = json.loads(text.replace(b"^C", b""))
            self.assertEqual(answer["stop"], "interrupt")
            self.assertGreaterEqual(len(answer["tokens"]), 10)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
