"""Random arguments, from a seed: arrays of every dtype, shape and layout with ordinary and special values, axes, numbers.

A Draw belongs to one case and is seeded by (seed, op, number), so a case can be made again alone. Most draws are fit for
the op; some, by design, are not (an axis too far, sizes that don't broadcast): then both libraries must refuse."""
import random

import numpy as np

INTEGERS = ["uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"]
FLOATS = ["float16", "float32", "float64", "bfloat16"]
REALS = ["bool"] + INTEGERS + FLOATS
INEXACT = FLOATS + ["complex64"]
ANY = REALS + ["complex64"]
# NumPy's dtype of the same width: bfloat16 is kept as its bits
NUMPY = {**{d: np.dtype(d) for d in ANY if d != "bfloat16"}, "bfloat16": np.dtype(np.uint16)}
EPS = {"float16": 2.0 ** -10, "bfloat16": 2.0 ** -7, "float32": 2.0 ** -23, "complex64": 2.0 ** -23, "float64": 2.0 ** -52}
EXTREMES = {"float16": (65504.0, 6.1e-5, 6e-8), "bfloat16": (3.3e38, 1.2e-38, 9.2e-41),
            "float32": (3.4e38, 1.2e-38, 1.4e-45), "float64": (1.7e308, 2.3e-308, 5e-324)}


def to_bfloat16(x):
    """The bits of float32 values rounded to bfloat16 (half to even; NaN stays NaN)."""
    bits = np.asarray(x, np.float32).view(np.uint32)
    rounded = ((bits.astype(np.uint64) + 0x7fff + (bits >> 16 & 1)) >> 16).astype(np.uint16)
    return np.where(np.isnan(x), np.uint16(0x7fc0), rounded)


