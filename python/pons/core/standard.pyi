"""What the Python array API has and mlx.core lacks; see pons.array_api."""

# Written by tools/python-stubs from the module's docstrings.

from pons.core import array

def nonzero(x: array, /) -> tuple[array, ...]:
    """Where x is not zero: the indices along each axis, as int64, in row-major order."""

def repeat(x: array, repeats: array, /, *, axis: int | None = None) -> array:
    """Each slice along the axis, or element, as often as the integer in its place says."""

def unique_all(x: array, /) -> tuple[array, array, array, array]:
    """Those, where each occurs first, which of them each element is, how often each occurs."""

def unique_counts(x: array, /) -> tuple[array, array]:
    """Those, and how often each occurs."""

def unique_inverse(x: array, /) -> tuple[array, array]:
    """Those, and which of them each element is."""

def unique_values(x: array, /) -> array:
    """The distinct elements, in order."""
