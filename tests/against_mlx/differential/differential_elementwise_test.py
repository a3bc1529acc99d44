"""Ops that go element by element, against MLX; see judge.py."""
from draw import ANY, FLOATS, INEXACT, INTEGERS, REALS
from judge import arg, main, mx, pons, row

# exact on every dtype
for name in "abs negative sign square floor ceil real imag conjugate logical_not bitwise_invert isnan isinf isfinite".split():
    row(name, lambda d: [d.array()], grad=name in ("negative", "square", "real", "imag", "conjugate"))
# with a value near the true one; the range keeps float16 and gradients away from overflow
for name in ("sqrt rsqrt exp expm1 log log2 log10 log1p sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh "
             "sigmoid erf erfinv reciprocal").split():
    row(name, lambda d: [d.array()], tol=32 if name == "exp" else 8, grad=True)
row("round", lambda d: [d.array()])
for name in ("equal not_equal less less_equal greater greater_equal logical_and logical_or maximum minimum").split():
    row(name, lambda d: d.pair())
for name in "bitwise_and bitwise_or bitwise_xor".split():
    row(name, lambda d: d.pair(["bool"] + INTEGERS if d.chance(0.9) else ANY))
for name in "left_shift right_shift".split():
    row(name, lambda d: arg(x := d.array(INTEGERS), d.array(x.dtype, (), *d.choice(((0, 8), (0, 64), (-9, 0))))) if d.flag()
        else d.pair(["bool"] + INTEGERS))
for name in "add subtract multiply".split():
    row(name, lambda d: d.pair(), tol=2, grad=True)
for name in "floor_divide remainder".split():  # MLX stops where the least integer is divided by -1
    row(name, lambda d: d.pair(special=False) if d.flag() else d.pair(FLOATS), tol=8)
for name in "divide power arctan2 logaddexp".split():
    row(name, lambda d: d.pair(), tol=8, grad=name in ("divide", "arctan2", "logaddexp"))
row("divmod", lambda d: d.pair(INTEGERS, 1, 9) if d.flag() else d.pair(FLOATS), tol=8)  # MLX stops at a division by 0
row("where", lambda d: [d.array("bool" if d.chance(0.8) else ANY, d.broadcastable(s := d.shape())), *_pair_for(d, s)], grad=True)
row("clip", lambda d: arg(x := d.array(), *_bounds(d, x)))
for name in "isclose allclose".split():
    row(name, lambda d: [*d.pair(numbers=False), d.choice((1e-5, 0.1)), d.choice((1e-8, 0.5))])
row("array_equal", lambda d: d.pair())
row("equal_nan", lambda d: [x := d.array(), d.choice((x, d.array(ANY, x.shape)))],
    mlx=lambda a, b: mx.where(mx.isnan(a), mx.isnan(b), mx.equal(a, b)))
row("stop_gradient", lambda d: [d.array()], grad=True)
row("astype", lambda d: arg(d.array(), d.dtype()), mlx=lambda x, t: x.astype(t))


def _bounds(d, x):
    """Both numbers or both arrays: MLX makes a number an array beside x alone."""
    kind = d.flag()
    return [d.choice((None, d.number(x.dtype) if kind else d.array(ANY, d.broadcastable(x.shape)))) for _ in range(2)]


def _pair_for(d, shape):
    first = d.dtype()
    return [d.array(first if d.chance(0.6) else ANY, d.broadcastable(shape)) if d.chance(0.9) else d.number("uint8") for _ in range(2)]


main(__name__, "elementwise")
