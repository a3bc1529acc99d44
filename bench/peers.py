#!/usr/bin/env python3
"""The cases of bench/cases in other frameworks, each a process that bench/cases asks for rounds of them.

usage: peers.py NAME [TITLE]      NAME: numpy, mlx, jax, onnxruntime or torch; needs that package

Says its title, then answers each line that names a case with the seconds of one run in a round of it, or with
"none" if it has no such case. Results are computed fully before the clock stops. Loops of Python are part of what
overhead cases measure.
"""

import os
import sys
import time

import numpy as np

SECONDS = 0.03  # of a round


def wait():
    """Until a device that works by itself is done; a framework that has one replaces it."""

COUNT, SIDE, NODES = 10_000_000, 4096, 10_000
CAUSAL = "attention prefill 12 x 1024 x 64"


def uniform(*shape, seed=1):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def long_decode():
    """32 heads that share the keys of 8."""
    return uniform(1, 32, 1, 128), uniform(1, 8, 8192, 128, seed=2), uniform(1, 8, 8192, 128, seed=3)


def positive(n):
    a = uniform(n, n)
    return a @ a.T / n + np.eye(n, dtype=np.float32)


def data():
    """What cases work on, by the beginning of their names: made when asked for."""
    return {
        "matmul float32 1024": lambda: (uniform(1024, 1024), uniform(1024, 1024, seed=2)),
        "matmul float32 2048": lambda: (uniform(2048, 2048), uniform(2048, 2048, seed=2)),
        "matmul float32 256": lambda: (uniform(256, 256), uniform(256, 256, seed=2)),
        "matmul float32 64 x 128": lambda: (uniform(64, 128, 128), uniform(64, 128, 128, seed=2)),
        "matmul bfloat16 1024": lambda: (uniform(1024, 1024), uniform(1024, 1024, seed=2)),
        "matmul float16 1024": lambda: (uniform(1024, 1024), uniform(1024, 1024, seed=2)),
        "matmul float32 4096": lambda: (uniform(SIDE, SIDE), uniform(SIDE, SIDE, seed=2)),
        "matmul bfloat16 4096": lambda: (uniform(SIDE, SIDE), uniform(SIDE, SIDE, seed=2)),
        "matmul float16 4096": lambda: (uniform(SIDE, SIDE), uniform(SIDE, SIDE, seed=2)),
        "matrix x vector float32 4096": lambda: (uniform(SIDE, SIDE), uniform(SIDE, seed=2)),
        "add 1e7": lambda: (uniform(COUNT), uniform(COUNT, seed=2)),
        "multiply 1e7": lambda: (uniform(COUNT), uniform(COUNT, seed=2)),
        "exp 1e7": lambda: (uniform(COUNT),),
        "sin 1e7": lambda: (uniform(COUNT),),
        "erf 1e7": lambda: (uniform(COUNT),),
        "tanh 1e7": lambda: (uniform(COUNT),),
        "gelu(x) * w + b 1e7": lambda: (uniform(COUNT), uniform(COUNT, seed=2), uniform(COUNT, seed=3)),
        "sum of all 4096": lambda: (uniform(SIDE, SIDE),),
        "sum of rows 4096": lambda: (uniform(SIDE, SIDE),),
        "sum of columns 4096": lambda: (uniform(SIDE, SIDE),),
        "sum of x * y 1e7": lambda: (uniform(COUNT), uniform(COUNT, seed=2)),
        "mean of squares, rows of 4096": lambda: (uniform(SIDE, SIDE),),
        "sum of squares, columns of 4096": lambda: (uniform(SIDE, SIDE),),
        "sum of exp(x - max), rows of 4096": lambda: (uniform(SIDE, SIDE),),
        "softmax float32 4096": lambda: (uniform(SIDE, SIDE),),
        "softmax bfloat16 4096": lambda: (uniform(SIDE, SIDE),),
        "masked softmax float32 4096": lambda: (uniform(SIDE, SIDE), uniform(SIDE, seed=2)),
        "layer_norm float32 4096": lambda: (uniform(SIDE, SIDE), uniform(SIDE), uniform(SIDE)),
        "layer_norm bfloat16 4096": lambda: (uniform(SIDE, SIDE), uniform(SIDE), uniform(SIDE)),
        "rms_norm float32 4096": lambda: (uniform(SIDE, SIDE), uniform(SIDE)),
        "rms_norm bfloat16 4096": lambda: (uniform(SIDE, SIDE), uniform(SIDE)),
        "copy 4096": lambda: (uniform(SIDE, SIDE + 64),),
        "transpose copy 4096": lambda: (uniform(SIDE, SIDE),),
        "cumsum 1e7": lambda: (uniform(COUNT),),
        "sort 1e7": lambda: (uniform(COUNT),),
        "argsort 1e7": lambda: (uniform(COUNT),),
        "gather 4096 of 50k x 768": lambda: (uniform(50000, 768), indices()),
        "scatter-add 4096 of 50k x 768": lambda: (uniform(50000, 768), indices(), uniform(4096, 768, seed=3)),
        CAUSAL: lambda: tuple(uniform(1, 12, 1024, 64, seed=i) for i in range(3)),
        "attention bfloat16 32 x 4096 x 128": lambda: tuple(uniform(1, 32, 4096, 128, seed=i) for i in range(3)),
        "attention float16 32 x 4096 x 64": lambda: tuple(uniform(1, 32, 4096, 64, seed=i) for i in range(3)),
        "attention float32 32 x 4096 x 128": lambda: tuple(uniform(1, 32, 4096, 128, seed=i) for i in range(3)),
        "attention decode bfloat16 8192": long_decode,
        "attention decode float32 8192": long_decode,
        "attention decode 2048": lambda: (uniform(1, 12, 1, 64), uniform(1, 12, 2048, 64), uniform(1, 12, 2048, 64)),
        "conv2d 32x56x56x64 3x3": lambda: (uniform(32, 56, 56, 64), uniform(64, 3, 3, 64)),
        "depthwise conv2d 8x56x56x32 3x3": lambda: (uniform(8, 56, 56, 32), uniform(32, 3, 3, 1)),
        "grouped conv2d 8x56x56x64 3x3": lambda: (uniform(8, 56, 56, 64), uniform(64, 3, 3, 4)),
        "fft 2^20": lambda: ((uniform(1 << 20) + 1j * uniform(1 << 20)).astype(np.complex64),),
        "fft 1024 x 1024": lambda: ((uniform(1024, 1024) + 1j * uniform(1024, 1024)).astype(np.complex64),),
        "rfft 2^20": lambda: (uniform(1 << 20),),
        "svd 512": lambda: (uniform(512, 512),),
        "qr 1024": lambda: (uniform(1024, 1024),),
        "cholesky 1024": lambda: (positive(1024),),
        "inverse 1024": lambda: (positive(1024),),
        "solve 1024": lambda: (positive(1024), uniform(1024, 1024)),
        "eigh 512": lambda: (positive(512),),
        "quantized 4-bit vector x 4096": lambda: (uniform(1, SIDE), uniform(SIDE, SIDE)),
        "quantized 4-bit 64 x 4096": lambda: (uniform(64, SIDE), uniform(SIDE, SIDE)),
    }


