"""The differential test can fail: rows whose Pons side is wrong on purpose are reported, each as what it is and with the
line that makes the case again; a right one isn't. See judge.py."""
import argparse
import contextlib
import io
import sys

import judge
from draw import Drawn
from judge import mx, pons

REAL = ["float32"]


def vector(d):
    return [d.array(REAL, (5,), special=False)]


def refuse(x):
    raise judge.binding.PonsError("refused on purpose")


# what is wrong: what is reported, the row's functions and options
WRONG = {
    "a value": ("value", lambda x: pons.add(x, 1.0), {}),
    "one value": ("value", lambda x: pons.add(x, pons.from_bits(judge.np.array([0, 0, 0, 0, 1], "float32"), "float32")), {}),
    "the last place": ("value", lambda x: pons.multiply(x, 1 + 2.0 ** -23), {}),
    "beyond the tolerance": ("value", lambda x: pons.multiply(x, 1 + 2.0 ** -18), {"tol": 4}),
    "the sign of zero": ("value", lambda x: pons.multiply(x, -1.0), {"draw": lambda d: [Drawn(judge.np.zeros(5, "float32"), "float32")]}),
    "a dtype": ("dtype", lambda x: pons.astype(x, "float64"), {}),
    "a shape": ("shape", lambda x: pons.reshape(x, (5, 1)), {}),
    "a result too many": ("number of results", lambda x: [x, x], {}),
    "an error": ("only Pons refuses", refuse, {}),
    "no error": ("only MLX refuses", lambda x: x, {"mlx": lambda x: mx.reshape(x, (4,))}),
    "no error where one must be": ("Pons must refuse", lambda x: x, {"draw": lambda d: d.must_fail("on purpose") or vector(d)}),
    "a gradient": ("vjp: value", lambda x: pons.stop_gradient(x), {"grad": True}),
    "what `same` tells": ("value", lambda x: x, {"same": lambda got, want, arguments: "on purpose"}),
    "what NumPy has": ("value", lambda x: pons.add(x, 1.0), {"numpy": lambda x: x}),
}
RIGHT = {"the same": (lambda x: x, {"grad": True}), "within the tolerance": (lambda x: pons.multiply(x, 1 + 2.0 ** -22), {"tol": 4}),
         "as NumPy": (lambda x: x, {"numpy": lambda x: x})}


def told(name, call, options):
    """The exit status and the text of a run of one row."""
    judge.ROWS.clear()
    given = {"draw": vector, "mlx": lambda x: x, **options}
    judge.row(name, pons=call, **given)
    with contextlib.redirect_stdout(io.StringIO()) as text:
        status = judge.run("judge", argparse.Namespace(op=None, case=None, cases=6, seed=judge.SEED))
    return status, text.getvalue()


def main():
    judge.skip_if_impossible()
    for name, (kind, call, options) in WRONG.items():
        status, text = told(name, call, options)
        assert status == 1 and f"{name}: {kind}: " in text, (name, status, text)
        assert f"again: judge_test.py --op {name} --seed {judge.SEED} --case " in text, (name, text)
    for name, (call, options) in RIGHT.items():
        assert told(name, call, options)[0] == 0, (name, told(name, call, options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
