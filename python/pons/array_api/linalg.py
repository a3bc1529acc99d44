"""The extension linalg."""

from typing import NamedTuple

from .. import core
from ._dtypes import dtype_of, finfo, widened
from ._products import matmul, matrix_transpose, tensordot, vecdot


class EighResult(NamedTuple):
    eigenvalues: core.array
    eigenvectors: core.array


class QRResult(NamedTuple):
    Q: core.array
    R: core.array


class SlogdetResult(NamedTuple):
    sign: core.array
    logabsdet: core.array


class SVDResult(NamedTuple):
    U: core.array
    S: core.array
    Vh: core.array


def cholesky(x, /, *, upper=False):
    return core.linalg.cholesky(x, upper)


def cross(x1, x2, /, *, axis=-1):
    return core.linalg.cross(x1, x2, axis)


def det(x, /):
    return core.linalg.det(x)


def diagonal(x, /, *, offset=0):
    return core.diagonal(x, offset, -2, -1)


def eigh(x, /):
    return EighResult(*core.linalg.eigh(x))


def eigvalsh(x, /):
    return core.linalg.eigvalsh(x)


def inv(x, /):
    return core.linalg.inv(x)


def outer(x1, x2, /):
    return core.multiply(x1[:, None], x2[None, :])


def qr(x, /, *, mode="reduced"):
    if mode == "reduced":
        return QRResult(*core.linalg.qr(x))
    if mode != "complete":
        raise ValueError(f"qr: mode is {mode!r}, it must be 'reduced' or 'complete'")
    rows, columns = x.shape[-2:]
    if rows <= columns:
        return QRResult(*core.linalg.qr(x))
    # of x beside the unit matrix Q is complete
    unit = core.broadcast_to(core.eye(rows, dtype=x.dtype), (*x.shape[:-2], rows, rows))
    q, r = core.linalg.qr(core.concatenate([x, unit], -1))
    return QRResult(q, r[..., :columns])


def slogdet(x, /):
    return SlogdetResult(*core.linalg.slogdet(x))


def solve(x1, x2, /):
    return core.linalg.solve(x1, x2)


def trace(x, /, *, offset=0, dtype=None):
    dtype = dtype or widened(x.dtype)
    return core.sum(diagonal(x, offset=offset).astype(dtype), -1).astype(dtype)


# ---- singular values ----


def svd(x, /, *, full_matrices=True):
    u, s, vh = core.linalg.svd(x)
    if full_matrices:
        return SVDResult(u, s, vh)
    count = s.shape[-1]
    return SVDResult(u[..., :count], s, vh[..., :count, :])


def svdvals(x, /):
    return core.linalg.svd(x, compute_uv=False)


def _least(s, shape, dtype, rtol):
    """Which singular values count: those above rtol times the greatest."""
    if rtol is None:
        rtol = max(shape[-2:]) * finfo(dtype_of(dtype)).eps
    rtol = core.array(rtol, s.dtype)
    return core.max(s, -1, True) * (rtol[..., None] if rtol.ndim else rtol)


def matrix_rank(x, /, *, rtol=None):
    s = svdvals(x)
    return core.sum((s > _least(s, x.shape, x.dtype, rtol)).astype(core.int64), -1)


def pinv(x, /, *, rtol=None):
    u, s, vh = svd(x, full_matrices=False)
    counts = s > _least(s, x.shape, x.dtype, rtol)
    inverse = core.where(counts, 1 / core.where(counts, s, core.ones_like(s)), core.zeros_like(s))
    transposed = [core.conj(matrix_transpose(m)) for m in (vh, u)]
    return core.matmul(transposed[0] * inverse[..., None, :], transposed[1])


# ---- norms and powers ----


def vector_norm(x, /, *, axis=None, keepdims=False, ord=2):
    axes = tuple(range(x.ndim)) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    size = core.abs(x)
    if ord == core.inf:
        return core.max(size, axes, keepdims) if axes else size
    if ord == -core.inf:
        return core.min(size, axes, keepdims) if axes else size
    if ord == 0:
        return core.sum((size != 0).astype(size.dtype), axes, keepdims) if axes else (size != 0).astype(size.dtype)
    if not axes:
        return size
    if ord == 1:
        return core.sum(size, axes, keepdims)
    if ord == 2:
        return core.sqrt(core.sum(core.square(size), axes, keepdims))
    return core.power(core.sum(core.power(size, ord), axes, keepdims), 1 / ord)


def matrix_norm(x, /, *, keepdims=False, ord="fro"):
    if ord == "fro":
        return vector_norm(x, axis=(-2, -1), keepdims=keepdims)
    if ord in (2, -2, "nuc"):
        s = svdvals(x)
        norm = core.sum(s, -1) if ord == "nuc" else core.max(s, -1) if ord == 2 else core.min(s, -1)
    elif ord in (1, -1, core.inf, -core.inf):
        sums = core.sum(core.abs(x), -2 if ord in (1, -1) else -1)
        norm = core.max(sums, -1) if ord > 0 else core.min(sums, -1)
    else:
        raise ValueError(f"matrix_norm: ord is {ord!r}, it must be 'fro', 'nuc', 1, -1, 2, -2, inf or -inf")
    return norm[..., None, None] if keepdims else norm


def matrix_power(x, n, /):
    if n < 0:
        x, n = inv(x), -n
    result = None
    while n:
        if n % 2:
            result = x if result is None else matmul(result, x)
        n //= 2
        if n:
            x = matmul(x, x)
    if result is not None:
        return result
    return core.broadcast_to(core.eye(x.shape[-1], dtype=x.dtype), x.shape)
