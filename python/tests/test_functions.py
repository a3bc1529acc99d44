"""Functions of the module: how they take arguments, and what they say when they are called wrongly."""

import pons.core as mx
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
