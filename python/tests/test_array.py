"""The type array: what it is made of, operators, Python's numbers, elements and text. Expected values are NumPy's, and
MLX's where it is installed."""

import copy
import operator
import pickle
import weakref

import numpy as np
import pons.core as mx
import pytest

try:
    import mlx.core as mlx
except ImportError:
    mlx = None

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
DTYPES = ["bool_"] + INTEGERS + ["float16", "float32", "float64", "complex64"]


def same(a, expected, dtype=None):
    """Values and, if one is named, the dtype."""
    if dtype:
        assert a.dtype == getattr(mx, dtype), a.dtype
    np.testing.assert_array_equal(np.array(a.astype(mx.float32) if a.dtype == mx.bfloat16 else a), expected)


# ---- what array(x) makes ----


@pytest.mark.parametrize(
    "value, dtype",
    [
        (True, "bool_"),
        (5, "int32"),
        (2**40, "int64"),
        (2**63, "uint64"),
        (1.5, "float32"),
        (1 + 2j, "complex64"),
        ([True, False], "bool_"),
        ([True, 2], "int32"),
        ([1, 2**40], "int64"),
        ([1, 2.5, True], "float32"),
        ([1, 2.5, 1j], "complex64"),
        ([], "float32"),
        ([[], []], "float32"),
        (((1, 2), [3, 4]), "int32"),
        ([[[1]], [[2]]], "int32"),
    ],
)
def test_scalars_and_lists(value, dtype):
    same(mx.array(value), np.array(value), dtype)


@pytest.mark.parametrize("dtype", DTYPES + ["bfloat16"])
def test_lists_with_a_dtype(dtype):
    if dtype == "bfloat16":
        expected = np.array([0, 1, 3], np.float32)
    else:
        expected = np.array([0, 1, 3]).astype(dtype)
    same(mx.array([0, 1, 3], getattr(mx, dtype)), expected, dtype)
    same(mx.array([0.0, 1.0, 3.0], dtype=getattr(mx, dtype)), expected, dtype)
    assert mx.array(3, getattr(mx, dtype)).dtype == getattr(mx, dtype)


def test_float64_keeps_all_digits_and_integers_wrap():
    assert mx.array(0.1, mx.float64).item() == 0.1
    assert mx.array([0.1, 1], mx.float64).tolist() == [0.1, 1.0]
    assert (mx.array([1.0], mx.float64) + 1.1).item() == 2.1
    assert mx.add(mx.array([1.0], mx.float64), 1.1).item() == 2.1
    assert mx.array([-1, 300], mx.uint8).tolist() == [255, 44]
    assert mx.array(2**40, mx.int32).item() == 0


def test_arrays_in_lists_are_stacked():
    a = mx.array([[1, 2], [3, 4]])
    same(mx.array([a, a]), np.array([[[1, 2], [3, 4]]] * 2), "int32")
    same(mx.array([[a[0], a[1]], [a[1], a[0]]]), [[[1, 2], [3, 4]], [[3, 4], [1, 2]]])
    same(mx.array([2.5, mx.array(1)]), [2.5, 1], "float32")
    same(mx.array([mx.array(1), 2.5], mx.float16), [1, 2.5], "float16")
    same(mx.array([np.float32(1.5), np.array(2)]), [1.5, 2])


def test_lists_that_are_no_array():
    for value in ([[1], [1, 2]], [[1], 2], [1, [2]], [1, "a"], [None], "abc", {}, {1}, [mx.array([1]), 2], object()):
        with pytest.raises(ValueError):
            mx.array(value)
    for call in (lambda: mx.array(), lambda: mx.array(None), lambda: mx.array([1], 3), lambda: mx.array(1, 2, 3)):
        with pytest.raises(TypeError):
            call()
    with pytest.raises(OverflowError):
        mx.array(2**64)
    with pytest.raises(OverflowError):
        mx.array([2**63, -1])
    nested = 1
    for _ in range(33):
        nested = [nested]
    with pytest.raises(ValueError, match="deep"):
        mx.array(nested)


