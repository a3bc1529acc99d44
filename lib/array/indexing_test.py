"""x[...] is NumPy's: random lists of integers, slices, new axes, an ellipsis, index arrays and masks, for reading, writing
and combining, and whether there is an error; results whose shape depends on values. PONS_SEED chooses another seed, PONS_TURNS how
many."""
import ctypes, os, random, sys

if os.environ.get("PONS_SANITIZE"):
    print("skipped: a sanitizer's library can't be loaded into Python")
    sys.exit(77)
import numpy as np

NAMES = ["bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "float32",
         "float64", "bfloat16", "complex64"]
INT, SLICE, NEWAXIS, ELLIPSIS, ARRAY = range(5)
END = -2**63
FLAT = -0x7fffffff
pons = ctypes.CDLL(os.environ["PONS_LIBRARY"])
pointer = ctypes.c_void_p


class Shape(ctypes.Structure):
    _fields_ = [("count", ctypes.c_int), ("at", ctypes.POINTER(ctypes.c_int64))]


class Item(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_int), ("start", ctypes.c_int64), ("stop", ctypes.c_int64), ("step", ctypes.c_int64),
                ("array", pointer)]


class List(ctypes.Structure):
    _fields_ = [("count", ctypes.c_int), ("at", ctypes.POINTER(Item))]


class Scope(ctypes.Structure):
    _fields_ = [("mark", ctypes.c_size_t)]


PUTS = {"pons_put": None, "pons_put_add": np.add, "pons_put_subtract": np.subtract, "pons_put_multiply": np.multiply,
        "pons_put_divide": np.divide, "pons_put_maximum": np.maximum, "pons_put_minimum": np.minimum}
for name, result, arguments in [
    ("pons_array_from", pointer, [pointer, Shape, ctypes.c_int]), ("pons_error", ctypes.c_char_p, []),
    ("pons_clear_error", None, []), ("pons_data", pointer, [pointer]), ("pons_scope_open", Scope, []),
    ("pons_scope_close", None, [Scope]), ("pons_dtype_of", ctypes.c_int, [pointer]), ("pons_ndim", ctypes.c_int, [pointer]),
    ("pons_dim", ctypes.c_int64, [pointer, ctypes.c_int]), ("pons_get", pointer, [pointer, List]),
    *[(name, pointer, [pointer, List, pointer]) for name in PUTS],
    ("pons_nonzero", None, [pointer, ctypes.POINTER(pointer)]), ("pons_argwhere", pointer, [pointer]),
    ("pons_compress", pointer, [pointer, pointer, ctypes.c_int]), ("pons_unique_values", pointer, [pointer]),
    ("pons_repeat_each", pointer, [pointer, pointer, ctypes.c_int]),
    ("pons_unique_all", None, [pointer, ctypes.POINTER(pointer)]),
]:
    function = getattr(pons, name)
    function.restype, function.argtypes = result, arguments


def array(x):
    x = np.array(x, order="C")
    shape = Shape(x.ndim, (ctypes.c_int64 * max(x.ndim, 1))(*x.shape))
    return pons.pons_array_from(x.ctypes.data, shape, NAMES.index(x.dtype.name))


def value(a):
    """The elements as a NumPy array, or None if there is an error."""
    shape = [pons.pons_dim(a, i) for i in range(pons.pons_ndim(a))]
    at = pons.pons_data(a)
    if not at:
        return None
    dtype = np.dtype(NAMES[pons.pons_dtype_of(a)])
    count = int(np.prod(shape))
    return np.frombuffer(ctypes.string_at(at, count * dtype.itemsize), dtype, count).reshape(shape)


def item(i):
    if i is None:
        return Item(NEWAXIS)
    if i is Ellipsis:
        return Item(ELLIPSIS)
    if isinstance(i, slice):
        return Item(SLICE, *(END if end is None else end for end in (i.start, i.stop)), 1 if i.step is None else i.step)
    if isinstance(i, np.ndarray):
        return Item(ARRAY, 0, 0, 0, array(i))
    return Item(INT, i)


def index_list(index):
    return List(len(index), (Item * max(len(index), 1))(*map(item, index)))


# ---- random lists ----

def random_slice(r, n):
    def end():
        return None if r.random() < .3 else r.randint(-n - 2, n + 2)
    return slice(end(), end(), r.choice([None, 1, 1, 2, 3, -1, -1, -2, -5]))


