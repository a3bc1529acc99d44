"""Processes that compute together."""

# Written by tools/python-stubs from the module's docstrings.

from collections.abc import Callable, Sequence
from pons.core import Dtype, StreamOrDevice, array

class Group:
    """Processes that compute together."""

    def rank(self) -> int:
        """This process's place, from 0."""

    def size(self) -> int:
        """How many processes."""

    def split(self, color: int, key: int = -1) -> Group:
        """The processes that give the same color, ranked by key."""

def all_gather(x: array, *, group: Group | None = None, stream: StreamOrDevice = None) -> array:
    """The processes' x, joined along the first axis."""

def all_max(x: array, *, group: Group | None = None, stream: StreamOrDevice = None) -> array:
    """The maximum of the processes' x."""

def all_min(x: array, *, group: Group | None = None, stream: StreamOrDevice = None) -> array:
    """The minimum of the processes' x."""

def all_sum(x: array, *, group: Group | None = None, stream: StreamOrDevice = None) -> array:
    """The sum of the processes' x."""

def init(strict: bool = False, backend: str = 'any', *, all_gather_factory: Callable | None = None) -> Group:
    """The group of all processes started together, or of this one alone; with strict that is an error."""

def is_available(backend: str = 'any') -> bool:
    """Can groups be made over the backend?"""

def recv(shape: Sequence[int], dtype: Dtype, src: int, *, group: Group | None = None, stream: StreamOrDevice = None) -> array:
    """What a process sends."""

def recv_like(x: array, src: int, *, group: Group | None = None, stream: StreamOrDevice = None) -> array:
    """What a process sends, of x's shape and dtype."""

def send(x: array, dst: int, *, group: Group | None = None, stream: StreamOrDevice = None) -> array:
    """x, sent to a process when it is evaluated."""

def sum_scatter(x: array, *, group: Group | None = None, stream: StreamOrDevice = None) -> array:
    """This process's part of the sum."""
