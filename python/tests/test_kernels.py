"""Kernels of the user's own: traced and exported anywhere, computed where their language is spoken."""

import os
import subprocess
import sys

import pons.core as mx
import pytest

kernel = mx.fast.metal_kernel("twice", ["a"], ["out"], "uint i = thread_position_in_grid.x; out[i] = 2 * a[i];")


def twice(a, stream=None):
    return kernel(inputs=[a], grid=(a.size, 1, 1), threadgroup=(1, 1, 1), output_shapes=[a.shape],
                  output_dtypes=[a.dtype], stream=stream)[0]


on_cpu = pytest.mark.skipif(os.environ.get("PONS_DEVICE", "cpu") != "cpu", reason="the CPU's errors")


@on_cpu
def test_without_metal_a_call_is_an_error_and_an_export_is_not(tmp_path):
    with pytest.raises(RuntimeError, match="No Metal back-end on cpu; exported, twice runs elsewhere"):
        twice(mx.ones(3))
    mx.export_function(str(tmp_path / "twice.mlxfn"), lambda a: twice(a, mx.gpu), mx.ones(3))
    with pytest.raises(RuntimeError, match="No Metal back-end on cpu"):
        mx.eval(mx.import_function(str(tmp_path / "twice.mlxfn"))(mx.ones(3)))


def test_wrong_calls_say_what_is_wrong():
    with pytest.raises(ValueError, match="Only supports the GPU"):
        twice(mx.ones(3), mx.cpu)
    with pytest.raises(ValueError, match="twice takes 1 inputs and gives 1 results, not 2 and 1"):
        kernel(inputs=[1, 2], grid=(1, 1, 1), threadgroup=(1, 1, 1), output_shapes=[(1,)], output_dtypes=[mx.float32])
    with pytest.raises(ValueError, match="grid has 2 numbers, there must be 3"):
        kernel(inputs=[1], grid=(1, 1), threadgroup=(1, 1, 1), output_shapes=[(1,)], output_dtypes=[mx.float32])
    with pytest.raises(TypeError, match="source must be str, not int"):
        mx.fast.metal_kernel("f", ["a"], ["b"], 3)


DIALECT = """
import pons.core as mx

twice = mx.fast.gpu_kernel("twice", ["a"], ["out"], "STORE(out, GLOBAL_ID, N * LOAD(a, GLOBAL_ID));")

def run(a):
    return twice(inputs=[a], grid=(a.size, 1, 1), threadgroup=(4, 1, 1), output_shapes=[a.shape], output_dtypes=[a.dtype],
                 template=[("N", 2)])[0]

@mx.custom_function
def f(a):
    return run(a)

@f.vjp
def f_vjp(a, cotangent, out):
    return run(cotangent)

print(run(mx.arange(5).astype(mx.float16)), mx.grad(lambda a: f(a).sum())(mx.ones(3)).tolist(),
      mx.vmap(f)(mx.ones((2, 3))).tolist(), mx.compile(f)(mx.ones(2)).tolist())
"""


def test_the_dialect_runs_where_there_is_a_compiler_with_a_gradient_of_the_users():
    done = subprocess.run([sys.executable, "-c", DIALECT], capture_output=True, text=True, env={**os.environ, "PONS_DEVICE": "opencl"})
    if "No dialect back-end on cpu" in done.stderr:
        pytest.skip("no OpenCL device")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ("array([0, 2, 4, 6, 8], dtype=float16) [2.0, 2.0, 2.0] [[2.0, 2.0, 2.0], [2.0, 2.0, 2.0]] [2.0, 2.0]\n")


@on_cpu
def test_the_cpu_has_no_compiler_for_the_dialect():
    one = mx.fast.gpu_kernel("one", [], ["out"], "out[0] = 1;")
    once = {"grid": (1, 1, 1), "threadgroup": (1, 1, 1), "output_shapes": [(1,)], "output_dtypes": [mx.float32]}
    with pytest.raises(RuntimeError, match="No dialect back-end on cpu"):
        one(inputs=[], **once)
