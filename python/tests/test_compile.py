"""Compiled functions: how often they are traced, what they take and return, captured state, and what they keep alive."""

import gc
import inspect
import weakref
from functools import partial

import pons.core as mx
import pytest


def counted(fun):
    """fun, and a list with an entry per call of it."""
    calls = []

    def traced(*args, **kwargs):
        calls.append(1)
        return fun(*args, **kwargs)

    return traced, calls


def test_a_function_is_traced_once_per_structure_constants_dtypes_and_shapes():
    fun, calls = counted(lambda x, k=1, **more: mx.multiply(x, x))
    f = mx.compile(fun)
    x = mx.ones((3,))
    for args, kwargs, traces in [
        ((x,), {}, 1), ((x,), {}, 1), ((mx.zeros((3,)),), {}, 1),
        ((mx.ones((4,)),), {}, 2), ((mx.ones((3,), mx.int32),), {}, 3),
        ((x, 1), {}, 4), ((x, 2), {}, 5), ((x, 1), {}, 5), ((x, 1.0), {}, 6), ((x, None), {}, 7), ((x, "s"), {}, 8),
        ((x,), {"k": 1}, 9), ((x,), {"a": [x]}, 10), ((x,), {"a": (x,)}, 11), ((x,), {"a": [mx.ones((3,))]}, 11),
        ((x,), {"a": {"b": x}}, 12), ((x,), {"a": {"c": x}}, 13), ((x, float("nan")), {}, 14), ((x, float("nan")), {}, 14),
        ((x,), {}, 14),
    ]:
        f(*args, **kwargs)
        assert len(calls) == traces, (args, kwargs)


def test_a_shapeless_function_is_traced_once_for_all_sizes():
    fun, calls = counted(lambda x, y: mx.sum(mx.exp(x) @ y, axis=-1))
    f = mx.compile(fun, shapeless=True)
    for n, m in ((2, 3), (5, 4), (1, 7)):
        assert f(mx.zeros((3, n, m)), mx.ones((m, 2))).tolist() == [[2.0 * m] * n] * 3
    assert len(calls) == 1
    f(mx.zeros((2, 3), mx.float16), mx.ones((3, 2)))
    assert len(calls) == 2


def test_an_axis_of_one_element_in_a_shapeless_trace_may_be_longer_later():
    for reduce in (mx.sum, mx.mean, mx.prod, mx.min, mx.max, mx.all, mx.any, mx.argmin, mx.argmax):
        fun = lambda x, at: reduce(mx.take(x, at, axis=0))
        f = mx.compile(fun, shapeless=True)
        x = mx.array([3.0, 0.0, 5.0])
        for n in (1, 3, 2, 1):
            assert f(x, mx.arange(n)).item() == fun(x, mx.arange(n)).item()


def test_what_is_returned_keeps_its_structure():
    f = mx.compile(lambda x, k: {"a": x, "k": k, "l": [x, (mx.add(x, x), None)]})
    x = mx.ones((3,))
    for _ in range(3):
        out = f(x, 7)
        assert list(out) == ["a", "k", "l"] and out["k"] == 7 and out["l"][1][1] is None
        assert out["l"][1][0].shape == (3,)
    assert mx.compile(lambda: 3)() == 3


def test_an_exception_comes_out_as_it_is_and_the_state_stays():
    state = {"w": mx.ones((2,))}
    before = state["w"]

    @partial(mx.compile, inputs=state, outputs=state)
    def f(x):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        f(mx.ones((2,)))
    assert state["w"] is before


def test_other_objects_are_no_arguments():
    with pytest.raises(ValueError, match="received type object"):
        mx.compile(lambda x: x)(object())
    with pytest.raises(TypeError, match="fun must be Callable, not int"):
        mx.compile(1)


def test_while_compiling_is_off_the_function_is_called():
    fun, calls = counted(lambda x: mx.add(x, x))
    f = mx.compile(fun)
    x = mx.ones((3,))
    f(x), f(x)
    assert len(calls) == 1
    mx.disable_compile()
    try:
        f(x), f(x)
    finally:
        mx.enable_compile()
    assert len(calls) == 3
    f(x)
    assert len(calls) == 3


def test_a_compiled_function_looks_like_the_function():
    def f(x, y=2):
        "about f"

    for made in (mx.compile(f), mx.grad(f), mx.vmap(f), mx.checkpoint(f), mx.value_and_grad(f)):
        assert made.__name__ == "f" and made.__doc__ == "about f"
        assert inspect.signature(made) == inspect.signature(f)


def test_cycles_through_functions_are_collected():
    class Owner:
        pass

    def cycle():
        owner = Owner()

        def fun(x):
            owner
            return mx.multiply(x, x)

        custom = mx.custom_function(fun)
        custom.vjp(lambda *a: owner)
        owner.made = [mx.compile(fun, inputs=[owner]), mx.grad(fun), mx.vmap(fun), mx.checkpoint(fun), custom]
        for f in owner.made[:1] + owner.made[2:]:
            mx.eval(f(mx.ones((3,))))
        return weakref.ref(owner)

    ref = cycle()
    gc.collect()
    assert ref() is None


def test_the_state_that_a_function_sets_is_updated_in_place():
    state = {"w": [mx.array(1.0)], "n": 0}

    @partial(mx.compile, inputs=state, outputs=state)
    def step(x):
        state["w"][0] = state["w"][0] * x
        return state["w"][0] + 1

    inner = state["w"]
    assert [step(mx.array(2.0)).item() for _ in range(4)] == [3, 5, 9, 17]
    assert state["w"] is inner and inner[0].item() == 16 and state["n"] == 0


def test_functions_compiled_inside_others():
    inner = mx.compile(lambda x: mx.sin(x) * 2)
    x = mx.array([0.5, 1.0])
    expected = (2 * mx.cos(x)).tolist()
    slope = lambda x: mx.grad(lambda x: mx.sum(inner(x)))(x)
    for f in (slope, mx.compile(slope), mx.compile(mx.compile(slope)), mx.vmap(slope)):
        for _ in range(2):
            y = f(x)
            assert y.tolist() == pytest.approx(expected)


def test_a_function_that_reads_its_argument_behind_its_back_is_an_error():
    x = mx.array([1.0, 2.0]) * 2
    with pytest.raises(ValueError, match="reads an array that it is also called with"):
        mx.compile(lambda y: y + x)(x)
