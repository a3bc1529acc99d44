"""x[...], x[...] = v and x.at[...] against NumPy, with random indices (the seed is printed), and what is an IndexError."""

import random

import numpy as np
import pons.core as mx
import pytest

SHAPE = (4, 3, 5)


def arange(shape=SHAPE):
    x = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    return x, mx.array(x)


def to_ours(index):
    if isinstance(index, tuple):
        return tuple(map(to_ours, index))
    return mx.array(index) if isinstance(index, np.ndarray) else index


INDICES = [
    0,
    -1,
    np.int64(2),
    slice(1, 3),
    slice(None, None, -1),
    slice(-100, 100),
    slice(3, 0, -2),
    slice(2, 1),
    slice(-(2**70), None, -1),
    slice(None, -(2**70)),
    None,
    ...,
    (),
    (0, 1),
    (0, 1, 2),
    (slice(None), 2),
    (..., 0),
    (0, ..., 0),
    (slice(1, 3), None, -1),
    (None, 0, None),
    [0, 2],
    [[0, 1], [2, 3]],
    [],
    np.array([0, -1]),
    np.array([1, 2], np.uint8),
    np.array(1),
    (slice(None), [0, 2], [1, 4]),
    ([0, 1], slice(None), [1, 2]),
    (0, slice(None), [1, 2]),
    (slice(None), 0, [1, 2]),
    ([0, 1], None, [1, 2]),
    (..., [0, 1]),
    (np.array([[0], [1]]), np.array([0, 1, 2])),
    (np.array([[0, 1], [1, 0]]), slice(1, None)),
    np.array([True, False, True, False]),
    (slice(None), np.array([True, False, True])),
    [True, False, False, True],
    True,
    False,
]


@pytest.mark.parametrize("index", INDICES, ids=repr)
def test_reading(index):
    x, a = arange()
    for i in (index, to_ours(index)):
        got, expected = a[i], x[index]
        assert got.shape == expected.shape
        np.testing.assert_array_equal(np.array(got), expected)


@pytest.mark.parametrize("index", [i for i in INDICES if i is not False], ids=repr)
def test_writing(index):
    x, a = arange()
    alias = a
    x[index], a[to_ours(index)] = 7, 7
    np.testing.assert_array_equal(np.array(alias), x)
    value = -np.arange(x[index].size, dtype=np.int32).reshape(x[index].shape)
    x[index], a[index] = value, mx.array(value)
    np.testing.assert_array_equal(np.array(alias), x)
    assert a is alias and a.dtype == mx.int32


def test_what_is_written_takes_the_dtype_of_the_array():
    a = mx.array([1, 2, 3])
    a[0] = 7.9
    a[1:] = np.array([8.7, 9])
    assert a.tolist() == [7, 8, 9] and a.dtype == mx.int32
    b = mx.array([1.0, 2.0])
    b[0], b[1] = True, 5
    assert b.tolist() == [1, 5] and b.dtype == mx.float32


def test_masks_take_one_value_per_place_or_more():
    for value, expected in ((0, [0, 1, 0, 0, 0]), ([7, 8, 9], [0, 1, 7, 8, 9]), ([4, 5, 6, 7, 8], [0, 1, 4, 5, 6])):
        a = mx.arange(5)
        a[a > 1] = mx.array(value)
        assert a.tolist() == expected
    a = mx.arange(5)
    with pytest.raises(ValueError):
        a[a > 1] = mx.array([1, 2])
        mx.array(a).tolist()


def random_index(choose, shape):
    """Of a kind that NumPy and we read alike."""
    items, arrays = [], choose.random() < 0.4
    places = choose.choice([(), (2,), (3, 1), (0,)])
    for size in shape[: choose.randint(0, len(shape))]:
        kind = choose.random()
        if kind < 0.3:
            items.append(choose.randint(-size, size - 1))
        elif kind < 0.7 or not arrays:
            bounds = [choose.choice([None, choose.randint(-size - 2, size + 2)]) for _ in range(2)]
            items.append(slice(*bounds, choose.choice([None, 1, 2, -1, -3])))
        else:
            items.append(np.random.default_rng(choose.randint(0, 9999)).integers(-size, size, places))
    while choose.random() < 0.3 and len(items) < 5:
        items.insert(choose.randint(0, len(items)), None)
    if choose.random() < 0.3:
        items.insert(choose.randint(0, len(items)), ...)
    return tuple(items)


