"""x[...], x[...] = v and x.at[...].add(v) and its kin, gathering and scattering, against MLX; what MLX has no such thing
of, masks among other indices and results whose shape depends on values, against NumPy; see judge.py."""
import numpy as np
from draw import ANY, INEXACT, INTEGERS, NUMPY, REALS, Drawn, in_numpy, looked_up
from judge import arg, main, mx, pons, product, row, total

IN_NUMPY = [t for t in ANY if t != "bfloat16"]
INT, SLICE, NEWAXIS, ELLIPSIS, ARRAY = range(5)  # pons_index_kind
END = -2 ** 63

# ---- lists of indices


def index_list(index):
    """As Pons takes it."""
    def item(i):
        if i is None:
            return {"kind": NEWAXIS}
        if i is Ellipsis:
            return {"kind": ELLIPSIS}
        if isinstance(i, slice):
            return {"kind": SLICE, **{k: END if e is None else e for k, e in (("start", i.start), ("stop", i.stop))},
                    "step": 1 if i.step is None else i.step}
        return {"kind": INT, "start": i} if isinstance(i, int) else {"kind": ARRAY, "array": i}
    return {"count": len(index), "at": [pons.filled("pons_index_item", item(i), []) for i in index]}


def outside(shape, index):
    """Is an index outside its axis? It is drawn for one that an ellipsis may move."""
    try:
        np.empty(shape, bool)[in_numpy(index)]
    except (IndexError, ValueError) as e:
        return "out of bounds" in str(e)
    return False


def a_slice(d, n):
    start, stop = (None if d.chance(0.3) else d.integer(-n - 2, n + 2) for _ in "ab")
    return slice(start, stop, 0 if d.wrong(0.01) else d.choice((None, 1, 1, 2, 3, -1, -1, -2, -5)))


def an_integer(d, n):
    return d.choice((n, n + 3, -n - 1)) if d.wrong(0.02) else d.integer(-n, n - 1)


def one_list(d, shape, masks):
    index, k, ellipsis = [], 0, False
    places, arrays = d.shape(0, 2, 12), d.chance(0.6)
    most = len(shape) + d.wrong(0.02)
    while k < most:
        n = shape[k] if k < len(shape) else 2
        kind = d.random.random()
        if kind < 0.1:
            index.append(None)
        elif kind < 0.2 and (not ellipsis or d.wrong()):
            index.append(Ellipsis)
            k, ellipsis = k + d.integer(0, max(len(shape) - k, 0)), True
        elif kind < 0.28:
            break
        elif kind < 0.55 and arrays:
            own = d.broadcastable(places)
            index.append(d.array("float32", own) if d.wrong(0.01) else d.indices(n, own) if n else 0)
            k += 1
        elif kind < 0.65 and masks:
            rank = d.integer(1, max(len(shape) - k, 1))
            index.append(d.array("bool", [s + d.wrong(0.01) for s in shape[k:k + rank]]))
            k += rank
        elif kind < 0.75:
            index.append(an_integer(d, n))
            k += 1
        else:
            index.append(a_slice(d, n))
            k += 1
    return index


def indices_for(d, x, masks=False):
    """A list of indices. Pons refuses what is outside an axis, which MLX reads; but not where the result has no elements."""
    while True:
        d.refused, d.broken = None, False
        index = one_list(d, x.shape, masks)
        d.refused = None  # what was drawn for an axis may stand for another one, behind an ellipsis
        if outside(x.shape, index) or any(isinstance(i, slice) and i.step == 0 for i in index):
            d.must_fail("an index outside its axis, or a step of 0")
        there = looked_up(x.shape, index, True)
        if not d.refused or there is None or there.size:
            return index


def get(d, masks=False, dtypes=ANY):
    x = d.array(dtypes, empty=False)
    return [x, indices_for(d, x, masks)]


row("get", get, grad=True, mlx=lambda x, i: x[tuple(i)], pons=lambda x, i: pons.get(x, index_list(i)))
row("get_masks", lambda d: get(d, True, IN_NUMPY), numpy=lambda x, i: x[tuple(i)], pons=lambda x, i: pons.get(x, index_list(i)))

# ---- putting