def indices():
    return np.random.default_rng(2).integers(0, 50000, 4096).astype(np.int32)


# ---- the frameworks: name of a case -> function of its data, computed when it returns; or a function that makes
# ---- the work by itself


def numpy_cases():
    def softmax(x):
        e = np.exp(x - x.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)

    def layer_norm(x, w, b):
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt((centred * centred).mean(-1, keepdims=True) + 1e-5) * w + b

    def scatter(x, i, v):
        np.add.at(x, i, v)

    def lazy_adds():
        one, x = np.float32(1), np.float32(1)
        for _ in range(1000):
            x = x + one

    return {
        "matmul float32": np.matmul,
        "matrix x vector": np.matmul,
        "add 1e7": np.add,
        "multiply 1e7": np.multiply,
        "exp 1e7": np.exp,
        "sin 1e7": np.sin,
        "tanh 1e7": np.tanh,
        "sum of all": lambda x: x.sum(),
        "sum of rows": lambda x: x.sum(1),
        "sum of columns": lambda x: x.sum(0),
        "sum of x * y": np.dot,
        "mean of squares": lambda x: np.square(x).mean(1),
        "sum of squares": lambda x: np.square(x).sum(0),
        "sum of exp": lambda x: np.exp(x - x.max(1, keepdims=True)).sum(1),
        "softmax float32": softmax,
        "masked softmax": lambda x, mask: softmax(x * np.float32(0.125) + mask),
        "layer_norm float32": layer_norm,
        "rms_norm float32": lambda x, w: x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * w,
        "copy": lambda x: x[:, :SIDE].copy(),
        "transpose copy": lambda x: np.ascontiguousarray(x.T),
        "cumsum": np.cumsum,
        "sort 1e7": np.sort,
        "argsort 1e7": np.argsort,
        "gather": lambda x, i: x[i],
        "scatter-add": scatter,
        "fft 2^20": np.fft.fft,
        "fft 1024": np.fft.fft2,
        "rfft": np.fft.rfft,
        "svd": np.linalg.svd,
        "qr": np.linalg.qr,
        "cholesky": np.linalg.cholesky,
        "inverse": np.linalg.inv,
        "solve": np.linalg.solve,
        "eigh": np.linalg.eigh,
        "1,000 scalar adds, lazy": lazy_adds,
    }, lambda x, name: x


