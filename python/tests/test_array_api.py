"""pons.array_api, the Python array API standard 2024.12: NumPy 2 has the same functions, so it says what is right."""

import inspect

import numpy as np
import pons.array_api as xp
import pons.core as mx
import pytest

RNG = np.random.default_rng(7)
F = RNG.normal(size=(3, 4)).astype(np.float32)
G = RNG.normal(size=(3, 4)).astype(np.float32)
P = np.abs(F) + 0.5
I = np.array([[3, -1, 2], [0, 5, -7]], np.int32)
J = np.array([[1, 2, 2], [3, -1, 4]], np.int32)
B = np.array([[True, False, True], [False, True, True]])
C = (F + 1j * G).astype(np.complex64)
V = np.array([3, 1, 2, 3, 1, 7, 0], np.int32)
SQUARE = RNG.normal(size=(2, 3, 3)).astype(np.float32)
DEFINITE = np.matmul(SQUARE, np.swapaxes(SQUARE, -1, -2)) + np.eye(3, dtype=np.float32)


def call(name, *args, **options):
    """A case: a function of both namespaces, its arguments."""
    return pytest.param(name, args, options, id=name + str(len(options) or ""))


CASES = [
    *[call(n, P) for n in "abs asinh atan ceil cosh exp expm1 floor isfinite isinf isnan log log1p log2 log10".split()],
    *[call(n, F / 8) for n in "acos asin atanh cos negative positive reciprocal round sign signbit sin sinh tan tanh".split()],
    *[call(n, P) for n in "sqrt square trunc".split()],
    *[call(n, C) for n in "real imag conj abs exp square".split()],
    *[call(n, F, G) for n in "add subtract multiply divide atan2 equal not_equal less less_equal greater maximum minimum".split()],
    *[call(n, F, G) for n in "copysign hypot logaddexp nextafter remainder floor_divide greater_equal".split()],
    *[call(n, I, J) for n in "add subtract multiply bitwise_and bitwise_or bitwise_xor equal less maximum floor_divide".split()],
    *[call(n, B, ~B) for n in "logical_and logical_or logical_xor bitwise_and equal".split()],
    call("acosh", P + 1),
    call("pow", P, F),
    call("remainder", I, J),
    call("bitwise_invert", I),
    call("bitwise_left_shift", np.abs(I), np.abs(J)),
    call("bitwise_right_shift", np.abs(I), np.abs(J)),
    call("logical_not", B),
    call("clip", F, -0.5, 0.5),
    call("clip", I, min=0),
    call("nextafter", np.array([0, 1, -1, np.inf, 0, 5], np.float32), np.array([1, 1, 0, 0, -1, np.nan], np.float32)),
    call("hypot", np.array([3e30, np.inf, 0, 1e-30], np.float32), np.array([4e30, np.nan, 0, 1e-30], np.float32)),
    call("copysign", np.array([1, -1, 0], np.float32), np.array([-0.0, 1, -np.inf], np.float32)),
    call("sign", np.array([np.nan, 0, -3], np.float32)),
    call("expm1", C),
    call("expm1", np.array([1e-6 + 1e-6j, 2, -np.inf + 1j], np.complex64)),
    # shapes
    call("concat", [I, J], axis=1),
    call("concat", [I, J], axis=None),
    call("stack", [I, J], axis=-1),
    call("expand_dims", I, axis=1),
    call("expand_dims", I, -1),
    call("flip", I),
    call("flip", I, axis=0),
    call("moveaxis", SQUARE, (0, 1), (2, 0)),
    call("moveaxis", SQUARE, 0, -1),
    call("permute_dims", SQUARE, (2, 0, 1)),
    call("repeat", I, 2, axis=1),
    call("repeat", V, np.array([1, 0, 2, 0, 0, 1, 3])),
    call("reshape", I, (3, 2)),
    call("roll", I, (1, 2), axis=(0, 1)),
    call("roll", I, 4),
    call("squeeze", I[None], 0),
    call("tile", I, (2, 1, 2)),
    call("unstack", I, axis=1),
    call("broadcast_to", I, (4, 2, 3)),
    call("matrix_transpose", SQUARE),
    # reductions
    *[call(n, F, axis=1, keepdims=True) for n in "sum prod max min mean std var argmax argmin count_nonzero".split()],
    *[call(n, I) for n in "sum prod max min argmax argmin all any count_nonzero".split()],
    call("sum", I.astype(np.int8), axis=0, dtype=None),
    call("std", F, correction=1),
    call("var", F, axis=0, correction=0.5),
    call("cumulative_sum", I, axis=1, include_initial=True),
    call("cumulative_prod", V),
    call("cumulative_sum", F, axis=-1),
    call("diff", V, n=2),
    call("diff", I, axis=0, prepend=J, append=J),
    call("all", B, axis=0),
    call("any", B, axis=1, keepdims=True),
    # order and selection
    call("sort", V),
    call("argsort", V, stable=True),
    call("searchsorted", np.sort(V), np.array([2, 8]), side="right"),
    call("where", B, I, J),
    call("nonzero", I),
    call("take", I, np.array([2, 0]), axis=1),
    call("take_along_axis", I, np.array([[2], [0]]), axis=1),
    call("unique_counts", V),
    call("unique_inverse", V),
    call("unique_all", V),
    # products
    call("matmul", F, np.swapaxes(G, 0, 1)),
    call("matmul", I, np.swapaxes(J, 0, 1)),
    call("matmul", I[0], np.swapaxes(J, 0, 1)),
    call("matmul", I, J[0]),
    call("matmul", V, V),
    call("tensordot", I, J, axes=2),
    call("tensordot", I, J, axes=((0,), (0,))),
    call("tensordot", F, G, axes=((1,), (1,))),
    call("vecdot", I, J),
    call("vecdot", C, C, axis=0),
    # making
    call("arange", 2, 9, 3),
    call("eye", 3, 4, k=1),
    call("linspace", 0.0, 1.0, 5),
    call("linspace", 0.0, 1.0, 4, endpoint=False),
    call("full", (2, 3), 7),
    call("zeros", (2,)),
    call("ones", 3),
    call("tril", F, k=1),
    call("triu", F),
    call("zeros_like", I),
    call("full_like", I, 3),
    call("meshgrid", V, V[:2], indexing="ij"),
    # linalg, fft
    call("linalg.cholesky", DEFINITE),
    call("linalg.cholesky", DEFINITE, upper=True),
    call("linalg.cross", I, J),
    call("linalg.det", SQUARE),
    call("linalg.diagonal", SQUARE, offset=1),
    call("linalg.eigvalsh", DEFINITE),
    call("linalg.inv", SQUARE),
    call("linalg.matrix_norm", SQUARE),
    *[call("linalg.matrix_norm", SQUARE, ord=o, keepdims=True) for o in (1, -1, 2, -2, np.inf, -np.inf, "nuc")],
    *[call("linalg.matrix_power", SQUARE, n) for n in (0, 1, 5, -2)],
    call("linalg.matrix_rank", np.ones((3, 3), np.float32)),
    call("linalg.outer", V, V[:3]),
    call("linalg.pinv", F),
    call("linalg.slogdet", SQUARE),
    call("linalg.solve", SQUARE, SQUARE),
    call("linalg.svdvals", F),
    call("linalg.trace", I, offset=1),
    *[call("linalg.vector_norm", F, axis=1, ord=o) for o in (0, 1, 2, 3.5, np.inf, -np.inf)],
    call("linalg.vector_norm", C),
    *[call("fft." + n, F) for n in "fft ifft rfft fftn ifftn rfftn".split()],
    *[call("fft." + n, C, norm="ortho") for n in "fft irfft hfft irfftn".split()],
    call("fft.ihfft", F, n=3, norm="forward"),
    call("fft.fftshift", I),
    call("fft.ifftshift", I, axes=1),
    call("fft.fftfreq", 5, d=0.5),
    call("fft.rfftfreq", 5),
]