class HasArray:
    def __init__(self, array):
        self.array = array

    def __mlx_array__(self):
        return self.array


def test_objects_with_mlx_array():
    same(mx.array(HasArray(mx.array([1, 2])), mx.float32), [1, 2], "float32")
    same(mx.array([1.0, 1.0]) + HasArray(mx.array([1, 2])), [2, 3])
    same(HasArray(mx.array([1, 2])) + mx.array([1.0, 1.0]), [2, 3])
    with pytest.raises(TypeError):
        mx.array(HasArray(3))


# ---- operators ----

BINARY = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow"]
BITWISE = ["and_", "or_", "xor", "lshift", "rshift"]
COMPARISONS = ["lt", "le", "eq", "ne", "gt", "ge"]


@pytest.mark.parametrize("name", BINARY + COMPARISONS)
def test_operators_against_numpy(name):
    op = getattr(operator, name)
    x, y = np.array([[1.0, 2.5, 3.0], [4, 0.5, 6]], np.float32), np.array([2, -3, 0.5], np.float32)
    a, b = mx.array(x), mx.array(y)
    for got, expected in [(op(a, b), op(x, y)), (op(a, 2), op(x, 2)), (op(2.5, a), op(2.5, x))]:
        np.testing.assert_allclose(np.array(got), expected, rtol=1e-6)
        assert got.dtype == mx.array(expected.astype(got.dtype == mx.bool_ and bool or np.float32)).dtype


@pytest.mark.parametrize("name", BITWISE)
def test_bits_against_numpy(name):
    op = getattr(operator, name)
    x, y = np.array([1, 6, 12], np.int32), np.array([3, 1, 2], np.int32)
    same(op(mx.array(x), mx.array(y)), op(x, y), "int32")
    same(op(mx.array(x), 2), op(x, 2), "int32")
    same(op(2, mx.array(y)), op(2, y), "int32")


def test_unary_operators_and_matmul():
    a = mx.array([[1.0, -2.0], [3.0, 4.0]])
    x = np.array(a)
    same(-a, -x), same(+a, x), same(abs(a), abs(x)), same(a @ a, x @ x)
    same(~mx.array([True, False]), [False, True]), same(~mx.array([5]), [-6])
    with pytest.raises(TypeError):
        a @ 2
    with pytest.raises(TypeError):
        pow(a, 2, 3)


@pytest.mark.skipif(mlx is None, reason="MLX is not installed")
@pytest.mark.parametrize("dtype", DTYPES + ["bfloat16"])
def test_dtypes_of_results_are_those_of_mlx(dtype):
    scalars = [True, 3, 2.5, 1j, np.int64(2), np.float32(2), np.array([1.5]), np.array([2], np.int8)]
    for name in ["add", "mul", "truediv", "eq", "lt"]:
        op = getattr(operator, name)
        for scalar in scalars:
            ours = op(mx.array([1], getattr(mx, dtype)), scalar)
            theirs = op(mlx.array([1], getattr(mlx, dtype)), scalar)
            met = "mlx.core.complex128" if dtype == "float64" and scalar == 1j and name in ("add", "mul", "truediv") else str(theirs.dtype)
            assert str(ours.dtype) == met, (name, scalar)  # where the array API standard has complex128, MLX has complex64
            assert ours.tolist() == theirs.tolist(), (name, scalar)


