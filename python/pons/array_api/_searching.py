"""Order, selection and distinct elements. Indices are int64."""

from typing import NamedTuple

from .. import core
from ._dtypes import int64


class UniqueAllResult(NamedTuple):
    values: core.array
    indices: core.array
    inverse_indices: core.array
    counts: core.array


class UniqueCountsResult(NamedTuple):
    values: core.array
    counts: core.array


class UniqueInverseResult(NamedTuple):
    values: core.array
    inverse_indices: core.array


def unique_all(x, /):
    return UniqueAllResult(*core.standard.unique_all(x))


def unique_counts(x, /):
    return UniqueCountsResult(*core.standard.unique_counts(x))


def unique_inverse(x, /):
    return UniqueInverseResult(*core.standard.unique_inverse(x))


def unique_values(x, /):
    return core.standard.unique_values(x)


def nonzero(x, /):
    return core.standard.nonzero(x)


def where(condition, x1, x2, /):
    return core.where(condition, x1, x2)


def take(x, indices, /, *, axis=None):
    if axis is None and x.ndim != 1:
        raise ValueError(f"take: axis must be given for an array of {x.ndim} axes")
    return core.take(x, indices, 0 if axis is None else axis)


def take_along_axis(x, indices, /, *, axis=-1):
    return core.take_along_axis(x, indices, axis)


# ---- order ----


def argsort(x, /, *, axis=-1, descending=False, stable=True):
    if not descending:
        return core.argsort(x, axis).astype(int64)
    backwards = core.argsort(core.flip(x, axis), axis).astype(int64)  # so that equal ones keep their order
    return core.flip(x.shape[axis] - 1 - backwards, axis)


def sort(x, /, *, axis=-1, descending=False, stable=True):
    ordered = core.sort(x, axis)
    return core.flip(ordered, axis) if descending else ordered


def searchsorted(x1, x2, /, *, side="left", sorter=None):
    if sorter is not None:
        x1 = core.take(x1, sorter, 0)
    return core.searchsorted(x1, x2, side=side).astype(int64)