def wide(a, dtype):
    """Bits as numbers to compare: float64 for floats, complex128, int64/uint64 as they are."""
    if dtype == "bfloat16":
        return (a.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    if dtype == "complex64":
        return a.astype(np.complex128)
    return a.astype(np.float64) if dtype in FLOATS else a


class Drawn:
    """An array both libraries get: a row-major one (`bits`, of NUMPY[dtype]) seen through a layout."""

    def __init__(self, bits, dtype, layout=("plain",)):
        self.bits, self.dtype, self.layout = bits, dtype, layout
        self.seen = self.look(bits, np.transpose, lambda a, where: a[where], np.broadcast_to)
        self.shape, self.ndim, self.size = self.seen.shape, self.seen.ndim, self.seen.size

    def look(self, a, transpose, at, broadcast):
        kind, *how = self.layout
        if kind == "transposed":
            return transpose(a, how[0])
        if kind == "sliced":
            return at(a, tuple(slice(*s) for s in how[0]))
        return broadcast(a, how[0]) if kind == "repeated" else a

    def mlx(self, mx):
        if self.dtype == "bfloat16" or self.dtype == "float64":  # MLX would make it float32
            a = mx.array(self.bits.view(np.uint64) if self.dtype == "float64" else self.bits).view(getattr(mx, self.dtype))
        else:
            a = mx.array(self.bits)
        return self.look(a, mx.transpose, lambda x, where: x[where], mx.broadcast_to)

    def pons(self, p):
        def at(x, where):
            steps = [s.step or 1 for s in where]
            return p.slice(x, [s.start for s in where], [s.stop for s in where], steps)
        return self.look(p.from_bits(self.bits, self.dtype), lambda x, axes: p.transpose(x, axes=axes), at, p.broadcast_to)

    def wide(self):
        return wide(np.ascontiguousarray(self.seen).reshape(self.shape), self.dtype)

    def __repr__(self):
        text = np.array2string(self.wide(), threshold=20, edgeitems=3, separator=",").replace("\n", "")
        how = "" if self.layout[0] == "plain" else ", " + " ".join(map(str, self.layout))
        return f"<{self.dtype} {self.shape}{how} {text}>"


# ---- lists of indices: integers, slices, None, an ellipsis and drawn arrays

def in_numpy(index, right=False):
    """As NumPy takes it; `right`: with every index of an array right."""
    def item(i):
        if not isinstance(i, Drawn):
            return i
        return np.zeros(i.shape, np.int64) if right and i.dtype in INTEGERS else i.seen
    return tuple(item(i) for i in index)


def looked_up(shape, index, right=False):
    """The numbers of the places that index means in an array of that shape, or None if NumPy refuses it."""
    try:
        return np.arange(int(np.prod(shape))).reshape(shape)[in_numpy(index, right)]
    except (IndexError, ValueError):
        return None


class Draw:
    def __init__(self, key):
        self.random = random.Random(key)
        self.numpy = np.random.Generator(np.random.PCG64(self.random.getrandbits(63)))
        self.refused = None     # a text: why both must refuse; MLX isn't asked then, as it may crash
        self.smooth = True      # no value is drawn where derivatives are not defined, or overflow
        self.extreme = True     # the greatest and least numbers may be drawn
        self.broken = False     # an argument was made wrong on purpose

    # ---- choices

    def chance(self, share):
        return self.random.random() < share

    def choice(self, options):
        return self.random.choice(list(options))

    def integer(self, low, high):
        """From low to high, both included."""
        return self.random.randint(low, high)

    def real(self, low, high):
        return round(self.random.uniform(low, high), 3)

    def flag(self):
        return self.chance(0.5)

    def wrong(self, share=0.04):
        """Shall this argument be a wrong one? At most one is in a case."""
        self.broken = hit = not self.broken and self.chance(share)
        return hit

    def must_fail(self, why):
        """Both must refuse; MLX isn't called, because it would read foreign memory, crash, or silently lose data."""
        self.refused = why

    # ---- dtypes and shapes

    def dtype(self, among=ANY):
        if "float32" in among and self.chance(0.3):
            return "float32"
        return self.choice(among)

    def shape(self, low=0, high=4, most=200, empty=True):
        ndim = self.integer(low, high)
        while True:
            shape = tuple(self.random.choices((0, 1, 2, 3, 4, 5, 7), (empty * 1, 4, 7, 7, 5, 3, 2), k=ndim))
            if np.prod(shape, dtype=np.int64) <= most:
                return shape

    def broadcastable(self, shape):
        """A shape that broadcasts with it."""
        other = tuple(1 if self.chance(0.2) else n for n in shape)
        other = other[self.integer(0, len(other)):] if other and self.chance(0.3) else other
        if other and self.wrong():
            k = self.integer(0, len(other) - 1)
            other = other[:k] + (other[k] + 2,) + other[k + 1:]
        return other

    # ---- arrays

    def values(self, size, dtype, low=None, high=None, special=True):
        """Bits of `size` values: even between low and high where given, else of mixed kinds."""
        g = self.numpy
        if dtype == "bool":
            return g.integers(0, 2, size).astype(bool)
        if dtype == "complex64":
            parts = [self.values(size, "float32", low, high, special).astype(np.float32) for _ in range(2)]
            return (parts[0] + 1j * np.where(np.isfinite(parts[1]), parts[1], 0)).astype(np.complex64) if size else \
                np.zeros(0, np.complex64)
        if dtype in INTEGERS:
            info = np.iinfo(dtype)
            if low is not None:
                return g.integers(max(low, info.min), max(high, max(low, info.min) + 1), size).astype(dtype)
            kind = self.random.random()
            if kind < 0.7 or not special:
                return g.integers(max(info.min, -9), 10, size).astype(dtype)
            if kind < 0.9:
                return g.integers(info.min, info.max, size, dtype=dtype, endpoint=True)
            return np.array([info.min, info.max, 0, 1, info.max - 1], dtype)[g.integers(0, 5, size)]
        if low is not None:
            x = g.uniform(low, high, size)
        elif self.chance(0.3):  # few different values: ties
            x = g.integers(-3, 4, size) / 2.0
        else:
            x = g.normal(0, 2, size)
        if special and low is None and self.chance(0.25):
            self.smooth = False
            top, least, denormal = EXTREMES[dtype]
            pool = [np.inf, -np.inf, np.nan, 0.0, -0.0, 1.0] + ([top, -top, least, -least] if self.extreme and self.chance(0.3) else [])
            x = np.where(g.random(size) < 0.3, np.array(pool)[g.integers(0, len(pool), size)], x)
        with np.errstate(over="ignore"):
            return to_bfloat16(x.astype(np.float32)) if dtype == "bfloat16" else x.astype(dtype)

    def array(self, dtype=None, shape=None, low=None, high=None, special=True, ndim=(0, 4), most=200, empty=True, plain=False):
        """dtype: a name, a list to choose from, or any; shape: given, or drawn by `ndim`, `most` elements, `empty`."""
        dtype = dtype if isinstance(dtype, str) else self.dtype(dtype or ANY)
        shape = tuple(shape) if shape is not None else self.shape(*ndim, most, empty)
        layout = "plain" if plain or not shape else self.random.choices(("plain", "transposed", "sliced", "repeated"), (5, 3, 3, 1))[0]
        base, how = shape, None
        if layout == "transposed":
            how = self.random.sample(range(len(shape)), len(shape))
            base = tuple(shape[how.index(i)] for i in range(len(shape)))
        elif layout == "sliced":
            how, base = [], []
            for n in shape:
                step = self.choice((1, 1, 2, -1, -2))
                first = self.integer(0, 1)
                length = first + abs(step) * n + self.integer(0, 1)
                ends = (first, first + step * n, step) if step > 0 else (first - step * (n - 1), first + step, step)
                if n == 0:
                    ends = (0, 0, 1)
                elif step < 0 and ends[1] < 0:
                    ends = (ends[0], -length - 1, step)
                how.append(ends)
                base.append(length)
        elif layout == "repeated":
            k = self.integer(0, len(shape) - 1)
            how, base = shape, shape[:k] + (1,) + shape[k + 1:]
        size = int(np.prod(base, dtype=np.int64))
        bits = self.values(size, dtype, low, high, special).reshape(base)
        return Drawn(bits, dtype, (layout,) if how is None else (layout, how))

    def reducible(self, dtypes=ANY, empty=False, **options):
        """An array to reduce. Empty only where MLX refuses: elsewhere it may read beyond what it reduces, or hang. Without
        the greatest and least numbers, with which the order decides what overflows on the way."""
        self.extreme = False
        return self.array(dtypes, empty=empty, most=300, **options)

    def pair(self, dtypes=ANY, low=None, high=None, special=True, numbers=True):
        """Two operands that (as a rule) broadcast; one of them may be a Python number, if `numbers`."""
        shape = self.shape()
        first = self.dtype(dtypes)
        second = first if self.chance(0.6) else self.dtype(dtypes)
        shapes = [shape, self.broadcastable(shape)]
        self.random.shuffle(shapes)
        made = [self.array(d, s, low, high, special) for d, s in zip((first, second), shapes)]
        if numbers and self.chance(0.15):
            k = self.integer(0, 1)
            made[k] = self.number(made[1 - k].dtype, low, high)
        return made

    def number(self, beside=None, low=None, high=None):
        """A Python number: weak beside an array of that dtype. None that Python would refuse to convert (a negative one to
        an unsigned), or that MLX would round to float32 on the way to float64."""
        low, high = (-4, 4) if low is None else (low, high)
        low = max(low, 0) if beside and beside.startswith("uint") else low
        whole = self.integer(int(np.ceil(low)), int(high))
        return self.choice((self.flag() if low <= 0 else True, whole, round(self.real(low, high) * 8) / 8))

    # ---- arguments that depend on an array

    def axis(self, x, none=False):
        """An axis of x, at times counted from the end, rarely one that isn't there."""
        if none and self.chance(0.2):
            return None
        if x.ndim == 0 or self.wrong():
            return self.choice((x.ndim, -x.ndim - 1, x.ndim + 3))
        return self.integer(-x.ndim, x.ndim - 1)

    def axes(self, x, none=True):
        """None, one axis, or a list of several; rarely with one that is repeated or isn't there."""
        if none and (x.ndim == 0 or self.chance(0.25)):
            return None
        if x.ndim == 0 or self.chance(0.4):
            return self.axis(x)
        chosen = self.random.sample(range(x.ndim), self.integer(1, x.ndim))
        if self.wrong():
            chosen.append(self.choice((chosen[0], x.ndim, -x.ndim - 1)))
        return [a - x.ndim if self.chance(0.3) else a for a in chosen]

    def indices(self, size, shape=None, dtype=None, ndim=(0, 2)):
        """Indices below `size`, for an axis of that size; negative ones count from its end. Rarely one is wrong: then MLX,
        which doesn't check, isn't asked."""
        dtype = dtype or self.choice(INTEGERS)
        shape = self.shape(*ndim, 30) if shape is None else tuple(shape)
        if size == 0:
            shape = tuple(shape or (1,))[:-1] + (0,)
        low = 0 if dtype.startswith("u") else -size
        x = self.array(dtype, shape, low, min(size, 100), plain=self.chance(0.5))
        if x.size and self.wrong():
            at = tuple(self.integer(0, n - 1) for n in x.bits.shape)
            x.bits[at] = size + self.integer(0, 3) if self.chance(0.5) or not low else low - 1
            x = Drawn(x.bits, dtype, x.layout)
            if ((x.seen >= size) | (x.seen.astype(np.int64) < -size)).any():
                self.must_fail(f"an index outside the axis' {size}")
        return x
