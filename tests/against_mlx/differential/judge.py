"""The differential test: Pons and MLX do the same with the same random arguments.

A family of ops is a file differential_<family>_test.py here. It holds rows, one per public op, and is a test of its own:

    from judge import main, mx, pons, row
    row("sort", lambda d: arg(x := d.array(REALS), d.axis(x)))
    row("sum", lambda d: arg(x := d.array(), d.axes(x), d.flag()), tol=4, scale=total, grad=True,
        mlx=lambda x, axes, keep: mx.sum(x, axes, keep),
        pons=lambda x, axes, keep: pons.sum(x, axes=axes, keepdims=keep))
    main(__name__, "reduce")

    python differential_reduce_test.py [--cases 5000] [--seed 7] [--op sum] [--case 31]

To add a row: `draw` gets a Draw (draw.py) and gives the arguments, which both sides are then called with in that order,
drawn arrays as arrays of theirs, names of dtypes as dtypes. `mlx` and `pons` may be left out where the functions are called
alike; `pons` is the binding (binding.py) by names without pons_. Several results are a list.
What is compared: values, shapes, dtypes, and whether there is an error.
  tol     how many units in the last place (of the coarsest dtype among the operands and the result) results may be
          apart, relative to the value or to `scale(arguments)`, which is 1 when left out. 0: every bit, but for what a NaN
          carries; with a tolerance the sign of zero isn't looked at either.
  same    same(got, want, arguments) in the place of that comparison, for results with a choice: None or what is wrong.
          got and want are lists of NumPy arrays.
  numpy   a function of NumPy arrays that is asked in the place of MLX, where MLX has none. No bfloat16 there.
  grad    the vjp by every float32 or complex64 operand, or those whose positions are given, is compared too, in half of
          the cases without other floats.
Draws that MLX may crash on are marked by d.must_fail: only Pons is called, and must refuse.
What legitimately differs stands in differences.py, with the reason; an entry that explains nothing any more is an error."""
import argparse
import os
import signal
import subprocess
import sys
import tempfile

import numpy as np

import binding
from draw import ANY, EPS, FLOATS, INEXACT, NUMPY, Draw, Drawn, wide

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from mlx_values import mx  # noqa: E402

SKIPPED = 77
SEED = 20261125
CASES = 200
SMOOTH = ("float32", "complex64")
PATIENCE = 30  # seconds for a case
SHOWN = 3  # failures printed per op
ROWS = {}


class Later:
    """The binding, loaded when first used: listing the rows needs no library."""

    def __getattr__(self, name):
        loaded = binding.load()
        self.__class__.__getattr__ = lambda _, n: getattr(loaded, n)
        return getattr(loaded, name)


pons = Later()


def arg(*arguments):
    """The arguments of a case, for lambdas that name some on the way: arg(x := d.array(), d.axis(x))."""
    return list(arguments)


def total(arguments):
    """A scale for sums: the sum of all magnitudes among the operands."""
    return sum(float(np.sum(finite(a))) for a in flat(arguments) if isinstance(a, Drawn)) + 1


def product(arguments):
    """A scale for sums of products: as if every element were as large as the largest, along the longest axis."""
    out, longest = 1.0, 1
    for a in flat(arguments):
        if isinstance(a, Drawn) and a.size:
            out *= max(1.0, float(np.max(finite(a))))
            longest = max(longest, a.size)
    return out * longest ** 0.5 * 4


def finite(x):
    """Magnitudes of the finite elements, 0 for the others."""
    v = np.abs(x.wide().astype(np.complex128 if x.dtype == "complex64" else np.float64))
    return np.where(np.isfinite(v), v, 0)


def flat(arguments):
    for a in arguments:
        if isinstance(a, (list, tuple)):
            yield from flat(a)
        else:
            yield a


class Row:
    def __init__(self, name, draw, mlx=None, pons=None, numpy=None, tol=0, scale=None, same=None, grad=False):
        self.name, self.draw, self.mlx, self.pons, self.numpy = name, draw, mlx, pons, numpy
        self.tol, self.scale, self.same, self.grad = tol, scale, same, grad

    def mlx_call(self):
        if self.mlx:
            return self.mlx
        module, _, rest = self.name.partition("_")
        if module in ("linalg", "fft", "random", "fast"):
            return getattr(getattr(mx, module), rest)
        return getattr(mx, self.name)

    def pons_call(self):
        return self.pons or getattr(pons, self.name)


def row(name, draw, mlx=None, pons=None, **options):
    def file_of(r):
        return r.draw.__code__.co_filename
    made = Row(name, draw, mlx, pons, **options)
    if name in ROWS and file_of(ROWS[name]) == file_of(made):
        raise ValueError(f"two rows are called {name}")
    ROWS[name] = made


