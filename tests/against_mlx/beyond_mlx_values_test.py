"""What MLX itself can't export runs in it from Pons' files, and gives what Pons computed; kernels in Metal have the text
that MLX would have written."""
import os
import subprocess
import sys
import tempfile

import interpreter
import reader
from mlx_values import as_value, mx

PROGRAM = os.path.join(os.environ["PONS_BUILD_DIR"], "tests", "beyond_mlx_test")
EVERY_ATTRIBUTE = """// grid_origin grid_size quadgroup_index_in_threadgroup quadgroups_per_threadgroup
// dispatch_quadgroups_per_threadgroup dispatch_simdgroups_per_threadgroup simdgroups_per_threadgroup
// dispatch_threads_per_threadgroup simdgroup_index_in_threadgroup thread_execution_width
// thread_index_in_quadgroup thread_index_in_simdgroup thread_index_in_threadgroup threads_per_grid
// thread_position_in_threadgroup threadgroup_position_in_grid threadgroups_per_grid
// threads_per_simdgroup threads_per_threadgroup
"""


def kernels():
    """name: (kernel as MLX makes it, inputs, how it is called)"""
    f32 = mx.float32
    once = {"grid": (32, 1, 1), "threadgroup": (8, 1, 1)}
    all_ = mx.fast.metal_kernel(
        "all", ["a", "b", "c", "d"], ["o", "p"], header="// before\n", source=EVERY_ATTRIBUTE +
        "uint i = thread_position_in_grid.x;\no[i] = a[i] + b[0] * N + a_shape[0] + b_strides[0];\np[i] = T(c_ndim + d_shape[0]);")
    out = {"kernel-all": (all_, [mx.zeros((4, 8)), mx.zeros(3, mx.int32), mx.zeros((2, 3, 4), mx.bool_), mx.array(1.0)],
                          {"template": [("T", mx.float16), ("N", -7), ("B", True)], "output_shapes": [(32,), (4, 8)],
                           "output_dtypes": [f32, mx.bfloat16], "init_value": 0.5, "grid": (32, 2, 1), "threadgroup": (8, 1, 1)})}
    atomics = mx.fast.metal_kernel("atomics", ["a"], ["o"], atomic_outputs=True, ensure_row_contiguous=False,
                                   source="atomic_fetch_add_explicit(o, a[0], memory_order_relaxed);",
                                   compile_options={"math_mode": "fast"})
    out["kernel-atomics"] = (atomics, [mx.zeros((4, 8))], {"output_shapes": [(1,)], "output_dtypes": [f32], **once})
    typed = mx.fast.metal_kernel("typed", ["a"], ["o"], source="o[0] = T(a[0]);", compile_options={"math_mode": "relaxed"})
    for name, _, _ in reader.DTYPES.values():
        d = getattr(mx, name + "_" * (name == "bool"))
        if name != "float64":
            out["kernel-" + name] = (typed, [mx.zeros(9, d)], {"template": [("T", d)], "output_shapes": [(4, 0)],
                                                              "output_dtypes": [d], **once})
    return out


def check_kernels(folder):
    wrong, path = [], os.path.join(folder, "mlx.mlxfn")
    for name, (kernel, inputs, how) in kernels().items():
        mx.export_function(path, lambda *in_: kernel(inputs=list(in_), **how), *inputs)
        want, got = reader.content(reader.load(path)), reader.content(reader.load(os.path.join(folder, name + ".mlxfn")))
        if want != got:
            wrong.append(f"{name}: Pons writes {got}, MLX {want}")
    return wrong


def check_function(folder, name, x, values):
    path = os.path.join(folder, name + ".mlxfn")
    doc = reader.load(path)
    got = [as_value(g) for g in mx.import_function(path)(x)]
    d = interpreter.difference(got[0], values[name], 1e-5, 1e-5)
    return [f"{name}: {w}" for w in reader.check(doc) + ([d] if d else [])]


def main():
    if mx is None:
        print("skipped: no mlx in this Python (./do deps makes one)")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([PROGRAM, folder], check=True, stdout=subprocess.DEVNULL)
        data = os.path.join(folder, "values.npz")
        values, x = interpreter.load_npz(data), mx.load(data)["x"]
        names = [n for n in values if n != "x"]
        wrong = [w for n in names for w in check_function(folder, n, x, values)] + check_kernels(folder)
    for w in wrong:
        print(w)
    print(f"{len(names)} functions that MLX can't export run in MLX {mx.__version__}; {len(wrong)} differ")
    return len(wrong) > 0


if __name__ == "__main__":
    sys.exit(main())
