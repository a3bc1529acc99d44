"""Fourier and Hadamard transforms, windows and convolutions, against MLX; see judge.py."""
import numpy as np

from draw import ANY, FLOATS, REALS
from judge import arg, main, mx, pons, product, row, total

NORMS = ("backward", "ortho", "forward")
PADS = ("reflect", "constant", "edge")


# ---------------------------------------------------------------- transforms

def one_axis(d):
    x = d.array(ANY, ndim=(1, 3), special=False)
    return [x, d.choice((None, d.integer(1, 12), -1 if d.wrong() else 3)), d.integer(-x.ndim, x.ndim - (not d.wrong())),
            d.choice(NORMS)]


def along_one(name):
    row("fft_" + name, one_axis, tol=16, scale=total,
        pons=lambda x, n, axis, norm: getattr(pons, "fft_" + name)(x, n=n or 0, axis=[axis], norm=NORMS.index(norm)))


def several_axes(d, two):
    x = d.array(ANY, ndim=(1 + (two and not d.wrong()), 4), special=False)
    axes = None if d.chance(0.3) else [a - x.ndim * d.flag() for a in d.random.sample(range(x.ndim), d.integer(1, x.ndim))]
    if axes and d.wrong():
        axes = axes + [d.choice((axes[0], x.ndim, -x.ndim - 1))]
    s = [d.integer(1 - d.wrong(), 6) for _ in axes[d.wrong():]] if axes and d.flag() else None
    return [x, s or None, axes, d.choice(NORMS)]


def along_many(name, two):
    def mlx(x, s, axes, norm):
        axes = {} if axes is None else {"axes": axes}
        return getattr(mx.fft, name)(x, s=s, norm=norm, **axes)
    row("fft_" + name, lambda d: several_axes(d, two), mlx=mlx, tol=16, scale=total,
        pons=lambda x, s, axes, norm: getattr(pons, "fft_" + name)(x, s=s, axes=axes, norm=NORMS.index(norm)))


for kind in ("fft", "ifft", "rfft", "irfft"):
    along_one(kind)
    along_many(kind + "2", True)
    along_many(kind + "n", False)

for name in ("fftfreq", "rfftfreq"):
    row("fft_" + name, lambda d: [d.integer(-1, 20), d.choice((0.0, 0.5, 1.0, d.real(-3, 3)))], tol=2)
for name in ("fftshift", "ifftshift"):
    row("fft_" + name, lambda d: arg(x := d.array(), None if d.flag() or not x.ndim else
                                     [d.integer(-x.ndim, x.ndim - (not d.wrong())) for _ in range(d.integer(0, 3))]))


def framing(d):
    """n_fft, hop_length, win_length, window"""
    n = d.integer(4 - 4 * d.wrong(), 12)
    window = None if d.flag() else d.array(["float32", "float32", "float16", "int32"], (max(0, n - d.choice((0, 0, 1, 3, -d.wrong()))),), 1, 3)
    return n, d.choice((None, d.integer(1, 5), -1 if d.wrong() else 2)), d.choice((None, d.integer(1, max(1, n)))), window


def draw_stft(d):
    n, hop, length, window = framing(d)
    x = d.array(ANY, (*d.shape(0, 2, 12, False), d.integer(1, 30)), special=False)
    center, mode = d.flag(), d.choice(PADS)
    if center and mode == "reflect" and x.shape[-1] <= n // 2:
        d.must_fail("a signal that is too short to be mirrored: MLX leaves gaps")
    return [x, n, hop, length, window, center, mode, d.choice(NORMS), d.choice((None, True, False))]


def draw_istft(d):
    n, hop, length, window = framing(d)
    sides = d.choice((None, True, False))
    bins = n if sides is False else n // 2 + 1
    x = d.array("complex64", (*d.shape(0, 2, 12, False), bins, d.integer(1, 6)), special=False)
    return [x, d.choice((None, n)), hop, length, window, d.flag(), d.choice(NORMS), sides, d.choice((None, d.integer(1, 40)))]


row("fft_stft", draw_stft, tol=32, scale=total, mlx=lambda *a: mx.fft.stft(*a),
    pons=lambda x, n, hop, length, window, center, mode, norm, sides: pons.fft_stft(
        x, n_fft=n or -1, hop_length=hop or 0, win_length=length or 0, window=window, uncentered=not center,
        pad_mode=PADS.index(mode), norm=NORMS.index(norm), sides=0 if sides is None else 2 - sides))
row("fft_istft", draw_istft, tol=64, scale=total, mlx=lambda *a: mx.fft.istft(*a),
    pons=lambda x, n, hop, length, window, center, norm, sides, size: pons.fft_istft(
        x, n_fft=0 if n is None else n or -1, hop_length=hop or 0, win_length=length or 0, window=window, uncentered=not center,
        norm=NORMS.index(norm), twosided=sides is False, length=size or 0))


# ---------------------------------------------------------------- Hadamard, windows

def draw_hadamard(d):
    n = d.choice((3, 5, 14)) if d.wrong() else d.choice((1, 2, 4, 8, 12, 20, 24, 28, 32, 40, 48))
    x = d.array(REALS if d.chance(0.95) else "complex64", (*d.shape(0, 2, 6), n), special=False)
    if x.dtype == "complex64":
        d.must_fail("a complex operand: MLX drops its imaginary part")
    return [x, d.choice((None, d.real(0.1, 2)))]


