"""Makes fixtures with MLX, of the primitives and kinds of files that the first ones lack: functions in .mlxfn files,
inputs and MLX's own results in .npz files, entries in the manifest. Each run replaces its own entries.

    build/venv/bin/python tests/against_mlx/make_fixtures.py [NAME...]
"""
import json
import os
import sys

import mlx.core as mx
import nodes
import reader
from writer import Writer

FIXTURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fixtures")
DTYPES = "bool_ uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64 bfloat16 complex64".split()
mx.set_default_device(mx.cpu)


def normal(seed, *shape):
    return mx.random.normal(shape, key=mx.random.key(seed))


def uniform(seed, low, high, *shape):
    return mx.random.uniform(low, high, shape, key=mx.random.key(seed))


def whole(seed, low, high, *shape, dtype=mx.int32):
    return mx.random.randint(low, high, shape, dtype=dtype, key=mx.random.key(seed))


# ---- functions: each gives its results, and the calls are traces too: (args, kwargs) ----

def inverse_functions(x, y):
    return [mx.arccos(x), mx.arcsin(x), mx.arctan(x * 3), mx.arctanh(x), mx.arcsinh(x * 4), mx.arccosh(1 + x * x),
            mx.arctan2(x, y)]


def argpartition(x):
    """Which of the smaller ones comes first is not said: their order is taken out."""
    low = mx.argpartition(x, 2, axis=1)
    last = mx.argpartition(x, -2, axis=0)
    return [mx.sort(mx.take_along_axis(x, low, axis=1)[:, :2], axis=1), mx.take_along_axis(x, low, axis=1)[:, 2],
            mx.take_along_axis(x, last, axis=0)[-2]]


def block_masked(a, b, out_mask, lhs_mask, rhs_mask):
    return [mx.block_masked_mm(a, b, 32, out_mask), mx.block_masked_mm(a, b, 32, None, lhs_mask, rhs_mask),
            mx.block_masked_mm(a, b, 32, out_mask, lhs_mask, rhs_mask)]


def along_axes(x, i):
    return [mx.take_along_axis(x, i, axis=1), mx.take_along_axis(x, i, axis=0)]


def dynamic_slices(x, update, start):
    return [mx.slice_update(x, update, start, (0, 2)), mx.slice(x, start, (0, 2), (2, 3, 2)),
            mx.slice_update(x, update[:1], start[1:], (2,))]


def eigen(a):
    """Eigenvectors are known up to a factor, eigenvalues in some order."""
    w, v = mx.linalg.eig(a)
    values = mx.linalg.eigvals(a)
    order = mx.argsort(mx.real(values) + 1e-3 * mx.imag(values), axis=-1)
    b = a.astype(mx.complex64)
    return [mx.take_along_axis(values, order, axis=-1), mx.abs(b @ v - v * w[..., None, :]), mx.sum(w, axis=-1)]


def gathered_quantized(x, w, left, right):
    wq, scales, biases = mx.quantize(w, group_size=32, bits=4)
    return [mx.gather_qmm(x, wq, scales, biases, left, right, transpose=True, group_size=32, bits=4),
            mx.gather_qmm(x, wq, scales, biases, None, right[:4], transpose=True, group_size=32, bits=4),
            mx.gather_qmm(x, wq, scales, biases, None, mx.sort(right[:4]), transpose=True, group_size=32, bits=4,
                          sorted_indices=True)]


def hadamard(x, y, z, u):
    return [mx.hadamard_transform(x), mx.hadamard_transform(y, 0.5), mx.hadamard_transform(z), mx.hadamard_transform(u)]


def searched(a, v):
    return [mx.searchsorted(a, v), mx.searchsorted(a, v, side="right")]


def bits_seen_otherwise(x, y):
    return [mx.view(x, mx.int32), mx.view(x, mx.uint8), mx.view(y, mx.uint64), mx.view(mx.view(y, mx.float16), mx.uint16)]


CONSTANTS = [c for d in DTYPES for c in (mx.array([[1, 0, 3]]).astype(getattr(mx, d)), mx.array(1).astype(getattr(mx, d)),
                                         mx.zeros((2, 0), getattr(mx, d)))]
mx.eval(CONSTANTS)