# ---------------------------------------------------------------- one case on one side

def mlx_argument(a):
    if isinstance(a, Drawn):
        return a.mlx(mx)
    if isinstance(a, (list, tuple)):
        return type(a)(mlx_argument(b) for b in a)
    return getattr(mx, {"bool": "bool_"}.get(a, a)) if isinstance(a, str) and a in ANY else a


def pons_argument(a):
    if isinstance(a, Drawn):
        return a.pons(pons)
    return type(a)(pons_argument(b) for b in a) if isinstance(a, (list, tuple)) else a


class Result:
    """An array both sides can give: bits and dtype."""

    def __init__(self, bits, dtype):
        self.bits, self.dtype, self.shape = bits, dtype, bits.shape

    def __repr__(self):
        text = np.array2string(wide(self.bits, self.dtype), threshold=20, edgeitems=3, separator=",").replace("\n", "")
        return f"<{self.dtype} {self.shape} {text}>"


def from_mlx(a):
    if isinstance(a, mx.Dtype):
        return str(a).split(".")[-1]
    if not isinstance(a, mx.array):
        return a
    dtype = str(a.dtype).split(".")[-1]
    bits = np.array(a.view(mx.uint16) if dtype == "bfloat16" else a)
    return Result(bits, "bool" if dtype == "bool_" else dtype)


def numpy_argument(a):
    if isinstance(a, Drawn):
        return np.array(a.seen, order="C")  # keeps no axes no axes
    return type(a)(numpy_argument(b) for b in a) if isinstance(a, (list, tuple)) else a


def from_numpy(a):
    return Result(np.asarray(a), np.asarray(a).dtype.name)


def from_pons(a):
    if not isinstance(a, binding.Array):
        return a
    dtype = pons.dtype_of(a)
    if dtype == "complex128":  # where float64 and complex numbers meet, MLX has complex64
        return Result(pons.to_bits(a, np.dtype(np.complex128)).astype(np.complex64), "complex64")
    return Result(pons.to_bits(a, NUMPY[dtype]), dtype)


def listed(results):
    return list(results) if isinstance(results, (list, tuple)) else [results]


class Refused:
    def __init__(self, text):
        self.text = text.splitlines()[0] if text else "?"

    def __repr__(self):
        return f"refused ({self.text})"


def ask(arguments, argument, call, taken, refusals):
    """What a library makes of a case: a list of results, or Refused."""
    try:
        return [taken(r) for r in listed(call(*[argument(a) for a in arguments]))]
    except refusals as e:
        if "incompatible function arguments" in str(e):
            raise
        return Refused(str(e))


def ask_mlx(row, arguments):
    if row.numpy:
        return ask(arguments, numpy_argument, row.numpy, from_numpy, (ValueError, IndexError))
    # SystemError: MLX's own refusal of a mask among indices, which its binding can't translate
    return ask(arguments, mlx_argument, row.mlx_call(), from_mlx,
               (ValueError, RuntimeError, TypeError, IndexError, OverflowError, SystemError))


def ask_pons(call, arguments):
    return ask(arguments, pons_argument, call, from_pons, binding.PonsError)


# ---------------------------------------------------------------- comparing

class Case:
    """One call on both sides. `kind` says how they differ: "only MLX refuses", "only Pons refuses", "number of results",
    "dtype", "shape", "value", the last with `differs`, a mask per result; for gradients with "vjp: " in front."""

    def __init__(self, row, number, draw, arguments):
        self.row, self.op, self.number, self.draw, self.arguments = row, row.name, number, draw, arguments
        self.got = self.want = self.kind = None
        self.differs, self.detail = [], ""

    def drawn(self):
        return [a for a in flat(self.arguments) if isinstance(a, Drawn)]

    def dtypes(self):
        return [a.dtype for a in self.drawn()]

    def at(self, kind, detail=""):
        self.kind, self.detail = kind, detail
        return False


def apart(got, want, units, scale, eps=None):
    """A mask of the elements of two results that differ."""
    g, w = wide(got.bits, got.dtype), wide(want.bits, want.dtype)
    if got.dtype not in INEXACT:
        return np.asarray(g != w)
    if not units:
        ends = (np.signbit(g.real) != np.signbit(w.real)) | (np.signbit(g.imag) != np.signbit(w.imag))
        return np.asarray(((g != w) | ends) & ~(np.isnan(g) & np.isnan(w)))
    with np.errstate(all="ignore"):
        room = units * eps * np.maximum(np.where(np.isfinite(w), np.abs(w), 0), scale)
        parts = [(g.real, w.real), (g.imag, w.imag)] if got.dtype == "complex64" else [(g, w)]
        wrong = [~((a == b) | (np.isnan(a) & np.isnan(b)) | (np.abs(a - b) <= room)) for a, b in parts]
    return np.asarray((wrong[0] | wrong[-1]) & ~(np.isnan(g) & np.isnan(w)))


