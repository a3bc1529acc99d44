"""Indexing, against MLX; see judge.py. MLX doesn't check indices, so what is outside is for Pons alone to refuse."""
import numpy as np
from draw import INEXACT, INTEGERS, REALS
from judge import arg, main, mx, pons, product, row


def indexed(d, ndim=(1, 4), **options):
    """An array, an axis of it that is there, and indices."""
    x = d.array(ndim=ndim, empty=False, **options)
    axis = d.integer(-x.ndim, x.ndim - 1)
    return x, axis


def slices(d, x):
    """start, stop and step per axis."""
    out = [[d.integer(-n - 2, n + 2) for n in x.shape] for _ in range(2)]
    return [*out, [d.choice((1, 1, 2, -1, -2, 3)) for _ in x.shape]]


def python_slices(start, stop, step):
    return tuple(slice(*s) for s in zip(start, stop, step))


def assigned(x, update, start, stop, step):
    y = mx.array(x)
    y[python_slices(start, stop, step)] = update
    return y


def _cut(d, x):
    start, stop, step = slices(d, x)
    shape = np.zeros(x.shape, bool)[python_slices(start, stop, step)].shape
    return [x, d.array(x.dtype, d.broadcastable(shape)), start, stop, step]


row("slice", lambda d: arg(x := d.array(ndim=(0, 4)), *slices(d, x)), grad=True,
    mlx=lambda x, start, stop, step: x[python_slices(start, stop, step)] if x.ndim else x)
row("slice_update", lambda d: _cut(d, d.array(ndim=(1, 4))), grad=True, mlx=assigned)


def combined(name):
    def at(x, update, start, stop, step):
        return getattr(x.at[python_slices(start, stop, step)], name)(update)
    return at


for kind, name in [("add", "add"), ("prod", "multiply"), ("max", "maximum"), ("min", "minimum")]:
    row(f"slice_update_{kind}", lambda d, ordered=kind in ("max", "min"): _cut(
        d, d.array(d.dtype(REALS[1:] if ordered else INEXACT + INTEGERS), d.shape(1, 4), special=False)), grad=True, mlx=combined(name),
        **({"tol": 2, "scale": product} if kind == "prod" else {}))


def dynamic(d):
    """An array, where a slice of it begins, along which axes, and of which sizes; MLX doesn't look whether it fits."""
    x = d.array(ndim=(1, 4), empty=False)
    axes = d.numpy.permutation(x.ndim)[:d.integer(1, x.ndim)].tolist()
    sizes = [d.integer(1, n) if k in axes else n for k, n in enumerate(x.shape)]
    start = [d.integer(0, x.shape[k] - sizes[k]) for k in axes]
    if d.wrong():
        start[0] = x.shape[axes[0]] - sizes[axes[0]] + 1
        d.must_fail("the slice begins too late")
    dtype = d.choice(("int32", "uint8", "int64", "uint32"))
    return x, type(x)(np.array(start, dtype), dtype), [k - x.ndim if d.flag() else k for k in axes], sizes


def _dynamic_update(d):
    x, start, axes, sizes = dynamic(d)
    return [x, d.array(x.dtype, sizes), start, axes]


row("slice_dynamic", lambda d: arg(*dynamic(d)), grad=(0,), mlx=lambda x, start, axes, size: mx.slice(x, start, axes, size))
row("slice_update_dynamic", _dynamic_update, grad=(0, 1), mlx=lambda x, u, start, axes: mx.slice_update(x, u, start, axes))
row("take", lambda d: arg(*(xa := indexed(d)), d.indices(xa[0].shape[xa[1]])), grad=True,
    mlx=lambda x, axis, i: mx.take(x, i, axis), pons=lambda x, axis, i: pons.take(x, i, axis))


def along(d):
    x, axis = indexed(d, special=False)
    shape = list(x.shape)
    shape[axis] = d.integer(0, 4)
    return x, axis, d.indices(x.shape[axis], shape)


def _put(d):
    x, axis, i = along(d)
    d.refused = None  # of those indices the shape alone is wanted
    where = d.numpy.permuted(np.broadcast_to(np.arange(x.shape[axis]).reshape([-1 if k == axis % x.ndim else 1 for k in range(x.ndim)]),
                                             x.shape), axis=axis)
    i = type(i)(np.ascontiguousarray(where[tuple(slice(0, min(n, m)) for n, m in zip(i.shape, x.shape))]).astype(np.int32), "int32")
    return [x, axis, i, d.array(x.dtype, i.shape, special=False)]


row("take_along_axis", lambda d: arg(*along(d)), grad=True, mlx=lambda x, axis, i: mx.take_along_axis(x, i, axis),
    pons=lambda x, axis, i: pons.take_along_axis(x, i, axis))
row("put_along_axis", _put, grad=True, mlx=lambda x, axis, i, v: mx.put_along_axis(x, i, v, axis),  # each place once
    pons=lambda x, axis, i, v: pons.put_along_axis(x, i, v, axis))

main(__name__, "index")
