"""What legitimately differs between Pons and MLX 0.32.4, each as narrowly as can be said, with the reason.

    Difference(families, ops, kind, when, reason, rare=False)

families: where it must explain something, or is reported as no longer needed; ops: patterns of names; kind: as judge.Case
has it; rare: only many thousand cases must meet it; when(case): the condition, True for any. For the kind "value" it may give a mask per result: elements outside it must
agree all the same."""
from fnmatch import fnmatchcase

import numpy as np
from draw import INTEGERS, looked_up


class Difference:
    def __init__(self, families, ops, kind, when, reason, rare=False):
        self.families, self.ops, self.kind, self.when, self.reason = families.split(), ops.split(), kind, when, reason
        self.rare = rare

    def explains(self, case):
        if case.kind != self.kind or not any(fnmatchcase(case.op, op) for op in self.ops):
            return False
        answer = self.when(case)
        if isinstance(answer, list):
            return not any(np.any(d & ~np.asarray(a)) for d, a in zip(case.differs, answer))
        return bool(answer)

    def __repr__(self):
        return f"({' '.join(self.ops)}: {self.kind}: {self.reason})"


def float64(case):
    return "float64" in case.dtypes()


def narrow_or_whole(case):
    return case.arguments[0].dtype not in ("float32", "float64")


def wide_shift(case):
    """Where the second operand is no count of bits of the result's dtype."""
    bits = 8 * case.want[0].bits.dtype.itemsize
    count = case.arguments[1].wide() if hasattr(case.arguments[1], "wide") else np.asarray(case.arguments[1])
    return [np.broadcast_to((count < 0) | (count >= bits), case.want[0].shape)]


def integer(case):
    return case.dtypes()[0] in INTEGERS + ["bool"]


def endless_complex(case):
    x = case.arguments[0]
    return x.dtype == "complex64" and not np.isfinite(x.seen).all()


def lost_nan(case):
    x = case.arguments[0]
    return x.dtype in ("float16", "bfloat16", "complex64") and np.isnan(x.wide()).any()


def outside_the_dtype(case):
    x = case.arguments[0].wide()
    info = np.iinfo(case.want[0].bits.dtype) if case.want[0].dtype in INTEGERS else None
    return [~((x >= -2.0 ** 31) & (x <= info.max))] if info and not np.iscomplexobj(x) else False


def one_is_uint64(case):
    """Indices whose common dtype, as MLX has it, is float32."""
    dtypes = {a.dtype for a in case.drawn()[1:] if a.dtype in INTEGERS}
    return "must be integral" in case.want.text and "uint64" in dtypes and any(t[0] == "i" for t in dtypes)


def all_of_it(case):
    return all(i is Ellipsis or i is None for i in case.arguments[1])


def places_of(case):
    """Where a list of indices looks, or None."""
    index = case.arguments[1]
    return looked_up(case.arguments[0].shape, index if isinstance(index, list) else [index])


def fits_in_numpy(case):
    there, text = places_of(case), case.want.text
    if there is None or "roadcast" not in text and "[reshape]" not in text:
        return False
    value = case.arguments[2].shape
    try:
        np.broadcast_to(np.zeros(value[np.argmax(np.array(value + (0,)) != 1):]), there.shape)  # axes of 1 in front don't count
    except ValueError:
        return False
    return True


def integer_apart(case):
    """An integer and an array of indices with something between them, which to NumPy are indices of one kind."""
    index = case.arguments[1] if isinstance(case.arguments[1], list) else []
    arrays = [k for k, i in enumerate(index) if hasattr(i, "dtype")]
    return any(isinstance(i, int) and abs(k - a) > 1 for k, i in enumerate(index) for a in arrays)


def ellipsis_between(case):
    index = case.arguments[1]
    arrays = [k for k, i in enumerate(index) if hasattr(i, "dtype") or isinstance(i, int)]
    return Ellipsis in [i for i in index if not hasattr(i, "dtype")] and any(
        index[k] is Ellipsis for k in range(arrays[0], arrays[-1]))


