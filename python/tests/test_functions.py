"""Functions of the module: how they take arguments, and what they say when they are called wrongly."""

import pons.core as mx
import numpy as np
import pytest


def test_arguments_by_place_and_by_name():
    a = mx.ones((2, 3))
    assert mx.sum(a, 1).shape == (2,)
    assert mx.sum(a, axis=1, keepdims=True).shape == (2, 1)
    assert a.sum(axis=(0, 1)).shape == ()
    assert a.reshape(3, 2).shape == a.reshape((3, 2)).shape == (3, 2)


def test_wrong_arguments_name_the_parameter_and_what_it_may_be():
    a = mx.ones(3)
    with pytest.raises(TypeError, match="axis must be None | int | Sequence\\[int\\], not str"):
        mx.sum(a, axis="x")
    with pytest.raises(TypeError, match="ax is no keyword argument"):
        mx.sum(a, ax=0)
    with pytest.raises(TypeError, match="a is missing"):
        mx.sum()
    with pytest.raises(TypeError, match="5 positional arguments are too many"):
        mx.sum(a, 0, True, None, None)
    with pytest.raises(TypeError, match="b is given twice"):
        mx.add(a, a, b=a)
    with pytest.raises(IndexError, match="sum: axis 7 is out of range"):
        mx.sum(a, axis=7)


def test_the_docstring_begins_with_the_signature():
    assert mx.sum.__doc__.startswith("sum(a: array, /, axis: None | int | Sequence[int] = None, ")


def test_sizes_are_int32_as_in_mlx():
    for call in (lambda: mx.zeros(2**31), lambda: mx.reshape(mx.ones(4), [2**31]), lambda: mx.concatenate([mx.zeros(2**30)] * 3)):
        with pytest.raises(OverflowError, match="2147483648|3221225472"):
            call()


def test_transforms_along_two_axes_take_all_for_none():
    x = np.random.default_rng(3).standard_normal((2, 3, 4)).astype(np.float32)
    np.testing.assert_allclose(np.array(mx.fft.fft2(mx.array(x), axes=None)), np.fft.fftn(x), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(np.array(mx.fft.fft2(mx.array(x))), np.fft.fft2(x), rtol=1e-5, atol=1e-5)


def test_random_bools_and_no_samples():
    drawn = mx.random.randint(0, 2, [1000], dtype=mx.bool_, key=mx.random.key(0))
    assert 400 < mx.sum(drawn).item() < 600
    assert not mx.any(mx.random.randint(0, 1, [1000], dtype=mx.bool_)).item()
    assert mx.random.categorical(mx.ones((3, 2)), num_samples=0).shape == (3, 0)


def test_scales_of_quantized_products_are_floats():
    codes, scales, biases = mx.quantize(mx.ones((8, 64)), bits=4)
    with pytest.raises(ValueError, match="scales and biases must be floats, not \\(8, 1\\) int32"):
        mx.quantized_matmul(mx.ones(64), codes, scales.astype(mx.int32), biases.astype(mx.int32), bits=4)


def test_the_peak_begins_anew():
    kept = mx.ones(1000)
    mx.eval(kept)
    mx.reset_peak_memory()
    assert mx.get_peak_memory() == 0
    mx.eval(mx.ones(5000) + kept[0])
    assert mx.get_peak_memory() >= 20000


def test_memory_of_one_device():
    before = mx.get_active_memory(mx.cpu)
    kept = mx.ones(100000) + 1
    mx.eval(kept)
    assert mx.get_active_memory(device=mx.cpu) == before + 400000
    assert mx.get_peak_memory(mx.Device(mx.cpu)) >= before + 400000
    mx.reset_peak_memory(mx.cpu)
    assert mx.get_peak_memory(mx.cpu) == 0
    limit = mx.get_memory_limit()
    assert mx.set_memory_limit(before + 500000, device=mx.cpu) == limit
    assert mx.set_memory_limit(limit, mx.cpu) == before + 500000 and mx.get_memory_limit(mx.cpu) == limit
    kept_at_most = mx.set_cache_limit(0, mx.cpu)
    del kept
    assert mx.get_cache_memory(mx.cpu) == 0
    assert mx.set_cache_limit(kept_at_most, mx.cpu) == 0
    mx.clear_cache(mx.cpu)
    with pytest.raises(TypeError, match="device must be Device or DeviceType"):
        mx.get_active_memory("cpu")
    with pytest.raises(ValueError, match="the limit is -1, it must not be negative"):
        mx.set_cache_limit(-1, mx.cpu)
    with pytest.raises(ValueError, match="there is no device cpu 1"):
        mx.clear_cache(mx.Device(mx.cpu, 1))


def test_buffers_are_counted_once():
    a = mx.ones(100)
    mx.eval(a)
    size = mx.get_array_buffer_size(a)
    assert size >= 400
    assert mx.get_array_buffer_size(a, [a, {"again": a, "other": 3}]) == size
    assert mx.get_array_buffer_size() == mx.get_array_buffer_size("no array") == 0
    with pytest.raises(ValueError, match="get_array_buffer_size"):
        mx.get_array_buffer_size(a + 1)


def test_an_object_that_gives_an_array_is_array_like():
    class Weights:
        def __mlx_array__(self):
            return mx.array([1.0, 2.0])

    assert mx.add(mx.ArrayLike(Weights()), 1).tolist() == [2, 3]
    with pytest.raises(AttributeError):
        mx.add(mx.ArrayLike(3), 1)


def test_hints_name_functions_as_python_has_them():
    with pytest.raises(ValueError, match="hint: did you mean matmul\\(a, transpose\\(b\\)\\)") as error:
        mx.matmul(mx.ones((2, 3)), mx.ones((2, 3)))
    assert "pons_" not in str(error.value)
