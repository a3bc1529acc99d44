#!/usr/bin/env python3
"""The cases of bench/timings in NumPy and MLX, where they have them: same names, same units, same columns.

usage: peers.py [--rounds N] [--seconds S] [--only TEXT]      needs numpy; mlx where there is one
"""

import argparse
import statistics
import time

import numpy as np

try:
    import mlx.core as mx
    import mlx.nn as nn
    import mlx.optimizers as optim
except ImportError:
    mx = None

COUNT, SIDE, NODES, STEPS, BATCH = 10_000_000, 1024, 10_000, 200, 64


def calls(work):
    """Seconds that `runs` calls of `work` take."""

    def round(runs):
        start = time.perf_counter()
        for _ in range(runs):
            work()
        return time.perf_counter() - start

    return round


def measure(round, scale, is_rate, options):
    runs = 1
    round(1)
    while runs < 1 << 20:
        took = round(runs)
        if took >= options.seconds / 2:
            break
        runs *= 2 if took > options.seconds / 20 else 8
    seconds = [round(runs) / runs for _ in range(options.rounds)]
    return sorted(scale / s if is_rate else scale * s for s in seconds)


def numpy_cases():
    random = np.random.default_rng(1)
    x = random.uniform(-1, 1, COUNT).astype(np.float32)
    y = np.empty_like(x)
    a = random.uniform(-1, 1, (SIDE, SIDE)).astype(np.float32)
    b = random.uniform(-1, 1, (SIDE, SIDE)).astype(np.float32)
    tiny = random.uniform(-0.5, 0.5, (4, 4)).astype(np.float32)

    def light():
        z = np.maximum(x * np.float32(2) + np.float32(1), np.float32(0))
        return z * z - np.abs(x)

    bytes_of_chain = 2e-9 * COUNT * 4
    yield "one small op, called and computed", "ns", calls(lambda: tiny + tiny), 1e9, False
    yield "memcpy of 1e7 floats, one thread", "GB/s", calls(lambda: np.copyto(y, x)), bytes_of_chain, True
    yield "fused chain on 1e7 floats, eval", "GB/s", calls(light), bytes_of_chain, True
    yield "sum of 1e7 floats", "GB/s", calls(lambda: x.sum()), 1e-9 * COUNT * 4, True
    yield "matmul 1024 float32", "GFLOP/s", calls(lambda: a @ b), 2e-9 * SIDE**3, True


