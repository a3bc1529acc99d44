"""Kernels in a GPU's language: traced and exported anywhere, computed where the language is spoken."""

import pons.core as mx
import pytest

kernel = mx.fast.metal_kernel("twice", ["a"], ["out"], "uint i = thread_position_in_grid.x; out[i] = 2 * a[i];")


def twice(a, stream=None):
    return kernel(inputs=[a], grid=(a.size, 1, 1), threadgroup=(1, 1, 1), output_shapes=[a.shape],
                  output_dtypes=[a.dtype], stream=stream)[0]


@pytest.mark.skipif(mx.metal.is_available(), reason="this machine runs Metal")
def test_without_metal_a_call_is_an_error_and_an_export_is_not(tmp_path):
    with pytest.raises(RuntimeError, match="No Metal back-end on this machine; exported, twice runs elsewhere"):
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
