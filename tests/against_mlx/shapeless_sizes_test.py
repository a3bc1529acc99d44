"""Shapeless files written by MLX, called with other sizes than in the trace: right, or an error that says which axis, where MLX
reads beyond arrays or goes wrong without a word."""
import os
import subprocess
import sys
import tempfile

import numpy as np

from mlx_values import mx

PONS = os.environ["PONS_COMMAND"]
SKIPPED = 77


def run(path, inputs, folder):
    """The first result, or what is said on the error output."""
    given, taken = os.path.join(folder, "in.npz"), os.path.join(folder, "out.npz")
    np.savez(given, **{f"arg_{i}": x for i, x in enumerate(inputs)})
    done = subprocess.run([PONS, "run", path, "--inputs", given, "--outputs", taken], capture_output=True, text=True)
    if done.returncode:
        return done.stderr
    results = np.load(taken)
    return results[sorted(results.files)[0]]


def cases():
    """name, the function in MLX, the shape in the trace, shapes of calls, and in NumPy, or a part of the error."""
    w, b = np.arange(18, dtype="float32").reshape(3, 6) / 7, np.array([1, 2, 3], "float32")
    mw, mb, i, ni = mx.array(w), mx.array(b), mx.array([2, 0]), [2, 0]

    def put(x, where, v):
        y = mx.array(x)
        y[where] = v
        return y

    def numpy_put(x, where, v):
        y = x.copy()
        y[where] = v
        return y

    doesnt_tell = "the trace doesn't tell"
    rows, both = [(4, 6), (9, 6), (1, 6)], [(4, 6), (9, 5), (3, 8)]
    return [
        ("linear layer", lambda x: mx.addmm(mb, x, mw.T), (4, 6), rows, lambda x: x @ w.T + b),
        ("linear layer, three axes", lambda x: mx.addmm(mb, x, mw.T), (2, 4, 6), [(2, 4, 6)], lambda x: x @ w.T + b),
        ("linear layer, three axes", lambda x: mx.addmm(mb, x, mw.T), (2, 4, 6), [(3, 7, 6)], "Reshape: reshape: cannot make"),
        ("rows by index", lambda x: x[i], (4, 6), both, lambda x: x[ni]),
        ("one row", lambda x: x[1], (4, 6), both, lambda x: x[1]),
        ("columns taken", lambda x: mx.take(x, i, axis=1), (4, 6), both, lambda x: x[:, ni]),
        ("rows by index, too few", lambda x: x[i], (4, 6), [(2, 6)], "index 2 is out of range for axis 0 of size 2"),
        ("slice of columns, more rows", lambda x: x[:, 1:3], (4, 6), rows, lambda x: x[:, 1:3]),
        ("slice of columns, more columns", lambda x: x[:, 1:3], (4, 6), [(4, 7)], doesnt_tell),
        ("reversed", lambda x: x[::-1, ::2], (4, 6), both, lambda x: x[::-1, ::2]),
        ("dynamic slice, more rows", lambda x: mx.slice(x, mx.array([1]), (1,), (4, 2)), (4, 6), rows, lambda x: x[:, 1:3]),
        ("column replaced", lambda x: put(x, (slice(None), 1), 5.0), (4, 6), rows, lambda x: numpy_put(x, (slice(None), 1), 5)),
        ("added at rows", lambda x: x.at[i].add(1.0), (4, 6), [(4, 7)], doesnt_tell),
        ("unflatten, as traced", lambda x: mx.unflatten(x, 1, (2, -1)), (4, 6), rows, lambda x: x.reshape(-1, 2, 3)),
        ("unflatten, another size", lambda x: mx.unflatten(x, 1, (2, -1)), (4, 6), [(4, 8)], doesnt_tell),
        ("split", lambda x: mx.split(x, 2, axis=1)[0], (4, 6), rows, lambda x: x[:, :3]),
        ("split, another size", lambda x: mx.split(x, 2, axis=1)[0], (4, 6), [(4, 8)], doesnt_tell),
        ("strides", lambda x: mx.as_strided(x, (2, 2), (1, 2), 1), (4, 6), [(2, 6)], doesnt_tell),
    ]


def main():
    if mx is None:
        print("MLX is not there")
        return SKIPPED
    wrong = calls = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, f, traced, shapes, want in cases():
            path = os.path.join(folder, "f.mlxfn")
            mx.export_function(path, f, mx.zeros(traced), shapeless=True)
            for shape in shapes:
                x = np.random.default_rng(7).integers(-9, 9, shape).astype("float32")
                got = run(path, [x], folder)
                if isinstance(want, str):
                    fine = isinstance(got, str) and want in got
                else:
                    fine = not isinstance(got, str) and got.shape == want(x).shape and np.allclose(got, want(x), 1e-5)
                calls += 1
                wrong += not fine
                if not fine:
                    print(f"{name}, {shape}: {got}")
    print(f"{calls} calls of shapeless files, {wrong} wrong")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
