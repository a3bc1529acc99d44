"""Arrays to and from other libraries: the buffer protocol, NumPy, DLPack."""

import gc
import hashlib
import threading
import weakref

import numpy as np
import pons.core as mx
import pytest

DTYPES = ["bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "float32", "complex64"]
WIDE = ["float64", "complex128"]  # narrowed unless they are asked for, as in MLX


def ours(name):
    return getattr(mx, "bool_" if name == "bool" else name)


# ---- in ----


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("view", [lambda x: x, lambda x: x.T, lambda x: x[::2, ::-1], lambda x: x[:0], lambda x: x[1, 2]])
def test_numpy_arrays_are_copied_with_their_dtype(name, view):
    x = view(np.arange(12).reshape(3, 4).astype(name))
    arrays = [mx.array(x), mx.asarray(x)]
    if isinstance(x, np.ndarray) and min(x.strides) >= 0:
        arrays.append(mx.from_dlpack(x))
    for a in arrays:
        assert a.dtype == ours(name) and a.shape == x.shape
        np.testing.assert_array_equal(np.array(a), x)


def test_what_has_no_dtype_of_its_own_becomes_the_next_smaller():
    x = np.array([0.1, 1e300])
    assert mx.array(x).dtype == mx.float32 and mx.array(x, mx.float64).tolist() == x.tolist()
    assert mx.array(x[::-1]).tolist() == [float("inf"), float(np.float32(0.1))]
    c = np.array([[1 + 2j, 3], [4, 5j]])
    np.testing.assert_array_equal(np.array(mx.array(c.T)), c.T.astype(np.complex64))
    assert mx.array(np.float64(1.5)).dtype == mx.float32 and mx.array(np.int64(1)).dtype == mx.int64


@pytest.mark.parametrize("name", WIDE)
@pytest.mark.parametrize("view", [lambda x: x, lambda x: x.T, lambda x: x[::2, ::-1], lambda x: x[:0], lambda x: x[1, 2]])
def test_wide_elements_keep_their_digits_where_asked(name, view):
    x = view((np.arange(12).reshape(3, 4) / 3 * (1 if name == "float64" else 1 + 0.1j)).astype(name))
    a = mx.array(x, ours(name))
    assert a.dtype == ours(name) and a.shape == x.shape
    np.testing.assert_array_equal(np.array(a), x)
    assert a.tolist() == x.tolist()
    if a.size:
        assert np.from_dlpack(a).dtype == name and memoryview(a).format == ("d" if name == "float64" else "Zd")
        assert a.reshape(-1)[0].item() == x.reshape(-1)[0]


def test_elements_that_lie_askew():
    packed = np.zeros(3, np.dtype([("a", "u1"), ("b", "<f8"), ("c", "<i4")], align=False))
    packed["b"], packed["c"] = [1.5, 2.5, 3.5], [1, 2, 3]
    assert mx.array(packed["b"]).tolist() == [1.5, 2.5, 3.5] and mx.array(packed["c"]).tolist() == [1, 2, 3]
    raw = np.frombuffer(b"\0" + np.arange(3, dtype=np.float32).tobytes(), np.uint8)[1:].view(np.float32)
    assert mx.array(raw).tolist() == [0, 1, 2]


def test_other_buffers():
    for value in (b"abc", bytearray(b"abc"), memoryview(b"abc")):
        a = mx.array(value)
        assert a.dtype == mx.uint8 and a.tolist() == [97, 98, 99]


@pytest.mark.parametrize("dtype", [">f4", "longdouble", "U3", "O", "datetime64[s]", "S2"])
def test_elements_without_a_dtype(dtype):
    with pytest.raises(ValueError):
        mx.array(np.zeros(2, dtype))


def test_sizes_are_int32():
    x = np.broadcast_to(np.array([True]), (2**31,))  # takes no memory
    for make in (mx.array, mx.from_dlpack):
        with pytest.raises(OverflowError, match="Shape dimension 2147483648"):
            make(x)


def test_bfloat16_of_ml_dtypes():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    x = np.array([1.5, -2, 3], ml_dtypes.bfloat16)
    for a in (mx.array(x), mx.asarray(x), mx.array(x[::2])):
        assert a.dtype == mx.bfloat16
    assert mx.array(x, mx.float32).tolist() == [1.5, -2, 3]


def test_a_copy_does_not_see_changes_and_shared_memory_does():
    x = np.arange(3, dtype=np.float32)
    copies = [mx.array(x), mx.asarray(x), mx.asarray(x, copy=True), mx.from_dlpack(x), mx.from_dlpack(x, copy=True)]
    shared = mx.from_dlpack(x, copy=False)
    x[0] = 9
    assert all(c.tolist() == [0, 1, 2] for c in copies) and shared.tolist() == [9, 1, 2]
    with pytest.raises(ValueError):
        mx.asarray(x, copy=False)


# ---- out ----


@pytest.mark.parametrize("name", DTYPES)
def test_numpy_gets_the_same_elements_without_a_copy(name):
    a = mx.arange(6).reshape(2, 3).astype(ours(name))
    for view in (a, a.T, a[::-1, ::2], a[:0], a[1, 1], mx.broadcast_to(a[0], (4, 3))):
        x = np.asarray(view)
        assert x.dtype == name and x.shape == view.shape and x.tolist() == view.tolist()
    assert np.array(a, copy=False).base is not None and memoryview(a).shape == (2, 3)


def test_memory_is_shared_and_stays_when_the_array_is_gone_or_stands_for_another():
    a = mx.arange(3.0)
    x = np.asarray(a)
    x[0] = 9
    assert a.tolist() == [9, 1, 2]
    a += 1
    assert x.tolist() == [9, 1, 2] and a.tolist() == [10, 2, 3]
    del a
    gc.collect()
    assert x.tolist() == [9, 1, 2]


@pytest.mark.parametrize("name", ["a.npy", "a.safetensors"])
def test_what_is_written_into_a_view_of_a_file_stays_in_memory(name, tmp_path):
    path = str(tmp_path / name)
    mx.save_safetensors(path, {"a": mx.arange(5)}) if name.endswith("safetensors") else mx.save(path, mx.arange(5))
    for _ in range(2):
        a = mx.load(path)
        a = a["a"] if isinstance(a, dict) else a
        x = np.asarray(a)
        assert a[0].item() == 0
        x[0] = 9
        assert a.tolist() == [9, 1, 2, 3, 4]


def test_memory_that_is_only_for_reading_is_not_shared():
    x = np.arange(3)
    x.flags.writeable = False
    with pytest.raises((ValueError, BufferError)):
        mx.from_dlpack(x, copy=False)
    assert mx.from_dlpack(x).tolist() == [0, 1, 2]


def test_views_that_do_not_fit_the_request():
    a = mx.arange(6).reshape(2, 3).T
    assert memoryview(a).strides == (4, 12)
    with pytest.raises(BufferError):
        hashlib.sha256(a)  # wants plain bytes in order
    b = mx.arange(6)
    assert hashlib.sha256(b).digest() == hashlib.sha256(bytes(b)).digest()


def test_numpy_method():
    a = mx.array([1, 2])
    assert a.__array__().dtype == np.int32 and a.__array__(dtype=np.float64).dtype == np.float64
    assert np.array(a, dtype=np.float64).tolist() == [1, 2] and a.__array__(copy=True).flags.owndata
    with pytest.raises(ValueError):
        a.__array__(dtype=np.float64, copy=False)
    with pytest.raises(ValueError):
        np.array(mx.array([1.0], mx.bfloat16))


def test_bytes():
    a = mx.array([[1, 2], [3, 4]], mx.int16)
    assert bytes(a.T) == np.array([[1, 3], [2, 4]], np.int16).tobytes() and a.__bytes__() == bytes(a)
    assert bytes(mx.zeros((0, 3))) == b""


def test_dlpack():
    a = mx.arange(6).reshape(2, 3)
    assert a.__dlpack_device__() == (1, 0)
    for view in (a, a.T, a[:, ::2]):
        assert np.from_dlpack(view).tolist() == view.tolist()
    x = mx.from_dlpack(a.__dlpack__(copy=True, dl_device=(1, 0), max_version=(1, 0), stream=None))
    assert x.tolist() == a.tolist()
    with pytest.raises(BufferError):
        a.__dlpack__(dl_device=(2, 0))
    for wrong in (5, [1], "a"):
        with pytest.raises(TypeError):
            mx.from_dlpack(wrong)
    capsule = a.__dlpack__()
    assert mx.from_dlpack(capsule).tolist() == mx.from_dlpack(capsule, copy=False).tolist()
    with pytest.raises(ValueError, match="used already"):
        mx.from_dlpack(capsule)


def test_copies_of_tensors_keep_their_strides():
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    for view in (x.T, x[:, 1::2], np.broadcast_to(x[0], (2, 4)), x[1]):
        a = mx.from_dlpack(view)
        assert a.tolist() == view.tolist() and memoryview(a).strides == view.strides
    assert mx.from_dlpack(np.array([[1 + 2j, 3], [4, 5j]]).T).tolist() == [[1 + 2j, 4], [3, 5j]]
    assert mx.from_dlpack(np.array([0.5])).dtype == mx.float32
    with pytest.raises(ValueError):
        mx.from_dlpack(x[::-1])


def test_bfloat16_through_dlpack():
    a = mx.array([1.5, 2.5], mx.bfloat16)
    assert mx.from_dlpack(a.__dlpack__()).dtype == mx.bfloat16


def test_owners_of_shared_memory_are_let_go_of_on_any_thread():
    weak = []

    def use():
        x = np.arange(100_000, dtype=np.float32)
        weak.append(weakref.ref(x))
        a = mx.from_dlpack(x, copy=False)
        assert (a + 1).sum().item() == pytest.approx(float((x + 1).sum(dtype=np.float64)))

    threads = [threading.Thread(target=lambda: [use() for _ in range(50)]) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    gc.collect()
    mx.array(1)  # what is left over is let go of at the next array
    assert sum(w() is not None for w in weak) == 0


def test_producers_without_arguments_and_with_errors():
    class Plain:
        def __dlpack__(self):
            return np.arange(3, dtype=np.int32).__dlpack__()

    assert mx.from_dlpack(Plain()).tolist() == [0, 1, 2] and (mx.array([1, 1, 1]) + Plain()).tolist() == [1, 2, 3]

    class Broken:
        def __dlpack__(self, **options):
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        mx.from_dlpack(Broken())
