# SPDX-License-Identifier: Apache-2.0
"""The programs at the edges of the system: output that cannot be written, signals, limits, files that are none.

usage: system_test.py YUPANA YUPANA_RUN YUPANA_BENCH MODELS [--long]

With --long also what takes minutes: every limit on address space, dozens of kills and interrupts, a full disk, inputs of
hundreds of megabytes.
"""

import fcntl
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from notes import NOTE

YUPANA, RUN, BENCH, MODELS = (os.path.abspath(word) for word in sys.argv[1:5])
LONG = "--long" in sys.argv
NANO = os.path.join(MODELS, "nano")
SMALL = os.path.join(MODELS, "parity", "top2")
TARGET = ("--target", "x86-64-v3", "--precision", "f32")
MIB = 1 << 20


def sentences(stderr):
    """What a program says beside its notes."""
    return [line for line in stderr.splitlines() if not line.startswith((NOTE, "yupana-run: note: "))]


def limits(**values):
    """To be called in a new process: sets limits by their names, AS or FSIZE."""
    def apply():
        for name, value in values.items():
            resource.setrlimit(getattr(resource, "RLIMIT_" + name), (value, value))
    return apply


def peak_memory(command, **options):
    """A finished process, and the most memory that was resident in it or in one that it started, in bytes."""
    script = ("import resource, subprocess, sys; done = subprocess.run(sys.argv[1:]); "
              "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr); sys.exit(done.returncode)")
    done = subprocess.run([sys.executable, "-c", script, *command], capture_output=True, text=True, **options)
    lines = done.stderr.splitlines()
    done.stderr = "\n".join(lines[:-1])
    return done, int(lines[-1]) * 1024


