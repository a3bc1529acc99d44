"""Random numbers against MLX, from the same keys; see judge.py. Words are the same to the bit, and so is what is made of them
by exact steps; where a logarithm or erfinv follows, values may be some units apart."""
from draw import ANY, INTEGERS, Drawn
from judge import arg, main, mx, pons, row

r = mx.random if mx else None
NARROW = ["float32", "float16", "bfloat16"]


def key(d):
    """Rarely of a wrong dtype or shape."""
    if d.wrong():
        return d.choice((d.array("int32", (2,), 0, 9, plain=True), d.array("uint32", (3,), 0, 9, plain=True)))
    return d.array("uint32", (2,), 0, 2 ** 32 - 1, plain=True)


def bounds(d, dtypes=("float32",), low=-4, high=4):
    """Two arrays, the second above the first, and a shape they broadcast to (as a rule)."""
    shape = d.shape(0, 3, 60, False)
    a = d.array(d.choice(dtypes), d.broadcastable(shape), low, high, special=False)
    b = d.array(d.choice(dtypes), d.broadcastable(shape), high, 2 * high, special=False)
    return a, b, shape


def dtype_of(d, among=NARROW, wrong=("int32", "bool", "complex64")):
    return d.choice(wrong) if d.wrong() else d.dtype(list(among))


def size(d):
    return d.shape(0, 3, 60)


row("random_key", lambda d: [d.random.getrandbits(d.choice((8, 32, 64)))])
row("random_split", lambda d: [key(d), d.integer(0, 7)])
row("random_uniform", lambda d: arg(*bounds(d), dtype_of(d), key(d)), mlx=lambda a, b, s, t, k: r.uniform(a, b, s, t, k), tol=2)
row("random_normal", lambda d: arg(*located(d), key(d)), mlx=lambda s, t, loc, scale, k: r.normal(s, t, loc, scale, k), tol=64,
    scale=lambda a: 8)
row("random_laplace", lambda d: [size(d), dtype_of(d, NARROW + ["float64"]), d.real(-2, 2), d.real(0.5, 3), key(d)], tol=64, scale=lambda a: 8,
    mlx=lambda s, t, loc, scale, k: r.laplace(s, t, loc, scale, k))
row("random_gumbel", lambda d: [size(d), dtype_of(d), key(d)], mlx=lambda s, t, k: r.gumbel(s, t, k), tol=64, scale=lambda a: 4)
row("random_truncated_normal", lambda d: arg(*bounds(d, low=-2, high=1), dtype_of(d, NARROW[:2]), key(d)), tol=256, scale=lambda a: 4,
    mlx=lambda a, b, s, t, k: r.truncated_normal(a, b, s, t, k))
row("random_bernoulli", lambda d: arg(*probability(d), key(d)), mlx=lambda p, s, k: r.bernoulli(p, s, k))
row("random_randint", lambda d: arg(*bounds(d, ("int32", "float32", "int8"), -20, 20), dtype_of(d, INTEGERS, ("float32", "complex64")), key(d)),
    mlx=lambda a, b, s, t, k: r.randint(a, b, s, t, k))
row("random_categorical", lambda d: arg(x := logits(d), d.axis(x), form(d, x), key(d)),
    mlx=lambda x, axis, how, k: r.categorical(x, axis, **how, key=k),
    pons=lambda x, axis, how, k: pons.random_categorical(x, axis, key=k, **how))
row("random_permutation", lambda d: [d.integer(0, 40), key(d)], mlx=lambda n, k: r.permutation(n, key=k))
row("random_permutation_of", lambda d: arg(x := d.array(ndim=(1, 3)), d.axis(x), key(d)), mlx=lambda x, axis, k: r.permutation(x, axis, k))
row("random_multivariate_normal", lambda d: arg(*gaussian(d), key(d)), tol=2000, scale=lambda a: 8,
    mlx=lambda m, c, s, k: r.multivariate_normal(m, c, s, key=k),
    pons=lambda m, c, s, k: pons.random_multivariate_normal(m, c, s, "float32", k))


def located(d):
    shape = size(d)
    loc, scale = [d.choice((None, d.array("float32", d.broadcastable(shape), 0.5, 3))) for _ in range(2)]
    return shape, dtype_of(d, NARROW + ["float64", "complex64"], ("int32", "bool")), loc, scale


def probability(d):
    shape = d.shape(1, 3, 60, False)
    p = d.array(d.choice(ANY) if d.wrong() else d.dtype(["float32", "float16", "bfloat16"]), d.broadcastable(shape), 0, 1)
    return p, shape


def logits(d):
    shape = d.shape(1, 3, 60, False)
    return d.array("float32", shape, -9, 9, special=False)


def form(d, x):
    """One draw per row, several, or a shape; {} is the first."""
    kind = d.integer(0, 2)
    if kind == 0 or x.ndim == 0:
        return {}
    return {"num_samples": d.integer(1, 4)} if kind == 1 else {"shape": d.shape(0, 1, 9, False) + x.shape[1:]}  # fits axis 0


def gaussian(d):
    n = d.integer(1, 4)
    lead = d.shape(0, 2, 6, False)
    x = d.array("float32", d.broadcastable(lead) + (n, n), -1, 1, special=False, plain=True).seen
    cov = x @ x.swapaxes(-1, -2)
    cov[..., range(n), range(n)] += range(1, n + 1)
    mean = d.array("float32", d.broadcastable(lead) + (n + d.wrong() * 1,), -3, 3)
    return mean, Drawn(cov, "float32"), lead


main(__name__, "random")
