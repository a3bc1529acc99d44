"""Making arrays, and their dtypes and shapes, against MLX; see judge.py."""
import numpy as np
from draw import ANY, FLOATS, INEXACT, INTEGERS, NUMPY, REALS
from judge import arg, main, mx, pons, row

# ---- creation
row("zeros", lambda d: arg(d.shape(), d.dtype()))
row("ones", lambda d: arg(d.shape(), d.dtype()))
row("full", lambda d: arg(s := d.shape(), d.array(ANY, d.broadcastable(s))), grad=True)
row("zeros_like", lambda d: [d.array()])
row("ones_like", lambda d: [d.array()])
row("arange", lambda d: arg(d.integer(-9, 9), d.integer(-9, 30), d.choice((1, 2, 3, -1, -4)), d.dtype(INTEGERS[4:] + INEXACT)),
    tol=1, scale=lambda a: 40)
row("linspace", lambda d: arg(d.integer(-70, 70) / 8, d.integer(-70, 70) / 8, d.integer(-1 if d.wrong() else 0, 20), d.dtype(INTEGERS + FLOATS)),
    tol=4, scale=lambda a: 10, mlx=lambda a, b, n, t: mx.linspace(a, b, n, dtype=t))
row("eye", lambda d: arg(d.integer(0, 6), d.integer(0, 6), d.integer(-7, 7), d.dtype()))
row("identity", lambda d: arg(d.integer(0, 6), d.dtype()))
row("tri", lambda d: arg(d.integer(0, 6), d.integer(0, 6), d.integer(-7, 7), d.dtype()))
for name in ("tril", "triu"):
    row(name, lambda d: arg(d.array(ndim=(0 if d.wrong() else 2, 4)), d.integer(-5, 5)), grad=True)


# ---- shapes

def new_shape(d, x):
    """A shape with as many elements as x, at times with -1 in it."""
    sizes, rest = [], x.size
    while rest > 1 and d.chance(0.8):
        n = d.choice([k for k in range(1, rest + 1) if rest % k == 0])
        sizes.append(n)
        rest //= n
    sizes.append(rest)
    d.random.shuffle(sizes)
    if d.chance(0.4):
        sizes[d.integer(0, len(sizes) - 1)] = -1
    if d.wrong():
        sizes.append(d.choice((2, -1, 0, -2)))
    return sizes


row("reshape", lambda d: arg(x := d.array(), new_shape(d, x)), grad=True)
row("flatten", lambda d: arg(x := d.array(), d.axis(x), d.axis(x)), grad=True)
row("unflatten", lambda d: arg(x := d.array(ndim=(1, 3)), a := d.axis(x), _factors(d, x, a)), grad=True)
row("squeeze", lambda d: arg(x := d.array(ANY, [d.choice((1, 1, 3)) for _ in range(d.integer(0, 4))]), _ones_of(d, x)), grad=True)
row("expand_dims", lambda d: arg(x := d.array(ndim=(0, 3)), [d.integer(-x.ndim - 2, x.ndim + 1) for _ in range(d.integer(1, 2))]),
    grad=True)
row("transpose", lambda d: arg(x := d.array(), d.choice((None, _order(d, x)))), grad=True,
    mlx=lambda x, axes: mx.transpose(x) if axes is None else mx.transpose(x, axes), pons=lambda x, axes: pons.transpose(x, axes=axes))
row("swapaxes", lambda d: arg(x := d.array(), d.axis(x), d.axis(x)), grad=True)
row("moveaxis", lambda d: arg(x := d.array(), d.axis(x), d.axis(x)), grad=True)
row("broadcast_to", lambda d: arg(d.array(ANY, d.broadcastable(s := d.shape())), s), grad=True)
row("contiguous", lambda d: [d.array()])
row("depends", lambda d: [d.array(), d.array()], grad=(0,), mlx=lambda x, y: mx.depends([x], [y]), pons=lambda x, y: pons.depends([x], [y], out=1))
row("view", lambda d: arg(d.array(), d.dtype()))
row("concatenate", lambda d: arg(xs := _alike(d, True), d.axis(xs[0])), grad=True)
row("stack", lambda d: arg(xs := _alike(d, False), d.axis(xs[0]) if xs[0].ndim else d.choice((0, -1, 0, 2))), grad=True)
row("split", lambda d: arg(x := d.array(ndim=(1, 3)), a := d.axis(x), _parts(d, x, a)), grad=True,
    mlx=lambda x, axis, n: mx.split(x, n, axis), pons=lambda x, axis, n: pons.split(x, n, axis, out=n))
