"""The functions of mlx.core.fast, against MLX; see judge.py."""
from draw import FLOATS
from judge import arg, main, mx, pons, product, row

PLAIN = dict(special=False)


def normed(d, weights):
    x = d.array(FLOATS, ndim=(1, 4), empty=False, **PLAIN)
    size = x.shape[-1] + d.wrong()
    return [x] + [d.choice((None, d.array(x.dtype if d.chance(0.8) else FLOATS, (size,), **PLAIN))) for _ in range(weights)] + [1e-2]


row("fast_rms_norm", lambda d: normed(d, 1), tol=32, grad=True)
row("fast_layer_norm", lambda d: normed(d, 2), tol=32, scale=lambda a: 4, grad=True)
row("fast_rope", lambda d: arg(x := d.array(FLOATS, d.shape(1, 2, 6, empty=False) + (d.integer(1, 5), 2 * d.integer(1, 4)), **PLAIN),
                               2 * d.integer(1, x.shape[-1] // 2), d.flag(), d.choice((10000.0, 50.0)), d.choice((1.0, 0.5)),
                               d.integer(0, 9)), tol=32, scale=lambda a: 4, grad=True,
    mlx=lambda x, n, t, b, s, o: mx.fast.rope(x, n, traditional=t, base=b, scale=s, offset=o),
    pons=lambda x, n, t, b, s, o: pons.fast_rope(x, dims=n, traditional=t, base=b, scale=s, offset=o))


def attention(d):
    kv, group, length, dim = d.integer(1, 2), d.integer(1, 2), d.integer(1, 5), d.choice((2, 4, 8))
    dtype, batch, keys, heads = d.dtype(FLOATS), d.integer(1, 2), d.integer(1, 6), kv * group
    q = d.array(dtype, (batch, heads, length, dim), **PLAIN)
    k, v = (d.array(dtype, (batch, kv, keys, dim), **PLAIN) for _ in "kv")
    mask = d.choice((None, "causal", d.array("bool", (length, keys)), d.array(dtype, (batch, 1, length, keys), **PLAIN)))
    return [q, k, v, d.choice((0.5, 0.25)), mask, d.choice((None, d.array(dtype, (heads,), **PLAIN)))]


def _masked(mask):
    return dict(causal=True) if mask == "causal" else dict(mask=mask)


row("fast_scaled_dot_product_attention", attention, tol=32, scale=lambda a: 8, grad=(0, 1, 2),
    mlx=lambda q, k, v, s, mask, sinks: mx.fast.scaled_dot_product_attention(q, k, v, scale=s, mask=mask, sinks=sinks),
    pons=lambda q, k, v, s, mask, sinks: pons.fast_scaled_dot_product_attention(q, k, v, scale=s, sinks=sinks, **_masked(mask)))

main(__name__, "fast")
