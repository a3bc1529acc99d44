#!/usr/bin/env python3
"""What the Python front end costs, in Pons and in MLX: tiny arrays, so that nearly all time goes into calls, graphs and transforms.

Both run the same lines, each in a process of its own; a round of one is followed by a round of the other. The table shows the
shortest round of each, per call. Needs a Python that finds both: PYTHONPATH=build/release/python build/venv/bin/python ...
"""

import argparse
import importlib
import json
import subprocess
import sys
import time

SIDES = {"pons": "pons.core", "mlx": "mlx.core"}
NODES = 10_000

# ---- cases: each gets the module and gives a function without arguments


def add(mx):
    a = mx.ones((4, 4))
    mx.eval(a)
    return lambda: a + a


def multiply_by_number(mx):
    a = mx.ones((4, 4))
    mx.eval(a)
    return lambda: a * 2.0


def sum_with_keywords(mx):
    a = mx.ones((4, 4))
    mx.eval(a)
    return lambda: mx.sum(a, axis=0, keepdims=True)


def reshape_method(mx):
    a = mx.ones((4, 4))
    mx.eval(a)
    return lambda: a.reshape(2, -1)


def index_one(mx):
    a = mx.ones((4, 4))
    mx.eval(a)
    return lambda: a[1]


def index_slices(mx):
    a = mx.ones((4, 4))
    mx.eval(a)
    return lambda: a[1:3, ..., None]


def shape_read(mx):
    a = mx.ones((4, 4))
    mx.eval(a)
    return lambda: a.shape


def from_list(mx):
    return lambda: mx.array([1.0, 2.0, 3.0, 4.0])


def add_and_eval(mx):
    a = mx.ones((4, 4))
    mx.eval(a)
    return lambda: mx.eval(a + a)


def item_of_sum(mx):
    a = mx.ones((4, 4))
    mx.eval(a)
    return lambda: mx.sum(a).item()


def assign(mx):
    a, one = mx.zeros((4, 4)), mx.ones((4,))
    mx.eval(a, one)

    def call():
        a[1] = one
        mx.eval(a)

    return call


def build_graph(mx):
    a = mx.ones((4, 4))
    mx.eval(a)

    def call():
        y = a
        for _ in range(NODES):
            y = y + a

    return call


