# SPDX-License-Identifier: Apache-2.0
"""What others do on the same GPU: a process that check.py asks between its own runs, by a line of JSON each.

A request {"tokens": T, "context": C, "phase": "decode" | "prefill", "ops": [...]} is answered with the seconds of each
peer for each operation, and with what was left out and why. A peer is timed once its result is near a float32
reference's. Data are random, from a fixed seed; weights are cold: calls go round copies that together exceed the L2
cache three times over. What is short runs in a CUDA graph. Peers get rows sorted by expert, know the routing on the
host, and need not apply SwiGLU: what is compared with leans their way, but for the whole block.

usage: peers.py [--rehearse]     with --rehearse tiny shapes on torch's CPU device, to see that it runs
"""

import argparse
import importlib
import json
import statistics
import sys
import time
import warnings

BLOCK_PEER = "Llama4TextMoe, compiled"
CLOSE = 0.02  # Of the largest value of the reference.


class Shape:
    def __init__(self, hidden, width, experts, heads, kv_heads, head):
        self.hidden, self.width, self.experts = hidden, width, experts
        self.heads, self.kv_heads, self.head = heads, kv_heads, head

    def matrix(self, op):
        """[N, K] of one matrix; of "gate_up" and "down", of an expert."""
        queries = self.heads * self.head
        return {"qkv": (queries + 2 * self.kv_heads * self.head, self.hidden), "o": (self.hidden, queries),
                "gate_up": (2 * self.width, self.hidden), "down": (self.hidden, self.width)}[op]


SCOUT = Shape(5120, 8192, 16, 40, 8, 128)
TINY = Shape(64, 32, 4, 4, 2, 16)