def put(d, masks=False, dtypes=ANY, other=True, once=True):
    """once: of several values for one place one stays; then all are the same."""
    x = d.array(dtypes, empty=False, special=False, low=-3, high=3)
    index = indices_for(d, x, masks)
    there = looked_up(x.shape, index)
    shape = () if there is None else there.shape
    if there is None or once and np.unique(there).size < there.size:
        shape = ()
    dtype = x.dtype if d.chance(0.7) or not other else d.dtype(REALS)
    return [x, index, d.array(dtype, d.broadcastable(shape), 0, 4, False)]


def assigned(x, index, v):
    y = mx.array(x)
    y[index[0] if len(index) == 1 else tuple(index)] = v  # MLX takes a mask alone, and not in a tuple
    return y if v.size else x  # computing it, MLX divides by zero where there is nothing to put


def assigned_in_numpy(x, index, v):
    x = x.copy()
    x[tuple(index)] = v
    return x


def combined(name):
    def combine(x, i, v):
        y = getattr(x.at[tuple(i)], name)(v)  # raises what there is to raise
        return y if x[tuple(i)].size else x   # computing it, MLX divides by zero where nothing is selected
    return combine


def combined_in_numpy(f):
    def combine(x, index, v):  # one at a time: ufunc.at of NumPy 2.3 errs where v broadcasts to indices of several axes
        there = np.arange(x.size).reshape(x.shape)[tuple(index)]
        x = x.copy()
        for place, one in zip(there.flat, np.broadcast_to(v, there.shape).flat):
            x.flat[place] = f(x.flat[place], one)
        return x
    return combine


def pons_put(name):
    return lambda x, i, v: getattr(pons, name)(x, index_list(i), v)


row("put", put, grad=True, mlx=assigned, pons=pons_put("put"))
row("put_masks", lambda d: put(d, True, IN_NUMPY, False), numpy=assigned_in_numpy, pons=pons_put("put"))
for name, f, scale in [("add", np.add, total), ("subtract", np.subtract, total), ("multiply", np.multiply, product),
                       ("divide", None, product), ("maximum", np.maximum, None), ("minimum", np.minimum, None)]:
    some = [t for t in ANY if t not in ("bool", "complex64")] if name in ("maximum", "minimum") else ANY[1:]
    some = INEXACT + ["int32"] if name == "divide" else some
    row(f"put_{name}", lambda d, some=some: put(d, False, some, once=False), grad=True, tol=32 if scale else 0, scale=scale,
        mlx=combined(name), pons=pons_put(f"put_{name}"))
    if f:
        row(f"put_{name}_masks", lambda d, some=[t for t in some if t in IN_NUMPY]: put(d, True, some, False, False), tol=32 if scale else 0,
            scale=scale, numpy=combined_in_numpy(f), pons=pons_put(f"put_{name}"))


def masked(d):
    """A mask of the first axes, and a value like x, like a row of it, or with as many rows as there are true places, or more.
    With fewer rows MLX fails while it computes, after which it may hang."""
    x = d.array(ndim=(1, 4), empty=False)
    rank = d.integer(1, x.ndim)
    mask = d.array("bool", [n + d.wrong(0.01) for n in x.shape[:rank]])
    count, rest = int(mask.seen.sum()), x.shape[rank:]
    rows = count + d.choice((0, 0, 2))
    if count > 2 and d.wrong():
        rows = count - 1
        d.must_fail("a row too few")
    shape = (rows, *rest) if d.flag() or d.refused else d.choice((x.shape, d.broadcastable(rest)))
    return [x, mask, d.array(x.dtype, shape)]


row("put_one_mask", masked, grad=(0, 2), mlx=lambda x, m, v: assigned(x, (m,), v), pons=lambda x, m, v: pons.put(x, index_list([m]), v))
row("masked_scatter", masked, grad=(0, 2), mlx=lambda x, m, v: assigned(x, (m,), v))

# ---- gathering and scattering: in MLX's Python through indices along the first axes


def gathered(d, dtypes=ANY):
    """An array, arrays of indices for some axes, and the slices' sizes: 1 along those."""
    while True:
        d.refused, d.broken = None, False
        x = d.array(dtypes, ndim=(1, 4), empty=False, special=False, low=-3, high=3)
        axes = d.random.sample(range(x.ndim), d.integer(1, x.ndim))
        places = d.shape(0, 2, 12)
        index = [d.indices(x.shape[a], places) for a in axes]
        sizes = [1 if k in axes else d.integer(0, n) for k, n in enumerate(x.shape)]
        if not d.refused or all(sizes) and all(places):
            return x, index, axes, sizes


