"""Reductions, scans, sorting and softmax, against MLX; see judge.py."""
import numpy as np
from draw import ANY, FLOATS, REALS
from judge import arg, main, mx, pons, row, total

# pons' options as a struct, mlx's by position
for name, tol, grad in (("sum", 4, True), ("prod", 64, True), ("max", 1, True), ("min", 1, True), ("all", 0, False),
                        ("any", 0, False), ("mean", 8, True), ("logsumexp", 16, True)):
    row(name, lambda d, name=name: arg(x := d.reducible(REALS if name == "logsumexp" else ANY, name in ("max", "min", "logsumexp")), d.axes(x), d.flag()),
        tol=tol, scale=total if tol > 1 and name != "prod" else None, grad=grad,
        pons=lambda x, axes, keep, name=name: getattr(pons, name)(x, axes=axes, keepdims=keep))
for name in ("variance", "std"):
    row(name, lambda d: arg(x := d.reducible(REALS, special=False), d.axes(x), d.flag(), d.choice((0, 0, 1, 2))),
        tol=32, scale=lambda args: 16, grad=True, mlx=lambda *a, name=name: getattr(mx, name[:3])(*a),
        pons=lambda x, axes, keep, ddof, name=name: getattr(pons, name)(x, axes=axes, keepdims=keep, ddof=ddof))
for name in ("argmax", "argmin"):
    row(name, lambda d: arg(x := d.reducible(REALS, True), d.axis(x), d.flag()))
for name, tol in (("cumsum", 4), ("cumprod", 64), ("cummax", 1), ("cummin", 1)):
    row(name, lambda d: arg(x := d.reducible(ANY if d.flag() else ["float32", "complex64"]), d.axis(x), d.flag(), d.flag()), tol=tol,
        scale=total if name == "cumsum" else None, grad=True,
        mlx=lambda x, axis, r, e, name=name: getattr(mx, name)(x, axis, reverse=r, inclusive=not e),
        pons=lambda x, axis, r, e, name=name: getattr(pons, name)(x, axis=axis, reverse=r, exclusive=e))
row("softmax", lambda d: arg(x := d.reducible(REALS), d.axes(x, none=False), d.flag()), tol=8, grad=True,
    mlx=lambda x, axes, precise: mx.softmax(x, axes, precise=precise),
    pons=lambda x, axes, precise: pons.softmax(x, axes=axes, precise=precise))


# ---- sorting: the values are ours to compare; where equal ones end up among themselves is not

def same_values(got, want, args):
    """argsort: the indices pick the same values."""
    x, axis = args[0].wide(), args[1]
    picked = [np.take_along_axis(x, r[0].astype(np.int64), axis) for r in (got, want)]
    return None if np.array_equal(*picked, equal_nan=x.dtype.kind == "f") else "not in order"


def split_by(kth, by_index):
    """partition and argpartition: element kth is the same, and what is before it is the same as a set."""
    def same(got, want, args):
        x, k, axis = args[0].wide(), args[1], args[-1]
        k = k % x.shape[axis]
        sets = []
        for r in (got[0], want[0]):
            r = np.take_along_axis(x, r.astype(np.int64), axis) if by_index else r
            sets += [np.sort(part, axis) for part in np.split(r, [k, k + 1], axis)]
        fine = all(np.array_equal(a, b, equal_nan=x.dtype.kind == "f") for a, b in zip(sets[:3], sets[3:]))
        return None if fine else "parts hold other values"
    return same


def greatest(got, want, args):
    sets = [np.sort(r[0], args[-1]) for r in (got, want)]
    return None if np.array_equal(*sets, equal_nan=sets[0].dtype.kind == "f") else "other values"


def with_kth(d):
    x = d.reducible(REALS, ndim=(1, 3))
    axis = d.axis(x)
    size = x.shape[axis] if -x.ndim <= axis < x.ndim else 2
    return [x, d.integer(-size, size - 1) if size and not d.wrong() else size + d.integer(0, 2), axis]


row("sort", lambda d: arg(x := d.reducible(REALS), d.axis(x)), grad=True)
row("argsort", lambda d: arg(x := d.reducible(REALS), d.axis(x)), same=same_values)
row("partition", with_kth, same=split_by("kth", False))
row("argpartition", with_kth, same=split_by("kth", True))
row("topk", with_kth, same=greatest)

main(__name__, "reduce")