row("hadamard_transform", draw_hadamard, tol=8, scale=total, pons=lambda x, scale: pons.hadamard_transform(x, scale=scale or 0))
for name in ("bartlett", "blackman", "hamming", "hanning"):
    row(name, lambda d: [d.integer(-2, 60)], tol=8)


# ---------------------------------------------------------------- convolutions

def operands(d, spatial, transposed=False):
    """x, weight, and how many groups"""
    groups = d.choice((1, 1, 2, 3)) if spatial < 3 else 1
    inner, outer = d.integer(1, 3), d.integer(1, 3)
    dtype = d.dtype(FLOATS if not d.wrong() else ANY)
    other = dtype if d.chance(0.8) else d.dtype(REALS)
    most = 8 if spatial < 3 else 5
    x = d.array(dtype, (d.integer(1, 2), *(d.integer(2, most) for _ in range(spatial)), inner * groups + d.wrong()), -2, 2)
    weight = d.array(other, (outer * groups + (groups > 1 and d.wrong()), *(d.integer(1, 3) for _ in range(spatial)), inner), -2, 2)
    return x, weight, groups


def check_reach(d, x, weight, low, high, dilation, input_dilation=1):
    """MLX holds the kernel against x before it is dilated, and reads beyond the padding then."""
    spatial = x.ndim - 2

    def each(v):
        return (v,) * spatial if isinstance(v, int) else v
    for n, k, a, b, q, p in zip(x.shape[1:-1], weight.shape[1:-1], each(low), each(high), each(dilation), each(input_dilation)):
        n = max(0, n + min(a, 0) + min(b, 0))
        inside = (n - 1) * p + 1 if n else 0
        if inside + max(a, 0) + max(b, 0) < (k - 1) * q + 1:
            d.must_fail("a kernel that doesn't fit: MLX reads beyond the padding")


def listed(d, spatial, low, high, general=False):
    """A number, or one per spatial axis."""
    if spatial == 1 and not general or d.flag():
        return d.integer(low, high)
    return tuple(d.integer(low, high) for _ in range(spatial))


def draw_conv(spatial):
    def draw(d):
        x, weight, groups = operands(d, spatial)
        stride, padding, dilation = listed(d, spatial, 1 - d.wrong(), 3), listed(d, spatial, -d.wrong(), 2), listed(d, spatial, 1, 3)
        check_reach(d, x, weight, padding, padding, dilation)
        return [x, weight, stride, padding, dilation, groups]
    return draw


def draw_general(d):
    spatial = d.integer(1, 3)
    x, weight, groups = operands(d, spatial)
    low, high = (tuple(d.integer(-2 * d.chance(0.2), 3) for _ in range(spatial)) for _ in range(2))
    stride, dilation, input_dilation = (listed(d, spatial, 1, 3, True) for _ in range(3))
    check_reach(d, x, weight, low, high, dilation, input_dilation)
    return [x, weight, stride, (low, high), dilation, input_dilation, groups, d.flag()]


def draw_transposed(spatial):
    def draw(d):
        x, weight, groups = operands(d, spatial)
        return [x, weight, listed(d, spatial, 1, 3), listed(d, spatial, 0, 2), listed(d, spatial, 1, 2), listed(d, spatial, 0, 2), groups]
    return draw


for n in (1, 2, 3):
    row(f"conv{n}d", draw_conv(n), tol=4, scale=product, grad=True,
        mlx=lambda x, w, *a, n=n: getattr(mx, f"conv{n}d")(x, w, *a),
        pons=lambda x, w, stride, padding, dilation, groups, n=n: getattr(pons, f"conv{n}d")(
            x, w, stride=stride, padding=padding, dilation=dilation, groups=groups))
    row(f"conv_transpose{n}d", draw_transposed(n), tol=4, scale=product, grad=True,
        mlx=lambda x, w, *a, n=n: getattr(mx, f"conv_transpose{n}d")(x, w, *a),
        pons=lambda x, w, stride, padding, dilation, more, groups, n=n: getattr(pons, f"conv_transpose{n}d")(
            x, w, stride=stride, padding=padding, dilation=dilation, output_padding=more, groups=groups))
row("conv_general", draw_general, tol=4, scale=product, grad=True, mlx=lambda x, w, *a: mx.conv_general(x, w, *a),
    pons=lambda x, w, stride, padding, dilation, input_dilation, groups, flip: pons.conv_general(
        x, w, stride=stride, padding=padding[0], padding_high=padding[1], dilation=dilation, input_dilation=input_dilation,
        groups=groups, flip=flip))
MODES = ("full", "same", "valid")
row("convolve", lambda d: arg(t := d.dtype(FLOATS if not d.wrong() else ANY), *(
    d.array(t, (d.integer(1 - d.wrong(), 9),) * (1 + d.wrong()), -2, 2) for _ in range(2)), d.choice(MODES))[1:],
    tol=4, scale=product, grad=True, pons=lambda a, v, mode: pons.convolve(a, v, MODES.index(mode)))

main(__name__, "spectral")