def agree(case, got, want, units, scale, prefix=""):
    case.got, case.want = got, want
    if isinstance(want, Refused) or isinstance(got, Refused):
        if isinstance(want, Refused) and isinstance(got, Refused):
            return True
        return case.at(prefix + ("only MLX refuses" if isinstance(want, Refused) else "only Pons refuses"))
    if len(got) != len(want):
        return case.at(prefix + "number of results", f"{len(got)}, not {len(want)}")
    for k, (g, w) in enumerate(zip(got, want)):
        if not isinstance(g, Result) or not isinstance(w, Result):
            if g != w:
                return case.at(prefix + "value", f"{g}, not {w}")
        elif g.dtype != w.dtype:
            return case.at(prefix + "dtype", f"result {k}: {g.dtype}, not {w.dtype}")
        elif g.shape != w.shape:
            return case.at(prefix + "shape", f"result {k}: {g.shape}, not {w.shape}")
    if case.row.same and not prefix:
        why = case.row.same([wide(g.bits, g.dtype) for g in got], [wide(w.bits, w.dtype) for w in want], case.arguments)
        return not why or case.at("value", why)
    coarsest = [EPS[d] for d in case.dtypes() if d in EPS]
    case.differs = [apart(g, w, units, scale, max(coarsest + [EPS.get(g.dtype, 0)]))
                    for g, w in zip(got, want) if isinstance(g, Result)]
    for k, mask in enumerate(case.differs):
        if mask.any():
            at = tuple(int(i) for i in np.argwhere(mask)[0])
            pair = [wide(r[k].bits, r[k].dtype)[at] for r in (got, want)]
            return case.at(prefix + "value", f"result {k} at {at}: {pair[0]}, not {pair[1]}")
    return True


def gradients_agree(case, scale):
    """The vjp by the operands of the dtypes SMOOTH."""
    arguments, row = case.arguments, case.row
    by = [k for k, a in enumerate(arguments)
          if isinstance(a, Drawn) and a.dtype in SMOOTH and (row.grad is True or k in row.grad)]
    over = [k for k, r in enumerate(case.got) if isinstance(r, Result) and r.dtype in SMOOTH]
    if any(a.size == 0 for a in case.drawn()):
        return True  # MLX may loop for ever where a gradient of nothing is summed
    if not by or not over or not case.draw.smooth or any(d in FLOATS and d not in SMOOTH for d in case.dtypes()):
        return True
    cotangents = [Drawn(case.draw.values(r.bits.size, r.dtype, -1, 1).reshape(r.shape), r.dtype)
                  for r in (case.got[k] for k in over)]

    def side(call, argument, differentiate, taken, refusals):
        fixed = [argument(a) for a in arguments]

        def function(*primals):
            given = list(fixed)
            for k, p in zip(by, primals):
                given[k] = p
            results = listed(call(*given))
            return [results[k] for k in over]
        try:
            return [taken(g) for g in differentiate(function, [fixed[k] for k in by], [argument(c) for c in cotangents])]
        except refusals as e:
            return Refused(str(e))
    got = side(row.pons_call(), pons_argument, pons.vjp_of, from_pons, binding.PonsError)
    want = side(row.mlx_call(), mlx_argument, lambda f, p, c: mx.vjp(f, p, c)[1], from_mlx, (ValueError, RuntimeError))
    if isinstance(want, Refused) and not isinstance(got, Refused):
        return True  # Pons has more gradients than MLX
    largest = max([1.0] + [float(np.max(np.abs(w.bits))) for w in want if w.bits.size and np.isfinite(w.bits).all()]
                  if not isinstance(want, Refused) else [1.0])
    return agree(case, got, want, 64 + 8 * row.tol, max(scale, largest), "vjp: ")


def run_case(row, seed, number):
    """None if both sides agree, else the case."""
    draw = Draw(f"{seed} {row.name} {number}")
    case = Case(row, number, draw, row.draw(draw))
    with pons.scope():
        got = ask_pons(row.pons_call(), case.arguments)
        if draw.refused:
            case.got, case.want = got, Refused(draw.refused)
            return None if isinstance(got, Refused) or case.at("Pons must refuse") else case
        want = ask_mlx(row, case.arguments)
        scale = max(1.0, row.scale(case.arguments)) if row.scale else 1.0
        if not agree(case, got, want, row.tol, scale):
            return case
        if row.grad and not isinstance(got, Refused) and number % 2 == 0 and not gradients_agree(case, scale):
            return case
    return None


