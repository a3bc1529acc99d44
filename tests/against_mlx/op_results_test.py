"""What the ops mean: every conformance case in all its dtypes gives what MLX's op of that name gives, dtype and shape included.
op_table_values_test.py holds that files with these graphs mean the same; this holds that the graphs are those of MLX's ops."""
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

import interpreter
import linalg_cases
import mlx_places
import quantized_cases
import random_cases
from mlx_values import as_value, mx

PROGRAM = os.path.join(os.environ["PONS_BUILD_DIR"], "tests", "op_table_test")
SKIPPED = 77


def cases():
    """From the name of a case, as its file has it, to MLX's results."""
    f = mx.fast
    f32, i32 = mx.float32, mx.int32

    def extremes(mode):
        return lambda x, i, u: getattr(x.at[i], mode)(u[:, 0])

    def put(x, i, v):
        return mx.put_along_axis(x, mx.argsort(i, axis=1), v, axis=1)

    def set_rows(x, i, u):
        y = mx.array(x)
        y[mx.argsort(i, axis=0)] = u[:, 0]
        return y

    def sliced(x, u, *where):
        y = mx.array(x)
        y[where] = u
        return y

    def slice_sums(x, i, j, u):  # 2 x 2 blocks at (j, i)
        y = mx.array(x)
        for k in range(3):
            a, b = j[k].item(), i[k].item()
            block = mx.zeros_like(y)
            block[a:a + 2, b:b + 2] = u[k]
            y = y + block
        return y

    def gathered(x, i, j):
        i, j = mx.broadcast_arrays(i, j)
        rows = [x[a, :, b:b + 2][None] for a, b in zip(i.flatten().tolist(), j.flatten().tolist())]
        return mx.stack(rows).reshape(*i.shape, 1, 3, 2)

    def conv(**options):
        return lambda x, w: mx.conv_general(x, w, **options)

    def scan_rest(x):
        return [mx.cummax(x[:, :3], axis=0), mx.cummax(x, axis=1, inclusive=False)[:, 1:4]]

    def odd(x):
        y = x / (x - x)
        return [mx.isnan(y), mx.isinf(y), mx.isfinite(y)]

    def fast(function, *fixed, **options):
        return lambda *in_: function(*in_, *fixed, **options)

    def attend(q, k, v, **options):
        return f.scaled_dot_product_attention(q, k, v, scale=0.5, **options)

    def gated(q, v, g, state, mask):
        gate = mx.broadcast_to(mx.sigmoid(g), (2, 3, 4))
        return f.gated_delta_update(q, mx.flip(q, 1), v, gate, mx.square(gate), state, mask)

    def masked(x, mask, source):
        y = mx.array(x)
        for k in range(x.shape[0]):
            count = mx.sum(mask[k]).item()
            row = mx.array(x[k])
            if count:  # with none MLX divides by zero
                row[mask[k]] = source[k][:count]
            y[k] = row
        return y

    def fused_gradients(function, *in_):
        return mx.vjp(function, list(in_[:-1]), [in_[-1]])[1]

    def endless(x):  # infinite, or no number, as the sign of x is
        return mx.sign(x) / (mx.sign(x) - mx.sign(x))

    def both_sides(a, v):
        return [mx.searchsorted(a, v), mx.searchsorted(a, v, side="right")]

    def search_nan(x):
        a = mx.array([float("-inf"), -1, 0, 2, float("nan"), float("nan")])
        return both_sides(a, mx.concatenate([x, a]))

    def infinite(x):
        y = endless(x)
        return [mx.isposinf(y), mx.isneginf(y), mx.isinf(y)]

    def finite(x):
        y = mx.where(x > 0.5, x, endless(x))
        return [mx.nan_to_num(y), mx.nan_to_num(y, nan=1, posinf=2, neginf=-3)]

    def close_nan(x):
        y = mx.where(x > 0, x, mx.array(float("nan"), f32))
        return [mx.isclose(y, y, equal_nan=True), mx.allclose(y, y, equal_nan=True), mx.array_equal(y, y, equal_nan=True),
                mx.isclose(y, y)]

    def partition_facts(x):
        y = mx.sort(x, axis=1)
        return [y[:, 2], y[:, :2]]

    named = {
        "equal-nan": mx.equal, "select": mx.where, "cast": lambda x: x.astype(f32), "bitwise-invert": mx.bitwise_invert,
        "add-with-C-scalars": lambda x: [x + 3, 0.5 * x, x ** 2],
        "add-empty": mx.add, "multiply-scalars": mx.multiply, "multiply-both-broadcast": mx.multiply,
        "add-less-with-int32": lambda a, b: [a + b, b < a],
        "chain": lambda a, b: mx.tanh(a + b) * mx.exp(-mx.square(a)),
        "astype-to-int-bool-complex": lambda x: [x.astype(i32), x.astype(mx.bool_), x.astype(mx.complex64)],
        "astype-to-float64": lambda x: mx.square(x.astype(mx.float64)),
        "divmod": mx.divmod, "divmod-the-remainder": lambda a, b: mx.divmod(a, b)[1],
        "where-with-a-C-scalar": lambda c, x: mx.where(c, x, 0.0),
        "full": lambda x: mx.full((4, 2, 3), x),
        "zeros-ones-full-of-nothing": lambda: [mx.zeros((2, 3), mx.bfloat16), mx.ones((), mx.int8), mx.full((2, 0), 3.0)],
        "zeros-like-ones-like": lambda x: [mx.zeros_like(x), mx.ones_like(x)],
        "arange": lambda: [mx.arange(0, 5, 1, i32), mx.arange(1, -2, -0.5, f32), mx.arange(3, 3, 1, mx.float16),
                           mx.arange(0, 1, 0.25, mx.complex64)],
        "linspace": lambda: [mx.linspace(0, 1, 5), mx.linspace(-3, 3, 1)],
        "eye-identity-tri": lambda: [mx.eye(3, 4, 1), mx.identity(3, i32), mx.tri(3, 4, -1), mx.eye(3, 4, 5)],
        "tril": lambda x: mx.tril(x, 1), "triu": lambda x: mx.triu(x, 0),
        "reshape": lambda x: mx.reshape(x, (-1, 4)), "reshape-scalar": lambda x: mx.reshape(x, (1, 1)),
        "reshape-empty": lambda x: mx.reshape(x, (3, 0, 2)),
        "flatten": lambda x: mx.flatten(x, 1, -1), "unflatten": lambda x: mx.unflatten(x, -1, (2, -1)),
        "squeeze": lambda x: mx.squeeze(x, (1, -1)), "expand-dims": lambda x: mx.expand_dims(x, (0, -1)),
        "transpose": lambda x: mx.transpose(x, (2, 0, 1)), "swapaxes": lambda x: mx.swapaxes(x, 0, -1),
        "moveaxis": lambda x: mx.moveaxis(x, 0, 2), "broadcast-to": lambda x: mx.broadcast_to(x, (2, 4, 3)),
        "contiguous": lambda x: x, "as-strided": lambda x: mx.as_strided(x, (3, 2), (2, 1), 1),
        "as-strided-backwards-repeated-of-a-transpose": lambda x: mx.as_strided(mx.contiguous(x), (4, 3), (0, -1), 7),
        "view": lambda x: [x.view(mx.uint8), x.view(i32)], "view-wider": lambda x: x.view(mx.uint64),
        "stop-gradient": lambda x: x, "depends": lambda a, b: [mx.square(a), b],
        "concatenate": lambda *in_: mx.concatenate(in_, 1), "concatenate-with-int32": lambda *in_: mx.concatenate(in_, 0),
        "stack": lambda *in_: mx.stack(in_, 1), "split": lambda x: mx.split(x, 3, 1), "split-at": lambda x: mx.split(x, [1, 4], 1),
        "repeat": lambda x: mx.repeat(x, 3, 1), "tile": lambda x: mx.tile(x, (2, 1, 2)),
        "pad": lambda x, v: mx.pad(x, [(1, 2), (0, 1)], constant_values=v), "pad-with-zero": lambda x: mx.pad(x, [(0, 0), (2, 0)]),
        "slice": lambda x: x[0:2, 1:-1], "slice-negative-steps": lambda x: x[-1::-1, 4:0:-2], "slice-empty": lambda x: x[1:9, 3:2],
        "slice-update": lambda x, u: sliced(x, u, slice(0, 2), slice(1, 5, 2)),
        "slice-update-reversed-broadcast": lambda x, u: sliced(x, u, slice(0, 2), slice(4, None, -2)),
        "index": lambda x: [x[:, -1], x[0]], "take": lambda x, i: mx.take(x, i, 1), "take-first-axis": lambda x, i: mx.take(x, i, 0),
        "take-one-index": lambda x, i: mx.take(x, i, 1), "take-none": lambda x, i: mx.take(x, i, 1),
        "take-negative-indices": lambda x, i: mx.take(x, i - 5, -1),
        "take-along-axis": lambda x, i: mx.take_along_axis(x, i, 1), "take-along-axis-broadcast": lambda x, i: mx.take_along_axis(x, i, 1),
        "put-along-axis": put, "gather-two-axes": gathered, "scatter-sum-at-two-axes": slice_sums,
        "scatter-sum": extremes("add"), "scatter-prod": extremes("multiply"), "scatter-none": set_rows,
        "scatter-max-min": lambda *in_: [extremes("maximum")(*in_), extremes("minimum")(*in_)],
        "sum": mx.sum, "sum-scalar": mx.sum, "sum-axes-0-and-2": lambda x: mx.sum(x, (0, -1)), "sum-axes-0-and-2-of-a-broadcast": lambda x: mx.sum(x, (0, -1)),
        "sum-keepdims": lambda x: mx.sum(x, 1, keepdims=True), "sum-an-axis-of-1": lambda x: mx.sum(x, 1, keepdims=True),
        "sum-long": lambda x: mx.sum(x, (0, -1)),
        "prod": lambda x: mx.prod(x, 1), "prod-all": mx.prod, "max": lambda x: mx.max(x, 0), "max-all": mx.max,
        "min": lambda x: mx.min(x, -1, keepdims=True), "all-any": lambda x: [mx.all(x, 0), mx.any(x, 1), mx.all(x)],
        "sum-prod-all-max-empty": lambda x: [mx.sum(x, 1), mx.prod(x), mx.all(x), mx.max(x, 0)],
        "mean": lambda x: mx.mean(x, (0, 2)), "variance": lambda x: [mx.var(x, 1), mx.var(x, ddof=1)],
        "std": lambda x: mx.std(x, -1, keepdims=True),
        "logsumexp": lambda x: mx.logsumexp(x, -1), "logsumexp-first-axis": lambda x: mx.logsumexp(x, 0, keepdims=True),
        "logsumexp-all": mx.logsumexp,
        "argmax-argmin": lambda x: [mx.argmax(x, 1), mx.argmin(x, 0, keepdims=True)],
        "cumsum": lambda x: [mx.cumsum(x, axis=1), mx.cumsum(x, axis=0, reverse=True, inclusive=False)],
        "cumprod": lambda x: [mx.cumprod(x, axis=-1), mx.cumprod(x, axis=0, inclusive=False), mx.cumprod(x, axis=1, reverse=True)],
        "cummax-cummin": lambda x: [mx.cummax(x, axis=1), mx.cummin(x, axis=0, reverse=True)], "cummax-exclusive": scan_rest,
        "sort": lambda x: [mx.sort(x, 1), mx.sort(x, 0)], "argsort": lambda x: mx.argsort(x, -1), "partition": partition_facts,
        "argpartition": lambda x: mx.sort(x, 1)[:, -2], "topk": lambda x: mx.sort(mx.topk(x, 2, 0), 0),
        "matmul": mx.matmul, "inner": mx.inner, "outer": mx.outer,
        "addmm": lambda a, b, c: mx.addmm(c, a, b, 2, 0.5), "addmm-batch": lambda a, b, c: mx.addmm(c, a, b, 2, 0.5),
        "conv2d": conv(), "conv2d-transposed-operands": conv(), "conv2d-stride-and-padding": conv(stride=(2, 1), padding=1),
        "conv2d-dilation": conv(kernel_dilation=2, padding=(2, 1)), "conv2d-groups": conv(groups=2, padding=1),
        "conv2d-depthwise": conv(groups=4, stride=2), "conv1d-stride-beyond-the-kernel": conv(stride=3, padding=2),
        "conv-general-input-dilation-flipped": conv(padding=([2, 1], [3, 1]), input_dilation=2, flip=True),
        "conv1d-more-padding-than-kernel": conv(padding=4, stride=2), "conv3d-padding-and-strides": conv(padding=1, stride=(1, 2, 2)),
        "conv3d-groups": lambda x, w: mx.concatenate(
            [mx.conv3d(x[..., 2 * k:2 * k + 2], w[k:k + 1], padding=(1, 0, 1), dilation=(1, 2, 1)) for k in range(2)], -1),
        "conv-general-negative-padding": conv(padding=([-1], [2]), stride=2),
        "conv-transpose1d": lambda x, w: mx.conv_transpose1d(x, w, 2, 1, 2, 1),
        "conv-transpose2d": lambda x, w: mx.conv_transpose2d(x, w, (2, 3), (1, 0), 1, (1, 2)),
        "conv-transpose2d-groups": lambda x, w: mx.conv_transpose2d(x, w, 2, groups=2),
        "conv-transpose3d": lambda x, w: mx.conv_transpose3d(x, w, (2, 1, 2), (1, 0, 0)),
        "convolve": mx.convolve, "convolve-same": lambda a, v: mx.convolve(a, v, "same"),
        "convolve-valid": lambda a, v: mx.convolve(a, v, "valid"),
        "softmax": lambda x: mx.softmax(x, -1), "softmax-precise": lambda x: mx.softmax(x, -1, precise=True),
        "softmax-other-axes": lambda x: [mx.softmax(x, 0), mx.softmax(x, (0, 1), precise=True)], "softmax-empty": lambda x: mx.softmax(x, -1),
        "fast-rms-norm": fast(f.rms_norm, 1e-5), "fast-rms-norm-no-weight": fast(f.rms_norm, None, 1e-5),
        "fast-layer-norm": fast(f.layer_norm, 1e-5), "fast-layer-norm-no-weight": fast(f.layer_norm, None, None, 1e-5),
        "fast-rope": lambda x: f.rope(x, 4, traditional=False, base=10000.0, scale=1.0, offset=0),
        "fast-rope-traditional-offsets-per-batch": lambda x, o: f.rope(x, 2, traditional=True, base=10000.0, scale=0.5, offset=o),
        "fast-rope-freqs": lambda x, w: f.rope(x, 4, traditional=False, base=None, scale=1.0, offset=2, freqs=w.astype(f32)),
        "fast-cross-entropy": f.cross_entropy, "fast-gated-delta-update": f.gated_delta_update,
        "fast-gated-delta-update-state-mask-grouped-heads": gated,
        "fast-scaled-dot-product-attention": attend, "fast-scaled-dot-product-attention-causal-grouped-heads": lambda *in_: attend(*in_, mask="causal"),
        "fast-scaled-dot-product-attention-mask": lambda *in_: attend(*in_[:3], mask=in_[3]),
        "fast-scaled-dot-product-attention-added-mask-sinks-grouped-heads": lambda *in_: attend(*in_[:3], mask=in_[3], sinks=in_[4]),
        "reciprocal": mx.reciprocal, "clip": lambda x, hi: [mx.clip(x, -1.0, hi), mx.clip(x, None, 0.5)],
        "isnan-isinf-isfinite": odd, "isnan-isinf-isfinite-of-any-type": lambda x: [mx.isnan(x), mx.isinf(x), mx.isfinite(x)],
        "isclose-allclose-array-equal": lambda a, b: [mx.isclose(a, b, 0.5, 0.1), mx.allclose(a, a), mx.array_equal(a, b),
                                                      mx.array_equal(a, mx.flatten(a))],
        "dynamic-slice": lambda x, i: mx.slice(x, i, (0, 1), (2, 3, 2)),
        "dynamic-slice-update": lambda x, u, i: mx.slice_update(x, u, i, (1,)),
        "slice-update-sum": lambda x, u: x.at[0:2, 1:5:2].add(u), "slice-update-prod": lambda x, u: x.at[0:2, 1:5:2].multiply(u),
        "slice-update-max-min": lambda x, u: [x.at[0:2, 4::-3].maximum(u), x.at[0:2, 4::-3].minimum(u)],
        "masked-scatter": masked,
        "scan-logcumsumexp": lambda x: [mx.logcumsumexp(x, axis=1), mx.logcumsumexp(x, axis=0, reverse=True)],
        "broadcast-shapes-lent": lambda x, y: mx.broadcast_arrays(x, y)[0],
        "broadcast-axes": lambda x, y: mx.broadcast_to(x, (2, 4, 3)),
        "number-of-elements": lambda x: [mx.array(8.0), mx.array(1 / 3)],
        "equal-NaN-to-NaN": lambda x: mx.array_equal(x, x) & mx.equal(x, x),
        "fast-rms-norm-gradients": lambda *in_: fused_gradients(lambda x, w: f.rms_norm(x, w, 1e-5), *in_),
        "fast-scaled-dot-product-attention-gradients":
            lambda *in_: fused_gradients(lambda q, k, v: f.scaled_dot_product_attention(q, k, v, scale=0.5, mask="causal"), *in_),
        "fast-layer-norm-gradients": lambda *in_: fused_gradients(lambda x, w, b: f.layer_norm(x, w, b, 1e-5), *in_),
        "fast-rope-backwards": lambda x, o: mx.vjp(lambda y: f.rope(y, 4, traditional=False, base=100.0, scale=1.0, offset=o), [x], [x])[1],
        "gradient-of-grouped-conv2d-by-its-weight": lambda x, ct: mx.vjp(
            lambda w: mx.conv_general(x, w, (2, 1), ([1, 0], [1, 0]), (1, 2), groups=4), [mx.zeros((8, 3, 2, 1), x.dtype)], [ct])[1],
        "atleast-1d-atleast-2d-atleast-3d": lambda x: [mx.atleast_1d(x), mx.atleast_2d(x), mx.atleast_3d(x)],
        "broadcast-arrays": mx.broadcast_arrays, "meshgrid": mx.meshgrid, "meshgrid-ij": lambda *in_: mx.meshgrid(*in_, indexing="ij"),
        "meshgrid-sparse": lambda *in_: mx.meshgrid(*in_, sparse=True) + mx.meshgrid(*in_, sparse=True, indexing="ij"),
        "flip": lambda x: [mx.flip(x), mx.flip(x, -1)], "roll": lambda x: [mx.roll(x, 2), mx.roll(x, -1, 1)],
        "roll-two-axes": lambda x: [mx.roll(x, (1, -5), (0, -1)), mx.roll(x, 1, (0, 1))], "unstack": lambda x: mx.unstack(x, axis=1),
        "contiguous-column-major-too": lambda x: mx.contiguous(x, allow_col_major=True),
        "as-strided-strides-left-out": lambda x: mx.as_strided(x, (3, 2), offset=2),
        "full-like": mx.full_like, "full-like-as-float32": lambda x, v: mx.full_like(x, v, f32),
        "sort-argsort-topk-flat": lambda x: [mx.sort(x, axis=None), mx.argsort(x, axis=None), mx.sort(mx.topk(x, 3, axis=None))],
        "argmax-argmin-flat": lambda x: [mx.argmax(x), mx.argmin(x, keepdims=True)],
        "cumsum-cumprod-flat": lambda x: [mx.cumsum(x), mx.cumprod(x, dtype=f32)],
        "take-take-along-axis-flat": lambda x, i: [mx.take(x, i), mx.take_along_axis(x, mx.flatten(i), axis=None)],
        "put-along-axis-flat": lambda x, i, v: mx.put_along_axis(x, mx.argsort(i), v, axis=None),
        "concatenate-repeat-flat": lambda x, y: [mx.concatenate([x, y], axis=None), mx.repeat(x, 2)],
        "diagonal": lambda x: [mx.diagonal(x, 1, 0, 1), mx.diagonal(x, -1, 2, 0), mx.diagonal(x, 7)],
        "diag-of-a-vector": lambda x: [mx.diag(x), mx.diag(x, 2), mx.diag(x, -1)], "diag-of-a-matrix": lambda x: mx.diag(x, -1),
        "trace": lambda x: [mx.trace(x), mx.trace(x, -1, 2, 1)], "trace-as-int32": lambda x: mx.trace(x, dtype=i32),
        "degrees-radians": lambda x: [mx.degrees(x), mx.radians(x)],
        "round-decimals": lambda x: [mx.round(x, 1), mx.round(x, -1)],
        "isposinf-isneginf-isinf": infinite, "nan-to-num": finite,
        "nan-to-num-of-any-type": lambda x: mx.nan_to_num(x, nan=1),
        "isclose-allclose-array-equal-equal-NaN": close_nan,
        "median": lambda x: [mx.median(x), mx.median(x, axis=1), mx.median(x, axis=(-1, 0), keepdims=True)],
        "minmax": lambda x: mx.minmax(x, axis=1),
        "count-nonzero": lambda x: [mx.count_nonzero(x), mx.count_nonzero(x, axis=0, keepdims=True)],
        "diff": lambda x: [mx.diff(x), mx.diff(x, 2, 0), mx.diff(x, 9, 1)],
        "variance-std-of-complex-numbers": lambda x: [mx.var(x, 1), mx.std(x, ddof=1)],
        "logcumsumexp": lambda x: [mx.logcumsumexp(x, axis=1), mx.logcumsumexp(x, axis=0, reverse=True), mx.logcumsumexp(x)],
        "searchsorted": lambda a, v: both_sides(mx.sort(a), v), "searchsorted-no-numbers": search_nan,
        "unique": lambda x: mx.unique(x, 5, True, True, True), "unique-cut-off": lambda x: mx.unique(x, 2, True, True, True),
        "unique-values-alone": lambda x, v: [mx.unique(x, 4), mx.unique(x, 7, fill_value=v)],
        "unique-filled-up": lambda x, v: mx.unique(x, 14, True, True, True, fill_value=v),
        "pad-edge-reflect-symmetric": lambda x: [mx.pad(x, [(1, 0), (0, 3)], "edge"), mx.pad(x, [(1, 1), (2, 2)], "reflect"),
                                                 mx.pad(x, [(1, 1), (2, 2)], "symmetric")],
        "pad-further-than-the-array": lambda x: [mx.pad(x, [(0, 5), (7, 8)], mode) for mode in ("reflect", "symmetric")],
        "einsum": lambda *in_: mx.einsum("ij,jk->ik", *in_),
        "einsum-one-operand": lambda x: [mx.einsum("iji->ji", x), mx.einsum("bAb", x), mx.einsum("i...->...", x)],
        "einsum-batches": lambda a, b: [mx.einsum("bij, bjk -> bki", a, b), mx.einsum("...ij,...jk", a, b)],
        "einsum-nothing-summed-over-both": lambda a, b: [mx.einsum(s, a, b) for s in ("i,jk->kij", "i,jk->i", "i,ik->ik")],
        "einsum-a-chain": lambda *in_: mx.einsum("ab,bc,cd,da->c", *in_),
        "einsum-diagonals": lambda *in_: mx.einsum("ii,ij,jj->i", *in_),
        "einsum-axes-of-1": lambda *in_: mx.einsum("ij,jk,k->i", *in_),
        "linspace-without-the-stop": lambda: [mx.linspace(1, 2, 5, endpoint=False), mx.linspace(1, 9, 4, dtype=i32)],
        "tensordot": lambda a, b, c: [mx.tensordot(a, b), mx.tensordot(a, c, 0)],
        "tensordot-axes-named": lambda a, b: mx.tensordot(a, b, [[-1, 0], [0, 2]]),
        "vecdot": lambda a, b: [mx.vecdot(a, b), mx.vecdot(a, b, axis=0)],
        "kron": lambda a, b, c: [mx.kron(a, b), mx.kron(c, a)],
    }
    return {**named, **linalg_cases.cases(), **mlx_places.cases(), **random_cases.cases(), **quantized_cases.cases()}


