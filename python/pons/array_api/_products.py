"""Products of matrices and vectors: of any numbers, integers included, where pons.core multiplies floats only."""

from .. import core
from ._dtypes import is_float, result_type


def matmul(x1, x2, /):
    dtype = result_type(x1, x2)
    if is_float(dtype):
        return core.matmul(x1, x2)
    if x1.ndim == 0 or x2.ndim == 0:
        raise ValueError("matmul: an array without axes has no dimension to multiply over")
    a = x1.astype(dtype)[None] if x1.ndim == 1 else x1.astype(dtype)
    b = x2.astype(dtype)[:, None] if x2.ndim == 1 else x2.astype(dtype)
    if a.shape[-1] != b.shape[-2]:
        raise ValueError(f"matmul: inner dimensions differ: {x1.shape} and {x2.shape}")
    product = core.sum(a[..., :, :, None] * b[..., None, :, :], -2).astype(dtype)
    if x2.ndim == 1:
        product = core.squeeze(product, -1)
    return core.squeeze(product, -2 if x2.ndim > 1 else -1) if x1.ndim == 1 else product


def matrix_transpose(x, /):
    return core.matrix_transpose(x)


def _tensordot_axes(x1, x2, axes):
    """As two lists of axes counted from the front."""
    if isinstance(axes, int):
        return list(range(x1.ndim - axes, x1.ndim)), list(range(axes))
    first, second = axes
    return [a % x1.ndim for a in first], [a % x2.ndim for a in second]


def tensordot(x1, x2, /, *, axes=2):
    first, second = _tensordot_axes(x1, x2, axes)
    if is_float(result_type(x1, x2)):
        return core.tensordot(x1, x2, [first, second])
    keep1 = [a for a in range(x1.ndim) if a not in first]
    keep2 = [a for a in range(x2.ndim) if a not in second]
    size = 1
    for a in first:
        size *= x1.shape[a]
    shape = [x1.shape[a] for a in keep1] + [x2.shape[a] for a in keep2]
    rows, columns = 1, 1
    for a in keep1:
        rows *= x1.shape[a]
    for a in keep2:
        columns *= x2.shape[a]
    left = core.reshape(core.transpose(x1, keep1 + first), (rows, size))
    right = core.reshape(core.transpose(x2, second + keep2), (size, columns))
    return core.reshape(matmul(left, right), shape)


def vecdot(x1, x2, /, *, axis=-1):
    if x1.shape[axis] != x2.shape[axis]:
        raise ValueError(f"vecdot: vectors along axis {axis} differ in length: {x1.shape} and {x2.shape}")
    dtype = result_type(x1, x2)
    product = core.multiply(core.conj(x1), x2) if is_float(dtype) else core.multiply(x1, x2)
    return core.sum(product, axis).astype(dtype)
