"""Arrays, their functions and transforms, with the interface of mlx.core 0.32.4."""

# Written by tools/python-stubs from the module's docstrings.

import enum
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ParamSpec, Protocol, TypeAlias, TypeVar

from pons.core import cuda as cuda, distributed as distributed, fast as fast, fft as fft, linalg as linalg, metal as metal, random as random, standard as standard

P = ParamSpec("P")
R = TypeVar("R")
scalar: TypeAlias = int | float | bool | complex
list_or_scalar: TypeAlias = scalar | list["list_or_scalar"]
StreamOrDevice: TypeAlias = Stream | ThreadLocalStream | Device | DeviceType | None
NDArray: TypeAlias = Any  # of NumPy, which need not be there
DtypeKind: TypeAlias = str | tuple[str, ...]
Padding: TypeAlias = int | Sequence[int] | tuple[Sequence[int], Sequence[int]]
PadWidth: TypeAlias = int | tuple[int] | tuple[int, int] | list[tuple[int, int]]

class DLPackCompatible(Protocol):
    def __dlpack__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __dlpack_device__(self, *args: Any, **kwargs: Any) -> Any: ...

class ArrayAt:
    """x.at[index].add(v) is x with v added there; several for one place all count."""

    def __getitem__(self, arg: Any, /) -> ArrayAt: ...
    def add(self, value: scalar | array) -> array:
        """The array with `value` combined in there."""

    def divide(self, value: scalar | array) -> array:
        """The array with `value` combined in there."""

    def maximum(self, value: scalar | array) -> array:
        """The array with `value` combined in there."""

    def minimum(self, value: scalar | array) -> array:
        """The array with `value` combined in there."""

    def multiply(self, value: scalar | array) -> array:
        """The array with `value` combined in there."""

    def subtract(self, value: scalar | array) -> array:
        """The array with `value` combined in there."""

class ArrayIterator:
    """Goes through the slices along the first axis."""

    def __iter__(self) -> ArrayIterator: ...
    def __next__(self) -> array: ...

class ArrayLike:
    """Any object with a method __mlx_array__ that gives an array."""

    def __init__(self, arg: object, /) -> None: ...
    def __mlx_array__(self) -> array:
        """The object as an array."""