def mlx_digits():
    class Digits(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(1, 32, 3, padding=1)
            self.conv2 = nn.Conv2d(32, 64, 3, padding=1)
            self.pool = nn.MaxPool2d(2)
            self.hidden = nn.Linear(4 * 4 * 64, 128)
            self.out = nn.Linear(128, 10)

        def __call__(self, x):
            x = self.pool(nn.relu(self.conv2(nn.relu(self.conv1(x)))))
            return self.out(nn.relu(self.hidden(x.flatten(1))))

    model = Digits()
    mx.eval(model.parameters())
    images = mx.random.uniform(shape=(BATCH, 8, 8, 1))
    labels = mx.random.randint(0, 10, (BATCH,))
    mx.eval(images, labels)
    optimizer = optim.Adam(learning_rate=1e-3)
    loss_and_grad = nn.value_and_grad(model, lambda m, x, y: nn.losses.cross_entropy(m(x), y, reduction="mean"))
    state = [model.state, optimizer.state]

    def step(x, y):
        loss, gradients = loss_and_grad(model, x, y)
        optimizer.update(model, gradients)
        return loss

    compiled = mx.compile(step, inputs=state, outputs=state)

    def train():
        loss = compiled(images, labels)
        mx.eval(loss, state)
        return loss.item()

    infer = mx.compile(lambda x: model(x))
    yield "digits network, training step, batch of 64", "ms", calls(train), 1e3, False
    yield "digits network, compiled, batch of 64", "images/s", calls(lambda: mx.eval(infer(images))), BATCH, True


def mlx_cases():
    x = mx.random.uniform(-1, 1, (COUNT,))
    rows = mx.random.uniform(-1, 1, (4096, 1024))
    a, b = mx.random.uniform(-1, 1, (SIDE, SIDE)), mx.random.uniform(-1, 1, (SIDE, SIDE))
    images, weight = mx.random.uniform(-1, 1, (16, 32, 32, 32)), mx.random.uniform(-1, 1, (64, 3, 3, 32))
    tiny = mx.random.uniform(-0.5, 0.5, (4, 4))
    mx.eval(x, rows, a, b, images, weight, tiny)

    def make_nodes():
        y = tiny
        for _ in range(NODES):
            y = y + tiny

    def eval_chain(link, links):
        def round(runs):
            seconds = 0
            for _ in range(runs):
                y = tiny
                for _ in range(links):
                    y = link(y)
                start = time.perf_counter()
                mx.eval(y)
                seconds += time.perf_counter() - start
            return seconds

        return round

    def light(x):
        z = mx.maximum(x * 2 + 1, 0)
        return z * z - mx.abs(x)

    def heavy(x):
        return mx.tanh(x * 2 + 1) * mx.exp(x)

    def mixed(x):
        y = x
        for _ in range(STEPS // 2):
            y = mx.tanh(y @ x)
        return y

    def call(f, *inputs):
        f = mx.compile(f)
        return calls(lambda: mx.eval(f(*inputs)))

    gflop_of_convolution = 2e-9 * 16 * 32 * 32 * 64 * 9 * 32
    bytes_of_chain = 2e-9 * COUNT * 4
    yield "node, made and freed", "ns", calls(make_nodes), 1e9 / NODES, False
    yield "one small op, called and computed", "ns", calls(lambda: mx.eval(tiny + tiny)), 1e9, False
    yield ("eval, 10,000 elementwise nodes", "ms",
           eval_chain(lambda y: mx.tanh(y * tiny) + mx.sin(y), NODES // 4), 1e3, False)
    yield "eval, 10,000 products (4, 4)", "ms", eval_chain(lambda y: y @ tiny, NODES), 1e3, False
    yield "plan replay, (4, 4), per kernel or call", "ns", call(mixed, tiny), 1e9 / STEPS, False
    yield "fused chain on 1e7 floats, compiled", "GB/s", call(light, x), bytes_of_chain, True
    yield "fused chain on 1e7 floats, eval", "GB/s", calls(lambda: mx.eval(light(x))), bytes_of_chain, True
    yield "tanh and exp on 1e7 floats, compiled", "GB/s", call(heavy, x), bytes_of_chain, True
    yield "sum of 1e7 floats", "GB/s", call(lambda x: x.sum(), x), 1e-9 * COUNT * 4, True
    yield "softmax of (4096, 1024) float32", "GB/s", call(lambda x: mx.softmax(x, -1), rows), 2e-9 * 4096 * 1024 * 4, True
    yield "matmul 1024 float32", "GFLOP/s", call(lambda a, b: a @ b, a, b), 2e-9 * SIDE**3, True
    yield ("conv2d (16, 32, 32, 32) with (64, 3, 3, 32)", "GFLOP/s",
           call(lambda x, w: mx.conv2d(x, w, padding=1), images, weight), gflop_of_convolution, True)
    yield from mlx_digits()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="rounds per case")
    parser.add_argument("--seconds", type=float, default=0.05, help="length of a round")
    parser.add_argument("--only", default="", help="only cases whose name holds this text")
    options = parser.parse_args()
    peers = [(f"NumPy {np.__version__}", numpy_cases)]
    if mx:
        peers.append((f"MLX {mx.__version__}", mlx_cases))
    for title, cases in peers:
        print(f"{title}\n\n{'case':44} {'median':>10} {'':9} quartiles")
        for name, unit, round, scale, is_rate in cases():
            if options.only not in name:
                continue
            values = measure(round, scale, is_rate, options)
            quarter = len(values) // 4
            print(f"{name:44} {statistics.median(values):10.4g} {unit:9} {values[quarter]:10.4g} .. {values[-1 - quarter]:.4g}",
                  flush=True)
        print()


if __name__ == "__main__":
    main()