def copies(size, cache):
    """How many tensors of `size` bytes calls go round, so that one is out of a cache before it is met again."""
    return max(1, min(64, -(-3 * cache // size) + 1))


def routing(tokens, experts):
    """How many rows each expert has, for even routing as random weights give it; the same in every run."""
    counts, state = [0] * experts, 0x5EED
    for _ in range(tokens):
        # SplitMix64 (Steele, Lea, Flood 2014).
        state = state + 0x9E3779B97F4A7C15 & (1 << 64) - 1
        z = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & (1 << 64) - 1
        z = (z ^ z >> 27) * 0x94D049BB133111EB & (1 << 64) - 1
        counts[(z ^ z >> 31) % experts] += 1
    return counts


def ends_of(counts):
    ends, end = [], 0
    for count in counts:
        end += count
        ends.append(end)
    return ends


def calls_of_graph(seconds):
    """Calls of one replay: enough that what a launch of a graph takes does not show."""
    return max(2, min(48, round(2e-3 / max(seconds, 1e-7))))


class Peers:
    def __init__(self, torch, rehearse):
        self.torch, self.functional, self.rehearse = torch, torch.nn.functional, rehearse
        self.device = "cpu" if rehearse else "cuda"
        self.shape = TINY if rehearse else SCOUT
        self.cache = 1 << 14 if rehearse else torch.cuda.get_device_properties(0).L2_cache_size
        self.generator = torch.Generator(self.device).manual_seed(0x5EED)
        self.weights, self.notes, self.approved = {}, [], {}
        if not rehearse:
            torch.backends.cuda.matmul.allow_tf32 = False
        self.grouped = self.optional("grouped", "grouped")
        self.module = None

    def optional(self, module, name):
        try:
            return getattr(importlib.import_module(module), name)
        except Exception as error:
            self.notes.append(f"{module}: {type(error).__name__}: {error}"[:200])
            return None

    def random(self, *shape, scale=1.0):
        made = self.torch.empty(shape, device=self.device, dtype=self.torch.bfloat16)
        return made.normal_(0, scale, generator=self.generator)

    def matrices(self, op, experts=0):
        """Copies of a matrix, or of the matrices of all experts, made once."""
        if (op, experts) not in self.weights:
            n, k = self.shape.matrix(op)
            size = 2 * n * k * max(experts, 1)
            self.weights[op, experts] = [self.random(*([experts] if experts else []), n, k, scale=k ** -0.5)
                                         for _ in range(copies(size, self.cache))]
        return self.weights[op, experts]

    # Timing.

    def synchronize(self):
        if not self.rehearse:
            self.torch.cuda.synchronize()

    def elapsed(self, work, calls):
        """Seconds of one of the calls that `work` makes."""
        if self.rehearse:
            begin = time.perf_counter()
            work()
            return (time.perf_counter() - begin) / calls
        begin, end = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        work()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1e3 / calls

    def captured(self, call, calls):
        """Work of so many calls, in a graph where the peer can be captured."""
        def plain():
            for i in range(calls):
                call(i)
        if self.rehearse:
            return plain
        graph = self.torch.cuda.CUDAGraph()
        try:
            with self.torch.cuda.graph(graph):
                plain()
            return graph.replay
        except Exception as error:
            self.synchronize()
            self.notes.append(f"without a graph: {type(error).__name__}: {error}"[:200])
            return plain

    def seconds(self, call):
        """The median time of `call`(i), which chooses among its copies by i."""
        call(0)
        self.synchronize()
        first = self.elapsed(lambda: call(1), 1)
        calls = 2 if self.rehearse else calls_of_graph(first)
        work = self.captured(call, calls)
        work()
        runs = 2 if self.rehearse else max(5, min(30, round(0.3 / max(first * calls, 1e-6))))
        return statistics.median(self.elapsed(work, calls) for _ in range(runs))

    # The gate.

    def is_near(self, key, call, reference):
        """Whether a peer's result was seen to be right, once for each of its shapes."""
        if key not in self.approved:
            found, truth = call(0).float(), reference()
            worst = ((found[:truth.shape[0]] - truth).abs().max() / truth.abs().max()).item()
            self.approved[key] = worst <= CLOSE
            if not worst <= CLOSE:
                self.notes.append(f"{' '.join(map(str, key))}: left out, {worst:.2g} of the largest value off")
        return self.approved[key]

    # Operations: name of a peer, call(i), reference.

    def linear(self, op, tokens):
        weights, x = self.matrices(op), self.random(tokens, self.shape.matrix(op)[1])
        yield ("F.linear", lambda i: self.functional.linear(x, weights[i % len(weights)]),
               lambda: x[:64].float() @ weights[0].float().T)

    def experts(self, op, tokens):
        """The matrices of the chosen experts and of the shared one; results one above the other."""
        torch, linear = self.torch, self.functional.linear
        count, (_, k) = self.shape.experts, self.shape.matrix(op)
        shared = self.matrices(op)
        # One copy of all experts is larger than any cache.
        routed = self.matrices(op, count)[0]
        x = self.random(tokens, k)
        # A single token goes round the experts, so that its matrix is cold.
        plans = [[int(e == chosen) for e in range(count)] for chosen in range(count)] if tokens == 1 else \
            [routing(tokens, count)]
        rows = [[(e, end - n, end) for e, (n, end) in enumerate(zip(counts, ends_of(counts))) if n] for counts in plans]
        ends = [torch.tensor(ends_of(counts), dtype=torch.int32, device=self.device) for counts in plans]
        most = [max(counts) for counts in plans]
        by_columns = routed.transpose(-2, -1)

        def with_shared(multiply):
            return lambda i: torch.cat([multiply(i % len(plans)), linear(x, shared[i % len(shared)])])

        def reference():
            parts = [x[a:b].float() @ routed[e].float().T for e, a, b in rows[0]]
            return torch.cat([*parts, x.float() @ shared[0].float().T])

        def chosen(i):
            parts = [linear(x[a:b], routed[e]) for e, a, b in rows[i]]
            return torch.cat(parts) if len(parts) > 1 else parts[0]

        yield "F.linear on the chosen", with_shared(chosen), reference
        multiply = getattr(self.functional, "grouped_mm", None) or getattr(torch, "_grouped_mm", None)
        if multiply:
            yield "grouped_mm", with_shared(lambda i: multiply(x, by_columns, offs=ends[i])), reference
        if self.grouped:
            yield "Triton", with_shared(lambda i: self.grouped(x, routed, ends[i], most[i])), reference

    def attention(self, tokens, context, decodes):
        shape, functional = self.shape, self.functional
        keys = context + 1 if decodes else tokens
        size = 4 * shape.kv_heads * keys * shape.head
        count = copies(size, self.cache) if decodes else 1
        q = self.random(tokens if decodes else 1, shape.heads, 1 if decodes else tokens, shape.head)
        k, v = ([self.random(q.shape[0], shape.kv_heads, keys, shape.head) for _ in range(count)] for _ in range(2))

        def call(i):
            return functional.scaled_dot_product_attention(q, k[i % count], v[i % count], is_causal=not decodes,
                                                           enable_gqa=True)

        def last_rows(result):
            return result[:, :, -4:, :].reshape(-1, shape.head)

        def reference():
            last = q[:, :, -4:, :].float()
            group = shape.heads // shape.kv_heads
            wide = [tensor[0].float().repeat_interleave(group, 1) for tensor in (k, v)]
            scores = last @ wide[0].transpose(-2, -1) * shape.head ** -0.5
            if not decodes:
                first = tokens - last.shape[2]
                positions = self.torch.arange(keys, device=self.device)
                allowed = positions[None] <= first + self.torch.arange(last.shape[2], device=self.device)[:, None]
                scores = scores.masked_fill(~allowed, float("-inf"))
            return (scores.softmax(-1) @ wide[1]).reshape(-1, shape.head)

        backends = self.backends()
        for name, backend in backends.items():
            def chosen(i, backend=backend):
                if backend is None:
                    return call(i)
                with importlib.import_module("torch.nn.attention").sdpa_kernel(backend):
                    return call(i)
            yield name, chosen, reference, last_rows

    def backends(self):
        """Of attention: torch's own choice and, on a GPU, each that may be the better one for a shape."""
        out = {"SDPA": None}
        if not self.rehearse:
            kinds = importlib.import_module("torch.nn.attention").SDPBackend
            out |= {f"SDPA {name}": getattr(kinds, word) for name, word in
                    (("cuDNN", "CUDNN_ATTENTION"), ("flash", "FLASH_ATTENTION")) if hasattr(kinds, word)}
        return out

    def block(self, tokens):
        """The mixture of experts as transformers has it."""
        torch, shape = self.torch, self.shape
        if self.module is None:
            modeling = importlib.import_module("transformers.models.llama4.modeling_llama4")
            configuration = importlib.import_module("transformers.models.llama4.configuration_llama4")
            config = configuration.Llama4TextConfig(
                hidden_size=shape.hidden, intermediate_size=shape.width, num_local_experts=shape.experts,
                num_experts_per_tok=1, num_attention_heads=shape.heads, num_key_value_heads=shape.kv_heads,
                head_dim=shape.head, num_hidden_layers=1)
            with torch.device(self.device):
                self.module = modeling.Llama4TextMoe(config).to(torch.bfloat16).eval()
            for parameter in self.module.parameters():
                # Vectors do not occur; experts are [E, K, N], others [N, K].
                depth = parameter.shape[1]
                parameter.data.normal_(0, depth ** -0.5, generator=self.generator)
            self.compiled = torch.compile(self.module, dynamic=False)
        x = self.random(1, tokens, shape.hidden)

        def call(_):
            with torch.no_grad():
                return self.compiled(x)[0].reshape(-1, shape.hidden)

        def reference():
            """Rows whose choice of an expert is near a tie are given what the module gives them."""
            module, rows = self.module, x[0, :64].float()
            weights = {name: parameter.data for name, parameter in module.named_parameters()}
            logits = rows @ weights["router.weight"].float().T
            best = logits.topk(2, -1)
            clear = best.values[:, 0] - best.values[:, 1] > 0.05 * logits.std()
            out = call(0)[:len(rows)].float()
            part = lambda name: weights[f"shared_expert.{name}_proj.weight"].float().T
            for row in clear.nonzero().flatten().tolist():
                expert, score = best.indices[row, 0], best.values[row, 0].sigmoid()
                gate, up = (rows[row] * score @ weights["experts.gate_up_proj"][expert].float()).chunk(2)
                routed = self.functional.silu(gate) * up @ weights["experts.down_proj"][expert].float()
                shared = self.functional.silu(rows[row] @ part("gate")) * (rows[row] @ part("up")) @ part("down")
                out[row] = routed + shared
            return out
        yield BLOCK_PEER, call, reference

    def contestants(self, op, request):
        tokens = request["tokens"]
        if op in ("qkv", "o"):
            return self.linear(op, tokens)
        if op in ("gate_up", "down"):
            return self.experts(op, tokens)
        if op == "attention":
            return self.attention(tokens, request["context"], request["phase"] == "decode")
        return self.block(tokens)

    def answer(self, request):
        found = {}
        for op in request["ops"]:
            try:
                for name, call, reference, *view in self.contestants(op, request):
                    self.measure(found.setdefault(op, {}), (name, op, request["tokens"], request["context"]), call,
                                 reference, *view)
            except Exception as error:
                self.notes.append(f"{op}: {type(error).__name__}: {error}"[:300])
        notes, self.notes = list(dict.fromkeys(self.notes)), []
        return {"seconds": found, "notes": notes}

    def measure(self, found, key, call, reference, view=lambda result: result):
        """One that fails leaves the others their turn."""
        try:
            with self.torch.no_grad():
                if self.is_near(key, lambda i: view(call(i)), reference):
                    found[key[0]] = self.seconds(call)
        except Exception as error:
            self.notes.append(f"{key[0]} for {key[1]}: {type(error).__name__}: {error}"[:300])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rehearse", action="store_true")
    rehearse = parser.parse_args().rehearse
    # Answers are lines of their own: what libraries print goes elsewhere.
    answers, sys.stdout = sys.stdout, sys.stderr
    warnings.simplefilter("ignore")
    say = lambda answer: print(json.dumps(answer), file=answers, flush=True)
    try:
        import torch
    except Exception as error:
        return say({"error": f"no torch: {type(error).__name__}: {error}"})
    if not rehearse and not torch.cuda.is_available():
        return say({"error": f"torch {torch.__version__} finds no GPU"})
    try:
        peers = Peers(torch, rehearse)
    except Exception as error:
        return say({"error": f"{type(error).__name__}: {error}"})
    say({"torch": torch.__version__, "rehearsed": rehearse})
    for line in sys.stdin:
        say(peers.answer(json.loads(line)))


if __name__ == "__main__":
    main()
