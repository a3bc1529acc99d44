"""What the conformance cases of linear algebra (tests/conformance_linalg.c) are in MLX: for op_results_test.py."""
import numpy as np

from mlx_values import mx

INF = float("inf")


def cases():
    """From the name of a case, as its file has it, to MLX's results."""
    la = mx.linalg

    def apart(x):
        m, n = x.shape[-2:]
        return x * 0.5 + (mx.eye(m, n) * mx.arange(3, 3 + 2 * n, 2)).astype(x.dtype)

    def adjoint(x):
        return mx.swapaxes(x.conj() if x.dtype == mx.complex64 else x, -1, -2)

    def definite(x):
        return apart(x) @ adjoint(apart(x))

    def of(f, prepare=apart):
        return lambda x: f(prepare(x))

    def both(f):
        return [f(False), f(True)]

    def qr(x):
        q, r = la.qr(apart(x))
        return [mx.abs(q), mx.abs(r), q @ r]

    def svd(x):
        u, s, vt = la.svd(apart(x))
        k, v = s.shape[-1], mx.swapaxes(vt, -1, -2)
        rest = u[..., k:] if u.shape[-1] > k else v[..., k:]
        return [mx.abs(u[..., :k]), s, mx.abs(v[..., :k]), mx.abs(rest @ adjoint(rest))]

    def lu_values(x):
        return la.lu(apart(x)[..., ::-1, :])[1:]

    def eigh(x):
        w, v = la.eigh(definite(x))
        return [w, mx.abs(v)]

    def eigh_upper(x):
        w, v = la.eigh(definite(x), "U")
        return [w, mx.abs(v), la.eigvalsh(definite(x), "U")]

    def eig(x):
        w, v = la.eig(apart(x))
        residual = apart(x).astype(mx.complex64) @ v - v * w[..., None, :]
        return [w.sum(-1), mx.square(w).sum(-1), residual, la.norm(v, axis=-2)]

    def eig_vectors(x):
        w, v = la.eig(apart(x))
        return (mx.abs(v) * mx.abs(w)[..., None, :]).sum(-1)

    def eigvals(x):
        w = la.eigvals(apart(x))
        return [w.sum(-1), (w * 0.2).prod(-1)]

    def cholesky_inv(x):
        return both(lambda upper: la.cholesky_inv(la.cholesky(definite(x), upper=upper), upper=upper))

    norm = la.norm
    return {
        **{n: qr for n in ("linalg-qr", "linalg-qr-tall", "linalg-qr-wide", "linalg-qr-empty")},
        "linalg-svd-tall": svd, "linalg-svd-wide": svd,
        **{n: of(lambda x: la.svd(x, compute_uv=False)) for n in ("linalg-svd-values", "linalg-svd-values-empty")},
        "linalg-cholesky": lambda x: both(lambda upper: la.cholesky(definite(x), upper=upper)),
        **{n: la.lu for n in ("linalg-lu", "linalg-lu-tall", "linalg-lu-wide")}, "linalg-lu-factor": la.lu_factor,
        **{n: lu_values for n in ("linalg-lu-L-and-U", "linalg-lu-L-and-U-tall", "linalg-lu-L-and-U-wide")},
        "linalg-eigh": eigh, "linalg-eigh-upper-batch": eigh_upper,
        "linalg-lu-factor-exchanges-fixed": of(lambda x: la.lu_factor(x[..., ::-1, :])[0]),
        "linalg-eigvalsh": of(la.eigvalsh, definite), "linalg-eigvalsh-one-triangle": lambda x: [la.eigvalsh(x, "L"), la.eigvalsh(x, "U")],
        "linalg-eig": eig, "linalg-eig-vectors": eig_vectors, "linalg-eigvals": eigvals, "linalg-inv": of(la.inv),
        "linalg-tri-inv": lambda x: both(lambda upper: la.tri_inv(apart(x), upper=upper)),
        "linalg-pinv-tall": of(la.pinv), "linalg-pinv-wide-batch": of(la.pinv), "linalg-cholesky-inv": cholesky_inv,
        "linalg-solve": lambda a, b: la.solve(apart(a), b),
        "linalg-solve-a-vector-rows-exchanged": lambda a, b: la.solve(apart(a)[::-1], b),
        "linalg-solve-triangular": lambda a, b: both(lambda upper: la.solve_triangular(apart(a), b, upper=upper)),
        "linalg-det": la.det, "linalg-slogdet": lambda x: la.slogdet(x + mx.identity(3, x.dtype) * mx.array(6, x.dtype)),
        "linalg-norm": lambda x: [norm(x), norm(x, axis=1, keepdims=True), norm(x, axis=[0, -1]),
                                  norm(x, "fro", axis=[2, 1], keepdims=True)],
        "linalg-norm-vectors": lambda x: [norm(x, 1, axis=0), norm(x, INF, axis=1), norm(x, -INF, axis=-1, keepdims=True),
                                          norm(x, 2, axis=0)],
        "linalg-norm-other-powers": lambda x: [norm(x, 3, axis=0), norm(x, -1.5, axis=1)],
        "linalg-norm-zero": lambda x: norm(x, 0, axis=0),
        "linalg-norm-matrices": lambda x: [norm(x, 1, axis=[0, 2]), norm(x, -1, axis=[2, 0], keepdims=True),
                                           norm(x, INF, axis=[1, 2]), norm(x, -INF, axis=[-1, -2])],
        "linalg-norm-singular-values": of(lambda x: [norm(x, 2, axis=[0, 2]), norm(x, -2, axis=[2, 1], keepdims=True),
                                                     norm(x, "nuc", axis=[1, 2])]),
        "linalg-cross": la.cross, "linalg-cross-in-the-plane": lambda a, b: la.cross(a, b, axis=0),
    }