def constants(x):
    return CONSTANTS + [x]


def any_signature(*args, **kwargs):
    total = sum(args)
    for k in sorted(kwargs):
        total = total * kwargs[k] + len(k)
    return total


def follows_sizes(x, y, *, scale):
    top = mx.max(x, axis=-1, keepdims=True)
    flat = mx.concatenate([x, y], axis=0)
    return [(x - top) * scale, mx.mean(flat), mx.softmax(flat, axis=-1), flat @ mx.transpose(flat), mx.sum(x * y, axis=0),
            mx.broadcast_to(scale, (3,))]


def call(*args, rtol=1e-5, atol=1e-6, **kwargs):
    return {"args": list(args), "kwargs": kwargs, "rtol": rtol, "atol": atol}


def cases():
    """name: (function, traces, further calls of the file, shapeless)"""
    half = mx.float16
    a, b = normal(36, 40, 36), normal(37, 36, 8)  # blocks of 32 x 32 and what remains
    masks = [mx.array(m, mx.bool_) for m in ([[0], [1]], [[1, 0], [1, 1]], [[1], [1]])]
    factors = [normal(33, 2, 1), normal(34, 2, 2), normal(35, 2, 1)]
    return {
        "inverse-trigonometric": (inverse_functions, [
            call(uniform(1, -0.9, 0.9, 3, 4), normal(2, 3, 4)),
            call(uniform(3, -0.9, 0.9, 5).astype(half), normal(4, 5).astype(half), rtol=4e-3, atol=4e-3)], [], False),
        "argpartition": (argpartition, [call(normal(5, 4, 6)), call(whole(6, -50, 50, 3, 7)),
                                        call(normal(7, 3, 5).astype(half))], [], False),
        "block-masked-mm": (block_masked, [call(a, b, *masks, rtol=1e-4, atol=1e-4), call(a, b, *factors, rtol=1e-4, atol=1e-4)],
                            [], False),
        "broadcast-axes": (along_axes, [call(normal(8, 3, 1, 5), whole(9, 0, 1, 1, 3, 5)),
                                        call(normal(11, 3, 1, 5).astype(half), whole(12, 0, 1, 1, 3, 5))],
                           [call(normal(13, 4, 1, 1), whole(14, 0, 1, 1, 6, 5))], True),
        "dynamic-slices": (dynamic_slices, [call(normal(14, 4, 3, 5), normal(15, 2, 3, 2), mx.array([1, 2])),
                                            call(whole(16, 0, 99, 4, 3, 5), whole(17, 0, 99, 2, 3, 2), mx.array([2, 0]))],
                           [call(normal(18, 4, 3, 5), normal(19, 2, 3, 2), mx.array([2, 3]))], False),
        "eigen": (eigen, [call(normal(20, 4, 4), rtol=1e-4, atol=1e-4), call(normal(21, 2, 3, 3), rtol=1e-4, atol=1e-4)], [],
                  False),
        "gather-qmm": (gathered_quantized, [
            call(normal(22, 4, 2, 64), normal(23, 5, 8, 64), whole(24, 0, 4, 6, dtype=mx.uint32),
                 whole(25, 0, 5, 4, dtype=mx.uint32)[mx.array([0, 1, 2, 3, 0, 1])], rtol=1e-4, atol=1e-4)], [], False),
        "hadamard": (hadamard, [call(normal(26, 3, 16), normal(27, 2, 24), normal(28, 20), normal(29, 2, 1, 56), rtol=1e-4,
                                     atol=1e-5),
                                call(normal(26, 8).astype(half), normal(27, 12).astype(half), normal(28, 40).astype(half),
                                     normal(29, 28).astype(half), rtol=4e-3, atol=4e-3)], [], False),
        "searchsorted": (searched, [call(mx.sort(normal(30, 9)), normal(31, 2, 5)),
                                    call(mx.array([1, 2, 2, 2, 7]), mx.array([[0, 2, 7], [8, 1, 3]]))], [], False),
        "views": (bits_seen_otherwise, [call(normal(32, 2, 4), normal(33, 3, 2)), call(normal(34, 4), normal(35, 2))], [], False),
        "constants-of-all-dtypes": (constants, [call(mx.array([1.5]))], [], False),
        "signatures-and-keywords": (any_signature, [
            call(normal(36, 3)), call(normal(37, 3), normal(38, 3)), call(whole(39, 0, 9, 3), whole(40, 0, 9, 3)),
            call(normal(41, 3), b=normal(42, 3), a=normal(43, 3)), call(normal(44, 3), Z=normal(45, 3), é=normal(46, 3)),
            call(normal(47, 2, 2), normal(48, 2, 2), a=normal(49, 2, 2))], [call(normal(50, 3), a=normal(51, 3), b=normal(52, 3))],
            False),
        "shapeless-several": (follows_sizes, [call(normal(53, 2, 3), normal(54, 2, 3), scale=mx.array(2.0)),
                                              call(normal(55, 2, 3).astype(half), normal(56, 2, 3).astype(half),
                                                   scale=mx.array(2.0, half), rtol=4e-3, atol=4e-3)],
                              [call(normal(57, 5, 4), normal(58, 5, 4), scale=mx.array(0.5)),
                               call(normal(59, 3, 7), normal(60, 3, 7), scale=mx.array(-1.0))], True),
    }


