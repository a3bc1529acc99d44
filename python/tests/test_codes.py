"""Products of int8 and of fp8 codes, as MLX's interface has them: cast and multiplied. Devices may multiply the codes; what comes of it
is held against NumPy's products of int64, and of float64. On the CPU, on a GPU, and on the doubles of CUDA's libraries."""
import os
import subprocess
import sys

import numpy as np
import pytest

import pons.core as mx

RNG = np.random.default_rng(20261126)
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def int8(*shape):
    return RNG.integers(-128, 128, shape, dtype=np.int8)


def exact(a, b):
    return np.matmul(a.astype(np.int64), b.astype(np.int64))


def fp8_values():
    """What each code stands for, by the format: 4 bits of exponent, 3 of fraction, no infinities."""
    codes = np.arange(256)
    exponent, fraction = codes >> 3 & 15, codes & 7
    size = np.where(exponent > 0, (8 + fraction) * 2.0 ** (exponent - 10), fraction * 2.0**-9)
    size[codes & 127 == 127] = np.nan
    return np.where(codes >> 7, -size, size)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("k", [64, 50])  # 50: no multiple of what libraries want
def test_int8(dtype, k):
    dtype = getattr(mx, dtype)
    a, b = int8(7, k), int8(32, k)
    expected = exact(a, b.T)
    if dtype == mx.float16:
        expected = np.clip(expected, -65000, 65000)
    found = mx.array(a).astype(dtype) @ mx.array(b).astype(dtype).T
    found = np.array(mx.clip(found.astype(mx.float32), -65000, 65000) if dtype == mx.float16 else found.astype(mx.float32))
    digits = {mx.float32: 0, mx.bfloat16: 2.0**-8, mx.float16: 2.0**-11}[dtype]
    np.testing.assert_allclose(found, expected, rtol=digits)


def test_int8_behind_views():
    a, b, c = int8(3, 4, 64), int8(64, 32), int8(4, 3, 64)
    x, y, z = (mx.array(v).astype(mx.float32) for v in (a, b, c))
    np.testing.assert_array_equal(np.array(x @ y), exact(a, b))
    np.testing.assert_array_equal(np.array(z.transpose(1, 0, 2) @ y[:, 4:20]), exact(c.transpose(1, 0, 2), b[:, 4:20]))
    np.testing.assert_array_equal(np.array(x.reshape(12, 64) @ y), exact(a.reshape(12, 64), b))
    np.testing.assert_array_equal(np.array(y.T[::2] @ y), exact(b.T[::2], b))


def test_scaled_int8():
    """A quantized layer: the product of the codes, then a scale for each row and for each column."""
    a, b = int8(6, 128), int8(16, 128)
    rows, columns = RNG.random((6, 1), np.float32), RNG.random(16, np.float32)
    layer = mx.compile(lambda x, w, r, c: x.astype(mx.float32) @ w.astype(mx.float32).T * r * c)
    for _ in range(3):
        found = np.array(layer(*(mx.array(v) for v in (a, b, rows, columns))))
        np.testing.assert_array_equal(found, exact(a, b.T).astype(np.float32) * rows * columns)


def test_layers_with_a_bias():
    a, b, bias = int8(6, 64), int8(16, 64), RNG.integers(-1000, 1000, 16)
    x, w, c = (mx.array(v).astype(mx.float32) for v in (a, b, bias))
    expected = exact(a, b.T)
    np.testing.assert_array_equal(np.array(mx.maximum(mx.addmm(c, x, w.T), 0)), np.maximum(expected + bias, 0))
    np.testing.assert_allclose(np.array(mx.addmm(c, x, w.T, alpha=0.5, beta=2)), expected * 0.5 + bias * 2, rtol=1e-6)
    values = fp8_values()
    f, g = (mx.to_fp8(mx.array(RNG.standard_normal(shape), mx.float32)) for shape in ((5, 96), (16, 96)))
    c = c.astype(mx.bfloat16)
    found = mx.maximum(mx.addmm(c, mx.from_fp8(f, mx.bfloat16), mx.from_fp8(g, mx.bfloat16).T), 0)
    sums = values[np.array(f)] @ values[np.array(g)].T + np.array(c.astype(mx.float32))
    np.testing.assert_allclose(np.array(found.astype(mx.float32)), np.maximum(sums, 0), rtol=2.0**-7, atol=2.0**-7)


def test_sums_that_leave_int32():
    a = np.full((4, 131072), -128, np.int8)
    x = mx.array(a).astype(mx.float32)
    np.testing.assert_array_equal(np.array(x @ x.T), np.full((4, 4), 2.0**31))
    np.testing.assert_array_equal(np.array(x[:, :-4] @ x[:, :-4].T), np.full((4, 4), 2.0**31 - 4 * 2.0**14))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_fp8(dtype):
    dtype = getattr(mx, dtype)
    values = np.array(fp8_values())
    a, b = (mx.to_fp8(mx.array(RNG.standard_normal(shape), mx.float32)) for shape in ((5, 96), (32, 96)))
    found = np.array((mx.from_fp8(a, dtype) @ mx.from_fp8(b, dtype).T).astype(mx.float32))
    x, y = values[np.array(a)], values[np.array(b)]
    digits = {mx.float32: 1e-5, mx.bfloat16: 2.0**-8, mx.float16: 2.0**-10}[dtype]
    np.testing.assert_allclose(found, x @ y.T, rtol=digits, atol=digits)


def test_fp8_that_is_no_number():
    a = np.zeros((2, 32), np.uint8)
    a[0, 0], a[1, 0] = 0x7E, 0x7F
    x = mx.from_fp8(mx.array(a), mx.bfloat16)
    found = np.array((x @ mx.array(np.eye(32), mx.bfloat16)).astype(mx.float32))
    assert found[0, 0] == 448 and np.isnan(found[1]).all() and (found[0, 1:] == 0).all()
    product = np.array((x @ x.T).astype(mx.float32))
    assert product[0, 0] == 448 * 448 and np.isnan(product[1]).all()


# cuda_90: the doubles, as a device that multiplies both; cuda_double: as one that multiplies int8 alone.
@pytest.mark.parametrize("device", ["cuda", "cuda_90", "cuda_double"])
def test_on_a_device(device):
    if "PONS_DEVICE" in os.environ or "PONS_BUILD_DIR" not in os.environ:
        pytest.skip("it is on one, or not run by ctest")
    if os.environ.get("PONS_SANITIZE"):
        pytest.skip("sanitizers do not know the fibers of doubles")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", os.path.abspath(__file__)]
    done = subprocess.run(["sh", os.path.join(ROOT, "tests", "on_device.sh"), device, *command], capture_output=True, text=True)
    if done.returncode == 77:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr
