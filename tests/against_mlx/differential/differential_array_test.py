"""Functions made of other ops: rearranging, diagonals, grids, flat forms, statistics, padding, Einstein sums, against MLX;
see judge.py."""
import numpy as np
from draw import ANY, FLOATS, INEXACT, INTEGERS, REALS
from judge import arg, main, mx, pons, product, row, total


def maybe_dtype(d, among=REALS):
    return None if d.flag() else d.dtype(among)


# ---- dtypes and shapes

def shapes(d):
    first = d.shape()
    return [[first] + [first + (3,) if d.wrong() else d.broadcastable(first) for _ in range(d.integer(0, 3))]]


row("can_cast", lambda d: arg(d.dtype(), d.dtype()))
row("result_type", lambda d: [[d.dtype() for _ in range(d.integer(1, 4))]],
    mlx=lambda ds: str(mx.result_type(*ds)).split(".")[-1].rstrip("_"),
    pons=lambda ds: pons.result_type([pons.dtypes[t] for t in ds], len(ds)))
KINDS = ["bool", "signed integer", "unsigned integer", "integral", "real floating", "complex floating", "numeric"]
row("isdtype", lambda d: arg(d.dtype(), d.choice(KINDS)))
for n in "123":
    row(f"atleast_{n}d", lambda d: [d.array()], grad=True)
row("broadcast_arrays", lambda d: [[d.array(ANY, s) for s in shapes(d)[0]]], grad=False,
    mlx=lambda xs: mx.broadcast_arrays(*xs), pons=lambda xs: pons.broadcast_arrays(xs, out=len(xs)))
row("meshgrid", lambda d: arg([d.array(ANY, ndim=(0, 1), most=5) for _ in range(d.integer(1, 3))], d.flag(), d.choice(("xy", "ij"))),
    mlx=lambda xs, sparse, order: mx.meshgrid(*xs, sparse=sparse, indexing=order),
    pons=lambda xs, sparse, order: pons.meshgrid(xs, sparse, order, out=len(xs)))

# ---- rearranging

row("flip", lambda d: arg(x := d.array(), d.axes(x)), grad=True)


def rolled(d):
    x = d.array()
    axes = d.choice((None, [d.axis(x) for _ in range(d.integer(1, 3))])) if x.ndim else None
    many = len(axes) if axes else d.integer(1, 2)
    return [x, [d.integer(-9, 9) for _ in range(many)], axes]


row("roll", rolled, grad=True, mlx=lambda x, by, axes: mx.roll(x, tuple(by)) if axes is None else mx.roll(x, tuple(by), tuple(axes)),
    pons=lambda x, by, axes: pons.roll(x, by, axes=axes))
row("matrix_transpose", lambda d: [d.array(ndim=(1 if d.wrong() else 2, 4))], grad=True)
row("unstack", lambda d: arg(x := d.array(ndim=(1, 4), empty=False), d.axis(x)), grad=True,
    mlx=lambda x, axis: mx.unstack(x, axis=axis), pons=lambda x, axis: pons.unstack(x, axis, out=max(pons.dim(x, axis), 1)))
row("diagonal", lambda d: arg(x := d.array(ndim=(2, 4)), d.integer(-3, 3), d.axis(x), d.axis(x)), grad=True)
row("diag", lambda d: arg(d.array(ndim=(0 if d.wrong() else 1, 2)), d.integer(-3, 3)), grad=True)


def traced(d):
    x = d.array(ndim=(2, 4), special=False, empty=False)
    a, b = d.random.sample(range(x.ndim), 2)
    return [x, d.integer(1 - x.shape[a], x.shape[b] - 1), a, b, maybe_dtype(d)]  # a sum of nothing may hang MLX


row("trace", traced, tol=4, scale=total, grad=True, mlx=lambda x, k, a, b, t: mx.trace(x, k, a, b, dtype=t),
    pons=lambda x, k, a, b, t: pons.trace(x, offset=k, axis1=a, axis2=b, dtype=t))
row("full_like", lambda d: arg(x := d.array(), d.array(x.dtype, d.broadcastable(x.shape)), maybe_dtype(d, [x.dtype] + FLOATS)),
    mlx=lambda x, v, t: mx.full_like(x, v, t), pons=lambda x, v, t: pons.full_like(x, v, dtype=t))
row("linspace_exclusive", lambda d: arg(d.integer(-70, 70) / 8, d.integer(-70, 70) / 8, d.integer(0, 20)), tol=4, scale=lambda a: 10,
    mlx=lambda a, b, n: mx.linspace(a, b, n, endpoint=False),
    pons=lambda a, b, n: pons.linspace(a, b, n, "float32", exclude_stop=True))


