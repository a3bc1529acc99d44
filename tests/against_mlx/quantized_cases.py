"""What the conformance cases of codes of few bits, and of gathered, segmented and block-masked products
(tests/conformance_quantized.c), are in MLX: for op_results_test.py."""
from mlx_values import mx

HALVES = ("float16", "bfloat16")


def adds_up_in_halves(plain, dtype):
    """MLX's quantized products of float16 and bfloat16: what is left of their sums is not to be compared."""
    return plain.startswith(("quantized-matmul", "gather-qmm")) and dtype in HALVES


def beyond_mlx(plain, dtype):
    if dtype == "float64" and plain.startswith(("quantize", "gather-q", "qqmm", "to-fp8")):
        return True  # float32 at most, or float64 read as it
    if adds_up_in_halves(plain, dtype) or (plain == "segmented-mm" and dtype in HALVES):
        return True  # the latter is wrong there, whatever the segments
    return plain.startswith(("gather-mm", "block-masked-mm")) and dtype != "float32"  # its CPU has float32 alone


def cases():
    """From the name of a case, as its file has it, to MLX's results."""
    f32 = mx.float32

    def mild(scales, base, width):  # a range of them
        return scales % mx.array(width, mx.uint8) + mx.array(base, mx.uint8)

    def qmm(**options):
        return lambda *in_: mx.quantized_matmul(*in_, **options)

    def rounded(x, **options):  # MLX's CPU has no product of two quantized sides
        dtype = f32 if "global_scale" in options else x.dtype
        return mx.dequantize(*mx.quantize(x, **options), dtype=dtype, **options)

    return {
        "quantize": mx.quantize, "quantize-scales-a-transpose": lambda x: mx.quantize(x, 32, 3)[1:],
        "quantize-1-to-3-bits": lambda x: [mx.quantize(x, 32, b)[0] for b in (1, 2, 3)] + [mx.quantize(x, 32, 3)[1]],
        "quantize-5-to-8-bits": lambda x: [mx.quantize(x, 128, b)[0] for b in (5, 6, 8)] + [mx.quantize(x, 128, 8)[2]],
        "quantize-mxfp4": lambda x: mx.quantize(x, mode="mxfp4"), "quantize-mxfp8": lambda x: mx.quantize(x, mode="mxfp8"),
        "quantize-nvfp4": lambda x: mx.quantize(x, mode="nvfp4"),
        "quantize-nvfp4-global-scale": lambda x: mx.quantize(x, mode="nvfp4", global_scale=mx.array(2.5)),
        "dequantize-1-to-5-bits": lambda w, s, b: [mx.dequantize(w[:, :2 * n], s, b, 32, n) for n in (1, 2, 3, 5)],
        "dequantize-6-and-8-bits": lambda w, s, b: [mx.dequantize(w[:, :4 * n], s, b, 128, n) for n in (6, 8)],
        "dequantize-mxfp4": lambda w, s: [mx.dequantize(w, mild(s, 123, 8), mode="mxfp4", dtype=d) for d in (None, f32)],
        "dequantize-mxfp8": lambda w, s: mx.dequantize(w & mx.array(0x7e7e7e7e, mx.uint32), mild(s, 123, 8), mode="mxfp8", dtype=f32),
        "dequantize-nvfp4": lambda w, s: [mx.dequantize(w, mild(s, 0, 126), mode="nvfp4", dtype=f32),
                                          mx.dequantize(w, mild(s, 0, 126), mode="nvfp4", global_scale=mx.array(2.5))],
        "quantized-matmul": qmm(group_size=32), "quantized-matmul-vector": qmm(group_size=32),
        "quantized-matmul-rows-of-two-axes": qmm(group_size=32), "quantized-matmul-batches-broadcast": qmm(group_size=32),
        "quantized-matmul-not-transposed": qmm(group_size=32, transpose=False), "quantized-matmul-3-bits": qmm(bits=3),
        "quantized-matmul-1-bit": qmm(group_size=32, bits=1), "quantized-matmul-many-rows": qmm(group_size=32, bits=2),
        "quantized-matmul-8-bits": qmm(group_size=32, bits=8),
        "quantized-matmul-mxfp4": lambda x, w, s: mx.quantized_matmul(x, w, mild(s, 123, 6), mode="mxfp4"),
        "quantized-matmul-nvfp4": lambda x, w, s: mx.quantized_matmul(x, w, mild(s, 40, 20), mode="nvfp4"),
        "quantized-matmul-mxfp8": lambda x, w, s: mx.quantized_matmul(x, w & mx.array(0xbfbfbfbf, mx.uint32), mild(s, 123, 6), mode="mxfp8"),
        "gather-qmm": lambda x, w, s, b, i: mx.gather_qmm(x, w, s, b, rhs_indices=i, group_size=32),
        "gather-qmm-not-transposed": lambda x, w, s, b, i: mx.gather_qmm(x, w, s, b, i, i, transpose=False, group_size=32),
        "gather-qmm-mxfp4": lambda x, w, s, i: mx.gather_qmm(x, w, mild(s, 123, 6), lhs_indices=i, rhs_indices=i, mode="mxfp4"),
        "qqmm": lambda x, w, s: mx.qqmm(x, w, mild(s, 40, 20)), "to-fp8": mx.to_fp8,
        "qqmm-floats": lambda x, w: rounded(x, mode="mxfp8") @ rounded(w, mode="mxfp8").T,
        "qqmm-global-scales": lambda x, w: (rounded(x, mode="nvfp4", global_scale=mx.array(2.0)) @
                                            rounded(w, mode="nvfp4", global_scale=mx.array(3.0)).T).astype(x.dtype),
        "gather-qqmm": lambda x, w, i: rounded(x, mode="nvfp4") @ rounded(w, mode="nvfp4")[i].swapaxes(-1, -2),
        "from-fp8": lambda x: [mx.from_fp8(x), mx.from_fp8(x, f32)],
        "gather-mm": lambda a, b, i: mx.gather_mm(a, b, rhs_indices=i), "gather-mm-both-broadcast": mx.gather_mm,
        "gather-mm-row": lambda a, b, i: mx.gather_mm(a, b, rhs_indices=i),
        "block-masked-mm": lambda a, b, m: mx.block_masked_mm(a, b, 32, m),
        "block-masked-mm-masks-of-operands": lambda a, b, l, r: mx.block_masked_mm(a, b, 32, mask_lhs=l, mask_rhs=r),
        "block-masked-mm-factors": lambda a, b, m, l: mx.block_masked_mm(a, b, 32, m, l),
    }
