# SPDX-License-Identifier: Apache-2.0
"""Runs in a Python that has the wheel, started by wheel_test.py: what the package does, beside what yupana-run wrote."""

import gc
import sys
import threading
import unittest

import numpy
import yupana

PLAN, PROMPT, EXPECTED, LOGITS, DRAWN, ANSWER = sys.argv[1:]
FRANCE, SPAIN = "What is the capital of France?", "What is the capital of Spain?"


class PlanTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.plan = yupana.Plan(PLAN)

    @classmethod
    def tearDownClass(cls):
        cls.plan.close()

    def test_says_what_it_is(self):
        self.assertEqual((self.plan.name, self.plan.targets, self.plan.target), ("nano", ("x86-64-v3",), "x86-64-v3"))
        self.assertTrue(self.plan.has_tokenizer and self.plan.has_chat)
        self.assertIn("nano", repr(self.plan))

    def test_generates_what_the_program_writes(self):
        reply = self.plan.generate(PROMPT, max_new_tokens=32, temperature=0)
        self.assertEqual(reply.text + "\n", EXPECTED)
        self.assertEqual(reply.stop, "eos")
        self.assertIn(reply.tokens[-1], self.plan.stop_tokens)
        ids = self.plan.encode(PROMPT, begin=True)
        self.assertEqual(self.plan.generate(numpy.array(ids), max_new_tokens=32, temperature=0), reply)

    def test_draws_what_the_program_draws(self):
        reply = self.plan.generate(PROMPT, max_new_tokens=12, temperature=1.5, seed=7)
        self.assertEqual(reply.text + "\n", DRAWN)
        other = self.plan.generate(PROMPT, max_new_tokens=12, temperature=1.5, seed=8)
        self.assertNotEqual(other.tokens, reply.tokens)

    def test_ends_at_the_limit(self):
        reply = self.plan.generate(PROMPT, max_new_tokens=3, temperature=0)
        self.assertEqual((len(reply.tokens), reply.stop), (3, "length"))

    def test_streams_and_is_left_early(self):
        pieces = list(self.plan.stream(PROMPT, max_new_tokens=32, temperature=0))
        self.assertEqual("".join(piece.text for piece in pieces) + "\n", EXPECTED)
        self.assertEqual([piece.stop for piece in pieces], [None] * (len(pieces) - 1) + ["eos"])
        # More than have room at once: a stream that is left gives its place back.
        for _ in range(3 * self.plan.max_batch):
            self.assertEqual(next(self.plan.stream(PROMPT, temperature=0)).text, pieces[0].text)

    def test_streams_take_turns(self):
        alone = [self.plan.generate(prompt, max_new_tokens=9, temperature=0).tokens for prompt in (PROMPT, "Hello")]
        both = [self.plan.stream(prompt, max_new_tokens=9, temperature=0) for prompt in (PROMPT, "Hello")]
        woven = list(zip(*both))
        for index in range(2):
            self.assertEqual([pair[index].token for pair in woven], alone[index][:len(woven)])
        for stream in both:
            stream.close()

    def test_threads_share_a_plan(self):
        replies = [None] * 4

        def work(index):
            replies[index] = self.plan.generate(PROMPT, max_new_tokens=32, temperature=0).text

        threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(replies, [EXPECTED[:-1]] * 4)

    def test_logits_are_those_of_the_program(self):
        logits = self.plan.logits(PROMPT)
        self.assertEqual((logits.dtype, logits.shape[1]), (numpy.float32, self.plan.vocab_size))
        self.assertTrue(numpy.array_equal(logits, numpy.load(LOGITS)))
        # Longer than a step.
        ids = (self.plan.encode(PROMPT, begin=True) * 9)[:50]
        self.assertTrue(numpy.array_equal(self.plan.logits(ids)[:20], self.plan.logits(ids[:20])))
        with self.assertRaisesRegex(ValueError, "no tokens"):
            self.plan.logits([])

    def test_tokens_come_back(self):
        text = "Größe 東京 🙂 <|eot|>\n"
        ids = self.plan.encode(text)
        self.assertEqual(self.plan.decode(ids), text)
        special = self.plan.encode(text, special=True)
        self.assertLess(len(special), len(ids))
        self.assertNotIn("<|eot|>", self.plan.decode(special, special=False))
        self.assertEqual(self.plan.encode("a", begin=True)[1:], self.plan.encode("a"))
        self.assertEqual(self.plan.encode(""), [])
        self.assertEqual(self.plan.decode([self.plan.encode("東")[0]]), "\ufffd")

    def test_conversation_goes_on(self):
        with self.plan.chat() as chat:
            first = chat.send(FRANCE, temperature=0)
            self.assertEqual(first.text + "\n", ANSWER)
            second = chat.send(SPAIN, temperature=0)
            self.assertIn("Madrid", second.text)
            self.assertEqual([message["role"] for message in chat.messages], ["user", "assistant"] * 2)
            history = chat.messages[:3]
        # From the cache or read anew, the answer is the same.
        ids = self.plan.encode_chat(history)
        self.assertEqual(self.plan.generate(ids, temperature=0).tokens, second.tokens)
        with self.plan.chat("Say as little as you can.") as chat:
            self.assertEqual(chat.messages, [{"role": "system", "content": "Say as little as you can."}])
            stream = chat.stream(FRANCE, temperature=0)
            next(stream)
            stream.close()
            self.assertEqual(len(chat.messages), 3)

    def test_faults_are_sentences(self):
        with self.assertRaises(yupana.Error) as caught:
            yupana.Plan("none.yplan")
        self.assertEqual((caught.exception.status, caught.exception.exit_code), ("UNREADABLE", 3))
        self.assertIn("none.yplan", str(caught.exception))
        for call, kind, sentence in [
                (lambda: self.plan.generate([]), yupana.Error, "0 tokens, expected 1 to"),
                (lambda: self.plan.generate([1, self.plan.vocab_size]), yupana.Error, "token 1 of the prompt is"),
                (lambda: self.plan.generate([1] * (self.plan.max_context + 1)), yupana.Error, "longest context"),
                (lambda: self.plan.generate([-1]), ValueError, "negative"),
                (lambda: self.plan.generate(PROMPT, temperature=-1), yupana.Error, "temperature"),
                (lambda: self.plan.generate(PROMPT, temperatur=1), TypeError, "temperatur"),
                (lambda: self.plan.generate(PROMPT, max_new_tokens=0), ValueError, "at least 1"),
                (lambda: self.plan.encode("\ud800"), UnicodeEncodeError, "surrogates"),
                (lambda: self.plan.encode_chat([{"role": "tool", "content": ""}]), ValueError, "'tool'"),
                (lambda: yupana.Plan(PLAN, device="tpu"), ValueError, "'tpu'"),
                (lambda: yupana.Plan(PLAN, target="x86-64-v9").load(), yupana.Error, "x86-64-v9")]:
            with self.assertRaisesRegex(kind, sentence):
                call()
        # None of it has cost a place.
        self.assertEqual(self.plan.generate(PROMPT, max_new_tokens=32, temperature=0).text + "\n", EXPECTED)

    def test_closes(self):
        with yupana.Plan(PLAN, threads=1, mmap=True) as plan:
            stream = plan.stream(PROMPT, temperature=0)
            next(stream)
        with self.assertRaisesRegex(ValueError, "closed"):
            next(stream)
        with self.assertRaisesRegex(ValueError, "closed"):
            plan.generate(PROMPT)
        plan.close()
        chat = yupana.Plan(PLAN).chat()  # keeps its plan
        gc.collect()
        self.assertIn("Paris", chat.send(FRANCE, temperature=0).text)

    def test_progress_is_told_and_cancels(self):
        told = []
        yupana.Plan(PLAN, progress=lambda done, total: told.append((done, total))).load()
        self.assertTrue(told and told[-1][0] <= told[-1][1])

        def stop(done, total):
            raise KeyboardInterrupt

        with self.assertRaises(KeyboardInterrupt):
            yupana.Plan(PLAN, progress=stop).load()


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=0)
