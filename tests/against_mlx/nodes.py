"""A node or more of every primitive that .mlxfn files hold: name, operands, state, results. The state has the fields of
every layout; what a release lacks is left out by `since` and `before`."""

F, I, U, B, C = "float32", "int32", "uint32", "bool", "complex64"


def same(names, of, result=None, arity=1, **state):
    return [(n, [(of, [2, 3])] * arity, state, [(result or of, [2, 3])]) for n in names.split()]


Q = {"group_size": 64, "bits": 4, "mode": "affine"}
PACKED = [(U, [8, 8]), (F, [8, 1]), (F, [8, 1])]
MANY = [(U, [5, 8, 8]), (F, [5, 8, 1]), (F, [5, 8, 1])]
CONV = {"stride": [2, 1], "kernel_dilation": [1, 2], "input_dilation": [1, 1], "groups": 2, "flip": False}
IMAGES = [(F, [1, 8, 8, 4]), (F, [6, 3, 3, 2])]
QKV = [(F, [1, 4, 3, 8]), (F, [1, 2, 5, 8]), (F, [1, 2, 5, 8])]
ATTENDED, SUMS = (F, [1, 4, 3, 8]), (F, [1, 4, 3, 1])
NORM = [(F, [2, 4]), (F, [4])]
KERNEL = {"name": "mine", "source": "[[kernel]] void mine(device float* o [[buffer(0)]]) {\n o[0] = 1;\n}\n",
          "grid": [4, 5, 6], "threadgroup": [3, 2, 1], "shape_infos": [[True, False, True], [False, True, False]],
          "ensure_row_contiguous": False, "init_value": None, "scalar_arguments": [], "is_precompiled": False,
          "shared_memory": 0, "math_mode": "safe"}


def attention(**state):
    return {"scale": 0.25, "causal": False, "has_sinks": False, "output_logsumexp": False, "force_fused": False, **state}