def mask_alone(case):
    index = case.arguments[1]
    return len(index) == 1 and getattr(index[0], "dtype", None) == "bool"


def assigns_nothing(case):
    if case.op.startswith("slice_update"):
        return case.arguments[1].size == 0 or np.zeros(case.arguments[0].shape)[tuple(map(slice, *case.arguments[2:5]))].size == 0
    return places_of(case).size == 0


def negated_early(case):
    x, _, v = case.arguments
    return v.dtype[0] in "ub" and v.dtype != x.dtype


def reduces_nothing(case):
    x, axes = case.arguments[:2]
    axes = range(x.ndim) if axes is None else [axes] if isinstance(axes, int) else axes
    return all(x.shape[k] == 1 for k in axes)


def crops_all(case):
    x, (low, high) = case.arguments[0], case.arguments[3]
    return any(n + min(a, 0) + min(b, 0) <= 0 for n, a, b in zip(x.shape[1:-1], low, high))


def cropped_gradient(case):
    """A convolution whose gradient by x is one with negative padding, or where strides leave the end of x unread: MLX takes
    padding from x before it spreads it."""
    x, w = case.arguments[:2]
    spatial = x.ndim - 2

    def each(v):
        return (v,) * spatial if isinstance(v, int) else tuple(v)
    strides, spreads, dilations = (each(1),) * 3
    if case.op == "conv_general":
        strides, (low, high), dilations, spreads = each(case.arguments[2]), case.arguments[3], *map(each, case.arguments[4:6])
    elif case.op.startswith("conv_transpose"):
        spreads, padding, dilations, more = map(each, case.arguments[2:6])
        low = [(k - 1) * q - p for k, q, p in zip(w.shape[1:], dilations, padding)]
        high = [a + b for a, b in zip(low, more)]
    else:
        strides, low, dilations = map(each, case.arguments[2:5])
        high = low
    for n, k, stride, a, b, q, p in zip(x.shape[1:], w.shape[1:], strides, low, high, dilations, spreads):
        size, reach = (n + min(a, 0) + min(b, 0) - 1) * p + 1, (k - 1) * q + 1
        a, b = max(a, 0), max(b, 0)
        unread = (size + a + b - reach) % stride
        if a >= reach or b - unread >= reach or unread or min(low) < 0 or min(high) < 0:
            return True
    return False