row("split_at", lambda d: arg(x := d.array(ndim=(1, 3)), d.axis(x), sorted(d.integer(0, 5) for _ in range(d.integer(1, 3)))), grad=True,
    mlx=lambda x, axis, at: mx.split(x, at, axis), pons=lambda x, axis, at: pons.split_at(x, at, axis, out=len(at) + 1))
row("repeat", lambda d: arg(x := d.array(most=60), d.integer(-1 if d.wrong() else 0, 3), d.axis(x)), grad=True)
row("tile", lambda d: arg(d.array(most=60), [d.integer(-1 if d.wrong() else 0, 3) for _ in range(d.integer(0, 4))]), grad=True)
row("pad", lambda d: arg(x := d.array(), *[[d.integer(0, 2) for _ in x.shape] for _ in "lh"], d.array(x.dtype, ())),
    mlx=lambda x, low, high, v: mx.pad(x, list(zip(low, high)), constant_values=v), grad=(0,))  # by v MLX crashes
row("number_of_elements", lambda d: arg(x := d.array(ndim=(1, 4)), d.axes(x), d.dtype(FLOATS + INTEGERS)),
    mlx=lambda x, axes, t: mx.sum(mx.ones(x.shape), axes, keepdims=True).flatten()[0].astype(t) if x.size else None,
    pons=lambda x, axes, t: pons.number_of_elements(x, axes, False, t) if pons.size(x) else None)
row("as_strided", lambda d: arg(x := d.array(ndim=(1, 3), empty=False), *_strided(d, x)), grad=True)


def _factors(d, x, axis):
    size = x.shape[axis] if -x.ndim <= axis < x.ndim else 4
    whole = [[size], [1, size], [-1], [-1, 1]] + [[k, size // k] for k in (2, 3) if size % k == 0] + [[2, -1]] * (size % 2 == 0)
    if d.chance(0.02):
        d.must_fail("what remains is divided by 0, which stops MLX")
        return [0, -1]
    return d.choice([[2, size], [-1, -1]]) if d.wrong() else d.choice(whole)


def _ones_of(d, x):
    ones = [k for k, n in enumerate(x.shape) if n == 1]
    if d.wrong() or not ones:
        return d.choice((None, [0]))
    chosen = d.random.sample(ones, d.integer(1, len(ones)))
    return d.choice((None, [k - x.ndim if d.flag() else k for k in chosen]))


def _order(d, x):
    order = d.random.sample(range(x.ndim), x.ndim)
    if order and d.wrong():
        order[0] = d.choice((order[-1], x.ndim))
    return [k - x.ndim if d.chance(0.2) else k for k in order]


def _alike(d, along):
    """Arrays that can be joined: of one shape, but for an axis if `along`; mostly of one dtype."""
    first = d.array(ndim=(1 if along else 0, 3), most=60)
    out = [first]
    for _ in range(d.integer(0, 3)):
        shape = first.shape + (2,) if d.wrong(0.02) else first.shape
        out.append(d.array(first.dtype if d.chance(0.7) else ANY, shape))
    return out


def _parts(d, x, axis):
    size = x.shape[axis] if -x.ndim <= axis < x.ndim else 4
    return d.integer(1, 4) if d.wrong(0.1) else d.choice([k for k in (1, 2, 3, 5) if size % k == 0])


def _strided(d, x):
    """A shape and strides that stay inside x; now and then they don't, and MLX would read what lies behind."""
    shape, strides, left = [], [], x.size - 1
    for _ in range(d.integer(0, 3)):
        stride = d.integer(0, max(left // 2, 1))
        n = d.integer(1, min(left // stride + 1, 4)) if stride else d.integer(1, 3)
        shape.append(n), strides.append(stride)
        left -= (n - 1) * stride
    offset = d.integer(0, left)
    if d.wrong():
        offset = x.size + 3
        d.must_fail("reads behind the array")
    return shape, strides, offset


main(__name__, "shape")
