"""Element by element: pons.core's functions, and what it lacks made of them."""

from .. import core
from ..core import (  # noqa: F401
    abs,
    acos,
    acosh,
    add,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    bitwise_and,
    bitwise_invert,
    bitwise_left_shift,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
    ceil,
    conj,
    cos,
    cosh,
    divide,
    equal,
    exp,
    floor,
    floor_divide,
    greater,
    greater_equal,
    imag,
    isfinite,
    isinf,
    isnan,
    less,
    less_equal,
    log,
    log2,
    log10,
    logaddexp,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    maximum,
    minimum,
    multiply,
    negative,
    not_equal,
    positive,
    pow,
    real,
    reciprocal,
    remainder,
    sin,
    sinh,
    sqrt,
    square,
    subtract,
    tan,
    tanh,
    trunc,
)
from ._dtypes import float32, int32, int64, is_float, isdtype, result_type


def clip(x, /, min=None, max=None):
    """Of x's dtype, whatever that of the bounds."""
    if min is None and max is None:
        return core.positive(x)
    bounds = [None if b is None else core.array(b, x.dtype) for b in (min, max)]
    return core.clip(x, *bounds)


def round(x, /):
    return core.positive(x) if isdtype(x.dtype, "integral") else core.round(x)


# ---- of the bits of floats ----


def _bits(x):
    return core.view(x, int32 if x.dtype == float32 else int64)


def signbit(x, /):
    return core.less(_bits(x), 0)


def _operands(x1, x2):
    """Of one dtype and one shape."""
    dtype = result_type(x1, x2)
    return core.broadcast_arrays(core.array(x1, dtype), core.array(x2, dtype))


def copysign(x1, x2, /):
    x1, x2 = _operands(x1, x2)
    magnitude = core.abs(x1)
    return core.where(signbit(x2), -magnitude, magnitude)


def hypot(x1, x2, /):
    """Scaled by a power of two, so that squares neither overflow nor vanish."""
    x1, x2 = map(core.abs, _operands(x1, x2))
    greater = core.maximum(x1, x2)
    usable = core.logical_and(core.isfinite(greater), greater > 0)
    scale = core.where(usable, greater, core.ones_like(greater))
    root = scale * core.sqrt(core.square(x1 / scale) + core.square(x2 / scale))
    infinite = core.logical_or(core.isinf(x1), core.isinf(x2))
    return core.where(infinite, core.array(core.inf, x1.dtype), root)


def nextafter(x1, x2, /):
    """Floats of one sign are in the order of their bits as integers."""
    x1, x2 = _operands(x1, x2)
    bits = _bits(x1)
    away = core.logical_or(core.logical_and(x2 > x1, x1 > 0), core.logical_and(x2 < x1, x1 < 0))
    moved = core.view(core.where(away, bits + 1, bits - 1), x1.dtype)
    least = core.view(core.ones_like(bits), x1.dtype)
    moved = core.where(x1 == 0, copysign(least, x2), moved)
    moved = core.where(x1 == x2, x2, moved)
    return core.where(core.logical_or(core.isnan(x1), core.isnan(x2)), core.array(core.nan, x1.dtype), moved)


# ---- with the standard's special cases ----


def _is_complex(x):
    return isdtype(x.dtype, "complex floating")


def _complex(re, im):
    """Part by part: re + im * 1j makes NaN of infinities."""
    dtype = core.complex128 if re.dtype == core.float64 else core.complex64
    return core.squeeze(core.view(core.stack([re, im], -1), dtype), -1)


def expm1(x, /):
    if not _is_complex(x):
        return core.expm1(x)
    a, b = core.real(x), core.imag(x)
    half = core.sin(b / 2)
    re = core.expm1(a) * core.cos(b) - 2 * half * half
    im = core.exp(a) * core.sin(b)
    plain = b == 0
    re, im = core.where(plain, core.expm1(a) + 0.0, re), core.where(plain, b, im)
    wild = core.logical_not(core.isfinite(b))  # the angle says nothing
    re = core.where(core.logical_and(wild, a == core.inf), a, re)
    gone = core.logical_and(wild, a == -core.inf)
    return _complex(core.where(gone, -1.0, re), core.where(gone, 0.0, im))


def log1p(x, /):
    if not _is_complex(x):
        return core.log1p(x)
    y = core.log1p(x)
    infinite = core.logical_or(core.isinf(core.real(x)), core.isinf(core.imag(x)))
    return _complex(core.where(infinite, core.inf, core.real(y)), core.imag(y))


def sign(x, /):
    y = core.sign(x)
    if _is_complex(x):
        return core.where(x == 0, core.zeros_like(x), y)
    return core.where(core.isnan(x), x, y) if is_float(x.dtype) else y
