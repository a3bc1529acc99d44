"""dtypes, and functions that ask about them."""

from .. import core

int8, int16, int32, int64 = core.int8, core.int16, core.int32, core.int64
uint8, uint16, uint32, uint64 = core.uint8, core.uint16, core.uint32, core.uint64
float32, float64, complex64, complex128 = core.float32, core.float64, core.complex64, core.complex128
bool, isdtype = core.bool_, core.isdtype


def dtype_of(x):
    return x.dtype if isinstance(x, core.array) else x


def is_float(dtype):
    return isdtype(dtype, ("real floating", "complex floating"))


def widened(dtype):
    """What sums and products of the dtype are of: no integers narrower than the default."""
    if isdtype(dtype, "signed integer") or dtype == bool:
        return int64 if dtype == int64 else int32
    if isdtype(dtype, "unsigned integer"):
        return uint64 if dtype == uint64 else uint32
    return dtype


def astype(x, dtype, /, *, copy=True, device=None):
    if not copy and x.dtype == dtype:
        return x
    return core.astype(x, dtype)


def can_cast(from_, to, /):
    return core.can_cast(from_, to)


def finfo(type, /):
    return core.finfo(dtype_of(type))


def iinfo(type, /):
    return core.iinfo(dtype_of(type))


def _with_scalar(dtype, scalar):
    """The dtype that an array of `dtype` and a Python scalar meet in."""
    if isinstance(scalar, complex):
        return complex128 if dtype in (float64, complex128) else complex64
    if isinstance(scalar, float):
        return dtype if is_float(dtype) else float32
    if isinstance(scalar, int) and dtype == bool and scalar not in (True, False):
        return int32
    return dtype


def result_type(*arrays_and_dtypes):
    dtypes = [dtype_of(x) for x in arrays_and_dtypes]
    scalars = [x for x in dtypes if isinstance(x, (int, float, complex))]
    dtypes = [x for x in dtypes if not isinstance(x, (int, float, complex))]
    if not dtypes:
        raise ValueError("result_type: there must be at least one array or dtype")
    result = core.result_type(*dtypes)
    for scalar in scalars:
        result = _with_scalar(result, scalar)
    return result
