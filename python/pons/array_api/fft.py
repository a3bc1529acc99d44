"""The extension fft."""

from .. import core
from ._creation import on

_INVERSE = {"backward": "forward", "ortho": "ortho", "forward": "backward"}


def fft(x, /, *, n=None, axis=-1, norm="backward"):
    return core.fft.fft(x, n, axis, norm)


def ifft(x, /, *, n=None, axis=-1, norm="backward"):
    return core.fft.ifft(x, n, axis, norm)


def rfft(x, /, *, n=None, axis=-1, norm="backward"):
    return core.fft.rfft(x, n, axis, norm)


def irfft(x, /, *, n=None, axis=-1, norm="backward"):
    return core.fft.irfft(x, n, axis, norm)


def hfft(x, /, *, n=None, axis=-1, norm="backward"):
    """The transform of a signal whose second half is the conjugate of the first."""
    return core.fft.irfft(core.conj(x), n, axis, _INVERSE[norm])


def ihfft(x, /, *, n=None, axis=-1, norm="backward"):
    return core.conj(core.fft.rfft(x, n, axis, _INVERSE[norm]))


def fftn(x, /, *, s=None, axes=None, norm="backward"):
    return core.fft.fftn(x, s, axes, norm)


def ifftn(x, /, *, s=None, axes=None, norm="backward"):
    return core.fft.ifftn(x, s, axes, norm)


def rfftn(x, /, *, s=None, axes=None, norm="backward"):
    return core.fft.rfftn(x, s, axes, norm)


def irfftn(x, /, *, s=None, axes=None, norm="backward"):
    return core.fft.irfftn(x, s, axes, norm)


def fftfreq(n, /, *, d=1.0, dtype=None, device=None):
    with on(device):
        return core.fft.fftfreq(n, d).astype(dtype or core.float32)


def rfftfreq(n, /, *, d=1.0, dtype=None, device=None):
    with on(device):
        return core.fft.rfftfreq(n, d).astype(dtype or core.float32)


def fftshift(x, /, *, axes=None):
    return core.fft.fftshift(x, axes)


def ifftshift(x, /, *, axes=None):
    return core.fft.ifftshift(x, axes)