def padding(d):
    x = d.array(ndim=(1, 3), empty=False)
    return [x, *[[d.integer(-1 if d.wrong() else 0, 5) for _ in x.shape] for _ in "lh"], d.choice(("edge", "reflect", "symmetric"))]


row("pad_mode", padding, grad=True, mlx=lambda x, low, high, mode: mx.pad(x, list(zip(low, high)), mode),
    pons=lambda x, low, high, mode: pons.pad(x, low, high, mode=mode))

# ---- the array as if flattened: None for an axis

for name in ("argmax", "argmin"):
    row(f"{name}_flat", lambda d: arg(d.reducible(REALS, True, ndim=(1, 4)), None, d.flag()),
        mlx=lambda x, axis, keep, name=name: getattr(mx, name)(x, axis, keep),
        pons=lambda x, axis, keep, name=name: getattr(pons, name)(x, axis, keep))
row("sort_flat", lambda d: arg(d.array(REALS), None), mlx=mx.sort if mx else None, pons=lambda x, axis: pons.sort(x, axis))
for name in ("cumsum", "cumprod"):
    row(f"{name}_flat", lambda d: arg(d.reducible(special=False, low=-2, high=2), maybe_dtype(d, FLOATS)), tol=64, scale=total,
        mlx=lambda x, t, name=name: getattr(mx, name)(x, dtype=t),
        pons=lambda x, t, name=name: getattr(pons, name)(x, axis=None, dtype=t))
row("logcumsumexp", lambda d: arg(x := d.reducible(FLOATS + INTEGERS, special=False), d.axis(x), d.flag(), d.flag()), tol=32, grad=True,
    mlx=lambda x, axis, r, e: mx.logcumsumexp(x, axis, reverse=r, inclusive=not e),
    pons=lambda x, axis, r, e: pons.logcumsumexp(x, axis=axis, reverse=r, exclusive=e))
row("take_flat", lambda d: arg(x := d.array(empty=False), d.indices(x.size)), grad=(0,), mlx=lambda x, i: mx.take(x, i),
    pons=lambda x, i: pons.take(x, i, None))
row("take_along_axis_flat", lambda d: arg(x := d.array(empty=False), d.indices(x.size, ndim=(1, 1))), grad=(0,),
    mlx=lambda x, i: mx.take_along_axis(x, i, None), pons=lambda x, i: pons.take_along_axis(x, i, None))
row("repeat_flat", lambda d: arg(d.array(), d.integer(0, 3)), grad=True, mlx=lambda x, n: mx.repeat(x, n),
    pons=lambda x, n: pons.repeat(x, n, None))
row("concatenate_flat", lambda d: [[d.array() for _ in range(d.integer(1, 3))]], mlx=lambda xs: mx.concatenate(xs, None),
    pons=lambda xs: pons.concatenate(xs, None))

# ---- numbers one by one

row("degrees", lambda d: [d.array()], tol=4, grad=True)
row("radians", lambda d: [d.array()], tol=4, grad=True)
row("positive", lambda d: [d.array()], grad=True)
row("trunc", lambda d: [d.array(ANY if d.wrong() else REALS)])
row("round_decimals", lambda d: arg(d.array(["bool", "int16", "int32", "float16", "float32", "bfloat16", "complex64"], low=-999, high=999),
                                    d.integer(-2, 2)), tol=2, mlx=lambda x, n: mx.round(x, n))
row("isposinf", lambda d: [d.array()])
row("isneginf", lambda d: [d.array()])
row("logical_xor", lambda d: d.pair())
row("nan_to_num", lambda d: arg(d.array(ANY if d.wrong() else REALS), d.integer(-3, 3), d.choice((None, 2.0)), d.choice((None, -7.0))),
    mlx=lambda x, n, p, m: mx.nan_to_num(x, n, p, m),
    pons=lambda x, n, p, m: pons.nan_to_num(x, nan=n, posinf=p and [p], neginf=m and [m]))
row("isclose", lambda d: [*d.pair(numbers=False), d.choice((1e-5, 0.5)), d.choice((1e-8, 1.0)), d.flag()],
    mlx=lambda a, b, r, t, e: mx.isclose(a, b, r, t, equal_nan=e), pons=lambda a, b, r, t, e: pons.isclose(a, b, r, t, equal_nan=e))
row("array_equal", lambda d: [*(d.pair(numbers=False) if d.flag() else [x := d.array(), x]), d.flag()],
    mlx=lambda a, b, e: mx.array_equal(a, b, equal_nan=e), pons=lambda a, b, e: pons.array_equal(a, b, equal_nan=e))

