"""Linear algebra against MLX; see judge.py. Where signs or phases of vectors are free, what does not depend on them is
compared: the factors put together again, values, and that vectors are orthonormal."""
import numpy as np

from draw import ANY, Drawn
from judge import arg, main, mx, pons, product, row

FACTOR = ["float32", "float64"]
COMPLEX = FACTOR + ["complex64"]


def laid(d, seen, dtype):
    """An array of these values, row-major or, in half of the cases, in columns."""
    if seen.ndim < 2 or d.flag():
        return Drawn(np.ascontiguousarray(seen), dtype)
    axes = list(range(seen.ndim - 2)) + [seen.ndim - 1, seen.ndim - 2]
    return Drawn(np.ascontiguousarray(np.transpose(seen, axes)), dtype, ("transposed", axes))


def matrix(d, dtypes=FACTOR, square=True):
    """A batch of matrices with 4, 5, 6, ... added along the diagonal: far from singular. Rarely of a dtype or shape that is
    refused."""
    dtype = d.choice([t for t in ANY if t != "bfloat16"]) if d.wrong() else d.dtype(dtypes)
    m, n = d.integer(1, 5), d.integer(1, 5)
    if square and not d.wrong():
        n = m
    shape = d.shape(0, 2, 6, False) + (m, n) if not d.wrong() else (n,)
    seen = np.array(d.array(dtype, shape, -2, 2, special=False).seen)
    k = min(m, n)
    if len(shape) > 1 and dtype != "bool":
        seen[..., range(k), range(k)] += np.arange(4, 4 + k).astype(seen.dtype)
    return laid(d, seen, dtype)


def definite(d, dtypes=FACTOR):
    x = matrix(d, dtypes)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2] or x.dtype not in COMPLEX:
        return x
    return laid(d, x.seen + transposed(x.seen) + np.eye(x.shape[-1], dtype=x.seen.dtype) * 8, x.dtype)


def transposed(x):
    return np.conj(np.swapaxes(x, -1, -2))


def close(what, got, want, arguments):
    """None if the arrays agree to the precision of the operands, whatever the condition number of the drawn ones does."""
    narrow = any(isinstance(a, Drawn) and a.dtype != "float64" for a in arguments)
    room = 2e-3 if narrow else 1e-10
    got, want = np.asarray(got), np.asarray(want)
    if got.shape != want.shape:
        return f"{what}: shape {got.shape}, not {want.shape}"
    with np.errstate(invalid="ignore"):
        size = 1 + np.max(np.abs(want), initial=0, where=np.isfinite(want))
        apart = np.where(got == want, 0, np.abs(got - want))
    return None if np.all(apart <= room * size) else f"{what} differ by {np.max(apart)}"


def same_factors(put_together, vectors):
    """put_together(results) agrees with the operand; the results at `vectors` have orthonormal columns; others agree."""
    def same(got, want, arguments):
        why = close("the factors put together", put_together(got), arguments[0].wide(), arguments)
        for k in range(len(got)):
            if not why and k in vectors:
                eye = np.broadcast_to(np.eye(got[k].shape[-1]), got[k].shape[:-2] + (got[k].shape[-1],) * 2)
                why = close("columns and orthonormal ones", transposed(got[k]) @ got[k], eye, arguments)
            elif not why:
                why = close(f"results {k}", np.abs(got[k]), np.abs(want[k]), arguments)
        return why
    return same


def svd_product(r):
    u, s, vt = r
    k = s.shape[-1]
    return (u[..., :k] * s[..., None, :]) @ vt[..., :k, :]


def values_in_no_order(got, want, arguments):
    """Complex eigenvalues, each with the one nearest to it."""
    g, w = got[0].reshape(-1, got[0].shape[-1]), want[0].reshape(-1, want[0].shape[-1])
    for a, b in zip(g, w):
        left = list(b)
        for z in a:
            near = min(range(len(left)), key=lambda i: abs(left[i] - z))
            why = close("eigenvalues", z, left.pop(near), arguments)
            if why:
                return why
    return None


def each(what):
    def same(got, want, arguments):
        return next((w for w in (close(f"{what} {k}", g, v, arguments) for k, (g, v) in enumerate(zip(got, want))) if w), None)
    return same


def right_side(d, a):
    """b for a x = b; MLX wants the batch of a, Pons broadcasts."""
    n = a.shape[-1] + (d.wrong() * 1)
    if a.ndim == 2 and d.flag():
        return d.array("float32" if d.flag() else FACTOR, (n,), -3, 3)
    return d.array("float32" if d.flag() else FACTOR, a.shape[:-2] + (n, d.integer(1, 3)), -3, 3)