def test_integers_that_do_not_fit_beside_an_array():
    for dtype, value in [("int32", 2**40), ("int32", 2**70), ("uint8", 300), ("uint8", -1), ("int8", 200), ("int64", 2**63)]:
        a = mx.array([1], getattr(mx, dtype))
        for call in (lambda: a + value, lambda: value - a, lambda: a < value):
            with pytest.raises(ValueError, match=f"Converting {value} to {dtype} would result in overflow"):
                call()
        for call in (lambda: mx.maximum(a, value), lambda: mx.clip(a, 0, value), lambda: mx.where(True, a, value)):
            with pytest.raises((ValueError, OverflowError)):
                call()
        with pytest.raises(ValueError):
            a[0] = value
    same(mx.array([1], mx.uint64) + 2**63, [2**63 + 1], "uint64")
    same(mx.array([1.0]) + 2**40, np.array([2**40], np.float32), "float32")
    same(mx.add(1, 2**40), 2**40 + 1, "int64")


@pytest.mark.parametrize("name", BINARY + BITWISE + ["matmul"])
def test_in_place_operators_are_seen_by_all_who_hold_the_array(name):
    inplace = getattr(operator, "i" + name.rstrip("_"))
    plain = getattr(operator, name)
    values = [1, 2, 3] if name in BITWISE else [1.0, 2.0, 3.0]
    a, b = mx.array(values), mx.array(values)
    alias, kept = a, a + 0
    a = inplace(a, b)
    assert a is alias
    same(alias, np.array(plain(kept, b)))


def test_in_place_takes_on_dtype_and_shape_but_integers_stay_integers():
    a = mx.array([1, 2])
    a += 1.5
    same(a, [2.5, 3.5], "float32")
    assert a.shape == (2,)
    a += mx.array([[1], [2]])
    assert a.shape == (2, 2)
    b = mx.array([1, 2])
    with pytest.raises(ValueError):
        b /= 2
    same(b, [1, 2])


class Other:
    def __radd__(self, other):
        return "radd"

    def __add__(self, other):
        return "add"


def test_operands_of_other_types():
    a = mx.array([1, 2])
    for other in ("a", [1], (1,), {}, object()):
        for op in (operator.add, operator.mul, operator.lt):
            with pytest.raises(ValueError):
                op(a, other)
        assert (a == other) is False and (a != other) is True
    with pytest.raises(TypeError):
        a + None
    with pytest.raises(ValueError):
        [1] + a
    assert a + Other() == "radd" and Other() + a == "add"
    assert isinstance(np.array([1.0, 2.0]) + a, np.ndarray)


def test_comparisons_and_hash():
    a = mx.array([1, 2])
    assert {a: 3}[a] == 3 and hash(a) == hash(a) and hash(a) != hash(mx.array([1, 2]))
    assert (a == None) is False and (a != None) is True  # noqa: E711
    assert 1 in a and 5 not in a


# ---- Python's numbers ----


def test_python_numbers():
    assert bool(mx.array([[1.0]])) is True and bool(mx.array(0)) is False
    assert int(mx.array(1.7)) == 1 and int(mx.array([5])) == 5
    assert float(mx.array([2])) == 2.0 and complex(mx.array([1 + 2j])) == 1 + 2j and complex(mx.array(2)) == 2
    assert list(range(mx.array(3))) == [0, 1, 2] and [7, 8, 9][mx.array(1)] == 8
    for call in (bool, int, float, complex, lambda a: a.item()):
        with pytest.raises(ValueError):
            call(mx.array([1, 2]))
        with pytest.raises(ValueError):
            call(mx.array([]))
    for call in (int, float):
        with pytest.raises(TypeError):
            call(mx.array(1j))
    with pytest.raises(OverflowError):
        int(mx.array(float("inf")))
    for wrong in (mx.array([1]), mx.array(1.0), mx.array(True)):
        with pytest.raises(TypeError):
            operator.index(wrong)


@pytest.mark.parametrize("dtype", DTYPES + ["bfloat16"])
def test_elements_as_python_objects(dtype):
    a = mx.array([[0, 1, 2], [3, 4, 5]]).astype(getattr(mx, dtype))
    if dtype == "bool_":
        kind, expected = bool, [[False, True, True], [True, True, True]]
    else:
        kind = int if dtype in INTEGERS else complex if dtype == "complex64" else float
        expected = [[0, 1, 2], [3, 4, 5]]
    assert a.tolist() == expected and a.T.tolist() == [list(r) for r in zip(*expected)]
    assert type(a[1, 1].item()) is kind and type(a.tolist()[0][0]) is kind