def complex_cases():
    """Of complex matrices MLX has eigenvalues, singular values and norms; the rest is NumPy's, in complex128."""
    la = np.linalg

    def apart(x):
        return x * 0.5 + np.eye(*x.shape[-2:]) * np.arange(3, 3 + 2 * x.shape[-1], 2)

    def adjoint(x):
        return np.swapaxes(x.conj(), -1, -2)

    def definite(x):
        return apart(x) @ adjoint(apart(x))

    def both(f):
        return [f(np.tril), f(np.triu)]

    def qr(x):
        q, r = la.qr(apart(x))
        return [abs(q), abs(r), q @ r]

    def cholesky(x):
        low = la.cholesky(definite(x))
        return [low, adjoint(low)]

    def eliminated(a):
        """Of one matrix: L and U in one, the exchanges, and where each row went."""
        a, (m, n) = a.copy(), a.shape
        pivots, order = [], list(range(m))
        for k in range(min(m, n)):
            p = k + int(np.argmax(abs(a[k:, k].real) + abs(a[k:, k].imag)))  # LAPACK's size of a complex number
            pivots.append(p)
            a[[k, p]] = a[[p, k]]
            order[k], order[p] = order[p], order[k]
            a[k + 1:, k] /= a[k, k]
            a[k + 1:, k + 1:] -= np.outer(a[k + 1:, k], a[k, k + 1:])
        return a, np.array(pivots, np.uint32), np.argsort(order).astype(np.uint32)

    def lu_factor(x):
        parts = [eliminated(one) for one in x.reshape(-1, *x.shape[-2:])]
        return [np.stack(p).reshape(*x.shape[:-2], *p[0].shape) for p in zip(*parts)]

    def lu(x):
        both, _, rows = lu_factor(x)
        m, n = x.shape[-2:]
        k = min(m, n)
        return [rows, np.tril(both[..., :, :k], -1) + np.eye(m, k), np.triu(both[..., :k, :])]

    def slogdet(x):
        return list(la.slogdet(x + 6 * np.eye(3)))

    def inverse(x):
        return la.inv(apart(x))

    def pinv(x):
        return la.pinv(apart(x))

    in_double = {
        **{n: qr for n in ("linalg-qr", "linalg-qr-tall", "linalg-qr-wide", "linalg-qr-empty")}, "linalg-cholesky": cholesky,
        **{n: lu for n in ("linalg-lu", "linalg-lu-tall", "linalg-lu-wide")}, "linalg-lu-factor": lambda x: lu_factor(x)[:2],
        **{n: lambda x: lu(apart(x)[..., ::-1, :])[1:] for n in ("linalg-lu-L-and-U", "linalg-lu-L-and-U-tall", "linalg-lu-L-and-U-wide")},
        "linalg-lu-factor-exchanges-fixed": lambda x: lu_factor(apart(x)[..., ::-1, :])[0], "linalg-inv": inverse,
        "linalg-tri-inv": lambda x: both(lambda triangle: la.inv(triangle(apart(x)))), "linalg-pinv-tall": pinv,
        "linalg-pinv-wide-batch": pinv, "linalg-cholesky-inv": lambda x: [la.inv(definite(x))] * 2,
        "linalg-solve": lambda a, b: la.solve(apart(a), b),
        "linalg-solve-a-vector-rows-exchanged": lambda a, b: la.solve(apart(a)[::-1], b),
        "linalg-solve-triangular": lambda a, b: both(lambda triangle: la.solve(triangle(apart(a)), b)),
        "linalg-det": la.det, "linalg-slogdet": slogdet,
    }

    def narrow(y):
        """As MLX holds it."""
        return mx.array(y.astype({"complex128": np.complex64, "float64": np.float32}.get(str(y.dtype), y.dtype)))

    def in_mlx(f):
        def called(*arrays):
            y = f(*[np.array(a).astype(np.complex128) for a in arrays])
            return [narrow(np.asarray(part)) for part in (y if isinstance(y, list) else [y])]
        return called

    return {name: in_mlx(f) for name, f in in_double.items()}