def svd_same(got, want, arguments):
    why = same_factors(svd_product, (0,))(got, [want[0], want[1], got[2]], arguments)
    rows = transposed(got[2])
    eye = np.broadcast_to(np.eye(rows.shape[-1]), rows.shape[:-2] + (rows.shape[-1],) * 2)
    return why or close("rows and orthonormal ones", transposed(rows) @ rows, eye, arguments)


def eig_same(got, want, arguments):
    """A V = V w; values as MLX's."""
    a, narrow = arguments[0].wide(), Drawn(np.zeros(1, np.float32), "float32")
    w, v = got
    return values_in_no_order(got, want, [narrow]) or close("A V and V w", a @ v, v * w[..., None, :], [narrow])


row("linalg_qr", lambda d: [matrix(d, square=False)], same=same_factors(lambda r: r[0] @ r[1], (0,)))
row("linalg_svd", lambda d: [matrix(d, COMPLEX, False), True], pons=lambda x, uv: pons.linalg_svd(x, uv, out=3),
    same=svd_same)
row("linalg_cholesky", lambda d: [definite(d), d.flag()], same=each("factor"))
row("linalg_lu", lambda d: [matrix(d, square=False)], same=each("part"))
row("linalg_lu_factor", lambda d: [matrix(d, square=False)], same=each("part"))
row("linalg_eigh", lambda d: [definite(d, COMPLEX), d.choice("LU")], pons=lambda x, uplo: pons.linalg_eigh(x, uplo.encode()),
    same=same_factors(lambda r: (r[1] * r[0][..., None, :]) @ transposed(r[1]), (1,)))
row("linalg_eigvalsh", lambda d: [matrix(d, COMPLEX), d.choice("LU")], pons=lambda x, uplo: pons.linalg_eigvalsh(x, uplo.encode()),
    same=each("values"))
row("linalg_eigvals", lambda d: [matrix(d, COMPLEX)], same=values_in_no_order)
row("linalg_eig", lambda d: [matrix(d)], same=eig_same)
row("linalg_inv", lambda d: [matrix(d)], same=each("inverse"))
row("linalg_tri_inv", lambda d: [matrix(d), d.flag()], same=each("inverse"))
row("linalg_pinv", lambda d: [matrix(d, square=False)], same=each("inverse"))
row("linalg_cholesky_inv", lambda d: [matrix(d), d.flag()], same=each("inverse"))
row("linalg_solve", lambda d: arg(a := matrix(d), right_side(d, a)), same=each("solution"))
row("linalg_solve_triangular", lambda d: arg(a := matrix(d), right_side(d, a), d.flag()), same=each("solution"),
    mlx=lambda a, b, upper: mx.linalg.solve_triangular(a, b, upper=upper))
row("linalg_det", lambda d: [matrix(d, ["float32", "float64", "int32", "uint8"])], same=each("determinant"))
row("linalg_slogdet", lambda d: [matrix(d, ["float32", "float64", "int32", "uint8"])], same=each("result"))


def norm_arguments(d):
    x = d.array(ANY, special=False, ndim=(0, 3), most=60, empty=False)
    many = d.integer(0, min(2, x.ndim))
    axes = None if d.chance(0.2) else d.random.sample(range(x.ndim), many) if not d.wrong() else [x.ndim + 1]
    return arg(x, d.choice((None, "fro", "nuc", 0, 1, -1, 2, -2, 3, -0.5, float("inf"), -float("inf"))), axes, d.flag())


def pons_norm(x, order, axes, keepdims):
    kind = "default" if order is None else order if isinstance(order, str) else "number"
    which = {"kind": pons.headers.enums["PONS_ORD_KIND_" + kind.upper()], "p": float(order) if kind == "number" else 0.0}
    return pons.linalg_norm(x, ord=which, axes=axes, keepdims=keepdims)


row("linalg_norm", norm_arguments, mlx=lambda x, order, axes, keep: mx.linalg.norm(x, order, axis=axes, keepdims=keep),
    pons=pons_norm, tol=16, scale=product)
def cross_arguments(d):
    lead = d.shape(0, 2, 30)
    sizes = [d.choice((2, 3, 3)) if not d.wrong() else 4 for _ in range(2)]
    dtypes = [d.dtype([t for t in ANY if t != "bool"]) for _ in range(2)]
    return [d.array(t, lead + (n,), -4, 4) for t, n in zip(dtypes, sizes)] + [-1 if not d.wrong() else 5]


row("linalg_cross", cross_arguments, tol=8, scale=product, grad=True)
main(__name__, "linalg")