def build_and_eval_graph(mx):
    a = mx.full((4, 4), 0.5)
    mx.eval(a)

    def call():
        y = a
        for _ in range(NODES // 4):
            y = mx.tanh(y * a) + mx.sin(y)
        mx.eval(y)

    return call


def mlp(mx):
    sizes = (8, 16, 16, 4)
    parameters = [{"w": mx.full((m, n), 0.01), "b": mx.zeros((n,))} for m, n in zip(sizes, sizes[1:])]
    x, target = mx.ones((4, 8)), mx.zeros((4, 4))
    mx.eval(parameters, x, target)

    def loss(parameters, x, target):
        for layer in parameters:
            x = mx.tanh(x @ layer["w"] + layer["b"])
        return mx.mean(mx.square(x - target))

    return parameters, x, target, loss


def grad_of_mlp(mx):
    parameters, x, target, loss = mlp(mx)
    value_and_grad = mx.value_and_grad(loss)
    return lambda: mx.eval(value_and_grad(parameters, x, target))


def compiled_grad_of_mlp(mx):
    parameters, x, target, loss = mlp(mx)
    value_and_grad = mx.compile(mx.value_and_grad(loss))
    return lambda: mx.eval(value_and_grad(parameters, x, target))


def compiled_call(mx):
    a = mx.ones((4, 4))
    mx.eval(a)
    f = mx.compile(lambda x: mx.tanh(x * 2 + 1) * mx.exp(x))
    return lambda: mx.eval(f(a))


def vmap_call(mx):
    a = mx.ones((4, 4))
    mx.eval(a)
    f = mx.vmap(lambda x, y: mx.sum(x * y))
    return lambda: f(a, a)


def eval_of_tree(mx):
    a = mx.ones((4, 4))
    tree = {f"layer {i}": {"weight": a + i, "bias": a * i} for i in range(100)}
    mx.eval(tree)
    return lambda: mx.eval(tree)


CASES = {
    "a + a, not computed": (add, 1),
    "a * 2.0, not computed": (multiply_by_number, 1),
    "sum(a, axis=0, keepdims=True), not computed": (sum_with_keywords, 1),
    "a.reshape(2, -1), not computed": (reshape_method, 1),
    "a[1], not computed": (index_one, 1),
    "a[1:3, ..., None], not computed": (index_slices, 1),
    "a.shape": (shape_read, 1),
    "array([1.0, 2.0, 3.0, 4.0])": (from_list, 1),
    "a + a, computed": (add_and_eval, 1),
    "sum(a).item()": (item_of_sum, 1),
    "a[1] = b, computed": (assign, 1),
    "eval of a computed tree of 200": (eval_of_tree, 1),
    "graph of 10,000 nodes, built, per node": (build_graph, NODES),
    "graph of 10,000 nodes, built and computed, per node": (build_and_eval_graph, NODES),
    "value_and_grad of a small MLP, computed": (grad_of_mlp, 1),
    "the same, compiled": (compiled_grad_of_mlp, 1),
    "compiled function of five ops, computed": (compiled_call, 1),
    "vmap of two ops, not computed": (vmap_call, 1),
}
IMPORT = "import"

# ---- one side, in its process: a line of JSON for a line of JSON


def serve(side):
    mx = importlib.import_module(SIDES[side])
    works = {}
    for line in sys.stdin:
        name, seconds = json.loads(line)
        case, scale = CASES[name]
        try:
            if name not in works:
                works[name] = work = case(mx)
                work()
                runs, took = 1, 0.0
                while took < seconds / 4:  # how often fits a round
                    runs *= 2 if took else 1
                    took = timed(work, runs)
                works[name] = work, max(1, int(runs * seconds / took))
            work, runs = works[name]
            answer = timed(work, runs) / runs / scale
        except Exception as error:
            answer = f"{type(error).__name__}: {error}"
        print(json.dumps(answer), flush=True)


def timed(work, runs):
    start = time.perf_counter()
    for _ in range(runs):
        work()
    return time.perf_counter() - start


# ---- both


class Side:
    def __init__(self, name):
        self.name = name
        self.process = subprocess.Popen([sys.executable, __file__, "--serve", name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def round(self, case, seconds):
        if case == IMPORT:
            command = f"import time; t = time.perf_counter(); import {SIDES[self.name]}; print(time.perf_counter() - t)"
            return float(subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout)
        print(json.dumps([case, seconds]), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())


def shown(value):
    if isinstance(value, str):
        return "fails"
    for unit, scale in (("ns", 1e9), ("us", 1e6), ("ms", 1e3)):
        if value * scale < 1000:
            return f"{value * scale:.4g} {unit}"
    return f"{value:.4g} s"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="rounds per case and side (%(default)s)")
    parser.add_argument("--seconds", type=float, default=0.05, help="length of a round (%(default)s)")
    parser.add_argument("--only", default="", metavar="TEXT", help="only cases whose name holds this text")
    parser.add_argument("--json", action="store_true", help="print seconds of every round as JSON")
    options = parser.parse_args()
    sides = [Side(name) for name in SIDES]
    results = {}
    if not options.json:
        print(f"{'case':54}{'Pons':>12}{'MLX':>12}{'Pons / MLX':>12}")
    for case in [IMPORT, *CASES]:
        if options.only not in case:
            continue
        rounds = [[side.round(case, options.seconds) for side in sides] for _ in range(options.rounds)]
        columns = list(zip(*rounds))
        results[case] = dict(zip(SIDES, columns))
        best = [next((v for v in column if isinstance(v, str)), None) or min(column) for column in columns]
        if not options.json:
            ratio = "" if any(isinstance(v, str) for v in best) else f"{best[0] / best[1]:.2f}"
            print(f"{case:54}{shown(best[0]):>12}{shown(best[1]):>12}{ratio:>12}", flush=True)
            for side, value in zip(SIDES, best):
                if isinstance(value, str):
                    print(f"    {side}: {value.splitlines()[0]}")
    for side in sides:
        side.process.stdin.close()
        side.process.wait()
    if options.json:
        print(json.dumps(results))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2])
    else:
        main()
