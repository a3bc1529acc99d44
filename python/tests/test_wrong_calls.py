"""Every function, method and operator is called with arguments that make no sense: it raises, or gives something, and the
process lives. The calls run in a process of their own, which writes down what it is about to call."""

import operator
import os
import random
import subprocess
import sys

import pytest

ALLOWED = (ValueError, TypeError, IndexError, OverflowError, RuntimeError, MemoryError, BufferError, OSError, AttributeError)
# What they change outlives the call.
LEFT_OUT = {
    *"set_memory_limit set_cache_limit set_wired_limit set_default_device set_default_stream clear_streams".split(),
    *"disable_compile enable_compile".split(),
}
CALLS = 25


def pool():
    import numpy as np
    import pons.core as mx

    a = mx.arange(6)
    return [
        *(None, True, 0, 1, -1, 3, 2**31, -(2**31) - 1, 2**63, 2**70, -(2**70), 0.5, float("nan"), float("inf"), 1j),
        *("", "abc", "same", b"ab", [], [1], [0, 0], [[1], [2, 3]], (), (0,), (-1, 2), (2**31, 2**31), (2**62, 2), {}),
        *({"a": a}, object(), len, lambda *x: x[0], lambda *x: 3, int, mx.float32, mx.int8, mx.bool_, mx.cpu, mx.gpu),
        *(mx.default_device(), mx.default_stream(mx.cpu), range(3), slice(None), slice(5, -9, -2), ..., mx.inexact),
        *(mx.array(2), mx.array([]), mx.zeros((0, 3)), a, a.astype(mx.float32), a.reshape(2, 3), mx.ones((3, 3))),
        *(mx.zeros((2, 3, 4)), mx.ones((1, 8, 8, 2)), mx.array([True, False]), mx.array([1j, 2]), mx.ones((64, 64))),
        *(mx.ones(3, mx.float64), mx.ones((2, 2), mx.bfloat16), mx.array([2**40, -5]), mx.ones((32, 64), mx.uint32)),
        *(mx.broadcast_to(mx.array(1.0), (2**10, 2**10)), [a, a], (mx.ones((2, 2)), a), mx.array([1], mx.uint8)),
        *(np.zeros(3), np.array(["a"]), np.int64(3), np.array([[1, 2]], np.int8), mx.random.key(3)),
    ]


def named_functions():
    import pons.core as mx

    modules = [mx] + [getattr(mx, m) for m in "linalg fft random fast standard distributed metal cuda".split()]
    for module in modules:
        for name in sorted(dir(module)):
            f = getattr(module, name)
            if callable(f) and name not in LEFT_OUT and not name.startswith("__") and not isinstance(f, type(ValueError)):
                yield f"{module.__name__}.{name}", f
            elif isinstance(f, type) and not issubclass(f, BaseException):
                yield f"{module.__name__}.{name}", f
    for name in sorted(dir(mx.array)):
        if name not in ("__class__", "__init_subclass__", "__subclasshook__", "__new__", "__getattribute__", "__sizeof__"):
            f = getattr(mx.array, name)
            if callable(f):
                yield f"array.{name}", f
    yield from (("operator." + n, getattr(operator, n)) for n in "getitem setitem add matmul pow iadd lt eq and_ contains".split())


def keywords(f):
    """The names that stand before a colon in the first line of the docstring."""
    line = (f.__doc__ or "").split("\n")[0]
    return [part.split(":")[0].strip(" *") for part in line.partition("(")[2].split(",") if ":" in part]


def look_at(result):
    """What is small enough is computed."""
    import pons.core as mx

    for a in result if isinstance(result, (tuple, list)) else [result]:
        if isinstance(a, mx.array) and a.size < 100_000:
            str(a)
            a.tolist()


def child(seed):
    choose = random.Random(seed)
    values = pool()
    for name, f in named_functions():
        names = keywords(f)
        for _ in range(CALLS):
            args = [choose.choice(values) for _ in range(choose.randint(0, 5))]
            if name.startswith("operator."):
                args[:1] = [choose.choice([v for v in values if hasattr(v, "dtype") and hasattr(v, "at")])]
            options = {choose.choice(names): choose.choice(values) for _ in range(choose.randint(0, 2))} if names else {}
            shown = [type(v).__name__ + str(getattr(v, "shape", v if isinstance(v, (int, str, float, list, tuple)) else "")) for v in args]
            print(name, shown, list(options), file=sys.stderr, flush=True)
            try:
                look_at(f(*args, **options))
            except ALLOWED:
                pass
            values[:] = values if choose.random() < 0.9 else pool()  # those that calls changed in place
    print("lived")


@pytest.mark.parametrize("round", range(2))
def test_wrong_calls_raise(round, tmp_path):
    seed = random.SystemRandom().randrange(2**32)
    print("seed", seed)
    with open(tmp_path / "calls", "w+b") as log:
        done = subprocess.run([sys.executable, __file__, str(seed)], cwd=tmp_path, stdout=subprocess.PIPE, stderr=log)
        log.seek(0, os.SEEK_END)
        log.seek(max(0, log.tell() - 3000))
        last = log.read().decode(errors="replace")
    assert done.returncode == 0 and b"lived" in done.stdout, f"seed {seed}: ends with {done.returncode} after\n{last}"


if __name__ == "__main__":
    child(int(sys.argv[1]))