def first(x, index, axes, sizes):
    """Those axes moved to the front, and the index that means the same there; the order of the axes."""
    rest = [k for k in range(x.ndim) if k not in axes]
    return mx.transpose(x, axes + rest), (*index, *(slice(0, sizes[k]) for k in rest)), axes + rest


def mlx_gather(x, index, axes, sizes):
    moved, where, _ = first(x, index, axes, sizes)
    return mx.reshape(moved[where], (*index[0].shape, *sizes))


row("gather", lambda d: arg(*gathered(d)), grad=True, mlx=mlx_gather, pons=lambda x, i, axes, sizes: pons.gather(x, i, axes, sizes))


def scattered(d, once, dtypes=ANY):
    x, index, axes, sizes = gathered(d, dtypes)
    shape = (*index[0].shape, *sizes)
    if once:  # of several updates for one place one stays
        bits = d.values(1, x.dtype, 0, 3, False)
        return [x, index, Drawn(np.broadcast_to(bits, shape).astype(NUMPY[x.dtype]), x.dtype), axes, sizes]
    return [x, index, d.array(x.dtype, shape, 0, 3, False), axes, sizes]


def mlx_scatter(name):
    def scatter(x, index, updates, axes, sizes):
        moved, where, order = first(x, index, axes, sizes)
        updates = mx.reshape(updates, (*index[0].shape, *(n for k, n in enumerate(sizes) if k not in axes)))
        there = assigned(moved, where, updates) if name == "none" else getattr(moved.at[where], name)(updates)
        if updates.size == 0:  # computing it, MLX divides by zero, as a rule without being noticed
            there = moved
        return mx.transpose(there, [order.index(k) for k in range(x.ndim)])
    return scatter


for name, mode, scale in [("none", 4, None), ("add", 2, total), ("multiply", 3, product), ("maximum", 0, None), ("minimum", 1, None)]:
    some = [t for t in ANY if t not in ("bool", "complex64")] if mode < 2 else ANY if mode == 4 else ANY[1:]
    row(f"scatter_{name}", lambda d, some=some, mode=mode: scattered(d, mode == 4, some), grad=True, tol=32 if scale else 0, scale=scale,
        mlx=mlx_scatter(name), pons=lambda x, i, u, axes, _, mode=mode: pons.scatter(x, i, u, axes, mode))

# ---- results whose shape depends on values

row("nonzero", lambda d: [d.array(IN_NUMPY, ndim=(1, 4))], numpy=lambda x: list(np.nonzero(x)),
    pons=lambda x: pons.nonzero(x, out=pons.ndim(x)))
row("argwhere", lambda d: [d.array(IN_NUMPY, ndim=(1, 4))], numpy=np.argwhere)


def chosen(d):
    x = d.array(IN_NUMPY)
    axis = d.axis(x, True) if x.ndim else None
    n = x.size if axis is None else x.shape[axis] if -x.ndim <= axis < x.ndim else 2
    return x, axis, n


def compressed(d):
    x, axis, n = chosen(d)
    condition = d.array("bool", (max(n - d.choice((0, 0, 1)), 0),))
    if d.wrong():
        condition = Drawn(np.ones(n + 1, bool), "bool")
    return [x, condition, axis]


def repeated(d):
    x, axis, n = chosen(d)
    counts = d.array(d.choice(INTEGERS[:3] + INTEGERS[4:]), (n + d.wrong(),) if d.chance(0.8) else (1,) * d.integer(0, 1), -1 if d.wrong() else 0, 3)
    return [x, counts, axis]


row("compress", compressed, numpy=lambda x, c, axis: np.compress(c, x, axis))
row("repeat_each", repeated, numpy=np.repeat)


def distinct(x):
    values, at, inverse, counts = np.unique(x, True, True, True, equal_nan=False)
    return [values, at, inverse.reshape(x.shape), counts]


def some(d):
    """Not complex with NaNs, which NumPy orders by their other parts."""
    dtype = d.dtype(IN_NUMPY)
    return [d.array(dtype, empty=d.chance(0.2), special=dtype != "complex64")]


row("unique_values", some, numpy=lambda x: distinct(x)[0])
row("unique_counts", some, numpy=lambda x: distinct(x)[::3])
row("unique_inverse", some, numpy=lambda x: distinct(x)[::2])
row("unique_all", some, numpy=distinct)

main(__name__, "places")
