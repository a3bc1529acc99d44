"""Several Python threads at once: computing, tracing, sharing arrays, and letting go of them."""

import gc
import threading
import time

import numpy as np
import pons.core as mx
import pytest


def run(work, count=4):
    """work(i) on so many threads; the first exception comes out."""
    errors = []

    def guarded(i):
        try:
            work(i)
        except BaseException as e:  # handed to the main thread
            errors.append(e)

    threads = [threading.Thread(target=guarded, args=(i,)) for i in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if errors:
        raise errors[0]


def test_other_threads_go_on_while_one_computes():
    x = mx.random.normal((1000, 1000))
    mx.eval(x)
    turns, done = [0], threading.Event()

    def count():
        while not done.is_set():
            turns[0] += 1
            time.sleep(0)

    counter = threading.Thread(target=count)
    counter.start()
    # The sum of work during which nothing here gives the interpreter away by itself.
    for _ in range(3):
        y = x @ x @ x
        before = turns[0]
        mx.eval(y)
        assert turns[0] > before
    done.set()
    counter.join()


def test_arrays_are_shared_between_threads():
    shared = [mx.arange(1000, dtype=mx.float32) + i for i in range(8)]
    lazy = sum(shared)
    expected = (np.arange(1000) * 8.0 + 28).tolist()

    def work(i):
        for _ in range(30):
            assert lazy.tolist() == expected
            y = (shared[i % 8] * 2 - shared[(i + 1) % 8]).sum()
            mx.eval(y)

    run(work)


def test_transforms_on_many_threads():
    weights = mx.random.normal((16, 16))
    mx.eval(weights)
    compiled = mx.compile(lambda x, k: mx.tanh(x @ weights) * k)
    state = threading.local()

    def work(i):
        state.calls = 0
        x = mx.full((4, 16), float(i + 1))
        grad = mx.grad(lambda x: mx.sum(mx.tanh(x @ weights)))
        expected, slope = (mx.tanh(x @ weights) * 2.0).tolist(), grad(x).tolist()
        for k in range(20):
            np.testing.assert_allclose(np.array(compiled(x, 2.0)), expected, rtol=1e-5)
            np.testing.assert_allclose(np.array(grad(x)), slope, rtol=1e-5)
            rows = mx.vmap(lambda r: r.sum())(x)
            assert rows.tolist() == [16.0 * (i + 1)] * 4
            if k % 5 == 0:
                fresh = mx.compile(lambda x: x + i)
                assert fresh(x)[0, 0].item() == 2 * i + 1

    run(work)


def test_an_exception_stays_on_its_thread():
    def work(i):
        def fails(x):
            raise ValueError(f"thread {i}")

        for _ in range(30):
            try:
                mx.grad(fails)(mx.ones(3))
            except ValueError as e:
                assert str(e) == f"thread {i}"
            try:
                mx.ones((2, 3)) @ mx.ones((2, 3))
            except ValueError as e:
                assert "matmul" in str(e)

    run(work)


def test_a_compiled_function_with_the_random_state_serves_every_thread():
    draw = mx.compile(lambda: mx.random.uniform(shape=(8,)), inputs=mx.random.state, outputs=mx.random.state)

    def work(i):
        mx.random.seed(i)
        first, second = draw().tolist(), draw().tolist()
        mx.random.seed(i)
        assert draw().tolist() == first and draw().tolist() == second and first != second

    run(work)


def test_what_the_library_holds_ends_while_others_compute():
    ended = []

    class Owner:
        def __init__(self, fun):
            self.fun = fun

        def __call__(self, x):
            return self.fun(x)

        def __del__(self):
            ended.append(1)

    def work(i):
        for _ in range(10):
            f = mx.custom_function(Owner(lambda x: x * 3))
            f.vjp(lambda x, c, o: c * 3)
            y = mx.grad(lambda x: mx.sum(f(x)))(mx.ones((64,)))
            out = f(mx.ones((64,)))
            del f
            mx.eval(y, out)
            assert out[0].item() == 3
            z = mx.checkpoint(Owner(mx.exp))(mx.zeros((4,)))
            mx.async_eval(z)
            del z

    run(work)
    mx.synchronize()
    gc.collect()
    mx.eval(mx.zeros(1))  # the end of a call works off what waits
    assert len(ended) == 4 * 10 * 2


def test_what_goes_wrong_behind_async_eval_is_raised_once():
    def singular():
        return mx.linalg.inv(mx.array([[1.0, 2.0], [2.0, 4.0]]), stream=mx.cpu)

    mx.async_eval(singular())
    with pytest.raises(RuntimeError, match="singular"):
        mx.synchronize(mx.cpu)
    mx.synchronize(mx.cpu)
    read = singular()
    mx.async_eval(read)
    with pytest.raises(RuntimeError, match="singular"):
        read.tolist()
    mx.synchronize(mx.cpu)
