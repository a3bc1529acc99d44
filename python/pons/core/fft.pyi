"""Discrete Fourier transforms."""

# Written by tools/python-stubs from the module's docstrings.

from collections.abc import Sequence
from pons.core import StreamOrDevice, array

def fft(a: array, n: int | None = None, axis: int = -1, norm: str = 'backward', stream: StreamOrDevice = None) -> array:
    """The Fourier transform along an axis."""

def fft2(a: array, s: Sequence[int] | None = None, axes: Sequence[int] | None = [-2, -1], norm: str = 'backward', stream: StreamOrDevice = None) -> array:
    """The Fourier transform along two axes."""

def fftfreq(n: int, d: float = 1.0, stream: StreamOrDevice = None) -> array:
    """The frequencies of fft for n samples d apart."""

def fftn(a: array, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str = 'backward', stream: StreamOrDevice = None) -> array:
    """The Fourier transform along axes, all if None."""

def fftshift(a: array, axes: int | Sequence[int] | None = None, stream: StreamOrDevice = None) -> array:
    """Frequency 0 moved to the middle of the axes, all if None."""

def ifft(a: array, n: int | None = None, axis: int = -1, norm: str = 'backward', stream: StreamOrDevice = None) -> array:
    """The inverse transform along an axis."""

def ifft2(a: array, s: Sequence[int] | None = None, axes: Sequence[int] | None = [-2, -1], norm: str = 'backward', stream: StreamOrDevice = None) -> array:
    """The inverse transform along two axes."""

def ifftn(a: array, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str = 'backward', stream: StreamOrDevice = None) -> array:
    """The inverse transform along axes, all if None."""

def ifftshift(a: array, axes: int | Sequence[int] | None = None, stream: StreamOrDevice = None) -> array:
    """fftshift undone."""

def irfft(a: array, n: int | None = None, axis: int = -1, norm: str = 'backward', stream: StreamOrDevice = None) -> array:
    """The real signal whose rfft this is."""

def irfft2(a: array, s: Sequence[int] | None = None, axes: Sequence[int] | None = [-2, -1], norm: str = 'backward', stream: StreamOrDevice = None) -> array:
    """The real signal whose rfft2 this is."""

def irfftn(a: array, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str = 'backward', stream: StreamOrDevice = None) -> array:
    """The real signal whose rfftn this is."""

def istft(stft_matrix: array, n_fft: int | None = None, hop_length: int | None = None, win_length: int | None = None, window: array | None = None, center: bool = True, norm: str = 'backward', onesided: bool | None = None, length: int | None = None, stream: StreamOrDevice = None) -> array:
    """The signal whose frames these are."""

def rfft(a: array, n: int | None = None, axis: int = -1, norm: str = 'backward', stream: StreamOrDevice = None) -> array:
    """Of a real signal: the frequencies that are not negative."""

def rfft2(a: array, s: Sequence[int] | None = None, axes: Sequence[int] | None = [-2, -1], norm: str = 'backward', stream: StreamOrDevice = None) -> array:
    """rfft along two axes, the last of them halved."""

def rfftfreq(n: int, d: float = 1.0, stream: StreamOrDevice = None) -> array:
    """The frequencies of rfft for n samples d apart."""

def rfftn(a: array, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str = 'backward', stream: StreamOrDevice = None) -> array:
    """rfft along axes, all if None, the last of them halved."""

def stft(x: array, n_fft: int = 2048, hop_length: int | None = None, win_length: int | None = None, window: array | None = None, center: bool = True, pad_mode: str = 'reflect', norm: str = 'backward', onesided: bool | None = None, stream: StreamOrDevice = None) -> array:
    """The short-time Fourier transform: (..., length) gives (..., frequencies, frames)."""