BACKWARDS = "where a slice backwards begins before the first element MLX's gradient by the value is that element's"
LIST = [
    Difference("elementwise", "floor_divide", "value", lambda case: case.want[0].dtype in ("float16", "bfloat16"),
               "MLX rounds the quotient to 16 bits before it takes the floor"),
    Difference("elementwise", "divmod", "value", lambda case: [case.want[0].dtype in ("float16", "bfloat16"), False],
               "as floor_divide", rare=True),
    Difference("elementwise", "astype", "value", outside_the_dtype,
               "C leaves open what becomes of what an integer dtype doesn't have; MLX gives what its vector unit makes of it", rare=True),
    Difference("elementwise", "arccosh", "vjp: value", lambda case: [case.arguments[0].wide().real < 1.02],
               "MLX gives a slope where the function has no value, and near 1 loses digits by squaring"),
    Difference("elementwise", "exp sin cos sigmoid erf erfinv logaddexp", "value", float64,
               "MLX computes them in float32, whatever the dtype"),
    Difference("linalg", "linalg_inv linalg_tri_inv linalg_pinv linalg_cholesky linalg_cholesky_inv linalg_qr linalg_lu linalg_lu_factor "
               "linalg_solve linalg_solve_triangular linalg_det linalg_slogdet", "only MLX refuses",
               lambda case: any(a.dtype == "complex64" for a in case.arguments[:2] if hasattr(a, "dtype")), "Pons takes complex matrices"),
    Difference("linalg", "linalg_solve linalg_solve_triangular", "only MLX refuses", narrow_or_whole,
               "MLX widens the right-hand side, but not the matrix, to the dtype that it has accepted"),
    Difference("linalg", "linalg_det", "value", float64, "MLX computes small determinants in float32"),
    Difference("linalg", "linalg_det linalg_slogdet", "only MLX refuses", narrow_or_whole,
               "MLX takes float16 up to 3 by 3, by another method"),
    Difference("elementwise", "left_shift right_shift", "value", wide_shift,
               "a shift by a negative count, or by all bits and more, shifts all out, as in NumPy; MLX gives what its vector unit makes of it"),
    Difference("reduce", "logsumexp softmax", "value", float64, "MLX computes them in float32, whatever the dtype"),
    Difference("reduce", "logsumexp", "value", integer, "MLX takes the exponentials of integers as integers: inf, or wrong"),
    Difference("reduce", "softmax", "dtype", integer,
               "over other axes than the last MLX casts the quotients back to integers: 0 nearly everywhere"),
    Difference("reduce", "prod cumprod", "value", endless_complex, "which part of an infinite product is NaN is left open"),
    Difference("reduce", "cumprod", "vjp: value", lambda case: case.arguments[0].dtype == "complex64",
               "MLX doesn't conjugate the other factors, as it does in the gradient of prod: differences contradict it"),
    Difference("reduce", "cummax cummin", "value", lost_nan, "MLX loses NaN in these dtypes: 0"),
    Difference("shape", "full", "vjp: value", lambda case: True, "MLX multiplies the cotangent with the value"),
    Difference("shape", "concatenate", "only Pons refuses", lambda case: len(case.arguments[0]) == 1,
               "MLX doesn't look at the axis where there is one array"),
    Difference("shape", "as_strided", "only MLX refuses", lambda case: case.arguments[0].layout[0] != "plain",
               "MLX can't make some views row-major"),
    Difference("array", "logcumsumexp", "value", float64, "MLX computes them in float32, whatever the dtype"),
    Difference("array", "nan_to_num", "only MLX refuses", float64, "MLX has none of float64"),
    Difference("array", "full_like", "only Pons refuses", lambda case: "broadcast" in case.got.text,
               "MLX broadcasts x's shape too: the result has another shape than x"),
    Difference("array", "minmax", "vjp: value", reduces_nothing,
               "both results are the operand itself, and MLX's vjp takes the cotangent of one alone"),
    Difference("product", "conv*", "only Pons refuses", lambda case: "reaches over" in case.got.text,
               "MLX rounds the number of places towards 0 and reads what lies behind the signal"),
    Difference("array", "can_cast result_type", "value", lambda case: {"float64", "complex64"} <= set(np.ravel(case.arguments[0] if len(case.arguments) == 1 else case.arguments)),
               "float64 and complex64 meet in complex128, as in the array API standard"),
    Difference("spectral", "fft_irfft* fft_istft", "dtype", float64, "MLX transforms float64 in float32"),
    Difference("fast", "*", "value", float64, "MLX computes them in float32, whatever the dtype"),
    Difference("product", "conv_general", "only MLX refuses", lambda case: case.arguments[0] == 3 and case.arguments[3] > 1,
               "MLX has no groups in three axes"),
    Difference("product", "conv_general", "vjp: shape", lambda case: True, "MLX's gradient has another shape than its operand"),
    Difference("places", "*", "only MLX refuses", one_is_uint64, "MLX makes uint64 beside a signed dtype float32, and that is no index"),
    Difference("places", "put*", "only MLX refuses", fits_in_numpy,
               "beside integers and new axes, and where nothing is put, MLX broadcasts values less than NumPy"),
    Difference("places", "get", "shape", ellipsis_between, "an ellipsis that stands for no axes parts arrays in NumPy, and not in MLX",
               rare=True),
    Difference("places", "put*", "value", integer_apart,
               "where MLX puts, integers don't count among the arrays whose axes come first, as they do where it gets", rare=True),
    Difference("places", "put_divide put_multiply scatter_multiply", "vjp: value", lambda case: "complex64" in case.dtypes(),
               "MLX doesn't conjugate", rare=True),
    Difference("places", "compress", "only MLX refuses", lambda case: case.arguments[0].size == 0,
               "where a result has no elements Pons doesn't look at indices", rare=True),
    Difference("places", "put*_masks", "only MLX refuses", mask_alone, "with a mask alone there may be more values, as in MLX"),
    Difference("places", "put_divide", "only Pons refuses", lambda case: "quotients" in case.got.text,
               "integers can't hold quotients: MLX multiplies with 1/v made an integer"),
    Difference("places", "put_divide", "value", lambda case: case.arguments[2].dtype != case.arguments[0].dtype or case.dtypes()[0] == "complex64",
               "MLX multiplies with 1/v, computed in v's dtype, float32 for integers"),
    Difference("places", "put*", "vjp: value", assigns_nothing, BACKWARDS, rare=True),
    Difference("index", "slice_update*", "vjp: value", assigns_nothing, BACKWARDS, rare=True),
    Difference("places", "put_maximum put_minimum scatter_maximum scatter_minimum", "vjp: value", lambda case: [False, True],
               "MLX's gradient by the values is right for the first element of each slice alone"),
    Difference("places", "put_one_mask masked_scatter", "only MLX refuses",
               lambda case: "broadcastable with the last" in case.want.text and case.arguments[2].shape[0] == 1,
               "axes of 1 in front of the rows are none to MLX"),
    Difference("places", "put*", "dtype", all_of_it, "x[...] = v and x.at[...] give v, or the sum, in its dtype instead of x's"),
    Difference("places", "put_subtract", "value", negated_early, "MLX negates v in its own dtype"),
    Difference("places", "put_subtract", "only MLX refuses", negated_early, "MLX negates v in its own dtype"),
    Difference("random", "random_normal random_laplace", "value", lambda case: "float64" in case.arguments,
               "MLX draws in float32, and makes float64 of it late"),
    Difference("quantized", "quantize", "only MLX refuses",
               lambda case: case.arguments[0].size == 0 or (case.arguments[3] == "nvfp4" and case.arguments[0].size % 32 > 0),
               "MLX quantizes nothing of no elements, and nvfp4 in pairs of groups"),
    Difference("quantized", "dequantize", "only MLX refuses",
               lambda case: case.arguments[5] == "nvfp4" and case.arguments[0].size % 4 > 0, "MLX takes nvfp4 in pairs of groups"),
    Difference("quantized", "segmented_mm", "only Pons refuses", lambda case: "inner dimensions differ" in case.got.text,
               "MLX multiplies what the segments tell, and reads foreign memory if there is less"),
    Difference("spectral", "conv_general", "only MLX refuses", lambda case: "after padding" in case.want.text and min(map(min, case.arguments[3])) < 0,
               "MLX refuses where padding takes all of x away, however much is padded at the other end", rare=True),
    Difference("spectral", "conv_general", "shape", crops_all, "MLX spreads no element over -1 places", rare=True),
    Difference("spectral", "conv*", "only MLX refuses", float64, "MLX has no grouped or dilated convolutions of float64"),
    Difference("spectral", "conv*", "value", float64, "MLX computes them in float32"),
    Difference("spectral", "conv*", "vjp: shape", cropped_gradient,
               "where strides leave the end of x unread, MLX's gradient has another shape than x"),
    Difference("spectral", "conv*", "vjp: value", cropped_gradient,
               "MLX's values are then not those of differences"),
    Difference("spectral", "fft_stft", "only MLX refuses", lambda case: case.arguments[0].layout[0] != "plain",
               "MLX takes frames of a signal that lies row-major alone, unless it is centered"),
    Difference("spectral", "hadamard_transform", "only MLX refuses", float64, "MLX has no float64 there"),
]
