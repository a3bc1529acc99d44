"""Codes of few bits, and gathered, segmented and block-masked products, against MLX; see judge.py."""
import numpy as np

from draw import Drawn
from judge import main, mx, pons, product, row

PLAIN = dict(special=False)
NARROW = ["float32", "float16", "bfloat16"]
MODES = {"mxfp4": (32, 4), "mxfp8": (32, 8), "nvfp4": (16, 4)}


def format_of(d, affine=0.6):
    """Mode, group size, bits."""
    if d.chance(affine):
        return "affine", d.choice((32, 64, 128)) + d.wrong(), d.choice((1, 2, 3, 4, 5, 6, 8))
    mode = d.choice(tuple(MODES))
    return (mode, *MODES[mode])


def indices(d, size, shape):
    """MLX reads foreign memory at those that are wrong or count from the end."""
    dtype = d.choice(("uint32", "int32", "int64", "uint8"))
    return Drawn(np.array([d.integer(0, size - 1) for _ in range(int(np.prod(shape)))], dtype).reshape(shape), dtype)


def parts(d, lead, how, dtype):
    """Codes, scales, biases of (*lead, columns); columns is told too."""
    mode, group, bits = how
    group -= group % 2
    groups = d.integer(1, 3)
    words = d.array("uint32", (*lead, groups * group * bits // 32), 0, 2 ** 32 - 1)
    if mode != "affine":
        low, high = (100, 130) if mode.startswith("mx") else (30, 70)
        if mode == "mxfp8":  # none is NaN
            words = Drawn(words.bits & np.uint32(0x3f3f3f3f), "uint32", words.layout)
        return words, d.array("uint8", (*lead, groups), low, high), None, groups * group
    return (words, *[d.array(dtype, (*lead, groups), -0.2, 0.2, **PLAIN) for _ in "sb"], groups * group)


def quantize(d):
    mode, group, bits = format_of(d)
    w = d.array(NARROW, d.shape(1, 2, 8) + (d.integer(0, 3) * (group - group % 2) + 8 * d.wrong(),), -3, 3, **PLAIN)
    return [w, group, bits, mode]


row("quantize", quantize, mlx=lambda w, g, b, m: mx.quantize(w, g, b, m),
    pons=lambda w, g, b, m: pons.quantize_with({"w": w, "group_size": g, "bits": b, "mode": m}))


def dequantize(d):
    how = format_of(d)
    words, scales, biases, _ = parts(d, d.shape(1, 2, 8, empty=False), how, d.dtype(NARROW))
    return [words, scales, biases, how[1], how[2], how[0], d.choice((None, "float32", "float16"))]


row("dequantize", dequantize, tol=4, mlx=lambda w, s, b, g, n, m, t: mx.dequantize(w, s, b, g, n, m, dtype=t),
    pons=lambda w, s, b, g, n, m, t: pons.dequantize(w, s, b, group_size=g, bits=n, mode=m, dtype=t))


def quantized_matmul(d):
    how, dtype = format_of(d), "float32"
    rows, transpose = d.integer(1, 9), d.chance(0.7)
    words, scales, biases, columns = parts(d, (rows,), how, dtype)
    x = d.array(dtype, d.shape(0, 2, 12, empty=False) + ((columns if transpose else rows) + d.wrong(),), -2, 2, **PLAIN)
    return [x, words, scales, biases, transpose, how[1], how[2], how[0]]


def quantized_scale(arguments):
    """As `product`, with the greatest code."""
    numbers = [a for a in arguments if isinstance(a, Drawn) and a.dtype not in ("uint32", "uint8")]
    return product(numbers) * 480


row("quantized_matmul", quantized_matmul, tol=8, scale=quantized_scale, grad=(0, 2, 3),
    mlx=lambda x, w, s, b, t, g, n, m: mx.quantized_matmul(x, w, s, b, t, g, n, m),
    pons=lambda x, w, s, b, t, g, n, m: pons.quantized_matmul(x, w, s, b, no_transpose=not t, group_size=g, bits=n, mode=m))


def gather_qmm(d):
    how, count, others = format_of(d), d.integer(1, 3), d.integer(1, 3)
    words, scales, biases, columns = parts(d, (count, d.integer(1, 5)), how, "float32")
    x = d.array("float32", (others, d.integer(1, 4), columns + d.wrong()), -2, 2, **PLAIN)
    places = d.shape(0, 2, 6, empty=False)
    return [x, words, scales, biases, indices(d, others, places), indices(d, count, places), how[1], how[2], how[0]]


row("gather_qmm", gather_qmm, tol=8, scale=quantized_scale, grad=(0, 2, 3),
    mlx=lambda x, w, s, b, i, j, g, n, m: mx.gather_qmm(x, w, s, b, i, j, True, g, n, m),
    pons=lambda x, w, s, b, i, j, g, n, m: pons.gather_qmm(x, w, s, b, i, j, group_size=g, bits=n, mode=m))


def qqmm(d):
    mode = d.choice(tuple(MODES))
    words, scales, _, columns = parts(d, (d.integer(1, 6),), (mode, *MODES[mode]), None)
    return [d.array("float32", (1, columns), -2, 2, **PLAIN), words, scales, mode]


row("qqmm", qqmm, tol=8, scale=quantized_scale, mlx=lambda x, w, s, m: mx.qqmm(x, w, s, mode=m),
    pons=lambda x, w, s, m: pons.qqmm(x, w, s, mode=m))


def gather_qqmm(d):
    mode, count, others = d.choice(tuple(MODES)), d.integer(1, 3), d.integer(1, 3)
    words, scales, _, columns = parts(d, (count, d.integer(1, 6)), (mode, *MODES[mode]), None)
    places = d.shape(0, 2, 6, empty=False)
    return [d.array("float32", (others, 1, columns), -2, 2, **PLAIN), words, scales, indices(d, others, places), indices(d, count, places), mode]


def one_by_one(x, w, s, i, j, mode):
    """MLX's own gather_qqmm throws on the CPU, whatever the operands."""
    made = [mx.qqmm(x[a], w[b], s[b], mode=mode) for a, b in zip(i.flatten().tolist(), j.flatten().tolist())]
    return mx.reshape(mx.stack(made), (*i.shape, 1, w.shape[1]))


row("gather_qqmm", gather_qqmm, tol=8, scale=quantized_scale, mlx=one_by_one,
    pons=lambda x, w, s, i, j, m: pons.gather_qqmm(x, w, s, i, j, mode=m))
row("to_fp8", lambda d: [d.array(NARROW + ["int32"], low=-500, high=500)])
row("from_fp8", lambda d: [d.array("uint8"), d.choice(NARROW)])


def gather_mm(d):
    a, b, k = d.integer(1, 3), d.integer(1, 3), d.integer(1, 6)
    places = d.shape(0, 2, 8, empty=False)
    return [d.array("float32", (a, d.integer(1, 5), k + d.wrong()), **PLAIN), d.array("float32", (b, k, d.integer(1, 5)), **PLAIN),
            indices(d, a, places), indices(d, b, places)]


row("gather_mm", gather_mm, tol=8, scale=product, grad=(0, 1))


def block_masked_mm(d):
    m, k, n = (d.integer(1, 70) for _ in range(3))
    block = d.choice((32, 64)) - d.wrong()
    tiles = [-(-s // max(block, 32)) for s in (m, k, n)]
    masks = [None if d.chance(0.3) else d.array(d.choice(("bool", "float32")), (tiles[i], tiles[j]), 0, 2, **PLAIN)
             for i, j in ((0, 2), (0, 1), (1, 2))]
    return [d.array("float32", (m, k), -2, 2, **PLAIN), d.array("float32", (k, n), -2, 2, **PLAIN), block, *masks]


row("block_masked_mm", block_masked_mm, tol=16, scale=product, grad=(0, 1))


def segmented_mm(d):
    k = d.integer(1, 12)
    places = d.shape(0, 2, 6, empty=False) + (2,)
    return [d.array("float32", (d.integer(1, 5), k), **PLAIN), d.array("float32", (k + d.wrong(), d.integer(1, 5)), **PLAIN),
            indices(d, k + 1, places)]


row("segmented_mm", segmented_mm, tol=8, scale=product)

main(__name__, "quantized")
