"""Along axes to one number: sums, extremes, statistics."""

from .. import core
from ._dtypes import int64, widened


def _summed(op, x, axis, dtype, keepdims):
    dtype = dtype or widened(x.dtype)
    return op(x.astype(dtype), axis, keepdims).astype(dtype)


def sum(x, /, *, axis=None, dtype=None, keepdims=False):
    return _summed(core.sum, x, axis, dtype, keepdims)


def prod(x, /, *, axis=None, dtype=None, keepdims=False):
    return _summed(core.prod, x, axis, dtype, keepdims)


def max(x, /, *, axis=None, keepdims=False):
    return core.max(x, axis, keepdims)


def min(x, /, *, axis=None, keepdims=False):
    return core.min(x, axis, keepdims)


def mean(x, /, *, axis=None, keepdims=False):
    return core.mean(x, axis, keepdims)


def _count(x, axis):
    axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    count = 1
    for a in axes:
        count *= x.shape[a]
    return count


def var(x, /, *, axis=None, correction=0.0, keepdims=False):
    if correction == int(correction):
        return core.var(x, axis, keepdims, ddof=int(correction))
    squares = core.sum(core.square(x - core.mean(x, axis, True)), axis, keepdims)
    return squares / (_count(x, axis) - correction)


def std(x, /, *, axis=None, correction=0.0, keepdims=False):
    return core.sqrt(var(x, axis=axis, correction=correction, keepdims=keepdims))


# ---- running ones ----


def _running(op, start, x, axis, dtype, include_initial):
    if axis is None:
        if x.ndim != 1:
            raise ValueError(f"cumulative: axis must be given for an array of {x.ndim} axes")
        axis = 0
    dtype = dtype or widened(x.dtype)
    result = op(x.astype(dtype), axis).astype(dtype)
    if not include_initial:
        return result
    shape = list(x.shape)
    shape[axis] = 1
    return core.concatenate([core.full(shape, core.array(start, dtype)), result], axis)


def cumulative_sum(x, /, *, axis=None, dtype=None, include_initial=False):
    return _running(core.cumsum, 0, x, axis, dtype, include_initial)


def cumulative_prod(x, /, *, axis=None, dtype=None, include_initial=False):
    return _running(core.cumprod, 1, x, axis, dtype, include_initial)


def diff(x, /, *, axis=-1, n=1, prepend=None, append=None):
    parts = [part for part in (prepend, x, append) if part is not None]
    return core.diff(core.concatenate(parts, axis) if len(parts) > 1 else x, n, axis)


# ---- of truth, and where ----


def all(x, /, *, axis=None, keepdims=False):
    return core.all(x, axis, keepdims)


def any(x, /, *, axis=None, keepdims=False):
    return core.any(x, axis, keepdims)


def count_nonzero(x, /, *, axis=None, keepdims=False):
    return core.sum((x != 0).astype(int64), axis, keepdims)


def argmax(x, /, *, axis=None, keepdims=False):
    return core.argmax(x, axis, keepdims).astype(int64)


def argmin(x, /, *, axis=None, keepdims=False):
    return core.argmin(x, axis, keepdims).astype(int64)