# ---- statistics and order

row("median", lambda d: arg(x := d.reducible(REALS, True), d.axes(x), d.flag()), tol=2, scale=lambda a: 1,
    pons=lambda x, axes, keep: pons.median(x, axes=axes, keepdims=keep))
row("minmax", lambda d: arg(x := d.reducible(REALS, True), d.axes(x), d.flag()), tol=1, grad=True,
    pons=lambda x, axes, keep: pons.minmax_with(dict(x=x, axes=axes, keepdims=keep)))
row("count_nonzero", lambda d: arg(x := d.reducible(), d.axes(x), d.flag()),
    mlx=lambda x, axes, keep: mx.count_nonzero(x, axis=axes, keepdims=keep),
    pons=lambda x, axes, keep: pons.count_nonzero(x, axes=axes, keepdims=keep))
row("diff", lambda d: arg(x := d.array(ndim=(1, 3), special=False), d.integer(-1 if d.wrong() else 0, 4), d.axis(x)), tol=8, scale=total,
    grad=True)
row("searchsorted", lambda d: arg(a := d.array(REALS, ndim=(0 if d.wrong() else 1, 1)), d.array([a.dtype] if a.dtype else REALS), d.flag()),
    mlx=lambda a, v, right: mx.searchsorted(mx.sort(a) if a.ndim else a, v, side="right" if right else "left"),
    pons=lambda a, v, right: pons.searchsorted(pons.sort(a, 0) if pons.ndim(a) else a, v, right))
row("unique", lambda d: arg(x := d.array(REALS, most=30), d.integer(-1 if d.wrong() else 0, 12), d.choice((None, d.array(x.dtype, ())))),
    mlx=lambda x, n, fill: mx.unique(x, n, True, True, True, fill_value=fill), pons=lambda x, n, fill: pons.unique(x, n, fill))

# ---- products

PLAIN = dict(special=False, low=-2, high=2)


def contracted(d):
    a = d.array(INEXACT, ndim=(0, 3), empty=False, most=60, **PLAIN)
    n = d.integer(0, a.ndim)
    shape = list(a.shape[a.ndim - n:]) + [d.integer(1, 3) for _ in range(d.integer(0, 2))]
    if d.wrong() and n:
        shape[0] += 1
    return [a, d.array(a.dtype, tuple(shape), **PLAIN), n]


row("tensordot", contracted, tol=16, scale=product, grad=True)
row("vecdot", lambda d: arg(x := d.array(ndim=(1, 3), empty=False, **PLAIN), d.array(x.dtype, x.shape, **PLAIN), d.axis(x)), tol=16,
    scale=product, mlx=lambda a, b, axis: mx.vecdot(a, b, axis=axis))
row("kron", lambda d: arg(x := d.array(ndim=(0, 2), most=12, **PLAIN), d.array(x.dtype, ndim=(0, 2), most=12, **PLAIN)), tol=4, scale=product,
    grad=True)


def einstein(d):
    """One to four operands over a few letters, at times with an ellipsis, a repeated letter, an axis of 1."""
    letters = d.random.sample("abcDEf", d.integer(1, 5))
    size = {c: d.integer(1, 4) for c in letters}
    hidden = [d.integer(1, 3) for _ in range(d.integer(0, 2))]
    dtype, terms, operands = d.dtype(INEXACT), [], []
    for _ in range(d.integer(1, 4)):
        term = [d.choice(letters) for _ in range(d.integer(0, 3))]
        shape = [size[c] for c in term]
        if d.chance(0.1) and term and term.count(term[0]) == 1:
            shape[0] = 1
        if d.chance(0.3):
            at = d.integer(0, len(term))
            shape[at:at] = hidden[d.integer(0, len(hidden)):]
            term.insert(at, "...")
        terms.append("".join(term) + "g" * d.wrong(0.01))
        operands.append(d.array(dtype, tuple(shape), **PLAIN))
    text = ",".join(terms)
    if d.chance(0.7):
        used = sorted({c for c in text if c.isalpha()})
        result = d.random.sample(used, d.integer(0, len(used)))
        if "..." in text:
            result.insert(d.integer(0, len(result)), "...")
        text += "->" + "".join(result) + "z" * d.wrong(0.02)
    return [text, operands]


def room(args):
    return float(np.prod([max(np.abs(x.wide()).sum(), 1) for x in args[1]]))


row("einsum", einstein, tol=16, scale=room, mlx=lambda text, xs: mx.einsum(text, *xs), pons=lambda text, xs: pons.einsum(text, xs))

main(__name__, "array")