def test_random_indices():
    seed = random.SystemRandom().randrange(2**32)
    print("seed", seed)
    choose = random.Random(seed)
    for _ in range(400):
        shape = tuple(choose.randint(1, 5) for _ in range(choose.randint(1, 4)))
        index = random_index(choose, shape)
        x, a = arange(shape)
        try:
            expected = x[index]
        except IndexError:
            try:
                assert a[to_ours(index)].tolist() is not None and a[to_ours(index)].size == 0  # nothing is read
            except IndexError:
                pass
            continue
        np.testing.assert_array_equal(np.array(a[to_ours(index)]), expected, err_msg=f"{shape} {index}")
        assert a[to_ours(index)].shape == expected.shape, (shape, index)
        value = np.full(expected.shape, -1, np.int32)
        x[index], a[to_ours(index)] = value, mx.array(value)
        np.testing.assert_array_equal(np.array(a), x, err_msg=f"{shape} {index}")


@pytest.mark.parametrize("index", [4, -5, 2**40, 2**70, (0, 3), (0, 0, -6), ([0, 4],), ([0], 3)], ids=repr)
def test_out_of_range_is_an_index_error(index):
    x, a = arange()
    with pytest.raises(IndexError):
        a[index].tolist()
    with pytest.raises(IndexError):
        a[index] = 1
        a.tolist()


@pytest.mark.parametrize("index", ["a", 1.5, [1.5], ["a"], {}, object(), (..., ...), (0, 0, 0, 0), slice(1.5), slice("a")])
def test_what_is_no_index(index):
    x, a = arange()
    with pytest.raises(ValueError):
        a[index]
    with pytest.raises(ValueError):
        a[index] = 1


def test_other_mistakes():
    a = mx.arange(6)
    for call in (lambda: a[::0], lambda: mx.array(5)[0], lambda: a.at.add(1)):
        with pytest.raises(ValueError):
            call()
    with pytest.raises(TypeError):
        del a[0]
    for value, kind in (("a", ValueError), ([1, 2], ValueError), (None, TypeError), (mx.array([1, 2, 3]), ValueError)):
        with pytest.raises(kind):
            a[:2] = value
    assert a.tolist() == [0, 1, 2, 3, 4, 5]


def test_at_combines_all_values_for_one_place():
    x = mx.array([1.0, 2.0, 3.0, 4.0])
    at = x.at[[0, 0, 2]]
    v = mx.array([2.0, 4.0, 8.0])
    assert at.add(v).tolist() == [7, 2, 11, 4]
    assert at.subtract(v).tolist() == [-5, 2, -5, 4]
    assert at.multiply(v).tolist() == [8, 2, 24, 4]
    assert at.divide(v).tolist() == [0.125, 2, 0.375, 4]
    assert at.maximum(v).tolist() == [4, 2, 8, 4]
    assert at.minimum(value=0).tolist() == [0, 2, 0, 4]
    assert x.at[1:3].add(1).tolist() == [1, 3, 4, 4] and x.tolist() == [1, 2, 3, 4]
    assert x.at[x > 2].add(1).tolist() == [1, 2, 4, 5]


def test_length_and_iteration():
    a = mx.array([[1, 2], [3, 4]])
    assert len(a) == 2 and [r.tolist() for r in a] == [[1, 2], [3, 4]] and [r.tolist() for r in reversed(a)] == [[3, 4], [1, 2]]
    assert next(iter(a)).tolist() == [1, 2] and type(iter(a)) is mx.ArrayIterator
    first, *rest = mx.array([1, 2, 3])
    assert first.item() == 1 and len(rest) == 2
    for call in (len, iter):
        with pytest.raises(TypeError):
            call(mx.array(1))