def test_elements_at_the_ends_of_their_range():
    assert mx.array(np.array([2**64 - 1], np.uint64)).tolist() == [2**64 - 1]
    assert mx.array(-(2**63)).item() == -(2**63)
    assert mx.zeros((2, 0)).tolist() == [[], []] and mx.zeros((0, 2)).tolist() == [] and mx.array(1).tolist() == 1


# ---- text ----


@pytest.mark.skipif(mlx is None, reason="MLX is not installed")
def test_text_is_that_of_mlx():
    for make in (
        lambda m: m.array(1 / 3),
        lambda m: m.array([1.0, float("nan"), float("inf"), -0.0, 1e-10, 1e7]),
        lambda m: m.array([1 + 0.5j]),
        lambda m: m.arange(2000),
        lambda m: m.zeros((100, 100)),
        lambda m: m.zeros((2, 3, 4), m.bfloat16),
        lambda m: m.array([True]),
        lambda m: m.zeros((0, 3)),
    ):
        assert repr(make(mx)) == repr(make(mlx)) == str(make(mx))


def test_formats():
    assert f"{mx.array(1.5):.3f}" == "1.500" and f"{mx.array(7):04d}" == "0007" and "%d" % mx.array(3) == "3"
    assert f"{mx.array([1.5])}" == "array([1.5], dtype=float32)"
    with pytest.raises(TypeError):
        f"{mx.array([1.5]):.3f}"
    with pytest.raises(ValueError):
        f"{mx.array(1.5):d}"


def test_print_options():
    assert mx.get_printoptions().precision == -1
    with mx.printoptions(precision=2) as inside:
        assert repr(mx.array(1 / 3)) == "array(0.33, dtype=float32)" and inside is not None
    assert repr(mx.array(1 / 3)) == "array(0.333333, dtype=float32)"
    mx.set_printoptions(3)
    assert mx.get_printoptions().precision == 3
    mx.set_printoptions()
    options = mx.PrintOptions(precision=4)
    options.precision = 5
    assert options.precision == 5
    with pytest.raises(TypeError):
        mx.set_printoptions(precision="a")


# ---- the object ----


def test_pickle_and_copy():
    for dtype in DTYPES + ["bfloat16"]:
        a = mx.array([[0, 1], [2, 3]]).astype(getattr(mx, dtype))
        for protocol in (2, 4, 5):
            b = pickle.loads(pickle.dumps(a, protocol))
            assert b.dtype == a.dtype and b.tolist() == a.tolist()
    for make in (copy.copy, copy.deepcopy, mx.array):
        a = mx.array([1, 2])
        b = make(a)
        b += 1
        assert a.tolist() == [1, 2] and b.tolist() == [2, 3]
    for state in ((1,), 3, (b"123", (1,), mx.int32), (b"", (0,), 5), (b"1234", (-1,), mx.int32)):
        with pytest.raises(TypeError):
            mx.array(1).__setstate__(state)


def test_classes_made_from_it_and_weak_references():
    class Named(mx.array):
        def __init__(self, value, name):
            super().__init__(value)
            self.name = name

    a = Named([1, 2], "x")
    assert a.name == "x" and a.tolist() == [1, 2] and type(a + 1) is mx.array
    reference = weakref.ref(a)
    del a
    assert reference() is None
    with pytest.raises(AttributeError):
        mx.array(1).unknown = 3


def test_the_parts_of_an_error():
    with pytest.raises(ValueError, match=r"add: shapes do not broadcast: \(2\) int32 and \(3\) int32"):
        mx.array([1, 2]) + mx.array([1, 2, 3])