def mlx_cases():
    import mlx.core as mx

    def done(f):
        return lambda *args: mx.eval(f(*args))

    def gelu(x, w, b):
        return x * 0.5 * (mx.erf(x * 0.70710678) + 1) * w + b

    def attention(q, k, v):
        return mx.fast.scaled_dot_product_attention(q, k, v, scale=0.125, mask="causal" if q.shape[2] > 1 else None)

    def conv(x, w):
        return mx.conv2d(x, w, padding=1, groups=x.shape[-1] // w.shape[-1])

    def conv_gradient(which):
        def run(x, w):
            return mx.vjp(lambda a: conv(a, w) if which == 0 else conv(x, a), [(x, w)[which]], [mx.ones(x.shape)])[1]

        return done(run)

    def on_cpu(f):
        return done(lambda *args: f(*args, stream=mx.cpu))

    def chain(count):
        one = mx.array(1.0)

        def run():
            x = one
            for _ in range(count):
                x = x + one
            mx.eval(x)

        return run

    def compiled_adds():
        one = mx.array(1.0)

        def body(x):
            y = x
            for _ in range(1000):
                y = y + x
            return y

        f = mx.compile(body)
        return lambda: mx.eval(f(one))

    def quantized(x, w):
        w = mx.quantize(w, 64, 4)
        mx.eval(w)
        return lambda: mx.eval(mx.quantized_matmul(x, *w, group_size=64, bits=4))

    norm = mx.fast
    return {
        "matmul": done(mx.matmul),
        "matrix x vector": done(mx.matmul),
        "add 1e7": done(mx.add),
        "multiply 1e7": done(mx.multiply),
        "exp 1e7": done(mx.exp),
        "sin 1e7": done(mx.sin),
        "erf 1e7": done(mx.erf),
        "tanh 1e7": done(mx.tanh),
        "gelu": done(mx.compile(gelu)),
        "sum of all": done(mx.sum),
        "sum of rows": done(lambda x: x.sum(1)),
        "sum of columns": done(lambda x: x.sum(0)),
        "sum of x * y": done(mx.compile(lambda x, y: (x * y).sum())),
        "mean of squares": done(mx.compile(lambda x: x.square().mean(1))),
        "sum of squares": done(mx.compile(lambda x: x.square().sum(0))),
        "sum of exp": done(mx.compile(lambda x: mx.exp(x - x.max(1, keepdims=True)).sum(1))),
        "softmax": done(lambda x: mx.softmax(x, -1)),
        "masked softmax": done(mx.compile(lambda x, mask: mx.softmax(x * 0.125 + mask, -1))),
        "layer_norm": done(lambda x, w, b: norm.layer_norm(x, w, b, 1e-5)),
        "rms_norm": done(lambda x, w: norm.rms_norm(x, w, 1e-5)),
        "copy": done(lambda x: mx.contiguous(x[:, :SIDE])),
        "transpose copy": done(lambda x: mx.contiguous(x.T)),
        "cumsum": done(mx.cumsum),
        "sort 1e7": done(mx.sort),
        "argsort 1e7": done(mx.argsort),
        "gather": done(lambda x, i: x[i]),
        "scatter-add": done(lambda x, i, v: x.at[i].add(v)),
        "attention": done(attention),
        "conv2d gradient of input": conv_gradient(0),
        "conv2d gradient of weight": conv_gradient(1),
        "conv2d": done(conv),
        "fft 2^20": done(mx.fft.fft),
        "fft 1024": done(mx.fft.fft2),
        "rfft": done(mx.fft.rfft),
        "svd": on_cpu(mx.linalg.svd),
        "qr": on_cpu(mx.linalg.qr),
        "cholesky": on_cpu(mx.linalg.cholesky),
        "inverse": on_cpu(mx.linalg.inv),
        "solve": on_cpu(mx.linalg.solve),
        "eigh": on_cpu(mx.linalg.eigh),
        "quantized": Prepared(quantized),
        "1,000 scalar adds, lazy": chain(1000),
        "1,000 scalar adds, compiled": Prepared(compiled_adds),
        "graph of 10,000 nodes": chain(NODES),
        "MLP 784": Prepared(mlx_mlp),
        "GPT training, peak": Prepared(lambda: mlx_gpt_memory),
        "GPT training": Prepared(lambda: mlx_gpt()),
    }, lambda x, name: mx.array(x).astype(
        mx.bfloat16 if "bfloat16" in name else mx.float16 if "float16" in name else mx.array(x).dtype)


def mlx_training(model, optimizer, loss, x, y):
    import mlx.core as mx
    import mlx.nn as nn

    mx.eval(model.parameters())
    step_of = nn.value_and_grad(model, loss)
    state = [model.state, optimizer.state]

    def step(x, y):
        value, gradients = step_of(model, x, y)
        optimizer.update(model, gradients)
        return value

    compiled = mx.compile(step, inputs=state, outputs=state)
    return lambda: mx.eval(compiled(x, y), state)


def mlx_mlp():
    import mlx.core as mx
    import mlx.nn as nn
    import mlx.optimizers as optim

    model = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
    return mlx_training(model, optim.SGD(learning_rate=0.01),
                        lambda m, x, y: nn.losses.cross_entropy(m(x), y, reduction="mean"),
                        mx.random.uniform(shape=(256, 784)), mx.random.randint(0, 10, (256,)))


def mlx_gpt():
    import mlx.core as mx
    import mlx.nn as nn
    import mlx.optimizers as optim

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.before, self.between = nn.LayerNorm(256), nn.LayerNorm(256)
            self.qkv, self.out = nn.Linear(256, 768), nn.Linear(256, 256)
            self.up, self.down = nn.Linear(256, 1024), nn.Linear(1024, 256)

        def __call__(self, x):
            q, k, v = (a.reshape(8, 256, 4, 64).transpose(0, 2, 1, 3) for a in mx.split(self.qkv(self.before(x)), 3, -1))
            y = mx.fast.scaled_dot_product_attention(q, k, v, scale=0.125, mask="causal")
            x = x + self.out(y.transpose(0, 2, 1, 3).reshape(8, 256, 256))
            return x + self.down(nn.gelu_approx(self.up(self.between(x))))

    class GPT(nn.Module):
        def __init__(self):
            super().__init__()
            self.bytes, self.places = nn.Embedding(256, 256), nn.Embedding(256, 256)
            self.blocks = [Block() for _ in range(4)]
            self.last, self.head = nn.LayerNorm(256), nn.Linear(256, 256)

        def __call__(self, ids):
            x = self.bytes(ids) + self.places.weight
            for block in self.blocks:
                x = block(x)
            return self.head(self.last(x))

    return mlx_training(GPT(), optim.AdamW(learning_rate=3e-4),
                        lambda m, x, y: nn.losses.cross_entropy(m(x), y, reduction="mean"),
                        mx.random.randint(0, 256, (8, 256)), mx.random.randint(0, 256, (8, 256)))


def mlx_gpt_memory():
    """Megabytes in arrays at the peak of three steps."""
    import mlx.core as mx

    step = mlx_gpt()
    step()
    mx.reset_peak_memory()
    for _ in range(3):
        step()
    return mx.get_peak_memory() * 1e-6


mlx_gpt_memory.is_value = True


def jax_cases():
    import jax
    import jax.numpy as jnp

    def done(f):
        compiled = jax.jit(f)
        return lambda *args: jax.block_until_ready(compiled(*args))

    def layer_norm(x, w, b):
        y = x.astype(jnp.float32)
        y = (y - y.mean(-1, keepdims=True)) * jax.lax.rsqrt(y.var(-1, keepdims=True) + 1e-5)
        return (y * w + b).astype(x.dtype)

    def rms_norm(x, w):
        y = x.astype(jnp.float32)
        return (y * jax.lax.rsqrt((y * y).mean(-1, keepdims=True) + 1e-5) * w).astype(x.dtype)

    def attention(q, k, v):
        q, k, v = (a.transpose(0, 2, 1, 3) for a in (q, k, v))
        return jax.nn.dot_product_attention(q, k, v, is_causal=q.shape[1] > 1).transpose(0, 2, 1, 3)

    def conv(x, w):
        return jax.lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "OHWI", "NHWC"),
                                            feature_group_count=x.shape[-1] // w.shape[-1])

    def conv_gradient(which):
        def run(x, w):
            f = (lambda a: conv(a, w)) if which == 0 else (lambda a: conv(x, a))
            return jax.vjp(f, (x, w)[which])[1](jnp.ones(x.shape))

        return done(run)

    linalg = jnp.linalg
    return {
        "matmul": done(jnp.matmul),
        "matrix x vector": done(jnp.matmul),
        "add 1e7": done(jnp.add),
        "multiply 1e7": done(jnp.multiply),
        "exp 1e7": done(jnp.exp),
        "sin 1e7": done(jnp.sin),
        "erf 1e7": done(jax.scipy.special.erf),
        "tanh 1e7": done(jnp.tanh),
        "gelu": done(lambda x, w, b: jax.nn.gelu(x, approximate=False) * w + b),
        "sum of all": done(jnp.sum),
        "sum of rows": done(lambda x: x.sum(1)),
        "sum of columns": done(lambda x: x.sum(0)),
        "sum of x * y": done(lambda x, y: (x * y).sum()),
        "mean of squares": done(lambda x: jnp.square(x).mean(1)),
        "sum of squares": done(lambda x: jnp.square(x).sum(0)),
        "sum of exp": done(lambda x: jnp.exp(x - x.max(1, keepdims=True)).sum(1)),
        "softmax": done(lambda x: jax.nn.softmax(x, -1)),
        "masked softmax": done(lambda x, mask: jax.nn.softmax(x * 0.125 + mask, -1)),
        "layer_norm": done(layer_norm),
        "rms_norm": done(rms_norm),
        "copy": done(lambda x: x[:, :SIDE]),
        "transpose copy": done(jnp.transpose),
        "cumsum": done(jnp.cumsum),
        "sort 1e7": done(jnp.sort),
        "argsort 1e7": done(jnp.argsort),
        "gather": done(lambda x, i: x[i]),
        "scatter-add": done(lambda x, i, v: x.at[i].add(v)),
        "attention": done(attention),
        "conv2d gradient of input": conv_gradient(0),
        "conv2d gradient of weight": conv_gradient(1),
        "conv2d": done(conv),
        "fft 2^20": done(jnp.fft.fft),
        "fft 1024": done(jnp.fft.fft2),
        "rfft": done(jnp.fft.rfft),
        "svd": done(linalg.svd),
        "qr": done(linalg.qr),
        "cholesky": done(linalg.cholesky),
        "inverse": done(linalg.inv),
        "solve": done(linalg.solve),
        "eigh": done(linalg.eigh),
    }, lambda x, name: jnp.asarray(
        x, jnp.bfloat16 if "bfloat16" in name else jnp.float16 if "float16" in name else x.dtype)