def random_array(r, shape, n):
    """Indices below n, at times one that is out of range, of a shape that broadcasts to `shape`."""
    own = [s if r.random() < .8 else 1 for s in shape[r.choice([0, 0, 0, 1]):]]
    dtype = r.choice(["int32", "int64", "int32", "uint8", "uint32", "int8", "int16", "uint64", "uint16"])
    low = 0 if dtype[0] == "u" else -n
    a = np.array([r.randint(low, n - 1) if n else 0 for _ in range(int(np.prod(own)))], dtype).reshape(own)
    if a.size and r.random() < .05:
        a.flat[r.randrange(a.size)] = r.choice([n, 127, n + 1])
    return a


def random_index(r, shape, masks):
    """For the axes of `shape`, fewer or, seldom, more of them."""
    index, axis, ellipsis = [], 0, False
    places = [r.randint(0, 3) for _ in range(r.choice([0, 1, 1, 1, 2]))]
    arrays = r.random() < .6
    while len(index) < 9:
        n = shape[axis] if axis < len(shape) else 2
        kind = r.random()
        if kind < .1:
            index.append(None)
        elif kind < .2 and not ellipsis:
            index.append(Ellipsis)
            ellipsis = True
            axis += r.randint(0, max(len(shape) - axis, 0))
        elif axis >= len(shape) and r.random() < .98 or kind > .92:
            break
        elif kind < .5 and arrays:
            index.append(random_array(r, places, n))
            axis += 1
        elif kind < .6 and masks and arrays:
            rank = r.randint(0, max(len(shape) - axis, 0))
            size = [s + (r.random() < .03) for s in shape[axis:axis + rank]]
            index.append(np.array([r.random() < .5 for _ in range(int(np.prod(size)))], bool).reshape(size))
            axis += rank
        elif kind < .7:
            index.append(r.randint(-n, n - 1) if n and r.random() < .97 else n)
            axis += 1
        else:
            index.append(random_slice(r, n))
            axis += 1
    return tuple(index)


def numbers(r, dtype, shape):
    low = 0 if dtype[0] in "bu" else -9
    return np.array([r.randint(low, 9) for _ in range(int(np.prod(shape)))], dtype).reshape(shape)


def as_text(index):
    return "[" + ", ".join(str(i).replace("\n", "") if not isinstance(i, np.ndarray) else f"{i.dtype.name}{i.tolist()}"
                           for i in index) + "]"


def numpy_or_none(f):
    try:
        return f()
    except (IndexError, ValueError):
        return None


def same(got, want):
    if got is None or want is None:
        return got is None and want is None
    return got.shape == want.shape and got.dtype == want.dtype and np.array_equal(got, want, equal_nan=True)


def touches_nothing(x, index):
    """Where a result has no elements, nothing looks at the indices, wrong ones included."""
    right = tuple(np.zeros_like(i) if isinstance(i, np.ndarray) and i.dtype != bool else i for i in index)
    there = numpy_or_none(lambda: x[right])
    return there is not None and there.size == 0


def get_once(r):
    shape = [r.choice([0, 1, 2, 3, 4]) if r.random() < .3 else r.randint(1, 5) for _ in range(r.randint(0, 4))]
    x = numbers(r, r.choice(NAMES[1:9] + ["float32", "float64"]), shape)
    index = random_index(r, shape, True)
    want = numpy_or_none(lambda: x[index])
    got = value(pons.pons_get(array(x), index_list(index)))
    if want is None and got is not None and touches_nothing(x, index):
        return False
    assert same(got, want), (x.shape, as_text(index), got, want, pons.pons_error())
    return want is not None


def fits(r, shape):
    """A shape that broadcasts to `shape`, or seldom not."""
    own = [s if r.random() < .8 else 1 for s in shape[r.choice([0, 0, 0, 1, 2, 9]):]]
    if own and r.random() < .05:
        own[-1] += 1
    return [1] * r.choice([0, 0, 0, 1]) + own


def one_at_a_time(x, index, f, v):
    y = x.copy()
    places = np.arange(x.size).reshape(x.shape)[index]
    with np.errstate(divide="ignore", invalid="ignore"):
        for place, element in zip(places.flat, np.broadcast_to(v.astype(x.dtype), places.shape).flat):
            y.flat[place] = f(y.flat[place], element)
    return y