# Not in MLX's Python; (float64) narrowed to float32 where Pons stays wide; the same bits.
NOT_IN_MLX = {"random-bits", "scatter-add-axis", "fast-scaled-dot-product-attention-with-logsumexp"}
EXACT = {"random-uniform", "random-uniform-between-arrays", "random-key-random-split"}
WIDER_HERE = {"fast-rms-norm", "fast-rms-norm-no-weight", "fast-layer-norm", "fast-layer-norm-no-weight", "fast-rms-norm-gradients",
              "fast-layer-norm-gradients"}


def beyond_mlx(plain, dtype):
    """MLX has no grouped or dilated convolution, no nan_to_num and no Hadamard transform of float64,
    ends a loss of it in float32, and subtracts the greatest in a logsumexp before it widens."""
    narrow = dtype == "bool" or dtype.startswith("uint")
    if quantized_cases.beyond_mlx(plain, dtype):
        return True
    lacks = ("conv", "gradient-of-grouped-conv", "nan-to-num", "hadamard-", "fast-cross-entropy", "random-uniform-random")
    return (plain.startswith(lacks) and dtype == "float64") or (plain.startswith("logsumexp-") and narrow)


def spectral():
    F = mx.fft
    named = {
        "fft-fft": F.fft, "fft-ifft": lambda x: F.ifft(x, axis=1), "fft-rfft": F.rfft, "fft-irfft": F.irfft,
        "fft-fft-padded-orthogonal": lambda x: F.fft(x, 5, 0, norm="ortho"),
        "fft-ifft-cut": lambda x: F.ifft(x, 3, norm="forward"),
        "fft-rfft-padded-along-another-axis": lambda x: F.rfft(x, 9, -2, norm="forward"),
        "fft-irfft-odd": lambda x: F.irfft(x, 7, 0, norm="ortho"),
        "fft-fft2": F.fft2, "fft-ifft2": lambda x: F.ifft2(x, (4, 5), (2, 0)), "fft-rfft2": lambda x: F.rfft2(x, norm="ortho"),
        "fft-irfft2": F.irfft2, "fft-fftn": F.fftn, "fft-fftn-no-axes": lambda x: F.fftn(x, axes=()),
        "fft-ifftn": lambda x: F.ifftn(x, norm="ortho"), "fft-rfftn": lambda x: F.rfftn(x, axes=(2, 0)),
        "fft-irfftn": lambda x: F.irfftn(x, (3, 5), (1, 2)),
        "fft-fftfreq": lambda: [F.fftfreq(7, 0.5), F.fftfreq(6, 2)], "fft-rfftfreq": lambda: [F.rfftfreq(7, 0.5), F.rfftfreq(6, -2)],
        "fft-fftshift": lambda x: [F.fftshift(x), F.fftshift(x, 1)], "fft-ifftshift": lambda x: [F.ifftshift(x), F.ifftshift(x, (-1, 0))],
        "fft-stft": lambda x: F.stft(x, 8, window=mx.hanning(8)),
        "fft-stft-edges": lambda x: F.stft(x, 6, 4, 3, pad_mode="edge", norm="ortho"),
        "fft-stft-two-sided": lambda x: F.stft(x, 5, 2, pad_mode="constant", onesided=False),
        "fft-stft-not-centered": lambda x, w: F.stft(x, 4, center=False, window=w),
        "fft-istft": lambda x: F.istft(x, window=mx.hamming(8)),
        "fft-istft-padded": lambda x: F.istft(x, 7, 3, 5, norm="forward", length=30),
        "fft-istft-two-sided-not-centered": lambda x, w: F.istft(x, hop_length=2, onesided=False, center=False, window=w),
        "hadamard-transform": mx.hadamard_transform, "hadamard-transform-40": mx.hadamard_transform,
    }
    for kind in ("fft-transposed", "fft-a-prime-length", "fft-a-long-line", "fft-a-long-line-of-a-prime-length", "fft-no-lines",
                 "rfft-odd", "rfft-one-element", "rfft-a-long-line", "rfft-a-long-odd-line", "irfft-a-long-line"):
        named["fft-" + kind] = getattr(F, kind.split("-")[0])
    for kind in ("12", "28", "scalar"):
        named["hadamard-transform-" + kind] = lambda x: mx.hadamard_transform(x, 0.5)
    for name, sizes in {"bartlett": (7, 1), "blackman": (8, 1), "hamming": (7, 1), "hanning": (8, 1)}.items():
        named[name] = lambda f=getattr(mx, name), sizes=sizes: [f(m) for m in sizes]
    return named


