"""Random numbers, against MLX: the same bits for the same key; see judge.py."""
from draw import FLOATS, INTEGERS
from judge import arg, main, mx, pons, row


def key(d):
    return d.array("uint32", (2,), plain=True)


row("random_key", lambda d: [d.random.getrandbits(d.choice((8, 32, 64)))])
row("random_split", lambda d: [key(d), d.integer(1, 5)])
row("random_bits", lambda d: [d.shape(), d.choice((1, 2, 4)), key(d)], mlx=lambda s, w, k: mx.random.bits(s, w, k)) \
    if hasattr(mx and mx.random, "bits") else None
row("random_uniform", lambda d: [d.real(-4, 4), d.real(-4, 4), d.shape(), d.dtype(["float16", "float32", "bfloat16"]), key(d)], tol=2,
    scale=lambda a: 8)
row("random_normal", lambda d: [d.shape(), d.dtype(["float16", "float32", "bfloat16"]), d.integer(-2, 2) * 1.0, d.choice((1.0, 2.0)), key(d)],
    tol=16, scale=lambda a: 4)
row("random_bernoulli", lambda d: [d.array("float32", (), 0, 1), d.shape(), key(d)])
row("random_randint", lambda d: [d.integer(-50, 9), d.integer(10, 99), d.shape(), d.dtype(INTEGERS[4:]), key(d)])
row("random_gumbel", lambda d: [d.shape(), d.dtype(["float16", "float32", "bfloat16"]), key(d)], tol=32, scale=lambda a: 4)
row("random_truncated_normal", lambda d: [-d.integer(1, 16) / 8, d.integer(1, 16) / 8, d.shape(), "float32", key(d)], tol=64)
row("random_categorical", lambda d: [x := d.array("float32", ndim=(1, 3), special=False, empty=False), d.integer(-x.ndim, x.ndim - 1), key(d)],
    mlx=lambda x, axis, k: mx.random.categorical(x, axis, key=k))
row("random_permutation", lambda d: [d.integer(1, 40), key(d)], mlx=lambda n, k: mx.random.permutation(n, key=k))

main(__name__, "random")
