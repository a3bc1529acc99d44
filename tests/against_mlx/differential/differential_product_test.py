"""Products of matrices and convolutions, against MLX; see judge.py."""
from draw import ANY, FLOATS, INEXACT
from judge import arg, main, mx, pons, product, row

PLAIN = dict(special=False)


def matrices(d, dtypes=INEXACT, inner=0):
    """Two operands of a matrix product: batches that broadcast, vectors, now and then sizes that don't fit."""
    m, k, n = (d.choice((0, 1, 2, 3, 4, 6) if d.chance(0.3) else (1, 2, 3, 5)) for _ in range(3))
    k = max(k, inner)
    batch = d.shape(0, 2, 12, empty=False)
    a = (() if d.chance(0.1) else d.broadcastable(batch) + (m,)) + (k,)
    b = (k + 1 if d.wrong() else k,)
    b = b if d.chance(0.1) else d.broadcastable(batch) + b + (n,)
    first = d.dtype(dtypes)
    return [d.array(first, a, **PLAIN), d.array(first if d.chance(0.7) else dtypes, b, **PLAIN)]


row("matmul", matrices, tol=8, scale=product, grad=True)
# with an inner size of 0 MLX sets the first matrix alone
row("addmm", lambda d: [d.array(INEXACT, _result(ab := matrices(d, inner=1)), **PLAIN), *ab, d.choice((1.0, 2.0, 0.5)), d.choice((1.0, -1.0, 0.0))],
    tol=8, scale=product, grad=True, mlx=lambda c, a, b, alpha, beta: mx.addmm(c, a, b, alpha=alpha, beta=beta))
row("inner", lambda d: arg(a := d.array(INEXACT, ndim=(0, 3), most=60, **PLAIN),
                           d.array(INEXACT, d.shape(0, 2, 12) + ((a.shape[-1] + d.wrong()),) if a.ndim else (), **PLAIN)),
    tol=8, scale=product, grad=True)
row("outer", lambda d: arg(*[d.array(INEXACT, ndim=(0, 2), most=12, **PLAIN) for _ in "ab"]), tol=4, grad=True)


def _result(operands):
    a, b = (x.shape for x in operands)
    if len(a) < 2 or len(b) < 2:
        return ()
    return (a[-2], b[-1])


# ---- convolutions: input (N, ..., C), weight (O, ..., C / groups)

def spatial(d, n, low, high):
    """A number per spatial axis."""
    return [d.integer(low, high) for _ in range(n)]


def signals(d, n, dtypes=FLOATS):
    groups = d.choice((1, 1, 2, 3))
    c, o = groups * d.integer(1, 2), groups * d.integer(1, 2)
    dtype = d.dtype(dtypes)
    kernel = spatial(d, n, 1, 3)
    x = d.array(dtype, [d.integer(1, 2)] + spatial(d, n, 3, 6 if n < 3 else 4) + [c + d.wrong()], **PLAIN)
    return x, d.array(dtype, [o] + kernel + [c // groups], **PLAIN), groups


def convolution(d, n):
    x, w, groups = signals(d, n, ["float32", "float16", "bfloat16"])
    return [x, w, spatial(d, n, 1, 3), spatial(d, n, 0, 2), spatial(d, n, 1, 2), groups]


def _for_mlx(n, values):
    return values[0] if n == 1 else tuple(values)


for n in (1, 2):
    row(f"conv{n}d", lambda d, n=n: convolution(d, n), tol=16, scale=product, grad=True,
        mlx=lambda x, w, s, p, l, g, n=n: getattr(mx, f"conv{n}d")(x, w, _for_mlx(n, s), _for_mlx(n, p), _for_mlx(n, l), g),
        pons=lambda x, w, s, p, l, g, n=n: getattr(pons, f"conv{n}d")(x, w, stride=s, padding=p, dilation=l, groups=g))
row("conv_general", lambda d: arg(n := d.integer(1, 3), *signals(d, n, ["float32"]), spatial(d, n, 1, 3), spatial(d, n, 0, 2), spatial(d, n, 0, 2),
                                  spatial(d, n, 1, 2), spatial(d, n, 1, 2), d.flag()), tol=16, scale=product, grad=True,
    mlx=lambda n, x, w, g, s, lo, hi, k, i, f: mx.conv_general(x, w, s, (lo, hi), k, i, g, f),
    pons=lambda n, x, w, g, s, lo, hi, k, i, f: pons.conv_general(x, w, stride=s, padding=lo, padding_high=hi, dilation=k,
                                                                  input_dilation=i, groups=g, flip=f))

main(__name__, "product")