# ---------------------------------------------------------------- many cases

class Run:
    def __init__(self, family, options, marker):
        import differences
        self.options, self.family, self.marker = options, family, marker
        self.known = [e for e in differences.LIST if family in e.families]
        self.used = {id(e): 0 for e in self.known}
        self.failures = 0

    def command(self, row, number):
        return f"{os.path.basename(sys.argv[0])} --op {row.name} --seed {self.options.seed} --case {number}"

    def judge(self, row, number):
        if self.marker:
            self.marker.seek(0)
            self.marker.write(self.command(row, number).ljust(200).encode())
            self.marker.flush()
        signal.alarm(PATIENCE)
        case = run_case(row, self.options.seed, number)
        if self.options.case is not None:
            self.show(row, number)
        if not case:
            return None
        for e in self.known:
            if e.explains(case):
                self.used[id(e)] += 1
                return None
        return case

    def show(self, row, number):
        draw = Draw(f"{self.options.seed} {row.name} {number}")
        print(f"{row.name}{tuple(row.draw(draw))}")

    def row(self, row):
        numbers = [self.options.case] if self.options.case is not None else range(self.options.cases)
        wrong = [case for case in (self.judge(row, k) for k in numbers) if case]
        by_kind = {}
        for case in wrong:
            by_kind.setdefault((case.kind, tuple(case.dtypes()[:1])), []).append(case)
        for (kind, _), cases in by_kind.items():
            for case in cases[:1 if len(by_kind) > SHOWN else SHOWN]:
                print(f"{row.name}: {kind}: {case.detail}\n    {tuple(case.arguments)}\n    Pons: {case.got}\n    MLX:  {case.want}\n"
                      f"    again: {self.command(row, case.number)}")
        if wrong:
            print(f"{row.name}: {len(wrong)} of {len(list(numbers))} cases differ")
        self.failures += len(wrong)

    def stale(self):
        whole = not self.options.op and self.options.case is None
        return [e for e in self.known if whole and self.options.cases >= CASES * (50 if e.rare else 1) and not self.used[id(e)]]


def run(family, options):
    rows = [r for r in ROWS.values() if not options.op or r.name in options.op]
    unknown = set(options.op or []) - set(ROWS)
    if unknown:
        print(f"no row is called {', '.join(sorted(unknown))}")
        return 2
    marker = os.environ.get("PONS_DIFFERENTIAL_MARKER")
    with open(marker, "r+b") if marker else tempfile.TemporaryFile() as file:
        this = Run(family, options, file)
        for r in rows:
            this.row(r)
    for e in this.stale():
        print(f"differences.py: {e} explains nothing any more: take it out")
    explained = sum(this.used.values())
    print(f"{family}: {len(rows)} ops, {options.cases} cases each, seed {options.seed}, against MLX {mx.__version__}: "
          f"{this.failures} differ, {explained} as differences.py says")
    return int(this.failures > 0 or len(this.stale()) > 0)


def skip_if_impossible():
    if os.environ.get("PONS_SANITIZE"):
        print("skipped: a sanitizer's library can't be loaded into Python")
        sys.exit(SKIPPED)
    if not mx:
        print("skipped: no MLX in this Python")
        sys.exit(SKIPPED)


def main(name, family):
    """Runs the rows of the file that is the program; in a process of its own, so that a crash is told with its case."""
    if name != "__main__":
        return
    parser = argparse.ArgumentParser(description=f"Pons against MLX: {family}")
    parser.add_argument("--cases", type=int, default=CASES, help="per op")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--op", action="append", help="this op alone; may be repeated")
    parser.add_argument("--case", type=int, help="the case of this number alone")
    options = parser.parse_args()
    skip_if_impossible()
    if "PONS_DIFFERENTIAL_MARKER" in os.environ:
        sys.exit(run(family, options))
    with tempfile.NamedTemporaryFile() as marker:
        child = subprocess.run([sys.executable] + sys.argv, env={**os.environ, "PONS_DIFFERENTIAL_MARKER": marker.name})
        if child.returncode < 0:
            what = "hung" if -child.returncode == signal.SIGALRM else f"crashed with signal {-child.returncode}"
            print(f"{what} in\n    {marker.read().decode().strip()}")
        sys.exit(child.returncode if child.returncode >= 0 else 1)
