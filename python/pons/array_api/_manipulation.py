"""Shapes."""

from .. import core
from ._dtypes import result_type


def _axes(axis):
    return (axis,) if isinstance(axis, int) else tuple(axis)


def broadcast_arrays(*arrays):
    return list(core.broadcast_arrays(*arrays))


def broadcast_to(x, /, shape):
    return core.broadcast_to(x, shape)


def concat(arrays, /, *, axis=0):
    dtype = result_type(*arrays)
    return core.concatenate([a.astype(dtype) for a in arrays], axis)


def expand_dims(x, /, axis):
    return core.expand_dims(x, axis)


def flip(x, /, *, axis=None):
    return core.flip(x, axis)


def moveaxis(x, source, destination, /):
    source = [a % x.ndim if -x.ndim <= a < x.ndim else a for a in _axes(source)]
    destination = [a % x.ndim if -x.ndim <= a < x.ndim else a for a in _axes(destination)]
    if len(source) != len(destination) or len(set(source)) < len(source) or len(set(destination)) < len(destination):
        raise ValueError(f"moveaxis: source {source} and destination {destination} must be different axes, as many of each")
    order = [a for a in range(x.ndim) if a not in source]
    for to, axis in sorted(zip(destination, source)):
        order.insert(to, axis)
    return core.transpose(x, order)


def permute_dims(x, /, axes):
    return core.transpose(x, axes)


def repeat(x, repeats, /, *, axis=None):
    if isinstance(repeats, int):
        return core.repeat(x, repeats, axis)
    return core.standard.repeat(x, repeats, axis=axis)


def reshape(x, /, shape, *, copy=None):
    return core.reshape(x, (shape,) if isinstance(shape, int) else shape)


def roll(x, /, shift, *, axis=None):
    return core.roll(x, shift, axis)


def squeeze(x, /, axis):
    return core.squeeze(x, axis)


def stack(arrays, /, *, axis=0):
    dtype = result_type(*arrays)
    return core.stack([a.astype(dtype) for a in arrays], axis)


def tile(x, repetitions, /):
    return core.tile(x, repetitions)


def unstack(x, /, *, axis=0):
    return tuple(core.unstack(x, axis=axis))