def numpy_put(name, x, index, v):
    there = x[index]
    while v.ndim > there.ndim and v.shape[0] == 1:
        v = v[0]
    np.broadcast_to(v, there.shape)
    if PUTS[name]:
        return one_at_a_time(x, index, PUTS[name], v)
    y = x.copy()
    y[index] = v
    return y


def put_once(r):
    shape = [r.randint(1, 4) for _ in range(r.randint(0, 4))]
    name = r.choice(["pons_put", *PUTS])
    dtype = "float64" if name == "pons_put_divide" else r.choice(["int32", "float32", "int64", "uint8"])
    x = numbers(r, dtype, shape)
    index = random_index(r, shape, True)
    there = numpy_or_none(lambda: x[index])
    if not PUTS[name] and there is not None:  # of several values for one place one stays: then there must be one
        places = np.arange(x.size).reshape(x.shape)[index]
        v = x if len(set(places.flat)) == places.size else numbers(r, dtype, [])
        v = numbers(r, r.choice([dtype, "int32"]), fits(r, there.shape)) if v is x else v
    else:
        v = numbers(r, dtype, fits(r, there.shape if there is not None else shape))
    want = numpy_or_none(lambda: numpy_put(name, x, index, v))
    alone = len(index) == 1 and isinstance(index[0], np.ndarray) and index[0].dtype == bool
    got = value(getattr(pons, name)(array(x), index_list(index), array(v)))
    if want is None and got is not None and touches_nothing(x, index):
        return False
    if want is None and alone and index[0].shape == x.shape[:index[0].ndim]:
        return False  # more values than true places are fine, as in MLX
    if name == "pons_put_divide" and got is not None and want is not None:
        assert np.allclose(got, want, rtol=1e-12, equal_nan=True), (x, as_text(index), v, got, want)
    else:
        assert same(got, want), (name, x.shape, as_text(index), v.shape, got, want, pons.pons_error())
    return want is not None


def data_once(r):
    shape = [r.randint(0, 4) if r.random() < .2 else r.randint(1, 5) for _ in range(r.randint(0, 3))]
    x = numbers(r, r.choice(NAMES[:10] + ["float32", "float64", "complex64"]), shape)
    if x.dtype.kind in "fc":
        x[np.random.default_rng(r.randrange(9)).random(x.shape) < .2] = np.nan
    room = (pointer * 8)()
    a = array(x)
    if x.ndim:
        pons.pons_nonzero(a, room)
        assert all(same(value(room[i]), w) for i, w in enumerate(np.nonzero(x))), x
        assert same(value(pons.pons_argwhere(a)), np.argwhere(x)), x
    pons.pons_unique_all(a, room)
    for got, want in zip(room, np.unique(x, True, True, True, equal_nan=False)):
        assert same(value(got), want if want.size != x.size or got != room[2] else want.reshape(x.shape)), (x, value(got), want)
    assert same(value(pons.pons_unique_values(a)), np.unique(x, equal_nan=False)), x
    axis = r.choice([None, *range(-x.ndim, x.ndim)])
    n = x.size if axis is None else x.shape[axis]
    condition = np.array([r.random() < .5 for _ in range(r.choice([n, n, n // 2]))], bool)
    flat = FLAT if axis is None else axis
    assert same(value(pons.pons_compress(a, array(condition), flat)), np.compress(condition, x, axis)), x
    counts = np.array([r.randint(0, 3) for _ in range(r.choice([n, n, 1, n + 2]))], r.choice(["int32", "uint8", "int64"]))
    want = numpy_or_none(lambda: np.repeat(x, counts, axis))
    assert same(value(pons.pons_repeat_each(a, array(counts), flat)), want), (x, counts, axis, want)
    return True


def main():
    seed = int(os.environ.get("PONS_SEED", "1"))
    turns = int(os.environ.get("PONS_TURNS", "500"))
    for f in get_once, put_once, data_once:
        well = 0
        for turn in range(turns):
            scope = pons.pons_scope_open()
            try:
                well += f(random.Random(f"{seed} {f.__name__} {turn}"))
            except BaseException:
                print(f"{f.__name__}: turn {turn} of seed {seed}")
                raise
            pons.pons_scope_close(scope)
            pons.pons_clear_error()
        print(f"{f.__name__}: {turns} turns of seed {seed}, {well} without an error")
        assert well > turns // 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