NODES = [
    *same("Abs ArcCos ArcCosh ArcSin ArcSinh ArcTan ArcTanh Ceil Cos Cosh Erf ErfInv Exp Expm1 Floor Log1p Negative "
          "Round Sigmoid Sign Sin Sinh Square StopGradient Tan Tanh", F),
    *same("Conjugate", C), *same("Imag Real", C, F), *same("LogicalNot", B), *same("AsType", F, I, dtype=I),
    *same("View", F, I, dtype=I), *same("Log", F, base="ten"), *same("Sqrt", F, reciprocal=True), *same("Sqrt", F, reciprocal=False),
    *same("Softmax", F, precise=True), *same("Sort", F, axis=1), *same("ArgSort", F, U, axis=0),
    *same("Partition", F, kth=1, axis=0), *same("ArgPartition", F, U, kth=1, axis=0),
    *same("Scan", F, kind="prod", axis=1, reverse=True, inclusive=False),
    *same("Add ArcTan2 Divide LogAddExp Maximum Minimum Multiply Power Remainder Subtract", F, arity=2),
    *same("Greater GreaterEqual Less LessEqual NotEqual", F, B, arity=2), *same("LogicalAnd LogicalOr", B, arity=2),
    *same("FloorDivide", I, arity=2), *same("Equal", F, B, arity=2, equal_nan=True),
    *same("BitwiseBinary", I, arity=2, op="xor"), *same("BitwiseBinary", I, arity=2, op="right_shift"),
    ("DivMod", [(I, [3])] * 2, {}, [(I, [3])] * 2),
    ("Select", [(B, [2, 3]), (F, [2, 3]), (F, [2, 3])], {}, [(F, [2, 3])]),
    *same("Full", F), ("LogSumExp", [(F, [2, 3])], {}, [(F, [2, 1])]),
    ("Matmul", [(F, [5, 2, 3]), (F, [5, 3, 4])], {}, [(F, [5, 2, 4])]),
    ("MaskedScatter", [(F, [2, 3]), (B, [2, 3]), (F, [2, 4])], {}, [(F, [2, 3])]),
    ("Depends", [(F, [2]), (F, [3]), (F, [4])], {}, [(F, [2]), (F, [3])]),
    ("QRF", [(F, [3, 2])], {}, [(F, [3, 2]), (F, [2, 2])]),
    ("AddMM", [(F, [2, 3]), (F, [3, 4]), (F, [2, 4])], {"alpha": 2.0, "beta": 0.5}, [(F, [2, 4])]),
    ("Arange", [], {"start": 1.0, "stop": 7.0, "step": 2.0}, [(F, [3])]),
    ("ArgReduce", [(F, [2, 3])], {"kind": "argmax", "axis": 1}, [(U, [2, 1])]),
    ("AsStrided", [(F, [12])], {"shape": [2, 3], "strides": [4, 1], "offset": 1}, [(F, [2, 3])]),
    ("BlockMaskedMM", [(F, [32, 64]), (F, [64, 32]), (B, [1, 1])], {"block_size": 32}, [(F, [32, 32])]),
    ("Broadcast", [(F, [1, 3])], {"shape": [2, 3]}, [(F, [2, 3])]),
    ("Broadcast", [(F, [1, 3]), (F, [2, 1])], {"shape": [2, 3]}, [(F, [2, 3])]),
    ("BroadcastAxes", [(F, [1, 3]), (F, [4, 5])], {"ignore_axes": [-1]}, [(F, [4, 3])]),
    ("Cholesky", [(F, [3, 3])], {"upper": True}, [(F, [3, 3])]),
    ("Concatenate", [(F, [2, 3]), (F, [2, 1]), (F, [2, 2])], {"axis": 1}, [(F, [2, 6])]),
    ("Convolution", IMAGES, {"pad_lo": [1, 0], "pad_hi": [2, 1], **CONV}, [(F, [1, 5, 5, 6])], (0, 25, 2)),
    ("Convolution", IMAGES, {"pad": [1, 0], "pad_lo": [1, 0], "pad_hi": [1, 0], **CONV}, [(F, [1, 4, 4, 6])]),
    ("CustomKernel", [(F, [4]), (I, [])], KERNEL, [(F, [3]), (I, [2, 0])]),
    ("CustomKernel", [(F, [4]), (I, [])], {**KERNEL, "math_mode": "fast", "init_value": 0.5, "shared_memory": 99,
     "scalar_arguments": [["int", -7], ["float", 2.5], ["bool", True]], "is_precompiled": True, "source": ".version\0x"},
     [(F, [3])], (0, 32, 0)),
    ("DynamicSlice", [(F, [4, 3]), (I, [1])], {"axes": [0], "slice_size": [2, 3]}, [(F, [2, 3])]),
    ("DynamicSliceUpdate", [(F, [4, 3]), (F, [2, 3]), (I, [1])], {"axes": [0]}, [(F, [4, 3])]),
    ("Eig", [(F, [3, 3])], {"compute_eigenvectors": True}, [(C, [3]), (C, [3, 3])]),
    ("Eig", [(F, [3, 3])], {"compute_eigenvectors": False}, [(C, [3])]),
    ("Eigh", [(F, [3, 3])], {"uplo": "U", "compute_eigenvectors": True}, [(F, [3]), (F, [3, 3])]),
    ("Eigh", [(F, [3, 3])], {"uplo": "L", "compute_eigenvectors": False}, [(F, [3])]),
    ("ExpandDims", [(F, [3])], {"axes": [0, 2]}, [(F, [1, 3, 1])]),
    ("FFT", [(F, [4, 6])], {"axes": [0, 1], "inverse": False, "real": True, "odd_out": False}, [(C, [4, 4])]),
    ("FFT", [(C, [4, 6])], {"axes": [1], "inverse": True, "real": False, "odd_out": False}, [(C, [4, 6])]),
    ("FFT", [(C, [2, 3])], {"axes": [1], "inverse": True, "real": True, "odd_out": True}, [(F, [2, 5])], (0, 32, 4)),
    ("Flatten", [(F, [2, 3, 4])], {"start_axis": 1, "end_axis": 2}, [(F, [2, 12])]),
    ("Gather", [(F, [4, 3]), (U, [2])], {"axes": [0], "slice_sizes": [1, 3]}, [(F, [2, 1, 3])]),
    ("GatherAxis", [(F, [2, 3]), (U, [2, 2])], {"axis": 1}, [(F, [2, 2])]),
    ("GatherMM", [(F, [2, 4, 3]), (F, [5, 3, 6]), (U, [7]), (U, [7])], {"left_sorted": False, "right_sorted": False},
     [(F, [7, 4, 6])]),
    ("GatherMM", [(F, [2, 4, 3]), (F, [5, 3, 6]), (U, [7]), (U, [7])], {"left_sorted": False, "right_sorted": True},
     [(F, [7, 4, 6])], (0, 25, 0)),
    ("GatherQMM", [(F, [2, 4, 64]), *MANY, (U, [7]), (U, [7])],
     {**Q, "transpose": True, "left_sorted": False, "right_sorted": False}, [(F, [7, 4, 8])]),
    ("GatherQMM", [(F, [2, 4, 64]), *MANY, (U, [7]), (U, [7])],
     {**Q, "transpose": True, "left_sorted": True, "right_sorted": False}, [(F, [7, 4, 8])], (0, 25, 0)),
    ("Hadamard", [(F, [2, 8])], {"scale": 0.25}, [(F, [2, 8])]),
    ("Inverse", [(F, [3, 3])], {"tri": True, "upper": False}, [(F, [3, 3])]),
    ("LayerNorm", [*NORM, (F, [4])], {"eps": 0.5}, [(F, [2, 4])]),
    ("LayerNormVJP", [*NORM, (F, [4]), (F, [2, 4])], {"eps": 0.5}, [(F, [2, 4]), (F, [4]), (F, [4])]),
    ("NumberOfElements", [(F, [2, 3])], {"axes": [0, 1], "inverted": True, "dtype": F}, [(F, [])]),
    ("Pad", [(F, [2, 3]), (F, [])], {"axes": [0, 1], "low": [1, 0], "high": [0, 2]}, [(F, [3, 5])]),
    ("AffineQuantize", [(F, [8, 64])], {**Q, "dequantize": False}, PACKED),
    ("Quantize", [(F, [8, 64])], {**Q, "dequantize": False}, PACKED),
    ("Quantize", PACKED, {**Q, "dequantize": True}, [(F, [8, 64])]),
    ("Quantize", [(F, [8, 64])], {"group_size": 32, "bits": 4, "mode": "mxfp4", "dequantize": False},
     [(U, [8, 8]), ("uint8", [8, 2])]),
    ("QuantizedMatmul", [(F, [2, 64]), *PACKED], {**Q, "transpose": True}, [(F, [2, 8])]),
    ("QuantizedMatmul", [(F, [2, 64]), (U, [8, 16]), ("uint8", [8, 2])],
     {"group_size": 32, "bits": 8, "mode": "mxfp8", "transpose": True}, [(F, [2, 8])], (0, 30, 0)),
    ("RandomBits", [(U, [2])], {"shape": [3], "width": 4}, [(U, [3])]),
    ("Reduce", [(F, [2, 3])], {"kind": "max", "axes": [0]}, [(F, [1, 3])]),
    ("Reduce", [(B, [2, 3])], {"kind": "or", "axes": [0, 1]}, [(B, [1, 1])]),
    ("Reshape", [(F, [2, 3])], {"shape": [3, 2]}, [(F, [3, 2])]),
    ("RMSNorm", NORM, {"eps": 0.5}, [(F, [2, 4])]),
    ("RMSNormVJP", [*NORM, (F, [2, 4])], {"eps": 0.5}, [(F, [2, 4]), (F, [4])]),
    ("RoPE", [(F, [1, 2, 3, 4]), (I, [])],
     {"dims": 4, "traditional": True, "base": 100.0, "scale": 0.5, "forward": False}, [(F, [1, 2, 3, 4])]),
    ("ScaledDotProductAttention", QKV, attention(), [ATTENDED]),
    ("ScaledDotProductAttention", QKV, attention(causal=True), [ATTENDED], (0, 24, 0)),
    ("ScaledDotProductAttention", [*QKV, (B, [1, 4, 3, 5])], attention(), [ATTENDED]),
    ("ScaledDotProductAttention", [*QKV, (F, [4])], attention(has_sinks=True), [ATTENDED], (0, 29, 1)),
    ("ScaledDotProductAttention", QKV, attention(output_logsumexp=True), [ATTENDED, SUMS], (0, 30, 0)),
    ("ScaledDotProductAttention", QKV, attention(force_fused=True), [ATTENDED], (0, 32, 2)),
    ("Scan", [(F, [2, 3])], {"kind": "logaddexp", "axis": 0, "reverse": False, "inclusive": True}, [(F, [2, 3])], (0, 25, 0)),
    ("Scatter", [(F, [4, 3]), (U, [2]), (F, [2, 1, 3])], {"kind": "none", "axes": [0]}, [(F, [4, 3])]),
    ("Scatter", [(F, [4, 3]), (U, [2]), (F, [2, 1, 3])], {"kind": "max", "axes": [0]}, [(F, [4, 3])]),
    ("ScatterAxis", [(F, [2, 3]), (U, [2, 2]), (F, [2, 2])], {"kind": "sum", "axis": 1}, [(F, [2, 3])]),
    ("SearchSorted", [(F, [5]), (F, [2, 3])], {"right": True}, [(U, [2, 3])]),
    ("Slice", [(F, [4, 6])], {"start": [1, 0], "end": [3, 6], "strides": [1, 2]}, [(F, [2, 3])]),
    ("SliceUpdate", [(F, [4, 6]), (F, [2, 3])], {"kind": "none", "start": [1, 0], "end": [3, 6], "strides": [1, 2]},
     [(F, [4, 6])]),
    ("SliceUpdate", [(F, [4, 6]), (F, [2, 3])], {"kind": "prod", "start": [1, 0], "end": [3, 6], "strides": [1, 2]},
     [(F, [4, 6])], (0, 31, 2)),
    ("Split", [(F, [2, 5])], {"indices": [1, 3], "axis": 1}, [(F, [2, 1]), (F, [2, 2]), (F, [2, 2])]),
    ("Squeeze", [(F, [1, 3, 1])], {"axes": [0, 2]}, [(F, [3])]),
    ("SVD", [(F, [3, 2])], {"compute_uv": True}, [(F, [3, 3]), (F, [2]), (F, [2, 2])]),
    ("SVD", [(F, [3, 2])], {"compute_uv": False}, [(F, [2])], (0, 23, 2)),
    ("Transpose", [(F, [2, 3, 4])], {"axes": [2, 0, 1]}, [(F, [4, 2, 3])]),
    ("Unflatten", [(F, [2, 6])], {"axis": 1, "shape": [2, 3]}, [(F, [2, 2, 3])]),
]
