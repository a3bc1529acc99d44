"""Random numbers: the same bits as MLX for the same key."""

# Written by tools/python-stubs from the module's docstrings.

from collections.abc import Sequence
from pons.core import Dtype, StreamOrDevice, array, float32, int32, scalar

class _RandomState:
    """The key from which functions called without one split theirs: a sequence of it, one per thread."""

    def __getitem__(self, index: int) -> array: ...
    def __len__(self) -> int: ...

state: _RandomState

def bernoulli(p: scalar | array = 0.5, shape: Sequence[int] | None = None, key: array | None = None, stream: StreamOrDevice = None) -> array:
    """True with probability p."""

def categorical(logits: array, axis: int = -1, shape: Sequence[int] | None = None, num_samples: int | None = None, key: array | None = None, stream: StreamOrDevice = None) -> array:
    """Indices along the axis with probability softmax(logits): one per row, `num_samples` per row, or `shape`."""

def gumbel(shape: Sequence[int] = [], dtype: Dtype | None = float32, key: array | None = None, stream: StreamOrDevice = None) -> array:
    """Numbers of the standard Gumbel distribution."""

def key(seed: int) -> array:
    """A key, (2) uint32."""

def laplace(shape: Sequence[int] = [], dtype: Dtype | None = float32, loc: float = 0.0, scale: float = 1.0, key: array | None = None, stream: StreamOrDevice = None) -> array:
    """Numbers of a Laplace distribution."""

def multivariate_normal(mean: array, cov: array, shape: Sequence[int] = [], dtype: Dtype | None = float32, key: array | None = None, stream: StreamOrDevice = None) -> array:
    """Normal vectors with these means and covariances."""

def normal(shape: Sequence[int] = [], dtype: Dtype | None = float32, loc: scalar | array | None = None, scale: scalar | array | None = None, key: array | None = None, stream: StreamOrDevice = None) -> array:
    """Normal numbers, times scale, plus loc."""

def permutation(x: int | array, axis: int = 0, key: array | None = None, stream: StreamOrDevice = None) -> array:
    """0 .. x-1, or the slices of x along the axis, in random order."""

def randint(low: scalar | array, high: scalar | array, shape: Sequence[int] = [], dtype: Dtype | None = int32, key: array | None = None, stream: StreamOrDevice = None) -> array:
    """Whole numbers from low to below high, which broadcast to the shape."""

def seed(seed: int) -> None:
    """Sets the key from which this thread's are split."""

def split(key: array, num: int = 2, stream: StreamOrDevice = None) -> array:
    """`num` keys, (num, 2) uint32."""

def truncated_normal(lower: scalar | array, upper: scalar | array, shape: Sequence[int] | None = None, dtype: Dtype | None = float32, key: array | None = None, stream: StreamOrDevice = None) -> array:
    """A normal number given that it is from lower to upper."""

def uniform(low: scalar | array = 0, high: scalar | array = 1, shape: Sequence[int] = [], dtype: Dtype | None = float32, key: array | None = None, stream: StreamOrDevice = None) -> array:
    """Evenly from low to below high, which broadcast to the shape."""