def function(namespace, name):
    for part in name.split("."):
        namespace = getattr(namespace, part)
    return namespace


def ours(value):
    if isinstance(value, np.ndarray):
        return mx.array(value)
    return [ours(v) for v in value] if isinstance(value, list) else value


def check(got, expected):
    if isinstance(expected, (tuple, list)):
        assert len(got) == len(expected)
        for g, e in zip(got, expected):
            check(g, e)
        if hasattr(expected, "_fields"):
            assert got._fields == expected._fields
        return
    assert isinstance(got, mx.array) and got.shape == np.shape(expected)
    kinds = {"i": "signed integer", "u": "unsigned integer", "f": "real floating", "c": "complex floating", "b": "bool"}
    assert xp.isdtype(got.dtype, kinds[np.asarray(expected).dtype.kind]), got.dtype
    np.testing.assert_allclose(np.array(got), expected, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("name, args, options", CASES)
def test_functions_against_numpy(name, args, options):
    got = function(xp, name)(*map(ours, args), **{k: ours(v) for k, v in options.items()})
    if name == "unstack" and not hasattr(np, "unstack"):
        pytest.skip("this NumPy has no unstack")
    check(got, function(np, name)(*args, **options))


def test_factors_of_matrices():
    a = mx.array(RNG.normal(size=(5, 3)).astype(np.float32))
    for mode, shape in (("reduced", (5, 3)), ("complete", (5, 5))):
        q, r = xp.linalg.qr(a, mode=mode)
        assert q.shape == shape and r.shape == (shape[1], 3)
        np.testing.assert_allclose(np.array(q @ r), np.array(a), atol=1e-5)
        np.testing.assert_allclose(np.array(q.T @ q), np.eye(shape[1]), atol=1e-5)
        np.testing.assert_allclose(np.tril(np.array(r), -1), 0, atol=1e-5)
    for full in (True, False):
        u, s, vh = xp.linalg.svd(a, full_matrices=full)
        assert u.shape == ((5, 5) if full else (5, 3)) and vh.shape == (3, 3)
        np.testing.assert_allclose(np.array((u[:, :3] * s) @ vh), np.array(a), atol=1e-5)
    values, vectors = xp.linalg.eigh(mx.array(DEFINITE))
    np.testing.assert_allclose(np.array(mx.array(DEFINITE) @ vectors), np.array(vectors * values[:, None, :]), atol=1e-4)


def test_complex_matrices():
    a = RNG.normal(size=(2, 3, 3)) + 1j * RNG.normal(size=(2, 3, 3))
    definite, b = a @ np.conj(np.swapaxes(a, -1, -2)) + np.eye(3), a[..., :2]
    x, y, z = (mx.array(m.astype(np.complex64)) for m in (a, definite, b))
    near = dict(rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(np.array(xp.linalg.det(x)), np.linalg.det(a), **near)
    for ours, true in zip(xp.linalg.slogdet(x), np.linalg.slogdet(a)):
        np.testing.assert_allclose(np.array(ours), true, **near)
    np.testing.assert_allclose(np.array(xp.linalg.cholesky(y)), np.linalg.cholesky(definite), **near)
    np.testing.assert_allclose(np.array(xp.linalg.solve(x, z)), np.linalg.solve(a, b), **near)
    q, r = xp.linalg.qr(x)
    np.testing.assert_allclose(np.array(q @ r), a, **near)
    np.testing.assert_allclose(np.array(xp.conj(xp.matrix_transpose(q)) @ q), np.broadcast_to(np.eye(3), (2, 3, 3)), **near)


def test_complex128():
    rng = np.random.default_rng(5)
    a, b = (rng.normal(size=(3, 4, 4)) + 1j * rng.normal(size=(3, 4, 4)) for _ in range(2))
    x, y = xp.asarray(a), xp.asarray(b)
    assert x.dtype == y.dtype == xp.complex128
    near = dict(rtol=1e-12, atol=1e-12)
    for ours, true in [(x + y, a + b), (x * y, a * b), (x / y, a / b), (x * 0.1j, a * 0.1j), (0.1 - x, 0.1 - a), (x @ y, a @ b), (x**y, a**b),
                       (xp.exp(x), np.exp(a)), (xp.log1p(x), np.log1p(a)), (xp.expm1(x), np.expm1(a)), (xp.abs(x), np.abs(a)), (xp.real(x), a.real),
                       (xp.sign(x), a / np.abs(a)), (xp.sum(x, axis=1), a.sum(1)), (xp.prod(x, axis=(0, 2)), a.prod((0, 2))), (xp.cumulative_sum(x, axis=2), a.cumsum(2)),
                       (xp.mean(x), a.mean()), (xp.linalg.inv(x), np.linalg.inv(a)), (xp.linalg.det(x), np.linalg.det(a)), (xp.linalg.solve(x, y), np.linalg.solve(a, b)),
                       (xp.linalg.svdvals(x), np.linalg.svd(a, compute_uv=False)), (xp.linalg.vector_norm(x), np.linalg.norm(a)),
                       (xp.fft.fftn(x), np.fft.fftn(a)), (xp.fft.ihfft(x.real), np.fft.ihfft(a.real)), (xp.fft.rfft(x.imag, n=7), np.fft.rfft(a.imag, n=7)),
                       (xp.where(x.real > 0, x, y), np.where(a.real > 0, a, b)), (xp.concat([x, y]), np.concat([a, b])), (xp.take(x, mx.array([2, 0]), axis=1), a[:, [2, 0]])]:
        assert str(ours.dtype).endswith(str(np.asarray(true).dtype)), (ours.dtype, true.dtype)
        np.testing.assert_allclose(np.array(ours), true, **near)
    values, vectors = xp.linalg.eigh(x + xp.conj(xp.matrix_transpose(x)))
    assert values.dtype == xp.float64 and vectors.dtype == xp.complex128
    np.testing.assert_allclose(np.array(values), np.linalg.eigvalsh(a + np.conj(np.swapaxes(a, 1, 2))), **near)
    values, vectors = mx.linalg.eig(x)
    assert values.dtype == vectors.dtype == xp.complex128
    np.testing.assert_allclose(np.array(x @ vectors), np.array(vectors * values[:, None, :]), **near)
    assert xp.asarray(0.1j, dtype=xp.complex128).item() == 0.1j and xp.full((2,), 0.1 + 0.2j, dtype=xp.complex128).tolist() == [0.1 + 0.2j] * 2
    assert xp.finfo(xp.complex128).dtype == xp.float64


def test_masks_of_the_wrong_shape_are_index_errors():
    x = mx.arange(6).reshape(2, 3)
    for mask in (mx.array([True] * 3), mx.array([[[True]]])):
        with pytest.raises(IndexError):
            x[mask]
    assert x[mx.zeros((0,), mx.bool_)].shape == (0, 3)  # no place is chosen


def test_vectors_of_different_lengths_have_no_product():
    with pytest.raises(ValueError, match="vecdot"):
        xp.vecdot(mx.array([1, 2]), mx.array([1]))


def test_distinct_values():
    assert sorted(xp.unique_values(mx.array(V)).tolist()) == sorted(np.unique_values(V).tolist())
    assert xp.unique_values(mx.array([float("nan")] * 2)).size == 2


def test_order_from_the_greatest_is_stable():
    v = np.array([1, 3, 1, 3, 2], np.int32)
    assert xp.argsort(mx.array(v), descending=True).tolist() == [1, 3, 4, 0, 2]
    assert xp.sort(mx.array(v), descending=True).tolist() == [3, 3, 2, 1, 1]
    assert xp.argsort(mx.array(v)).dtype == xp.int64


def test_special_values():
    inf, nan = float("inf"), float("nan")
    zeros = xp.remainder(mx.array([-0.0, 0.0]), mx.array([1.0, -1.0])).tolist()
    assert [str(z) for z in zeros] == ["0.0", "-0.0"]
    assert [str(z) for z in (mx.array([-0.0, 0.0]) % mx.array([1.0, -1.0])).tolist()] == ["0.0", "-0.0"]
    assert str(xp.real(xp.expm1(mx.array(np.array(complex(-0.0, 0), np.complex64)))).item()) == "0.0"
    far = np.array(xp.tanh(mx.array(np.array([complex(inf, 2), complex(-inf, -2)], np.complex64))))
    assert far.real.tolist() == [1, -1] and [str(z) for z in far.imag] == ["0.0", "-0.0"]
    assert xp.bitwise_left_shift(mx.array([1, 1], mx.int16), mx.array([15, 32], mx.int16)).tolist() == [-32768, 0]
    assert xp.bitwise_right_shift(mx.array([-8, 8]), mx.array([40, 40])).tolist() == [-1, 0]
    parts = np.array(xp.expm1(mx.array(np.array([complex(-inf, nan), complex(inf, nan), complex(nan, 0)], np.complex64))))
    assert parts[0] == -1 and parts[1].real == inf and np.isnan(parts[1].imag) and np.isnan(parts[2].real) and parts[2].imag == 0
    assert xp.log1p(mx.array(np.array([complex(inf, nan)], np.complex64))).real.tolist() == [inf]


def test_result_types():
    assert xp.result_type(xp.int8, xp.uint8) == xp.int16 and xp.result_type(xp.float32, xp.float64) == xp.float64
    assert xp.result_type(xp.int8, 3) == xp.int8 and xp.result_type(xp.int8, 3.5) == xp.float32
    assert xp.result_type(mx.array([1.0]), 1j) == xp.complex64
    assert xp.result_type(xp.float64, xp.complex64) == xp.result_type(mx.array([1.0], xp.float64), 1j) == xp.complex128
    assert xp.sum(mx.array([1], mx.int8)).dtype == xp.int32 and xp.sum(mx.array([1], mx.uint8)).dtype == xp.uint32
    assert xp.sum(mx.array([1], mx.int8), dtype=xp.float32).dtype == xp.float32
    assert xp.can_cast(xp.int8, xp.int16) and not xp.can_cast(xp.int16, xp.int8)
    assert xp.finfo(mx.array([1.0])).bits == 32 and xp.iinfo(xp.int8).max == 127
    assert xp.asarray(np.zeros(2)).dtype == xp.float64


def test_copies():
    a = mx.array([1, 2])
    assert xp.asarray(a) is a and xp.asarray(a, copy=False) is a and xp.asarray(a, copy=True) is not a
    assert xp.astype(a, xp.int32, copy=False) is a and xp.astype(a, xp.float32).dtype == xp.float32
    with pytest.raises(ValueError):
        xp.asarray([1], copy=False)


def test_what_the_namespace_says_of_itself():
    info = xp.__array_namespace_info__()
    assert info.capabilities()["boolean indexing"] and info.capabilities()["data-dependent shapes"]
    assert info.dtypes(kind=("bool", "unsigned integer")).keys() == {"bool", "uint8", "uint16", "uint32", "uint64"}
    assert info.default_dtypes()["indexing"] == xp.int64 and info.default_device() in info.devices()
    assert type(mx.__array_namespace_info__()) is type(info)
    a = mx.array([1, 2])
    assert a.__array_namespace__() is xp is a.__array_namespace__(api_version="2024.12")
    with pytest.raises(ValueError):
        a.__array_namespace__(api_version="1999.01")
    assert a.device == mx.default_device() and a.to_device(a.device).tolist() == [1, 2]
    with pytest.raises(ValueError):
        a.to_device("nowhere")
    assert xp.zeros(2, device=a.device).tolist() == [0, 0]
    assert xp.softmax is mx.softmax and xp.array is mx.array
    with pytest.raises(AttributeError):
        xp.no_such_function


def test_every_name_of_the_standard_is_there_and_has_a_signature_or_is_of_the_core():
    elementwise = """abs acos acosh add asin asinh atan atan2 atanh bitwise_and bitwise_left_shift bitwise_invert bitwise_or
    bitwise_right_shift bitwise_xor ceil clip conj copysign cos cosh divide equal exp expm1 floor floor_divide greater
    greater_equal hypot imag isfinite isinf isnan less less_equal log log1p log2 log10 logaddexp logical_and logical_not
    logical_or logical_xor maximum minimum multiply negative nextafter not_equal positive pow real reciprocal remainder round
    sign signbit sin sinh square sqrt subtract tan tanh trunc"""
    others = """arange asarray empty empty_like eye from_dlpack full full_like linspace meshgrid ones ones_like tril triu zeros
    zeros_like astype can_cast finfo iinfo isdtype result_type take take_along_axis matmul matrix_transpose tensordot vecdot
    broadcast_arrays broadcast_to concat expand_dims flip moveaxis permute_dims repeat reshape roll squeeze stack tile unstack
    argmax argmin count_nonzero nonzero searchsorted where unique_all unique_counts unique_inverse unique_values argsort sort
    cumulative_prod cumulative_sum max mean min prod std sum var all any diff e inf nan newaxis pi bool int8 int16 int32 int64
    uint8 uint16 uint32 uint64 float32 float64 complex64 complex128 __array_namespace_info__ __array_api_version__"""
    for name in (elementwise + " " + others).split():
        assert name in vars(xp), name
    extensions = {
        "linalg": """cholesky cross det diagonal eigh eigvalsh inv matmul matrix_norm matrix_power matrix_rank matrix_transpose
        outer pinv qr slogdet solve svd svdvals tensordot trace vecdot vector_norm""",
        "fft": "fft ifft fftn ifftn rfft irfft rfftn irfftn hfft ihfft fftfreq rfftfreq fftshift ifftshift",
    }
    for extension, names in extensions.items():
        for name in names.split():
            assert callable(vars(getattr(xp, extension))[name])
    assert list(inspect.signature(xp.sum).parameters) == ["x", "axis", "dtype", "keepdims"]
