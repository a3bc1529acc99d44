"""The functions of mlx.core.fast, against MLX; see judge.py."""
import numpy as np
from draw import FLOATS, INTEGERS
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


def turned(d):
    """Every form of rope: two axes less or more, an offset per batch, given frequencies."""
    batch, length, dim = d.integer(1, 3), d.integer(1, 4), d.integer(2, 9)
    x = d.array(FLOATS, (batch, *d.choice(((), (2,), (2, 2))), length, dim), **PLAIN)
    dims = 2 * d.integer(1, dim // 2) if not d.wrong() else d.choice((0, 3, dim + 2 - dim % 2))
    offset = d.choice((2, d.indices(9, (), "int32"), d.indices(9, (d.choice((1, batch, batch + d.wrong())),), "int32")))
    offset = offset if isinstance(offset, int) or np.all(offset.wide() >= 0) else 3
    d.refused = None  # an offset has no end
    freqs = d.array(x.dtype if d.flag() else FLOATS, (max(dims // 2, 1) + d.wrong(),), low=1, high=9) if d.flag() else None
    return [x, dims, d.flag(), offset, freqs]


def turn_mlx(x, n, t, o, f):
    return mx.fast.rope(x, n, traditional=t, base=None if f is not None else 100.0, scale=0.5, offset=o, freqs=f)


row("fast_rope_forms", turned, tol=64, scale=lambda a: 4, grad=(0,), mlx=turn_mlx,
    pons=lambda x, n, t, o, f: pons.fast_rope(x, dims=n, traditional=t, base=100.0, scale=0.5, freqs=f,
                                              offset=pons.scalar(o, "int32") if isinstance(o, int) else o))
row("fast_cross_entropy", lambda d: arg(x := d.array([t for t in FLOATS if t != "float64"], ndim=(1, 3), empty=False, **PLAIN),
                                        d.array(INTEGERS, x.shape[:-1] + (1,) * d.wrong(), low=0, high=x.shape[-1] - 1, plain=True)),
    tol=8, scale=lambda a: 8, grad=(0,))


def gated(d):
    batch, length, kh, group, kd, vd = (d.integer(1, 2), d.integer(1, 4), *(d.integer(1, 3) for _ in "abcd"))
    heads, dtype = kh * group, d.dtype(FLOATS)
    small, gate = dict(low=-1, high=1, special=False), dict(low=0, high=1, special=False)
    q, k = (d.array(dtype, (batch, length, kh, kd), **small) for _ in "qk")
    gates = [d.array(dtype if d.flag() else "float32", (batch, length, heads), **gate) for _ in "gb"]
    return [q, k, d.array(dtype, (batch, length, heads, vd), **small), *gates,
            d.choice((None, d.array("float32", (batch, heads, vd, kd), **small))), d.choice((None, d.array("bool", (batch, length))))]


row("fast_gated_delta_update", gated, tol=64, scale=lambda a: 8, grad=(0, 1, 2, 3, 4),
    pons=lambda q, k, v, g, b, s, m: pons.fast_gated_delta_update_with(dict(q=q, k=k, v=v, gamma=g, beta=b, initial_state=s, mask=m)))


def attention(d):
    kv, group, length, dim = d.integer(1, 2), d.integer(1, 2), d.integer(1, 5), d.choice((2, 4, 8))
    dtype, batch, keys, heads = d.dtype(FLOATS), d.integer(1, 2), d.integer(1, 6), kv * group
    q = d.array(dtype, (batch, heads, length, dim), **PLAIN)
    k = d.array(dtype, (batch, kv, keys, dim), **PLAIN)
    v = d.array(dtype if d.chance(0.8) else FLOATS, (batch, kv, keys, d.choice((dim, 3))), **PLAIN)
    mask = d.choice((None, "causal", d.array("bool", (length, keys)), d.array(dtype, (batch, 1, length, keys), **PLAIN)))
    return [q, k, v, d.choice((0.5, 0.25)), mask, d.choice((None, d.array(dtype if d.chance(0.9) else FLOATS, (heads + d.wrong(),), **PLAIN)))]


def _masked(mask):
    return dict(causal=True) if mask == "causal" else dict(mask=mask)


row("fast_scaled_dot_product_attention", attention, tol=32, scale=lambda a: 8, grad=(0, 1, 2),
    mlx=lambda q, k, v, s, mask, sinks: mx.fast.scaled_dot_product_attention(q, k, v, scale=s, mask=mask, sinks=sinks),
    pons=lambda q, k, v, s, mask, sinks: pons.fast_scaled_dot_product_attention(q, k, v, scale=s, sinks=sinks, **_masked(mask)))

main(__name__, "fast")
