"""Arrays made of numbers and of other arrays. A device, where one is given, is where the array is computed."""

from contextlib import nullcontext

from .. import core
from ._dtypes import complex64, complex128


def on(device):
    return nullcontext() if device is None else core.stream(device)


def asarray(obj, /, *, dtype=None, device=None, copy=None):
    if isinstance(obj, core.array):
        if copy is not True and dtype in (None, obj.dtype):
            return obj
    elif dtype is None and str(getattr(obj, "dtype", None)) in ("float64", "complex128"):
        dtype = getattr(core, str(obj.dtype))
    if copy is False:
        raise ValueError("asarray: can't avoid a copy; from_dlpack(x, copy=False) shares memory")
    with on(device):
        return core.array(obj, dtype)


def from_dlpack(x, /, *, device=None, copy=None):
    with on(device):
        return core.from_dlpack(x, copy=copy)


def arange(start, /, stop=None, step=1, *, dtype=None, device=None):
    with on(device):
        return core.arange(start, stop, step, dtype)


def _linspace(start, stop, num, dtype, endpoint):
    if isinstance(start, complex) or isinstance(stop, complex):
        start, stop = complex(start), complex(stop)
        part = core.float64 if dtype == complex128 else core.float32
        parts = [_linspace(a, b, num, part, endpoint) for a, b in ((start.real, stop.real), (start.imag, stop.imag))]
        return (parts[0] + parts[1] * 1j).astype(dtype or complex64)
    return core.linspace(start, stop, num, endpoint=endpoint, dtype=dtype or core.float32)


def linspace(start, stop, /, num, *, dtype=None, device=None, endpoint=True):
    with on(device):
        return _linspace(start, stop, num, dtype, endpoint)


def eye(n_rows, n_cols=None, /, *, k=0, dtype=None, device=None):
    far = n_rows + (n_cols or 0)  # from there on no diagonal is left
    with on(device):
        return core.eye(n_rows, n_cols, max(-far - 1, min(k, far + 1)), dtype or core.float32)


def full(shape, fill_value, *, dtype=None, device=None):
    with on(device):
        return core.full(shape, core.array(fill_value, dtype))


def zeros(shape, *, dtype=None, device=None):
    with on(device):
        return core.zeros(shape, dtype or core.float32)


def ones(shape, *, dtype=None, device=None):
    with on(device):
        return core.ones(shape, dtype or core.float32)


empty = zeros


def full_like(x, /, fill_value, *, dtype=None, device=None):
    return full(x.shape, fill_value, dtype=dtype or x.dtype, device=device)


def zeros_like(x, /, *, dtype=None, device=None):
    return zeros(x.shape, dtype=dtype or x.dtype, device=device)


def ones_like(x, /, *, dtype=None, device=None):
    return ones(x.shape, dtype=dtype or x.dtype, device=device)


empty_like = zeros_like


def meshgrid(*arrays, indexing="xy"):
    return list(core.meshgrid(*arrays, indexing=indexing))


def tril(x, /, *, k=0):
    return core.tril(x, k)


def triu(x, /, *, k=0):
    return core.triu(x, k)