class System(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.shared = pathlib.Path(cls.scratch.name)
        cls.plan = cls.shared / "nano.yplan"
        cls.cache = cls.shared / "cache"
        done = subprocess.run(cls.compile_words(cls.plan), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    @classmethod
    def compile_words(cls, plan, folder=NANO, cache=True):
        return [YUPANA, "compile", folder, "-o", plan, *TARGET, "-j", "2", *(("--cache", cls.cache) if cache else ())]

    def setUp(self):
        # Where a process of another user may write, too.
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=self.shared))
        self.out = self.folder / "out.yplan"
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def left(self):
        return sorted(path.name for path in self.folder.iterdir())

    def shell(self, words, code, stdin=b"", **options):
        """Runs a command of bash, in which "$@" is `words`; ends with `code` as the shell counts."""
        script, *words = words
        done = subprocess.run(["bash", "-c", script, "bash", *map(str, words)], input=stdin, capture_output=True,
                              timeout=600, **options)
        done.stderr = done.stderr.decode(errors="replace")
        self.assertEqual(done.returncode, code, f"{script} {words}: {done.stderr}")
        return done

    def refused(self, words, code, *parts, **options):
        done = self.shell(['"$@"', *words], code, **options)
        said = sentences(done.stderr)
        self.assertEqual(len(said), 1, done.stderr)
        for part in parts:
            self.assertIn(part, said[0])
        return done

    # Output

    def talkers(self):
        """Commands whose result goes to standard output."""
        plan = self.plan
        run = [RUN, plan, "--tokens", "5,6", "--max-new-tokens", "3"]
        bench = [BENCH, plan, "--prompt-tokens", "4", "--max-new-tokens", "2", "--repetitions", "1", "--threads", "1"]
        some = [[YUPANA, "--help"], [YUPANA, "inspect", plan, "--json"], run, [*run, "--json"], [RUN, plan, "--tokenize"],
                [RUN, plan, "--chat", "--max-new-tokens", "2"], bench]
        more = [[YUPANA, "compile", "--help"], [YUPANA, "version"], [YUPANA, "targets", "--json"], [YUPANA, "check", plan],
                [YUPANA, "inspect", plan], [YUPANA, "verify", plan], [RUN, "--help"], [RUN, "--version"],
                [RUN, plan, "--detokenize"], [BENCH, "--help"], [BENCH, "--version"]]
        return some + more if LONG else some

    def test_output_that_is_lost(self):
        for words in self.talkers():
            line = b"[5]\n" if "--detokenize" in words else b'"a"\n'
            for where, why in ((">/dev/full", "No space left"), (">&-", "Bad file descriptor")):
                with self.subTest(words=words[1:], where=where):
                    done = self.shell([f'"$@" {where}', *words], 7, stdin=line)
                    said = sentences(done.stderr)
                    self.assertEqual(len(said), 1, done.stderr)
                    self.assertIn("standard output: cannot be written: " + why, said[0])

    def test_a_reader_that_leaves(self):
        for words in self.talkers():
            with self.subTest(words=words[1:]):
                line = b"[5]\n" if "--detokenize" in words else b'"a"\n'
                self.shell(['{ sleep 0.1; exec "$@"; } | true; exit ${PIPESTATUS[0]}', *words], 141, stdin=line)

    def test_what_cannot_be_said_changes_nothing(self):
        for where in ("2>/dev/full", ">/dev/full", "<&- >&- 2>&-", "2>&1 | true")[::1 if LONG else 2]:
            with self.subTest(where=where):
                self.out.unlink(missing_ok=True)
                self.shell([f'"$@" {where}; exit ${{PIPESTATUS[0]}}', *self.compile_words(self.out)], 0)
                self.assertEqual(self.left(), ["out.yplan"])
                self.assertEqual(self.out.read_bytes(), self.plan.read_bytes())
        self.shell(['"$@" 2>/dev/full', YUPANA, "verify", self.folder / "none"], 3)
        self.shell(['"$@" 2>&-', RUN, self.plan, "--prompt", "<|begin_of_text|>a", "--max-new-tokens", "1"], 0)

    def test_closed_descriptors_stay_unused(self):
        logits = self.folder / "out.npy"
        run = [RUN, self.plan, "--tokens", "5,6,7", "--logits", logits]
        self.shell(['"$@"', *run], 0)
        wanted = logits.read_bytes()
        self.shell(['"$@" <&- >&- 2>&-', *run], 0)
        self.assertEqual(logits.read_bytes(), wanted)
        # Neither is kept where part of what was asked for is lost.
        logits.unlink()
        self.shell(['"$@" >&-', *run, "--max-new-tokens", "2"], 7)
        self.assertEqual(self.left(), [])
        self.shell(['"$@" <&-', RUN, self.plan, "--prompt", "-"], 3)

    def test_limits_on_file_sizes(self):
        for size in (0, 4096, MIB)[0 if LONG else 2:]:
            with self.subTest(size=size):
                self.refused(self.compile_words(self.out, cache=size > 4096), 7, preexec_fn=limits(FSIZE=size))
                self.assertEqual(self.left(), [])
        self.refused([RUN, self.plan, "--tokens", "5,6,7", "--logits", self.folder / "out.npy"], 7, "File too large",
                     preexec_fn=limits(FSIZE=1000))
        self.assertEqual(self.left(), [])

    # Temporary files

    def test_temporary_files_lie_beside_the_output(self):
        environment = {**os.environ, "TMPDIR": str(self.folder / "none"), "TMP": "/none", "TEMP": "/none"}
        self.shell(['"$@"', *self.compile_words(self.out)], 0, env=environment)
        self.assertEqual(self.left(), ["out.yplan"])

    def begin(self, words, seen=True):
        """Starts a process and waits until it has written a temporary file or folder."""
        process = subprocess.Popen(list(map(str, words)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=self.folder,
                                   stdin=subprocess.PIPE)
        deadline = time.monotonic() + 60
        while seen and not any(".yupana-tmp-" in name for name in self.left()):
            self.assertIsNone(process.poll(), "it ended before it wrote anything")
            self.assertLess(time.monotonic(), deadline)
        return process

    def held(self):
        """The temporary files and folders that a process is at work on. Between making one and locking it, a process has
        one that others may remove, and makes another."""
        names = set()
        for name in self.left():
            if ".yupana-tmp-" not in name:
                continue
            handle = os.open(self.folder / name, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                names.add(name)
            finally:
                os.close(handle)
        return names

    def begin_and_stop(self, words):
        """Starts a process and stops it while it holds a temporary file or folder."""
        for _ in range(20):
            process = self.begin(words)
            process.send_signal(signal.SIGSTOP)
            # The signal takes its time, in which the process may come to its end.
            state = os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
            if state.si_code == os.CLD_STOPPED and self.held():
                return process
            self.assertEqual(self.end(process, signal.SIGCONT)[0], 0)
            self.out.unlink()
        self.fail("it ended before it was stopped, 20 times")

    def end(self, process, number):
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
        return process.returncode, (stderr or b"").decode()

    def test_signals_leave_nothing(self):
        for number, code in ((signal.SIGTERM, 143), (signal.SIGHUP, 129)):
            with self.subTest(number=number):
                self.assertEqual(self.end(self.begin(self.compile_words(self.out)), number)[0], code)
                self.assertEqual(self.left(), [])
        # A relative name, and a program that computes for long.
        run = [RUN, self.plan, "--tokens", "5", "--logits", "out.npy", "--max-new-tokens", "1000000"]
        for number, code in ((signal.SIGTERM, 143), (signal.SIGHUP, 129)):
            self.assertEqual(self.end(self.begin(run), number)[0], code)
            self.assertEqual(self.left(), [])

    def test_nohup_is_heard(self):
        process = self.begin(["nohup", *self.compile_words(self.out)])
        self.assertEqual(self.end(process, signal.SIGHUP)[0], 0)
        self.assertEqual(self.left(), ["out.yplan"])

    def test_what_a_kill_leaves_is_removed(self):
        self.out.write_bytes(b"old")
        self.assertEqual(self.end(self.begin(self.compile_words(self.out)), signal.SIGKILL)[0], -signal.SIGKILL)
        self.assertEqual(self.out.read_bytes(), b"old")
        self.assertNotEqual(self.left(), ["out.yplan"])
        # A file of the user's whose name only looks alike stays, and so does what is at work for the same file.
        mine = self.folder / "out.yplan.backup"
        mine.write_bytes(b"mine")
        self.shell(['"$@"', *self.compile_words(self.out)], 0)
        self.assertEqual(self.left(), ["out.yplan", "out.yplan.backup"])

    def test_others_at_work_keep_their_files(self):
        first = self.begin_and_stop(self.compile_words(self.out))
        held = self.held()
        self.shell(['"$@"', *self.compile_words(self.out)], 0)
        self.assertTrue(held <= set(self.left()), self.left())
        self.assertEqual(self.end(first, signal.SIGCONT)[0], 0)
        self.assertEqual(self.left(), ["out.yplan"])

    @unittest.skipUnless(LONG, "takes long")
    def test_kills_and_interrupts(self):
        """At any moment: the old plan or none, and nothing else once the same plan is compiled again."""
        old = b"old"
        words = self.compile_words(self.out, cache=False)
        start = time.monotonic()
        self.shell(['"$@"', *words], 0)
        whole, new = time.monotonic() - start, self.out.read_bytes()
        draw = random.Random(1)
        for number, count in ((signal.SIGKILL, 40), (signal.SIGINT, 60), (signal.SIGTERM, 20), (signal.SIGHUP, 20)):
            for turn in range(count):
                exists = draw.random() < 0.5
                self.out.write_bytes(old) if exists else self.out.unlink(missing_ok=True)
                process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                time.sleep(draw.uniform(0, 1.1 * whole))
                code, _ = self.end(process, number)
                # The signal comes before the program has begun, while it works, or when it is done.
                self.assertIn(code, (0, -number, 128 + number))
                found = self.out.read_bytes() if self.out.exists() else None
                if code == 0:
                    self.assertEqual(found, new)
                elif found != new:
                    self.assertEqual(found, old if exists else None)
                if number != signal.SIGKILL:
                    self.assertIn(self.left(), ([], ["out.yplan"]))
            self.shell(['"$@"', *words], 0)
            self.assertEqual(self.left(), ["out.yplan"])

    @unittest.skipUnless(LONG, "takes long")
    def test_a_full_disk(self):
        script = """
            mount -t tmpfs -o size=$1 none "$2" 2>/dev/null || exit 77
            here=$2; shift 2
            "$@" 2>"$here/../said"; code=$?
            ls -A "$here" >"$here/../left"
            exit $code"""
        logits = [RUN, self.plan, "--tokens", ",".join(["5"] * 400), "--logits", self.folder / "disk/out.npy"]
        for words in (self.compile_words(self.folder / "disk/out.yplan"), logits):
            for size in ("64k", "512k"):
                (self.folder / "disk").mkdir(exist_ok=True)
                command = ["unshare", "-rm", "bash", "-c", script, "bash", size, self.folder / "disk", *words]
                done = subprocess.run(list(map(str, command)), capture_output=True)
                if done.returncode == 77 or b"unshare:" in done.stderr:
                    self.skipTest("this machine mounts nothing for a test")
                said = (self.folder / "said").read_text()
                self.assertEqual((done.returncode, len(sentences(said))), (7, 1), said)
                self.assertEqual((self.folder / "left").read_text(), "")

    @unittest.skipUnless(LONG, "takes long")
    def test_control_groups(self):
        """A group above that of the process, in the older hierarchy or the newer one."""
        for place, limit in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
            outer = pathlib.Path(place) / f"yupana-{os.getpid()}"
            try:
                (outer / "inner").mkdir(parents=True)
                # A group has the file; where none is mounted, a folder in its place would only get one.
                with open(outer / limit, "r+") as file:
                    file.write(str(12 * MIB)) # nano needs 17 MB
            except OSError:
                for folder in (outer / "inner", outer):
                    if folder.exists():
                        folder.rmdir()
                continue
            try:
                enter = lambda: (outer / "inner/cgroup.procs").write_text(str(os.getpid()))
                self.refused([RUN, self.plan, "--tokens", "5"], 7, "are available", preexec_fn=enter)
            finally:
                (outer / "inner").rmdir()
                outer.rmdir()
            return
        self.skipTest("no group can be made on this machine")

    # Files that are none

    def test_plans_that_are_no_files(self):
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)
        for path in (fifo, "/dev/zero", "/dev/null", self.folder):
            for words in ([YUPANA, "check", path], [YUPANA, "inspect", path], [YUPANA, "verify", path],
                          [YUPANA, "refit", path, NANO, "-o", self.out], [RUN, path, "--tokens", "1"], [BENCH, path]):
                with self.subTest(words=words):
                    start = time.monotonic()
                    self.refused(words, 3, str(path))
                    self.assertLess(time.monotonic() - start, 10)

    def test_ids_from_a_pipe(self):
        run = [RUN, self.plan, "--max-new-tokens", "2", "--json"]
        self.assertEqual(self.shell(['"$@" --tokens <(sleep 0.1; echo "[5, 6,"; sleep 0.1; echo "7]")', *run], 0).stdout[:30],
                         b'{"prompt_tokens": [5, 6, 7], "')
        start = time.monotonic()
        done = self.shell(['"$@" --tokens <(yes "5,")', *run], 4)
        self.assertIn("bytes", done.stderr)
        self.assertLess(time.monotonic() - start, 30)

    def test_lines_that_are_too_long(self):
        line = b'"' + b"a" * ((300 if LONG else 60) * MIB)
        self.refused([RUN, self.plan, "--chat"], 4, "line 1: has more than", stdin=line)
        self.refused([RUN, self.plan, "--tokenize"], 7, "not enough memory", stdin=line, preexec_fn=limits(AS=50 * MIB))
        if LONG:
            done = self.refused([RUN, self.plan, "--tokenize"], 4, "line 2: has more than", stdin=b'"a"\n' + line)
            self.assertEqual(done.stdout.count(b"\n"), 1)

    def test_a_prompt_that_is_too_long(self):
        size = (900 if LONG else 50) * MIB
        text = self.folder / "text"
        with open(text, "wb") as file:
            for _ in range(size // MIB):
                file.write(b"a" * MIB)
        for flag in ("--prompt", "--user"):
            with open(text, "rb") as file:
                start = time.monotonic()
                done, peak = peak_memory([RUN, self.plan, flag, "-"], stdin=file)
                self.assertLess(time.monotonic() - start, 10)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("more than", done.stderr)
            self.assertLess(peak, size)

    def test_a_plan_that_is_cut_while_it_is_mapped(self):
        plan = self.folder / "cut.yplan"
        shutil.copy(self.plan, plan)
        process = subprocess.Popen([RUN, plan, "--chat", "--mmap", "--max-new-tokens", "2"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        process.stdin.write(b"Hello\n")
        self.assertTrue(process.stdout.read(1))
        os.truncate(plan, 65536)
        _, stderr = process.communicate(b"Hello again\n" * 8, timeout=60)
        said = sentences(stderr.decode())
        self.assertEqual((process.returncode, len(said)), (4, 1), stderr)
        self.assertIn("cut.yplan", said[0])

    # Memory

    def sweep(self, words, low, high, step, most):
        """Every limit on address space from `low` on gives a result, or exit code 7 and one sentence."""
        succeeded = 0
        for size in range(low, high, step):
            done = subprocess.run(list(map(str, words)), capture_output=True, text=True, preexec_fn=limits(AS=size),
                                  stdin=subprocess.DEVNULL, timeout=120)
            said = sentences(done.stderr)
            self.assertIn(done.returncode, (0, 7), f"{size}: {done.stderr}")
            self.assertEqual(len(said), done.returncode != 0, f"{size}: {done.stderr}")
            succeeded = succeeded + 1 if done.returncode == 0 else 0
            self.assertIn(self.left(), ([], ["out.yplan"]) if done.returncode == 0 else ([],), size)
            self.out.unlink(missing_ok=True)
            if succeeded == most:
                return
        self.fail("no limit was enough")

    def least(self, words):
        """The least address space in which a command runs, within a megabyte."""
        low, high = 0, 4096
        while high - low > 1:
            middle = (low + high) // 2
            done = subprocess.run(words, capture_output=True, preexec_fn=limits(AS=middle * MIB))
            low, high = (low, middle) if done.returncode == 0 else (middle, high)
        return high * MIB

    def test_address_space(self):
        start = self.least([YUPANA, "--version"])
        self.sweep(self.compile_words(self.out, SMALL, cache=LONG is False), start, 8 << 30, MIB // 2 if LONG else 4 * MIB,
                   16 if LONG else 1)
        start = self.least([RUN, "--version"])
        run = [RUN, self.plan, "--tokens", "5,6", "--max-new-tokens", "2"]
        self.refused(run, 7, "nano.yplan: weights and activations need", "are available",
                     preexec_fn=limits(AS=start + 20 * MIB))
        for more in ((), ("--mmap",)):
            self.sweep([RUN, self.plan, "--tokens", "5,6", "--max-new-tokens", "2", *more], start, 1 << 30,
                       MIB if LONG else 8 * MIB, 1)

    @unittest.skipUnless(LONG, "takes long")
    @unittest.skipUnless(os.geteuid() == 0, "the number of processes of a user who has others is not known")
    def test_threads_that_do_not_start(self):
        # The limit counts processes of a user: one who has no others.
        user = 54321
        self.folder.chmod(0o777)
        self.shared.chmod(0o755)
        for most, codes in ((1, (7,)), (2, (0, 7)), (3, (0, 7)), (4, (0, 7))):
            with self.subTest(most=most):
                done = subprocess.run([*map(str, self.compile_words(self.out, SMALL, cache=False)[:-1]), "8"],
                                      capture_output=True, text=True, user=user, preexec_fn=limits(NPROC=most))
                if done.returncode == 126:
                    self.skipTest("the programs may not be read by others")
                self.assertIn(done.returncode, codes, done.stderr)
                self.assertEqual(len(sentences(done.stderr)), done.returncode != 0, done.stderr)
                self.out.unlink(missing_ok=True)
                self.assertEqual(self.left(), [])

    def with_tokenizer(self, change):
        """A copy of a checkpoint whose tokenizer.json `change` has changed."""
        copy = self.folder / "checkpoint"
        shutil.copytree(NANO, copy, ignore=shutil.ignore_patterns("expected"))
        tokenizer = json.loads((copy / "tokenizer.json").read_text())
        change(tokenizer)
        with open(copy / "tokenizer.json", "w") as file:
            json.dump(tokenizer, file, separators=(",", ":"))
        return copy

    def test_an_id_far_beyond_the_vocabulary(self):
        far = (1 << 24) - 1
        copy = self.with_tokenizer(lambda tokenizer: tokenizer["added_tokens"].append(
            {**tokenizer["added_tokens"][0], "id": far, "content": "<|far|>"}))
        base, least = peak_memory(self.compile_words(self.out))
        self.assertEqual(base.returncode, 0, base.stderr)
        size = self.out.stat().st_size
        done, peak = peak_memory(self.compile_words(self.out, copy))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"'<|far|>' has the id {far}", done.stderr)
        self.assertLess(peak - least, 16 * MIB)
        self.assertLess(self.out.stat().st_size - size, 65536)
        # It is still a token, and one that cannot be run.
        self.refused([RUN, self.out, "--prompt", "a<|far|>"], 4, "vocabulary")

    @unittest.skipUnless(LONG, "takes long")
    def test_a_large_tokenizer(self):
        """198 MB of words and merges take at most four times their size, and so does what is read in another order."""
        def enlarge(tokenizer):
            draw = random.Random(1)
            model = tokenizer["model"]
            known = set(model["vocab"].values()) | {token["id"] for token in tokenizer["added_tokens"]}
            letters = "abcdefghijklmnopqrstuvwxyz"
            quarter = [a + b + c + d for a in letters for b in letters for c in letters for d in letters]
            words = [word for word in quarter if word not in model["vocab"]]
            pairs = {(draw.randrange(len(quarter)), draw.randrange(len(quarter))) for _ in range(5_900_000)}
            ids = iter(range(max(known) + 1, 1 << 24))
            model["vocab"].update(zip(words, ids))
            model["vocab"].update((quarter[left] + quarter[right], next(ids)) for left, right in sorted(pairs))
            model["merges"] += [quarter[left] + " " + quarter[right] for left, right in sorted(pairs)]
            tokenizer["model"] = {"merges": model.pop("merges"), **model}
        copy = self.with_tokenizer(enlarge)
        size = (copy / "tokenizer.json").stat().st_size
        self.assertGreater(size, 185e6)
        done, peak = peak_memory(self.compile_words(self.out, copy))
        self.assertEqual(done.returncode, 0, done.stderr)
        print(f"{size / 1e6:.0f} MB took {peak / 1e6:.0f} MB", file=sys.stderr)
        self.assertLess(peak, 4 * size)
        self.assertIn("has the id", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