def make_kernels():
    """Kernels with scalars, compiled ones: MLX makes these on GPUs alone, so the file is written without it."""
    w = Writer(mx.__version__, device="gpu")
    for i, (op, operands, state, results, *_) in enumerate(n for n in nodes.NODES if n[0] == "CustomKernel"):
        inputs = {f"n{i}_{k}": w.input(d, s) for k, (d, s) in enumerate(operands)}
        w.function([], w.op(op, list(inputs.values()), state, results), inputs)
    path = os.path.join(FIXTURES, "kernels.mlxfn")
    w.save(path)
    mx.savez(os.path.join(FIXTURES, "kernels.npz"), none=mx.array(0))
    return entry_of("kernels", reader.load(path), "writer.py", [])


def entry_of(name, doc, producer, calls):
    used = sorted({e["op"] for f in doc["functions"] for e in f["tape"] if e["kind"] == "op"})
    return {"name": name, "file": name + ".mlxfn", "data": name + ".npz", "producer": producer,
            "shapeless": doc["shapeless"], "metadata": doc["metadata"], "functions": len(doc["functions"]),
            "constants": len(doc["constants"]), "primitives": used, "note": "made by tests/against_mlx/make_fixtures.py",
            "calls": calls}


def make(name, function, traces, further, shapeless):
    path = os.path.join(FIXTURES, name + ".mlxfn")
    with mx.exporter(path, function, shapeless=shapeless, metadata="made by make_fixtures.py") as exporter:
        for c in traces:
            exporter(*c["args"], **c["kwargs"])
    imported, data, calls = mx.import_function(path), {}, []
    for k, c in enumerate(traces + further):
        entry = {"args": [], "kwargs": {}, "outputs": [], "rtol": c["rtol"], "atol": c["atol"], "exact": False}
        for i, value in enumerate(c["args"]):
            data[f"c{k}_arg{i}"] = value
            entry["args"].append(f"c{k}_arg{i}")
        for key, value in c["kwargs"].items():
            data[f"c{k}_kw_{key}"] = value
            entry["kwargs"][key] = f"c{k}_kw_{key}"
        for i, value in enumerate(imported(*c["args"], **c["kwargs"])):
            data[f"c{k}_out{i}"] = value
            entry["outputs"].append(f"c{k}_out{i}")
        calls.append(entry)
    mx.savez(os.path.join(FIXTURES, name + ".npz"), **data)
    doc = reader.load(path)
    wrong = reader.check(doc)
    assert not wrong, wrong
    return entry_of(name, doc, "mlx " + mx.__version__, calls)


def main(names):
    manifest = os.path.join(FIXTURES, "manifest.json")
    with open(manifest, encoding="utf-8") as file:
        entries = json.load(file)
    for name, case in {**cases(), "kernels": None}.items():
        if names and name not in names:
            continue
        entry = make(name, *case) if case else make_kernels()
        entries = [e for e in entries if e["name"] != name] + [entry]
        print(f"{name}: {' '.join(entry['primitives'])}")
    with open(manifest, "w", encoding="utf-8") as file:
        json.dump(entries, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1:])
