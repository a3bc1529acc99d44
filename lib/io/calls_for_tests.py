"""Pons' files from Python, for tests: arrays as (dtype's name, shape, bytes), metadata as text, lists of text, or such a triple."""
import ctypes, os

import numpy as np

try:
    import mlx.core as mx
except ImportError:
    mx = None
    print("no MLX here: only NumPy is compared with")

NAMES = ["bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "float32", "float64",
         "bfloat16", "complex64"]
pons = ctypes.CDLL(os.environ["PONS_LIBRARY"])
pointer, text, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int64


class Shape(ctypes.Structure):
    _fields_ = [("count", ctypes.c_int), ("at", ctypes.POINTER(size))]


class LoadArgs(ctypes.Structure):
    _fields_ = [("path", text), ("format", text)]


for name, result, arguments in [
    ("pons_load_with", pointer, [LoadArgs]), ("pons_save", ctypes.c_bool, [text, pointer]), ("pons_error", text, []),
    ("pons_clear_error", None, []), ("pons_savez_compressed", ctypes.c_bool, [text, pointer]), ("pons_named_new", pointer, []),
    ("pons_named_free", None, [pointer]), ("pons_named_count", size, [pointer]), ("pons_named_key", text, [pointer, size]),
    ("pons_named_at", pointer, [pointer, size]), ("pons_named_set", ctypes.c_bool, [pointer, text, pointer]),
    ("pons_named_metadata", text, [pointer, text]), ("pons_data", pointer, [pointer]), ("pons_nbytes", ctypes.c_size_t, [pointer]),
    ("pons_ndim", ctypes.c_int, [pointer]), ("pons_dim", size, [pointer, ctypes.c_int]),
    ("pons_dtype_of", ctypes.c_int, [pointer]), ("pons_array_from", pointer, [text, Shape, ctypes.c_int]),
    ("pons_named_set_metadata", ctypes.c_bool, [pointer, text, text]),
    ("pons_named_set_metadata_array", ctypes.c_bool, [pointer, text, pointer]),
    ("pons_named_set_metadata_texts", ctypes.c_bool, [pointer, text, ctypes.POINTER(text), size]),
    ("pons_named_metadata_texts", ctypes.POINTER(text), [pointer, text, ctypes.POINTER(size)]),
    ("pons_named_metadata_array", pointer, [pointer, text]), ("pons_named_metadata_count", size, [pointer]),
    ("pons_named_metadata_key", text, [pointer, size]),
]:
    function = getattr(pons, name)
    function.restype, function.argtypes = result, arguments


def bits(array):
    """(dtype's name, shape, bytes) of a NumPy or MLX array."""
    if isinstance(array, tuple):
        return array
    if isinstance(array, np.ndarray):
        array = np.array(array, order="C") if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="), order="C")
        return array.dtype.name.replace("void16", "bfloat16"), array.shape, array.tobytes()
    name = str(array.dtype).split(".")[-1]
    plain = np.array(array.view(mx.uint16) if name == "bfloat16" else array, order="C")
    return name, tuple(array.shape), plain.tobytes()


def of_pons(a):
    shape = tuple(pons.pons_dim(a, k) for k in range(pons.pons_ndim(a)))
    data = pons.pons_data(a)
    assert data or not pons.pons_nbytes(a), pons.pons_error()
    return NAMES[pons.pons_dtype_of(a)], shape, ctypes.string_at(data, pons.pons_nbytes(a)) if data else b""


def to_pons(array):
    name, shape, data = bits(array)
    dims = (size * max(len(shape), 1))(*shape)
    return pons.pons_array_from(data, Shape(len(shape), dims), NAMES.index(name))


def metadata_of(named):
    result = {}
    for i in range(pons.pons_named_metadata_count(named)):
        key, count = pons.pons_named_metadata_key(named, i), size()
        words = pons.pons_named_metadata(named, key)
        words_list = pons.pons_named_metadata_texts(named, key, ctypes.byref(count))
        result[key.decode()] = words.decode() if words is not None else \
            [words_list[k].decode() for k in range(count.value)] if words_list else \
            of_pons(pons.pons_named_metadata_array(named, key))
    return result


def load(path):
    named = pons.pons_load_with(LoadArgs(path.encode(), None))
    if not named:
        message = pons.pons_error().decode()
        pons.pons_clear_error()
        raise ValueError(message)
    result = {pons.pons_named_key(named, i).decode(): of_pons(pons.pons_named_at(named, i))
              for i in range(pons.pons_named_count(named))}
    metadata = metadata_of(named)
    pons.pons_named_free(named)
    return result, metadata


def save(path, arrays, metadata={}, compressed=False):
    named = pons.pons_named_new()
    for key, array in arrays.items():
        assert pons.pons_named_set(named, key.encode(), to_pons(array))
    for key, value in metadata.items():
        if isinstance(value, str):
            pons.pons_named_set_metadata(named, key.encode(), value.encode())
        elif isinstance(value, list):
            words = (text * len(value))(*[v.encode() for v in value])
            pons.pons_named_set_metadata_texts(named, key.encode(), words, len(value))
        else:
            pons.pons_named_set_metadata_array(named, key.encode(), to_pons(value))
    done = (pons.pons_savez_compressed if compressed else pons.pons_save)(path.encode(), named)
    pons.pons_named_free(named)
    if not done:
        message = pons.pons_error().decode()
        pons.pons_clear_error()
        raise ValueError(message)