class Device:
    """Where ops run."""

    def __init__(self, type: DeviceType, index: int = 0) -> None: ...
    def __eq__(self, arg: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __repr__(self) -> str: ...
    @property
    def index(self) -> int: ...
    @property
    def type(self) -> DeviceType: ...

class DeviceType(enum.Enum):
    cpu = 0
    gpu = 1

class Dtype:
    """The type of an array's elements: float32, int8, ..."""

    def __eq__(self, arg: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __repr__(self) -> str: ...
    @property
    def size(self) -> int:
        """Bytes of one element."""

class DtypeCategory(enum.Enum):
    complexfloating = 0
    floating = 1
    inexact = 2
    signedinteger = 3
    unsignedinteger = 4
    integer = 5
    number = 6
    generic = 7

class FunctionExporter:
    """Writes several traces of one function to a file. Made by exporter()."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __enter__(self) -> FunctionExporter: ...
    def __exit__(self, exc_type: object | None = None, exc_value: object | None = None, traceback: object | None = None) -> None: ...
    def close(self) -> None:
        """Puts the file in its place."""

class OutOfRangeError:
    """There is no such index, or no such axis."""

class PrintOptions:
    """How floats are printed."""

    def __init__(self, precision: int = -1) -> None: ...
    @property
    def precision(self) -> int:
        """Digits behind the point; below 0: six significant ones."""

    @precision.setter
    def precision(self, value: int) -> None: ...

class Stream:
    """Runs its work in order on its device."""

    def __eq__(self, arg: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __repr__(self) -> str: ...
    @property
    def device(self) -> Device: ...

class StreamContext:
    """Ops inside run on the stream."""

    def __init__(self, s: Stream | ThreadLocalStream | Device | DeviceType) -> None: ...
    def __enter__(self) -> None: ...
    def __exit__(self, exc_type: type | None = None, exc_value: object | None = None, traceback: object | None = None) -> None: ...

class ThreadLocalStream:
    """Runs its work in order on its device."""

    def __eq__(self, arg: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __repr__(self) -> str: ...
    @property
    def device(self) -> Device: ...

class _PrintOptionsContext:
    """Print options that hold inside of `with`."""

    def __init__(self, arg: PrintOptions, /) -> None: ...
    def __enter__(self) -> _PrintOptionsContext: ...
    def __exit__(self, *args) -> None: ...

class array:
    """An N-dimensional array, computed when it is asked for."""

    def __init__(self, val: scalar | list | tuple | DLPackCompatible | array, dtype: Dtype | None = None) -> None: ...
    @property
    def T(self) -> array:
        """The array with its axes in reverse order."""

    def __abs__(self) -> array: ...
    def __add__(self, other: scalar | array | object) -> array: ...
    def __and__(self, other: scalar | array | object) -> array: ...
    def __array__(self, dtype: object | None = None, copy: object | None = None) -> NDArray:
        """A NumPy array."""

    def __array_namespace__(self, api_version: str | None = None) -> types.ModuleType:
        """The functions of the array API."""

    def __bool__(self) -> bool: ...
    def __bytes__(self) -> bytes:
        """The elements, row-major, as they lie in memory."""

    def __complex__(self) -> complex:
        """The one element."""

    def __copy__(self) -> array:
        """For copy.copy."""

    def __deepcopy__(self, memo: dict) -> array:
        """For copy.deepcopy."""

    def __delitem__(self, arg: Any, /) -> None: ...
    def __div__(self, other: scalar | array) -> array:
        """self / other"""

    def __dlpack__(self, *, stream: object | None = None, max_version: object | None = None, dl_device: tuple[int, int] | None = None, copy: bool | None = None) -> NDArray:
        """A capsule for from_dlpack of other libraries."""

    def __dlpack_device__(self) -> tuple:
        """Where the memory is: (1, 0), the CPU."""

    def __eq__(self, other: Any) -> array: ...  # type: ignore[override]
    def __float__(self) -> float: ...
    def __floordiv__(self, other: scalar | array | object) -> array: ...
    def __format__(self, format_spec: object) -> str: ...
    def __ge__(self, other: scalar | array | object) -> array: ...
    def __getitem__(self, arg: Any, /) -> array: ...
    def __getstate__(self) -> tuple:
        """For pickle."""

    def __gt__(self, other: scalar | array | object) -> array: ...
    def __hash__(self) -> int: ...
    def __iadd__(self, other: scalar | array | object) -> array: ...
    def __iand__(self, other: scalar | array | object) -> array: ...
    def __ifloordiv__(self, other: scalar | array | object) -> array: ...
    def __ilshift__(self, other: scalar | array | object) -> array: ...
    def __imatmul__(self, other: scalar | array | object) -> array: ...
    def __imod__(self, other: scalar | array | object) -> array: ...
    def __imul__(self, other: scalar | array | object) -> array: ...
    def __index__(self) -> int: ...
    def __int__(self) -> int: ...
    def __invert__(self) -> array: ...
    def __ior__(self, other: scalar | array | object) -> array: ...
    def __ipow__(self, other: scalar | array | object) -> array: ...
    def __irshift__(self, other: scalar | array | object) -> array: ...
    def __isub__(self, other: scalar | array | object) -> array: ...
    def __iter__(self) -> Iterator[array]: ...
    def __itruediv__(self, other: scalar | array | object) -> array: ...
    def __ixor__(self, other: scalar | array | object) -> array: ...
    def __le__(self, other: scalar | array | object) -> array: ...
    def __len__(self) -> int: ...
    def __lshift__(self, other: scalar | array | object) -> array: ...
    def __lt__(self, other: scalar | array | object) -> array: ...
    def __matmul__(self, other: scalar | array | object) -> array: ...
    def __mod__(self, other: scalar | array | object) -> array: ...
    def __mul__(self, other: scalar | array | object) -> array: ...
    def __ne__(self, other: Any) -> array: ...  # type: ignore[override]
    def __neg__(self) -> array: ...
    def __or__(self, other: scalar | array | object) -> array: ...
    def __pos__(self) -> array: ...
    def __pow__(self, other: scalar | array | object) -> array: ...
    def __radd__(self, other: scalar | array | object) -> array: ...
    def __rand__(self, other: scalar | array | object) -> array: ...
    def __rdiv__(self, other: scalar | array) -> array:
        """other / self"""

    def __repr__(self) -> str: ...
    def __rfloordiv__(self, other: scalar | array | object) -> array: ...
    def __rlshift__(self, other: scalar | array | object) -> array: ...
    def __rmatmul__(self, other: scalar | array | object) -> array: ...
    def __rmod__(self, other: scalar | array | object) -> array: ...
    def __rmul__(self, other: scalar | array | object) -> array: ...
    def __ror__(self, other: scalar | array | object) -> array: ...
    def __rpow__(self, other: scalar | array | object) -> array: ...
    def __rrshift__(self, other: scalar | array | object) -> array: ...
    def __rshift__(self, other: scalar | array | object) -> array: ...
    def __rsub__(self, other: scalar | array | object) -> array: ...
    def __rtruediv__(self, other: scalar | array | object) -> array: ...
    def __rxor__(self, other: scalar | array | object) -> array: ...
    def __setitem__(self, arg0: Any, arg1: Any, /) -> None: ...
    def __setstate__(self, arg: tuple, /) -> None:
        """For pickle."""

    def __str__(self) -> str: ...
    def __sub__(self, other: scalar | array | object) -> array: ...
    def __truediv__(self, other: scalar | array | object) -> array: ...
    def __xor__(self, other: scalar | array | object) -> array: ...
    def abs(self, *, stream: StreamOrDevice = None) -> array:
        """See `pons.core.abs`."""

    def all(self, axis: None | int | Sequence[int] = None, keepdims: bool = False, *, stream: StreamOrDevice = None) -> array:
        """See `pons.core.all`."""

    def any(self, axis: None | int | Sequence[int] = None, keepdims: bool = False, *, stream: StreamOrDevice = None) -> array:
        """See `pons.core.any`."""

    def argmax(self, axis: None | int = None, keepdims: bool = False, *, stream: StreamOrDevice = None) -> array:
        """See `pons.core.argmax`."""

    def argmin(self, axis: None | int = None, keepdims: bool = False, *, stream: StreamOrDevice = None) -> array:
        """See `pons.core.argmin`."""

    def astype(self: array, dtype: Dtype, stream: StreamOrDevice = None) -> array:
        """As another dtype."""

    @property
    def at(self) -> ArrayAt:
        """x.at[index].add(v): x with v added there."""

    def conj(self, *, stream: StreamOrDevice = None) -> array:
        """See `pons.core.conj`."""

    def cos(self, *, stream: StreamOrDevice = None) -> array:
        """See `pons.core.cos`."""

    def cummax(self, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, stream: StreamOrDevice = None) -> array:
        """See `pons.core.cummax`."""

    def cummin(self, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, stream: StreamOrDevice = None) -> array:
        """See `pons.core.cummin`."""

    def cumprod(self, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, dtype: Dtype | None = None, stream: StreamOrDevice = None) -> array:
        """See `pons.core.cumprod`."""

    def cumsum(self, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, dtype: Dtype | None = None, stream: StreamOrDevice = None) -> array:
        """See `pons.core.cumsum`."""

    @property
    def device(self) -> Device:
        """Where ops run; arrays go where they are needed."""

    def diag(self, k: int = 0, *, stream: StreamOrDevice = None) -> array:
        """See `pons.core.diag`."""

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1, stream: StreamOrDevice = None) -> array:
        """See `pons.core.diagonal`."""

    @property
    def dtype(self) -> Dtype:
        """The type of the elements."""

    def exp(self, *, stream: StreamOrDevice = None) -> array:
        """See `pons.core.exp`."""

    def flatten(self, start_axis: int = 0, end_axis: int = -1, *, stream: StreamOrDevice = None) -> array:
        """See `pons.core.flatten`."""

    @property
    def imag(self) -> array:
        """The imaginary part."""

    def item(self) -> scalar:
        """The one element as a Python scalar."""

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""

    def log(self, *, stream: StreamOrDevice = None) -> array:
        """See `pons.core.log`."""

    def log10(self, *, stream: StreamOrDevice = None) -> array:
        """See `pons.core.log10`."""

    def log1p(self, *, stream: StreamOrDevice = None) -> array:
        """See `pons.core.log1p`."""

    def log2(self, *, stream: StreamOrDevice = None) -> array:
        """See `pons.core.log2`."""

    def logcumsumexp(self, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, stream: StreamOrDevice = None) -> array:
        """See `pons.core.logcumsumexp`."""

    def logsumexp(self, axis: None | int | Sequence[int] = None, keepdims: bool = False, *, stream: StreamOrDevice = None) -> array:
        """See `pons.core.logsumexp`."""

    @property
    def mT(self) -> array:
        """The array with its last two axes swapped."""

    def max(self, axis: None | int | Sequence[int] = None, keepdims: bool = False, *, stream: StreamOrDevice = None) -> array:
        """See `pons.core.max`."""

    def mean(self, axis: None | int | Sequence[int] = None, keepdims: bool = False, *, stream: StreamOrDevice = None) -> array:
        """See `pons.core.mean`."""

    def min(self, axis: None | int | Sequence[int] = None, keepdims: bool = False, *, stream: StreamOrDevice = None) -> array:
        """See `pons.core.min`."""

    def moveaxis(self, source: int, destination: int, *, stream: StreamOrDevice = None) -> array:
        """See `pons.core.moveaxis`."""

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""

    @property
    def ndim(self) -> int:
        """The number of axes."""

    def prod(self, axis: None | int | Sequence[int] = None, keepdims: bool = False, *, stream: StreamOrDevice = None) -> array:
        """See `pons.core.prod`."""

    @property
    def real(self) -> array:
        """The real part."""

    def reciprocal(self, *, stream: StreamOrDevice = None) -> array:
        """See `pons.core.reciprocal`."""

    def reshape(self, *shape: int | Sequence[int], stream: StreamOrDevice = None) -> array:
        """See `pons.core.reshape`."""

    def round(self, decimals: int = 0, stream: StreamOrDevice = None) -> array:
        """See `pons.core.round`."""

    def rsqrt(self, *, stream: StreamOrDevice = None) -> array:
        """See `pons.core.rsqrt`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes along each axis."""

    def sin(self, *, stream: StreamOrDevice = None) -> array:
        """See `pons.core.sin`."""

    @property
    def size(self) -> int:
        """The number of elements."""

    def split(self, indices_or_sections: int | Sequence[int], axis: int = 0, *, stream: StreamOrDevice = None) -> array:
        """See `pons.core.split`."""

    def sqrt(self, *, stream: StreamOrDevice = None) -> array:
        """See `pons.core.sqrt`."""

    def square(self, *, stream: StreamOrDevice = None) -> array:
        """See `pons.core.square`."""

    def squeeze(self, axis: None | int | Sequence[int] = None, *, stream: StreamOrDevice = None) -> array:
        """See `pons.core.squeeze`."""

    def std(self, axis: None | int | Sequence[int] = None, keepdims: bool = False, ddof: int = 0, *, correction: int | None = None, stream: StreamOrDevice = None) -> array:
        """See `pons.core.std`."""

    def sum(self, axis: None | int | Sequence[int] = None, keepdims: bool = False, *, stream: StreamOrDevice = None) -> array:
        """See `pons.core.sum`."""

    def swapaxes(self, axis1: int, axis2: int, *, stream: StreamOrDevice = None) -> array:
        """See `pons.core.swapaxes`."""

    def to_device(self, device: Device, /, *, stream: object | None = None) -> array:
        """The array itself: arrays go where they are needed."""

    def tolist(self) -> list_or_scalar:
        """Lists of lists of Python scalars."""

    def transpose(self, *axes: int | Sequence[int], stream: StreamOrDevice = None) -> array:
        """See `pons.core.transpose`."""

    def var(self, axis: None | int | Sequence[int] = None, keepdims: bool = False, ddof: int = 0, *, correction: int | None = None, stream: StreamOrDevice = None) -> array:
        """See `pons.core.var`."""

    def view(self, dtype: Dtype, stream: StreamOrDevice = None) -> array:
        """See `pons.core.view`."""

class custom_function:
    """A decorator: f with rules of its own for gradients and batches, which are set by the decorators vjp, jvp and vmap; those left out follow from f."""

    def __init__(self, f: Callable) -> None: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
    def jvp(self, f: Callable):
        """f(primals, tangents) gives the tangents of the results. Returns the custom function."""

    def vjp(self, f: Callable):
        """f(primals, cotangents, outputs) gives the gradients, a tree like the primals: the one argument of the function, or a tuple of several. Returns the custom function."""

    def vmap(self, f: Callable):
        """f(inputs, axes), where axes says for each array along which axis the batch is, None for none, gives the results and their axes. Returns the custom function."""

class finfo:
    """The limits of a dtype of floats."""

    def __init__(self, arg: Dtype, /) -> None: ...
    def __repr__(self) -> str: ...
    @property
    def bits(self) -> int:
        """Bits of one element."""

    @bits.setter
    def bits(self, value: int) -> None: ...
    @property
    def dtype(self) -> Dtype:
        """Of complex numbers that of their parts."""

    @dtype.setter
    def dtype(self, value: Dtype) -> None: ...
    @property
    def eps(self) -> float:
        """1 + eps is the next number after 1."""

    @eps.setter
    def eps(self, value: float) -> None: ...
    @property
    def max(self) -> float:
        """The greatest number."""

    @max.setter
    def max(self, value: float) -> None: ...
    @property
    def min(self) -> float:
        """The least number."""

    @min.setter
    def min(self, value: float) -> None: ...
    @property
    def smallest_normal(self) -> float:
        """The least with all its digits."""

    @smallest_normal.setter
    def smallest_normal(self, value: float) -> None: ...

class iinfo:
    """The limits of a dtype of integers."""

    def __init__(self, arg: Dtype, /) -> None: ...
    def __repr__(self) -> str: ...
    @property
    def bits(self) -> int:
        """Bits of one element."""

    @bits.setter
    def bits(self, value: int) -> None: ...
    @property
    def dtype(self) -> Dtype:
        """What was asked about."""

    @dtype.setter
    def dtype(self, value: Dtype) -> None: ...
    @property
    def max(self) -> int:
        """The greatest number."""

    @max.setter
    def max(self, value: int) -> None: ...
    @property
    def min(self) -> int:
        """The least number."""

    @min.setter
    def min(self, value: int) -> None: ...

__version__: str
_pons_version: str
bfloat16: Dtype
bool_: Dtype
complex128: Dtype
complex64: Dtype
complexfloating: DtypeCategory
cpu: DeviceType
e: float
euler_gamma: float
float16: Dtype
float32: Dtype
float64: Dtype
floating: DtypeCategory
generic: DtypeCategory
gpu: DeviceType
inexact: DtypeCategory
inf: float
int16: Dtype
int32: Dtype
int64: Dtype
int8: Dtype
integer: DtypeCategory
nan: float
newaxis: None
number: DtypeCategory
pi: float
signedinteger: DtypeCategory
uint16: Dtype
uint32: Dtype
uint64: Dtype
uint8: Dtype
unsignedinteger: DtypeCategory

def __array_namespace_info__() -> object:
    """What the namespace can do, as the Python array API asks."""

def abs(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """The absolute value; of a complex number its magnitude."""

def add(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """a + b"""

def addmm(c: array, a: array, b: array, /, alpha: float = 1.0, beta: float = 1.0, *, stream: StreamOrDevice = None) -> array:
    """alpha (a @ b) + beta c"""

def all(a: array, /, axis: None | int | Sequence[int] = None, keepdims: bool = False, *, stream: StreamOrDevice = None) -> array:
    """Are all true along the axes?"""

def allclose(a: array, b: array, /, rtol: float = 1e-05, atol: float = 1e-08, *, equal_nan: bool = False, stream: StreamOrDevice = None) -> array:
    """Is |a - b| <= atol + rtol |b| everywhere?"""

def any(a: array, /, axis: None | int | Sequence[int] = None, keepdims: bool = False, *, stream: StreamOrDevice = None) -> array:
    """Is one true along the axes?"""

def arange(start: int | float | None = None, stop: int | float | None = None, step: int | float | None = None, dtype: Dtype | None = None, *, stream: StreamOrDevice = None) -> array:
    """start, start + step, ... before stop; with one number from 0 to before it. The dtype is int32, int64 where that is too narrow, or float32 where a number is a float."""

def arccos(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """The inverse cosine."""

def arccosh(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """The inverse hyperbolic cosine."""

def arcsin(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """The inverse sine."""

def arcsinh(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """The inverse hyperbolic sine."""

def arctan(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """The inverse tangent."""

def arctan2(a: scalar | array, b: scalar | array, /, *, stream: StreamOrDevice = None) -> array:
    """The angle of (b, a), in radians."""

def arctanh(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """The inverse hyperbolic tangent."""

def argmax(a: array, /, axis: None | int = None, keepdims: bool = False, *, stream: StreamOrDevice = None) -> array:
    """Where the first of the greatest stands along the axis, or in the flattened array."""

def argmin(a: array, /, axis: None | int = None, keepdims: bool = False, *, stream: StreamOrDevice = None) -> array:
    """Where the first of the least stands along the axis, or in the flattened array."""

def argpartition(a: array, /, kth: int, axis: None | int = -1, *, stream: StreamOrDevice = None) -> array:
    """The indices that partition."""

def argsort(a: array, /, axis: None | int = -1, *, stream: StreamOrDevice = None) -> array:
    """The indices that sort along the axis, or the flattened array."""

def array_equal(a: scalar | array, b: scalar | array, equal_nan: bool = False, stream: StreamOrDevice = None) -> array:
    """Are shapes and elements equal?"""

def as_strided(a: array, /, shape: Sequence[int] | None = None, strides: Sequence[int] | None = None, offset: int = 0, *, stream: StreamOrDevice = None) -> array:
    """Element (i, j, ...) is element offset + i strides[0] + j strides[1] + ... of a in row-major order."""

def asarray(a: scalar | array | Sequence | DLPackCompatible, dtype: Dtype | None = None, *, copy: bool | None = None) -> array:
    """What array(a, dtype) makes. Memory of other libraries is always copied: copy=False is an error."""

def astype(a: array, dtype: Dtype, /, *, stream: StreamOrDevice = None) -> array:
    """As another dtype."""

def async_eval(*args):
    """Starts to compute arrays, and returns. Arguments are arrays or trees of arrays: lists, tuples and dicts. Leaves that are no arrays are ignored."""

def atleast_1d(*arys: array, stream: StreamOrDevice = None) -> array | list[array]:
    """With so many axes at least, as NumPy adds them."""

def atleast_2d(*arys: array, stream: StreamOrDevice = None) -> array | list[array]:
    """With so many axes at least, as NumPy adds them."""

def atleast_3d(*arys: array, stream: StreamOrDevice = None) -> array | list[array]:
    """With so many axes at least, as NumPy adds them."""

def bartlett(M: int, *, stream: StreamOrDevice = None) -> array:
    """A window of M points, float32."""

def bitwise_and(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """The bits set in both."""

def bitwise_invert(a: array, stream: StreamOrDevice = None) -> array:
    """Each bit of an integer inverted."""

def bitwise_or(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """The bits set in one of them."""

def bitwise_xor(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """The bits set in just one of them."""

def blackman(M: int, *, stream: StreamOrDevice = None) -> array:
    """A window of M points, float32."""

def block_masked_mm(a: array, b: array, /, block_size: int = 64, mask_out: array | None = None, mask_lhs: array | None = None, mask_rhs: array | None = None, *, stream: StreamOrDevice = None) -> array:
    """a @ b with square blocks left out or scaled."""

def broadcast_arrays(*arrays: array, stream: StreamOrDevice = None) -> tuple[array, ...]:
    """All of them in the shape they broadcast to."""

def broadcast_shapes(*shapes: Sequence[int]) -> tuple[int]:
    """The shape that they broadcast to."""

def broadcast_to(a: scalar | array, /, shape: int | Sequence[int], *, stream: StreamOrDevice = None) -> array:
    """Broadcast to the shape."""

def can_cast(from_: array | Dtype, to: Dtype) -> bool:
    """Is `to` what both are promoted to?"""

def ceil(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """The least integer not below."""

def checkpoint(fun: Callable[P, R]) -> Callable[P, R]:
    """fun, but gradients compute its intermediate results again instead of keeping them: less memory, more time."""

def clear_cache(device: Device | DeviceType | None = None) -> None:
    """Gives what is kept for reuse back to the system, by all devices or one."""

def clear_streams() -> None:
    """Waits for the streams that this thread made and ends the threads behind them."""

def clip(a: array, /, a_min: scalar | array | None, a_max: scalar | array | None, *, stream: StreamOrDevice = None) -> array:
    """a between a_min and a_max; one of them may be None."""

def compile(fun: Callable[P, R], inputs: object | None = None, outputs: object | None = None, shapeless: bool = False) -> Callable[P, R]:
    """A function that does what fun does, which is called only to be traced: once for each structure, dtypes and shapes of its arguments, which are trees of arrays and constants. inputs are trees whose arrays fun reads besides its arguments, outputs those whose arrays it sets. shapeless: shapes may differ from those of the trace."""

def concatenate(arrays: list[array], axis: int | None = 0, *, stream: StreamOrDevice = None) -> array:
    """Joined along the axis; None: flattened before."""

def conj(a: array, *, stream: StreamOrDevice = None) -> array:
    """The complex conjugate."""

def conjugate(a: array, *, stream: StreamOrDevice = None) -> array:
    """The complex conjugate."""

def contiguous(a: array, /, allow_col_major: bool = False, *, stream: StreamOrDevice = None) -> array:
    """Row-major in memory; with allow_col_major what lies column-major may stay so."""

def conv1d(input: array, weight: array, /, stride: int | Sequence[int] = 1, padding: int | Sequence[int] = 0, dilation: int | Sequence[int] = 1, groups: int = 1, *, stream: StreamOrDevice = None) -> array:
    """Cross-correlation, channels last: input (N, ..., C), weight (O, ..., C / groups)."""

def conv2d(input: array, weight: array, /, stride: int | tuple[int, int] = 1, padding: int | tuple[int, int] = 0, dilation: int | tuple[int, int] = 1, groups: int = 1, *, stream: StreamOrDevice = None) -> array:
    """Cross-correlation, channels last: input (N, ..., C), weight (O, ..., C / groups)."""

def conv3d(input: array, weight: array, /, stride: int | tuple[int, int, int] = 1, padding: int | tuple[int, int, int] = 0, dilation: int | tuple[int, int, int] = 1, groups: int = 1, *, stream: StreamOrDevice = None) -> array:
    """Cross-correlation, channels last: input (N, ..., C), weight (O, ..., C / groups)."""

def conv_general(input: array, weight: array, /, stride: int | Sequence[int] = 1, padding: Padding = 0, kernel_dilation: int | Sequence[int] = 1, input_dilation: int | Sequence[int] = 1, groups: int = 1, flip: bool = False, *, stream: StreamOrDevice = None) -> array:
    """Cross-correlation of any number of axes, channels last; padding may be a list before and one behind."""

def conv_transpose1d(input: array, weight: array, /, stride: int | Sequence[int] = 1, padding: int | Sequence[int] = 0, dilation: int | Sequence[int] = 1, output_padding: int | Sequence[int] = 0, groups: int = 1, *, stream: StreamOrDevice = None) -> array:
    """The transposed convolution, channels last."""

def conv_transpose2d(input: array, weight: array, /, stride: int | tuple[int, int] = 1, padding: int | tuple[int, int] = 0, dilation: int | tuple[int, int] = 1, output_padding: int | tuple[int, int] = 0, groups: int = 1, *, stream: StreamOrDevice = None) -> array:
    """The transposed convolution, channels last."""

def conv_transpose3d(input: array, weight: array, /, stride: int | tuple[int, int, int] = 1, padding: int | tuple[int, int, int] = 0, dilation: int | tuple[int, int, int] = 1, output_padding: int | tuple[int, int, int] = 0, groups: int = 1, *, stream: StreamOrDevice = None) -> array:
    """The transposed convolution, channels last."""

def convolve(a: array, v: array, /, mode: str = 'full', *, stream: StreamOrDevice = None) -> array:
    """The convolution of two vectors; mode is 'full', 'same' or 'valid'."""

def cos(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """The cosine."""

def cosh(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """The hyperbolic cosine."""

def count_nonzero(a: array, /, *, axis: None | int | Sequence[int] = None, keepdims: bool = False, stream: StreamOrDevice = None) -> array:
    """How many elements are not zero along the axes."""

def cummax(a: array, /, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, stream: StreamOrDevice = None) -> array:
    """The greatest so far along the axis, or of the flattened array."""

def cummin(a: array, /, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, stream: StreamOrDevice = None) -> array:
    """The least so far along the axis, or of the flattened array."""

def cumprod(a: array, /, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, dtype: Dtype | None = None, stream: StreamOrDevice = None) -> array:
    """Running products along the axis, or of the flattened array."""

def cumsum(a: array, /, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, dtype: Dtype | None = None, stream: StreamOrDevice = None) -> array:
    """Running sums along the axis, or of the flattened array."""

def default_device() -> Device:
    """Where ops of this thread run when nothing else is said."""

def default_stream(device: Device | DeviceType) -> Stream:
    """The stream that ops of this thread run on when no other is said."""

def degrees(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Radians as degrees."""

def depends(inputs: array | Sequence[array], dependencies: array | Sequence[array]):
    """The inputs, an array or a list, which are computed only after the dependencies."""

def dequantize(w: array, /, scales: array, biases: array | None = None, group_size: int | None = None, bits: int | None = None, mode: str = 'affine', global_scale: array | None = None, dtype: Dtype | None = None, *, stream: StreamOrDevice = None) -> array:
    """The values of codes."""

def device_count(device_type: DeviceType) -> int:
    """How many devices of the type there are."""

def device_info(d: Device | DeviceType | None = None) -> dict[str, str | int]:
    """What is known of a device: its name, architecture, memory_size in bytes, what its backend found."""

def diag(a: array, /, k: int = 0, *, stream: StreamOrDevice = None) -> array:
    """The k-th diagonal of a matrix, or a matrix with a vector on it."""

def diagonal(a: array, offset: int = 0, axis1: int = 0, axis2: int = 1, stream: StreamOrDevice = None) -> array:
    """The diagonal of two axes as a last axis."""

def diff(a: array, /, n: int = 1, axis: int = -1, *, stream: StreamOrDevice = None) -> array:
    """Differences of neighbours along the axis, n times over."""

def disable_compile() -> None:
    """Compiled functions are called as they are from now on, in the whole process."""

def divide(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """a / b; of integers a float32."""

def divmod(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """The quotient, rounded down, and the remainder: a list of two arrays."""

def einsum(subscripts: str, *operands: array, stream: StreamOrDevice = None) -> array:
    """Einstein's sum, as NumPy writes it."""

def einsum_path(subscripts: str, *operands: array) -> tuple[list[tuple[int, ...]], str]:
    """The order in which einsum contracts pairs, and what it saves."""

def enable_compile() -> None:
    """Compiled functions are compiled again."""

def equal(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """a == b"""

def erf(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """The error function."""

def erfinv(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """The inverse of the error function."""

def eval(*args) -> None:
    """Computes arrays. Arguments are arrays or trees of arrays: lists, tuples and dicts. Leaves that are no arrays are ignored."""

def exp(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """The exponential."""

def expand_dims(a: array, /, axis: int | Sequence[int], *, stream: StreamOrDevice = None) -> array:
    """With new axes of size 1 at these places of the result."""

def expm1(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """exp(a) - 1, precise near 0."""

def export_function(file_or_callback: str | Callable, fun: Callable, *args, shapeless: bool = False, metadata: str | None = None, **kwargs) -> None:
    """Writes fun, traced on example arrays, to a .mlxfn file, or tells a callback what the file would hold, in dicts. Examples are arrays by place and by name, or a tuple and/or a dict of arrays. shapeless: shapes may differ at the call; metadata: text kept in the file."""

def export_to_dot(file: object, *args, **kwargs) -> None:
    """Writes the graph behind the arrays, as far as it is not computed, for Graphviz, to a path or an object with a method write. Arrays passed by name are called so in it."""

def exporter(file: str, fun: Callable, *, shapeless: bool = False, metadata: str | None = None) -> FunctionExporter:
    """An object that writes traces of fun to one .mlxfn file: one per call with example arrays. Use it as a context, or close it."""

def eye(n: int, m: int | None = None, k: int = 0, dtype: Dtype | None = float32, *, stream: StreamOrDevice = None) -> array:
    """(n, m) with ones on the k-th diagonal."""

def flatten(a: array, /, start_axis: int = 0, end_axis: int = -1, *, stream: StreamOrDevice = None) -> array:
    """The axes from start to end, both included, as one."""

def flip(a: array, /, axis: None | int | Sequence[int] = None, *, stream: StreamOrDevice = None) -> array:
    """Reversed along the axes, all if None."""

def floor(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """The greatest integer not above."""

def floor_divide(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """a / b rounded down."""

def from_dlpack(x: DLPackCompatible, /, *, copy: bool | None = None) -> array:
    """An array of another library. With copy=False it shares the memory, which must not change any more."""

def from_fp8(x: array, dtype: Dtype = bfloat16, *, stream: StreamOrDevice = None) -> array:
    """E4M3 in uint8 as floats."""

def full(shape: int | Sequence[int], vals: scalar | array, dtype: Dtype | None = None, *, stream: StreamOrDevice = None) -> array:
    """`vals` broadcast to the shape."""

def full_like(a: array, vals: scalar | array, dtype: Dtype | None = None, *, stream: StreamOrDevice = None) -> array:
    """`vals` in the shape and dtype of a."""

def gather_mm(a: array, b: array, /, lhs_indices: array | None = None, rhs_indices: array | None = None, *, sorted_indices: bool = False, stream: StreamOrDevice = None) -> array:
    """Products of matrices chosen by number: a[lhs] @ b[rhs]."""

def gather_qmm(x: array, w: array, /, scales: array, biases: array | None = None, lhs_indices: array | None = None, rhs_indices: array | None = None, transpose: bool = True, group_size: int | None = None, bits: int | None = None, mode: str = 'affine', global_scale: array | None = None, *, sorted_indices: bool = False, stream: StreamOrDevice = None) -> array:
    """quantized_matmul of matrices chosen by number."""

def gather_qqmm(x: array, w: array, /, scales: array | None = None, lhs_indices: array | None = None, rhs_indices: array | None = None, group_size: int | None = None, bits: int | None = None, mode: str = 'nvfp4', global_scale_x: array | None = None, global_scale_w: array | None = None, *, sorted_indices: bool = False, stream: StreamOrDevice = None) -> array:
    """qqmm of matrices chosen by number."""

def get_active_memory(device: Device | DeviceType | None = None) -> int:
    """Bytes in arrays, on all devices or one."""

def get_array_buffer_size(*args) -> int:
    """Bytes of the buffers that evaluated arrays lie in, each buffer once, whole blocks of the allocator. Arguments are arrays or trees of arrays: lists, tuples and dicts. Leaves that are no arrays are ignored."""

def get_cache_memory(device: Device | DeviceType | None = None) -> int:
    """Bytes kept for reuse, on all devices or one."""

def get_memory_limit(device: Device | DeviceType | None = None) -> int:
    """Bytes of the host's memory beyond which an op fails; of a GPU those beyond which arrays give way to others."""

def get_peak_memory(device: Device | DeviceType | None = None) -> int:
    """The greatest sum of bytes in arrays since the start or reset_peak_memory, on all devices or one."""

def get_printoptions() -> PrintOptions:
    """How floats are printed."""

def grad(fun: Callable[P, R], argnums: int | Sequence[int] | None = None, argnames: str | Sequence[str] = []) -> Callable[P, Any]:
    """A function that computes the gradient of fun's result, a scalar array, with respect to the arguments at the places argnums and with the names argnames; left out, the first argument. Arguments are arrays or trees of arrays, and so are gradients: of one place its own tree, of several a tuple, with names a tuple of that and a dict."""

def greater(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """a > b"""

def greater_equal(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """a >= b"""

def hadamard_transform(a: array, scale: float | None = None, stream: StreamOrDevice = None) -> array:
    """The last axis times scale * H; None: 1 / sqrt(length)."""

def hamming(M: int, *, stream: StreamOrDevice = None) -> array:
    """A window of M points, float32."""

def hanning(M: int, *, stream: StreamOrDevice = None) -> array:
    """A window of M points, float32."""

def identity(n: int, dtype: Dtype | None = float32, *, stream: StreamOrDevice = None) -> array:
    """(n, n) with ones on the diagonal."""

def imag(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """The imaginary part."""

def import_function(file: str, return_metadata: bool = False) -> Callable | tuple[Callable, str]:
    """The function in a .mlxfn file. It is called as it was exported, with arrays by place and by name or with a tuple and/or a dict of arrays, and returns a tuple of arrays. return_metadata: a tuple of it and the file's text."""

def inner(a: array, b: array, /, *, stream: StreamOrDevice = None) -> array:
    """The inner product over the last axes."""

def is_available(device: Device | DeviceType) -> bool:
    """Is there such a device?"""

def isclose(a: array, b: array, /, rtol: float = 1e-05, atol: float = 1e-08, *, equal_nan: bool = False, stream: StreamOrDevice = None) -> array:
    """|a - b| <= atol + rtol |b|"""

def isdtype(dtype: Dtype, kind: DtypeKind) -> bool:
    """Is the dtype of a kind as the Python array API names them?"""

def isfinite(a: array, stream: StreamOrDevice = None) -> array:
    """Is it neither infinite nor NaN?"""

def isinf(a: array, stream: StreamOrDevice = None) -> array:
    """Is it infinite?"""

def isnan(a: array, stream: StreamOrDevice = None) -> array:
    """Is it NaN?"""

def isneginf(a: array, stream: StreamOrDevice = None) -> array:
    """Is it infinite and negative?"""

def isposinf(a: array, stream: StreamOrDevice = None) -> array:
    """Is it infinite and positive?"""

def issubdtype(arg1: Dtype | DtypeCategory, arg2: Dtype | DtypeCategory) -> bool:
    """Is the first one in the second?"""

def jvp(fun: Callable, primals: list[array], tangents: list[array]) -> tuple[list[array], list[array]]:
    """The results of fun at the primals, and the products of its Jacobian with the tangents, one per primal."""

def kron(a: array, b: array, *, stream: StreamOrDevice = None) -> array:
    """The Kronecker product."""

def left_shift(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """a << b"""

def less(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """a < b"""

def less_equal(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """a <= b"""

def linspace(start: float, stop: float, num: int | None = 50, endpoint: bool = True, dtype: Dtype | None = float32, stream: StreamOrDevice = None) -> array:
    """`num` numbers from start to stop, with or without the stop."""

def load(file: object, /, format: str | None = None, return_metadata: bool = False, *, stream: StreamOrDevice = None) -> array | dict[str, array] | tuple[dict[str, array], dict[str, Any]]:
    """The array of a .npy file, or the arrays of a .npz, .safetensors or .gguf file by name; elements are read when they are used. The file is a path or has a method read()."""

def log(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """The natural logarithm."""

def log10(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """The logarithm to base 10."""

def log1p(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """log(1 + a), precise near 0."""

def log2(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """The logarithm to base 2."""

def logaddexp(a: scalar | array, b: scalar | array, /, *, stream: StreamOrDevice = None) -> array:
    """log(exp(a) + exp(b))"""

def logcumsumexp(a: array, /, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, stream: StreamOrDevice = None) -> array:
    """log(cumsum(exp(a))) along the axis, or of the flattened array."""

def logical_and(a: scalar | array, b: scalar | array, /, *, stream: StreamOrDevice = None) -> array:
    """Are both true?"""

def logical_not(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Is it false, or 0?"""

def logical_or(a: scalar | array, b: scalar | array, /, *, stream: StreamOrDevice = None) -> array:
    """Is one of them true?"""

def logical_xor(a: scalar | array, b: scalar | array, /, *, stream: StreamOrDevice = None) -> array:
    """Is just one of them true?"""

def logsumexp(a: array, /, axis: None | int | Sequence[int] = None, keepdims: bool = False, *, stream: StreamOrDevice = None) -> array:
    """log(sum(exp(a))) over the axes, all if None."""

def matmul(a: array, b: array, /, *, stream: StreamOrDevice = None) -> array:
    """The matrix product over the last two axes; leading axes broadcast."""

def matrix_norm(a: array, /, ord: None | int | float | str = None, axis: None | int | list[int] = None, keepdims: bool = False, *, stream: StreamOrDevice = None) -> array:
    """The norm of vectors or matrices: ord is a number, inf, -inf, 'fro' or 'nuc'."""

def matrix_transpose(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """The last two axes swapped."""

def max(a: array, /, axis: None | int | Sequence[int] = None, keepdims: bool = False, *, stream: StreamOrDevice = None) -> array:
    """The greatest along the axes, all if None."""

def maximum(a: scalar | array, b: scalar | array, /, *, stream: StreamOrDevice = None) -> array:
    """The greater one; NaN if either is."""

def mean(a: array, /, axis: None | int | Sequence[int] = None, keepdims: bool = False, *, stream: StreamOrDevice = None) -> array:
    """The mean over the axes, all if None."""

def median(a: array, /, axis: None | int | Sequence[int] = None, keepdims: bool = False, *, stream: StreamOrDevice = None) -> array:
    """The median over the axes, all if None."""

def meshgrid(*arrays: array, sparse: bool | None = False, indexing: str | None = 'xy', stream: StreamOrDevice = None) -> tuple[array, ...]:
    """Coordinates of a grid."""

def min(a: array, /, axis: None | int | Sequence[int] = None, keepdims: bool = False, *, stream: StreamOrDevice = None) -> array:
    """The least along the axes, all if None."""

def minimum(a: scalar | array, b: scalar | array, /, *, stream: StreamOrDevice = None) -> array:
    """The lesser one; NaN if either is."""

def minmax(a: array, /, axis: None | int | Sequence[int] = None, keepdims: bool = False, *, stream: StreamOrDevice = None) -> tuple[array, array]:
    """The least and the greatest along the axes."""

def moveaxis(a: array, /, source: int, destination: int, *, stream: StreamOrDevice = None) -> array:
    """An axis moved to another place."""

def multiply(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """a * b"""

def nan_to_num(a: scalar | array, nan: float = 0, posinf: float | None = None, neginf: float | None = None, *, stream: StreamOrDevice = None) -> array:
    """a with these in the place of NaN and infinities; None: the greatest and the least finite number."""

def negative(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """-a"""

def new_stream(device: Device | DeviceType) -> Stream:
    """A new stream on the device."""

def new_thread_local_stream(device: Device | DeviceType) -> ThreadLocalStream:
    """A stream that stands for another one on each thread that uses it."""

def new_thread_unsafe_stream(device: Device | DeviceType) -> Stream:
    """A new stream on the device; as new_stream, since any thread may use a stream here."""

def not_equal(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """a != b"""

def ones(shape: int | Sequence[int], dtype: Dtype | None = float32, *, stream: StreamOrDevice = None) -> array:
    """Ones."""

def ones_like(a: array, /, dtype: Dtype | None = None, *, stream: StreamOrDevice = None) -> array:
    """Ones in the shape and dtype of a."""

def outer(a: array, b: array, /, *, stream: StreamOrDevice = None) -> array:
    """The outer product of two vectors."""

def pad(a: array, pad_width: PadWidth, mode: str = 'constant', constant_values: scalar | array = 0, *, stream: StreamOrDevice = None) -> array:
    """Elements added at the ends of the axes: the value, or for mode 'edge', 'reflect' and 'symmetric' the array's own. The width is an integer, a pair for all axes, or a pair for each."""

def partition(a: array, /, kth: int, axis: None | int = -1, *, stream: StreamOrDevice = None) -> array:
    """Element kth where sorting would put it, none greater before, none less behind."""

def positive(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """a itself."""

def power(a: scalar | array, b: scalar | array, /, *, stream: StreamOrDevice = None) -> array:
    """a to the power of b."""

def printoptions(precision: int = -1) -> _PrintOptionsContext:
    """A context: `with printoptions(precision=3):` floats are printed so inside."""

def prod(a: array, /, axis: None | int | Sequence[int] = None, keepdims: bool = False, *, stream: StreamOrDevice = None) -> array:
    """The product over the axes, all if None."""

def put_along_axis(a: array, /, indices: array, values: array, axis: int | None = None, *, stream: StreamOrDevice = None) -> array:
    """a with the elements at the indices along the axis replaced."""

def qqmm(x: array, w: array, scales: array | None = None, group_size: int | None = None, bits: int | None = None, mode: str = 'nvfp4', global_scale_x: array | None = None, global_scale_w: array | None = None, *, stream: StreamOrDevice = None) -> array:
    """x, quantized on the way, times the transpose of w: codes with scales, or floats that are quantized too."""

def quantize(w: array, /, group_size: int | None = None, bits: int | None = None, mode: str = 'affine', *, global_scale: array | None = None, stream: StreamOrDevice = None) -> tuple[array, array, array]:
    """Codes, scales and, for mode 'affine', biases of w."""

def quantized_matmul(x: array, w: array, /, scales: array, biases: array | None = None, transpose: bool = True, group_size: int | None = None, bits: int | None = None, mode: str = 'affine', *, stream: StreamOrDevice = None) -> array:
    """x times the (transpose of the) values of codes w."""

def radians(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Degrees as radians."""

def real(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """The real part."""

def reciprocal(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """1 / a"""

def remainder(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """The remainder of a / b, with the sign of b."""

def repeat(array: array, repeats: int, axis: int | None = None, *, stream: StreamOrDevice = None) -> array:
    """Each slice along the axis so often; None: each element of the flattened array."""

def reset_peak_memory(device: Device | DeviceType | None = None) -> None:
    """The peak counts from now on, of all devices or one."""

def reshape(a: array, /, shape: Sequence[int], *, stream: StreamOrDevice = None) -> array:
    """In another shape; one size may be -1."""

def result_type(*arrays_and_dtypes: array | Dtype) -> Dtype:
    """The dtype that all of them are promoted to."""

def right_shift(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """a >> b"""

def roll(a: array, shift: int | Sequence[int], axis: None | int | Sequence[int] = None, /, *, stream: StreamOrDevice = None) -> array:
    """Elements moved on along the axes, or of the flattened array; those that leave come in at the other end."""

def round(a: array, /, decimals: int = 0, stream: StreamOrDevice = None) -> array:
    """Rounded to so many decimals, half to even."""

def rsqrt(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """1 / sqrt(a)"""

def save(file: object, arr: array) -> None:
    """Writes an array to a .npy file."""

def save_gguf(file: object, arrays: dict[str, array], metadata: dict[str, array | str | list[str]] | None = None) -> None:
    """Writes arrays and metadata to a .gguf file."""

def save_safetensors(file: object, arrays: dict[str, array], metadata: dict[str, str] | None = None) -> None:
    """Writes arrays and metadata to a .safetensors file."""

def savez(file: object, *args: array, **kwargs: array) -> None:
    """Writes arrays to a .npz file, under their keywords or as arr_0, arr_1, ..."""

def savez_compressed(file: object, *args: array, **kwargs: array) -> None:
    """savez, the arrays compressed."""

def searchsorted(sorted_sequence: array, values: array, /, side: str = 'left', *, stream: StreamOrDevice = None) -> array:
    """Where each value would be put: 'left' before its equals, 'right' behind them."""

def segmented_mm(a: array, b: array, /, segments: array, *, stream: StreamOrDevice = None) -> array:
    """a @ b over parts of the inner axis: from where to before where."""

def set_cache_limit(limit: int, device: Device | DeviceType | None = None) -> int:
    """Bytes that each device, or one, keeps for reuse at most; returns the value before."""

def set_default_device(device: Device | DeviceType) -> None:
    """Where ops of this thread run from now on."""

def set_default_stream(stream: Stream) -> None:
    """Makes it the default stream of its device for this thread."""

def set_memory_limit(limit: int, device: Device | DeviceType | None = None) -> int:
    """Bytes of the host's memory beyond which an op fails, or of a GPU's, beyond which arrays give way to others; returns the value before."""

def set_printoptions(precision: int = -1) -> None:
    """How floats are printed from now on: so many digits behind the point; below 0 six significant ones."""

def set_wired_limit(limit: int) -> int:
    """Bytes that stay resident for a GPU that pages; returns the value before."""

def sigmoid(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """1 / (1 + exp(-a))"""

def sign(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """-1, 0 or 1; of a complex number a / |a|."""

def sin(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """The sine."""

def sinh(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """The hyperbolic sine."""

def slice(a: array, start_indices: array, axes: Sequence[int], slice_size: Sequence[int], *, stream: StreamOrDevice = None) -> array:
    """The slice of that size that begins at the start indices along the axes."""

def slice_update(a: array, update: array, start_indices: array, axes: Sequence[int], *, stream: StreamOrDevice = None) -> array:
    """a with the update in the place of such a slice."""

def softmax(a: array, /, axis: None | int | Sequence[int] = None, *, precise: bool = False, stream: StreamOrDevice = None) -> array:
    """exp(a) over its sum along the axes, all if None; precise: halves are computed in float32."""

def sort(a: array, /, axis: None | int = -1, *, stream: StreamOrDevice = None) -> array:
    """Sorted along the axis, or the flattened array."""

def split(a: array, /, indices_or_sections: int | Sequence[int], axis: int = 0, *, stream: StreamOrDevice = None) -> array:
    """A list of so many equal pieces along the axis, or of those that begin at the indices."""

def sqrt(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """The square root."""

def square(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """a * a"""

def squeeze(a: array, /, axis: None | int | Sequence[int] = None, *, stream: StreamOrDevice = None) -> array:
    """Without these axes of size 1, all of them if None."""

def stack(arrays: list[array], axis: int | None = 0, *, stream: StreamOrDevice = None) -> array:
    """Joined along a new axis; None: flattened before."""

def std(a: array, /, axis: None | int | Sequence[int] = None, keepdims: bool = False, ddof: int = 0, *, correction: int | None = None, stream: StreamOrDevice = None) -> array:
    """The standard deviation over the axes; the divisor is the count less ddof (or correction)."""

def stop_gradient(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """a; no gradient passes."""

def stream(s: Stream | ThreadLocalStream | Device | DeviceType) -> StreamContext:
    """A context: `with stream(s):` ops inside run on the stream."""

def subtract(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """a - b"""

def sum(a: array, /, axis: None | int | Sequence[int] = None, keepdims: bool = False, *, stream: StreamOrDevice = None) -> array:
    """The sum over the axes, all if None."""

def swapaxes(a: array, /, axis1: int, axis2: int, *, stream: StreamOrDevice = None) -> array:
    """Two axes swapped."""

def synchronize(stream: StreamOrDevice = None) -> None:
    """Waits until all work given to the stream is done; None: to the default stream. Raises what went wrong behind async_eval
    if nothing has told so yet.
    """

def take(a: array, /, indices: int | array, axis: int | None = None, *, stream: StreamOrDevice = None) -> array:
    """The slices at the indices along the axis, or the elements of the flattened array."""

def take_along_axis(a: array, /, indices: array, axis: int | None = -1, *, stream: StreamOrDevice = None) -> array:
    """One element per index along the axis, or of the flattened array."""

def tan(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """The tangent."""

def tanh(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """The hyperbolic tangent."""

def tensordot(a: array, b: array, /, axes: int | list[Sequence[int]] = 2, *, stream: StreamOrDevice = None) -> array:
    """Sums over the last axes of a and as many first ones of b, or over the axes named for each."""

def tile(a: array, reps: int | Sequence[int], /, *, stream: StreamOrDevice = None) -> array:
    """Repeated as a whole, so often along each axis."""

def to_fp8(x: array, *, stream: StreamOrDevice = None) -> array:
    """Floats as E4M3 in uint8."""

def topk(a: array, /, k: int, axis: None | int = -1, *, stream: StreamOrDevice = None) -> array:
    """The k greatest along the axis, in no order."""

def trace(a: array, /, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Dtype | None = None, *, stream: StreamOrDevice = None) -> array:
    """The sum along the diagonal of two axes."""

def transpose(a: array, /, axes: Sequence[int] | None = None, *, stream: StreamOrDevice = None) -> array:
    """The axes in a new order, reversed if None."""

def tri(n: int, m: int | None = None, k: int = 0, dtype: Dtype | None = None, *, stream: StreamOrDevice = None) -> array:
    """(n, m) with ones on and below the k-th diagonal."""

def tril(x: array, k: int = 0, *, stream: StreamOrDevice = None) -> array:
    """Zeros above the k-th diagonal."""

def triu(x: array, k: int = 0, *, stream: StreamOrDevice = None) -> array:
    """Zeros below the k-th diagonal."""

def trunc(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Rounded towards zero."""

def unflatten(a: array, /, axis: int, shape: Sequence[int], *, stream: StreamOrDevice = None) -> array:
    """The axis as several; one size may be -1."""

def unique(a: array, /, size: int, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False, fill_value: scalar | array | None = None, *, stream: StreamOrDevice = None) -> array | tuple[array, ...]:
    """The different elements in order, `size` of them: cut off, or filled up; on request the place of the first of each, which of them each element is, and how often each occurs."""

def unstack(x: array, /, *, axis: int = 0, stream: StreamOrDevice = None) -> tuple[array, ...]:
    """The slices along the axis, without it."""

def value_and_grad(fun: Callable[P, R], argnums: int | Sequence[int] | None = None, argnames: str | Sequence[str] = []) -> Callable[P, tuple[R, Any]]:
    """As grad, but what fun returned and the gradients. fun may return a tuple whose first item is the scalar to differentiate; the others can be anything."""

def var(a: array, /, axis: None | int | Sequence[int] = None, keepdims: bool = False, ddof: int = 0, *, correction: int | None = None, stream: StreamOrDevice = None) -> array:
    """The variance over the axes; the divisor is the count less ddof (or correction)."""

def vecdot(a: array, b: array, /, *, axis: int = -1, stream: StreamOrDevice = None) -> array:
    """sum(conj(a) b) along the axis."""

def view(a: scalar | array, dtype: Dtype, stream: StreamOrDevice = None) -> array:
    """The same bytes as another dtype; the last axis scales with the item size."""

def vjp(fun: Callable, primals: list[array], cotangents: list[array]) -> tuple[list[array], list[array]]:
    """The results of fun at the primals, and the products of the cotangents with its Jacobian, one per primal. There is a cotangent for each result but those that are stop_gradient's."""

def vmap(fun: Callable[P, R], in_axes: object = 0, out_axes: object = 0) -> Callable[P, R]:
    """A function that maps fun over the axes in_axes of its arguments and puts the batch at out_axes of its results. Axes are integers, None for what is the same for the whole batch, or trees of these that are prefixes of the arguments or results."""

def where(condition: scalar | array, x: scalar | array, y: scalar | array, /, *, stream: StreamOrDevice = None) -> array:
    """x where the condition is true, else y."""

def zeros(shape: int | Sequence[int], dtype: Dtype | None = float32, *, stream: StreamOrDevice = None) -> array:
    """Zeros."""

def zeros_like(a: array, /, dtype: Dtype | None = None, *, stream: StreamOrDevice = None) -> array:
    """Zeros in the shape and dtype of a."""

acos = arccos
acosh = arccosh
asin = arcsin
asinh = arcsinh
atan = arctan
atan2 = arctan2
atanh = arctanh
bitwise_left_shift = left_shift
bitwise_right_shift = right_shift
concat = concatenate
cumulative_prod = cumprod
cumulative_sum = cumsum
empty = zeros
empty_like = zeros_like
permute_dims = transpose
pow = power
