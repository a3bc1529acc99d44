"""Arrays print as MLX prints them; NumPy and Pons read each other's memory through DLPack without a copy."""
import ctypes, os, sys

if os.environ.get("PONS_SANITIZE"):
    print("skipped: a sanitizer's library can't be loaded into Python")
    sys.exit(77)
import numpy as np

try:
    import mlx.core as mx
except ImportError:
    mx = None
    print("no MLX here: text is not compared")

NAMES = ["bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "float32",
         "float64", "bfloat16", "complex64"]
pons = ctypes.CDLL(os.environ["PONS_LIBRARY"])
pointer = ctypes.c_void_p


class Shape(ctypes.Structure):
    _fields_ = [("count", ctypes.c_int), ("at", ctypes.POINTER(ctypes.c_int64))]


class Scope(ctypes.Structure):
    _fields_ = [("mark", ctypes.c_size_t)]


for name, result, arguments in [
    ("pons_array_from", pointer, [pointer, Shape, ctypes.c_int]), ("pons_to_text", pointer, [pointer]),
    ("pons_free", None, [pointer]), ("pons_error", ctypes.c_char_p, []),
    ("pons_to_dlpack", pointer, [pointer]),
    ("pons_from_dlpack", pointer, [pointer]), ("pons_data", pointer, [pointer]),
    ("pons_keep", pointer, [pointer]),
    ("pons_release", None, [pointer]), ("pons_scope_open", Scope, []), ("pons_scope_close", None, [Scope]),
    ("pons_live_arrays", ctypes.c_int64, []), ("pons_get_active_memory", ctypes.c_size_t, []),
    ("pons_dtype_of", ctypes.c_int, [pointer]), ("pons_ndim", ctypes.c_int, [pointer]),
    ("pons_dim", ctypes.c_int64, [pointer, ctypes.c_int]),
]:
    function = getattr(pons, name)
    function.restype, function.argtypes = result, arguments


def array(x, dtype=None):
    """A Pons array with the elements of a NumPy one (uint16 bits for bfloat16)."""
    x = np.array(x, order="C")
    shape = Shape(x.ndim, (ctypes.c_int64 * max(x.ndim, 1))(*x.shape))
    a = pons.pons_array_from(x.ctypes.data, shape, NAMES.index(dtype or x.dtype.name))
    assert a, pons.pons_error()
    return a


def text(a):
    at = pons.pons_to_text(a)
    assert at, pons.pons_error()
    result = ctypes.string_at(at).decode()
    pons.pons_free(at)
    return result


# ---- text ----

def special(name):
    """Values that are hard to print, as the dtype has them."""
    if name == "bool":
        return np.array([True, False])
    if "int" in name:
        info = np.iinfo(name)
        return np.array([0, 1, info.min, info.max], dtype=name)
    values = [0, -0.0, 1, 1.5, 1 / 3, 1e-5, 0.0001, 65504, 123456.7, 1234567.8, 999999, 9999995, np.nan,
              -np.nan, np.inf, -np.inf, 1e20, 3.4e38, 1e-40]
    with np.errstate(over="ignore"):
        if name == "complex64":
            values = [complex(a, b) for a in values[:16:3] for b in values[:16:2]]
            parts = np.array([[v.real, v.imag] for v in values], dtype=np.float32)
            return parts.view(np.complex64).reshape(-1)
        return np.array(values, dtype=name)


def check_text(x, dtype=None):
    theirs = mx.array(x) if dtype is None else mx.array(x).view(mx.bfloat16)
    if x.dtype == np.float64:
        theirs = mx.array(x, dtype=mx.float64)
    ours = text(array(x, dtype))
    assert ours == repr(theirs), f"\n{ours}\n{theirs!r}"
    return 1


def check_texts():
    count = 0
    for name in NAMES:
        if name == "bfloat16":
            bits = special("float32").view(np.uint32)
            values, dtype = (bits >> 16).astype(np.uint16), name
        else:
            values, dtype = special(name), None
        for v in values:
            count += check_text(np.array(v), dtype)
        for first in range(0, len(values), 6):
            count += check_text(values[first:first + 6], dtype)
    for shape in [(0,), (2, 0), (0, 3), (2, 0, 3), (8, 0), (8, 2, 0), (6,), (7,), (20,), (6, 6), (7, 7),
                  (8, 8, 8), (1, 1, 1, 1), (2, 7, 2, 9)]:
        count += check_text(np.arange(np.prod(shape), dtype=np.int32).reshape(shape))
    print(count, "texts agree with MLX's")


# ---- DLPack ----

capsule_new = ctypes.pythonapi.PyCapsule_New
capsule_new.restype, capsule_new.argtypes = ctypes.py_object, [pointer, ctypes.c_char_p, pointer]
capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
capsule_pointer.restype, capsule_pointer.argtypes = pointer, [ctypes.py_object, ctypes.c_char_p]
capsule_name = ctypes.pythonapi.PyCapsule_SetName
capsule_name.restype, capsule_name.argtypes = ctypes.c_int, [ctypes.py_object, ctypes.c_char_p]


class Lender:
    """What numpy.from_dlpack asks."""

    def __init__(self, a):
        self.a = a

    def __dlpack_device__(self):
        return (1, 0)

    def __dlpack__(self, **ignored):
        tensor = pons.pons_to_dlpack(self.a)
        assert tensor, pons.pons_error()
        return capsule_new(tensor, b"dltensor", None)


def check_dlpack():
    count = 0
    live, active = pons.pons_live_arrays(), pons.pons_get_active_memory()
    for name in NAMES:
        if name == "bfloat16":
            continue  # NumPy has none
        for x in [special(name), np.resize(special(name), (2, 2)), np.array(special(name)[0])]:
            scope = pons.pons_scope_open()
            a = array(x)
            theirs = np.from_dlpack(Lender(a))
            assert theirs.ctypes.data == pons.pons_data(a)
            assert theirs.dtype == x.dtype and theirs.shape == x.shape
            pons.pons_scope_close(scope)  # the memory stays
            assert theirs.tobytes() == x.tobytes()
            del theirs
            count += 1
    assert (pons.pons_live_arrays(), pons.pons_get_active_memory()) == (live, active)
    for name in NAMES:
        if name == "bfloat16":
            continue
        whole = np.resize(special(name), 4)
        for x in [whole, whole[::-1], whole[1::2], whole.reshape(2, 2).T, whole[:0], whole[0:1].reshape(())]:
            scope = pons.pons_scope_open()
            capsule = x.__dlpack__()
            b = pons.pons_from_dlpack(capsule_pointer(capsule, b"dltensor"))
            capsule_name(capsule, b"used_dltensor")
            del capsule
            assert pons.pons_dtype_of(b) == NAMES.index(name), pons.pons_error()
            assert [pons.pons_dim(b, i) for i in range(pons.pons_ndim(b))] == list(x.shape)
            ours = ctypes.string_at(pons.pons_data(b), x.nbytes)
            assert ours == x.tobytes(), (name, x, ours)
            if x.flags.c_contiguous and x.size:
                assert pons.pons_data(b) == x.ctypes.data
            pons.pons_scope_close(scope)
            count += 1
    assert (pons.pons_live_arrays(), pons.pons_get_active_memory()) == (live, active)
    print(count, "arrays shared with NumPy")


if mx is not None:
    mx.set_default_device(mx.cpu)
    check_texts()
check_dlpack()