def lookup(named, name):
    plain = name.split("-", 1)[1]
    if plain in named:
        return plain, named[plain]
    if plain.startswith(("matmul-", "reshape-of", "slice-of", "view-of", "broadcast-to-", "softmax-empty", "atleast-", "flip-")):
        first = next(n for n in ("matmul", "reshape", "slice", "view", "broadcast-to", "atleast-1d-atleast-2d-atleast-3d",
                                  "flip") if plain.startswith(n))
        return plain, named[first]
    return plain, getattr(mx, plain.replace("-", "_"), None)


def check(folder, entry, named, of_complex):
    plain, op = lookup(named, entry["name"])
    if op is None:
        return [] if plain in NOT_IN_MLX else [f"{entry['name']}: no op of MLX is named for it"]
    path = os.path.join(folder, entry["data"])
    recorded, arrays = interpreter.load_npz(path), mx.load(path)
    wrong = []
    for c in entry["calls"]:
        if beyond_mlx(plain, c["dtype"]):
            continue
        compute = of_complex.get(plain, op) if c["dtype"] == "complex64" else op
        try:
            got = compute(*[arrays[a] for a in c["args"]])
            got = list(got) if isinstance(got, (list, tuple)) else [got]
            mx.eval(got)
        except Exception as e:  # MLX refuses in many ways what Pons takes
            wrong.append(f"{entry['name']} {c['dtype']}: MLX: {type(e).__name__}: {e}")
            continue
        loose = 1e-5 if plain in WIDER_HERE and c["dtype"] == "float64" else 0  # float32's rounding, amplified
        for j, (g, key) in enumerate(zip(got, c["outputs"], strict=True)):
            d = interpreter.difference(recorded[key], as_value(g), c["rtol"] + loose, c["atol"] + loose)
            if plain in EXACT and not np.array_equal(recorded[key][0], as_value(g)[0]):
                d = f"not the same bits: {recorded[key][0]} and {as_value(g)[0]}"
            if arrays[key].dtype != g.dtype:
                d = f"{arrays[key].dtype}, not {g.dtype}"
            if d:
                wrong.append(f"{entry['name']} {c['dtype']}: result {j}: {d}")
    return wrong


def main():
    if mx is None:
        print("MLX is not there")
        return SKIPPED
    named, of_complex = {**cases(), **spectral()}, linalg_cases.complex_cases()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([PROGRAM, folder], check=True, stdout=subprocess.DEVNULL)
        entries = json.load(open(os.path.join(folder, "manifest.json"), encoding="utf-8"))
        wrong = [w for entry in entries for w in check(folder, entry, named, of_complex)]
    for w in wrong:
        print(w)
    print(f"{len(entries)} cases against MLX {mx.__version__}: {len(wrong)} differ")
    return len(wrong) > 0


if __name__ == "__main__":
    sys.exit(main())