def torch_cases():
    """On the device that PEER_DEVICE names, the CPU if it names none; numbers made by torch itself are there, too. Products are rounded
    to TF32 where Pons' are."""
    import torch
    import torch.nn.functional as F

    torch.set_grad_enabled(False)
    torch.set_default_device(os.environ.get("PEER_DEVICE", "cpu"))
    if torch.get_default_device().type == "cuda":
        global wait
        wait = torch.cuda.synchronize
        torch.backends.cuda.matmul.allow_tf32 = os.environ.get("PONS_CUDA_TF32", "0") != "0"

    def attention(q, k, v):
        return F.scaled_dot_product_attention(q, k, v, is_causal=q.shape[2] > 1, enable_gqa=q.shape[1] > k.shape[1])

    def conv(x, w):
        return F.conv2d(x.permute(0, 3, 1, 2), w.permute(0, 3, 1, 2), padding=1, groups=x.shape[-1] // w.shape[-1])

    def conv_gradient(input, weight):
        def run(x, w):
            g = torch.ones(x.shape).permute(0, 3, 1, 2)
            return torch.ops.aten.convolution_backward(g, x.permute(0, 3, 1, 2), w.permute(0, 3, 1, 2), None, (1, 1), (1, 1),
                                                       (1, 1), False, (0, 0), x.shape[-1] // w.shape[-1],
                                                       (input, weight, False))

        return run

    def scatter(x, i, v):
        return x.index_add(0, i, v)

    def lazy_adds():
        one = torch.tensor(1.0)
        x = one
        for _ in range(1000):
            x = x + one

    return {
        "matmul": torch.matmul,
        "matrix x vector": torch.matmul,
        "add 1e7": torch.add,
        "multiply 1e7": torch.mul,
        "exp 1e7": torch.exp,
        "sin 1e7": torch.sin,
        "erf 1e7": torch.erf,
        "tanh 1e7": torch.tanh,
        "gelu": lambda x, w, b: F.gelu(x) * w + b,
        "sum of all": torch.sum,
        "sum of rows": lambda x: x.sum(1),
        "sum of columns": lambda x: x.sum(0),
        "sum of x * y": torch.dot,
        "mean of squares": lambda x: x.square().mean(1),
        "sum of squares": lambda x: x.square().sum(0),
        "sum of exp": lambda x: (x - x.amax(1, keepdim=True)).exp().sum(1),
        "softmax": lambda x: F.softmax(x, -1),
        "masked softmax": lambda x, mask: F.softmax(x * 0.125 + mask, -1),
        "layer_norm": lambda x, w, b: F.layer_norm(x, (SIDE,), w, b),
        "rms_norm": lambda x, w: F.rms_norm(x, (SIDE,), w, 1e-5),
        "copy": lambda x: x[:, :SIDE].contiguous(),
        "transpose copy": lambda x: x.T.contiguous(),
        "cumsum": lambda x: x.cumsum(0),
        "sort 1e7": lambda x: x.sort().values,
        "argsort 1e7": torch.argsort,
        "gather": lambda x, i: x[i],
        "scatter-add": scatter,
        "attention": attention,
        "conv2d gradient of input": conv_gradient(True, False),
        "conv2d gradient of weight": conv_gradient(False, True),
        "conv2d": conv,
        "fft 2^20": torch.fft.fft,
        "fft 1024": torch.fft.fft2,
        "rfft": torch.fft.rfft,
        "svd": torch.linalg.svd,
        "qr": torch.linalg.qr,
        "cholesky": torch.linalg.cholesky,
        "inverse": torch.linalg.inv,
        "solve": torch.linalg.solve,
        "eigh": torch.linalg.eigh,
        "1,000 scalar adds, lazy": lazy_adds,
        "MLP 784": Prepared(torch_mlp),
        "GPT training, peak": None,
        "GPT training": Prepared(torch_gpt),
    }, lambda x, name: torch.from_numpy(x).to(torch.get_default_device()).to(
        torch.bfloat16 if "bfloat16" in name else torch.float16 if "float16" in name else torch.from_numpy(x).dtype)


def torch_training(model, optimizer, x, y):
    import torch

    def step():
        with torch.enable_grad():
            loss = torch.nn.functional.cross_entropy(model(x).flatten(0, -2), y.flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return loss.item()

    return step


def torch_mlp():
    import torch

    model = torch.nn.Sequential(torch.nn.Linear(784, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10))
    return torch_training(model, torch.optim.SGD(model.parameters(), 0.01), torch.rand(256, 784),
                          torch.randint(0, 10, (256,)))


def torch_gpt():
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.before, self.between = nn.LayerNorm(256), nn.LayerNorm(256)
            self.qkv, self.out = nn.Linear(256, 768), nn.Linear(256, 256)
            self.up, self.down = nn.Linear(256, 1024), nn.Linear(1024, 256)

        def forward(self, x):
            q, k, v = (a.view(8, 256, 4, 64).transpose(1, 2) for a in self.qkv(self.before(x)).split(256, -1))
            y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(y.transpose(1, 2).reshape(8, 256, 256))
            return x + self.down(nn.functional.gelu(self.up(self.between(x)), approximate="tanh"))

    class GPT(nn.Module):
        def __init__(self):
            super().__init__()
            self.bytes, self.places = nn.Embedding(256, 256), nn.Embedding(256, 256)
            self.blocks = nn.Sequential(*(Block() for _ in range(4)))
            self.last, self.head = nn.LayerNorm(256), nn.Linear(256, 256)

        def forward(self, ids):
            return self.head(self.last(self.blocks(self.bytes(ids) + self.places.weight)))

    model = GPT()
    return torch_training(model, torch.optim.AdamW(model.parameters(), 3e-4), torch.randint(0, 256, (8, 256)),
                          torch.randint(0, 256, (8, 256)))


def onnxruntime_cases():
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper

    def session(*nodes):
        """The nodes, of which the last one makes y; inputs x0, x1, ... are of the data."""

        def prepare(*args):
            types = {np.float32: TensorProto.FLOAT, np.int32: TensorProto.INT32}
            inputs = [helper.make_tensor_value_info(f"x{i}", types[a.dtype.type], a.shape) for i, a in enumerate(args)]
            constants = [helper.make_tensor(name, TensorProto.FLOAT, (), [value])
                         for name, value in (("half", 0.5), ("one", 1.0), ("root", 0.70710678))]
            constants.append(helper.make_tensor("last", TensorProto.INT64, (1,), [-1]))
            made = [helper.make_node(op, ins.split(), [out], **attributes) for op, ins, out, attributes in nodes]
            graph = helper.make_graph(made, "case", inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
                                      constants)
            model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
            runner = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
            feed = {f"x{i}": a for i, a in enumerate(args)}
            return lambda: runner.run(None, feed)

        return Prepared(prepare)

    del onnx
    gelu = (("Mul", "x0 root", "a", {}), ("Erf", "a", "b", {}), ("Add", "b one", "c", {}), ("Mul", "x0 half", "d", {}),
            ("Mul", "c d", "e", {}), ("Mul", "e x1", "f", {}), ("Add", "f x2", "y", {}))
    return {
        "matmul float32": session(("MatMul", "x0 x1", "y", {})),
        "matrix x vector": session(("MatMul", "x0 x1", "y", {})),
        "add 1e7": session(("Add", "x0 x1", "y", {})),
        "multiply 1e7": session(("Mul", "x0 x1", "y", {})),
        "exp 1e7": session(("Exp", "x0", "y", {})),
        "sin 1e7": session(("Sin", "x0", "y", {})),
        "erf 1e7": session(("Erf", "x0", "y", {})),
        "tanh 1e7": session(("Tanh", "x0", "y", {})),
        "gelu": session(*gelu),
        "softmax float32": session(("Softmax", "x0", "y", {"axis": -1})),
        "layer_norm float32": session(("LayerNormalization", "x0 x1 x2", "y", {"axis": -1})),
        "transpose copy": session(("Transpose", "x0", "y", {"perm": [1, 0]})),
        "gather": session(("Gather", "x0 x1", "y", {"axis": 0})),
    }, lambda x, name: x


# ---- rounds


class Prepared:
    """A case whose work is made from its data once."""

    def __init__(self, make):
        self.make = make


def find(cases, name):
    name = name.removeprefix("depthwise ").removeprefix("grouped ")
    return next((work for start, work in cases.items() if name.startswith(start)), None)


def prepare(cases, convert, name):
    """What one run is, as a function without arguments; None if there is no such case."""
    work = find(cases, name)
    if work is None:
        return None
    if "conv2d gradient" in name:
        kind = name.split("gradient")[0]
        name = next(n for n in data() if n.startswith(kind))
    make = data().get(name)
    args = [convert(a, name) for a in make()] if make else []
    if isinstance(work, Prepared):
        return work.make(*args)
    return lambda: work(*args)


def round_of(run):
    """Seconds of one run, of as many as take long enough for the clock."""
    start = time.perf_counter()
    runs = 0
    while True:
        run()
        runs += 1
        wait()
        took = time.perf_counter() - start
        if took >= SECONDS:
            return took / runs


def main():
    framework = sys.argv[1]
    cases, convert = globals()[framework + "_cases"]()
    print(sys.argv[2] if len(sys.argv) > 2 else framework, flush=True)
    current, run = None, None
    for line in sys.stdin:
        name = line.rstrip("\n")
        try:
            if name != current:
                run, current = None, name
                run = prepare(cases, convert, name)
                if run and not getattr(run, "is_value", False):
                    run()
            if run is None:
                print("none", flush=True)
            elif getattr(run, "is_value", False):
                print(run(), flush=True)
            else:
                print(round_of(run), flush=True)
        except Exception as error:  # the framework lacks it: said once, then no such case
            print(f"peers.py: {framework}: {name}: {error}", file=sys.stderr)
            run = None
            print("none", flush=True)


if __name__ == "__main__":
    main()
