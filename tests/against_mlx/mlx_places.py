"""What the cases of tests/conformance_places.c are in MLX: x[...], x[...] = v, x.at[...], and slices at computed places."""
from mlx_values import mx


def put(x, where, value):
    y = mx.array(x)
    y[where] = value
    return y


def at(x, where, modes, value):
    return [getattr(x.at[where], mode)(value) for mode in modes]


def every_second(shape):
    size = 1
    for n in shape:
        size *= n
    return [i for i in range(size) if i % 2 == 0]


def get_mask(x):
    return mx.take(x.reshape(x.shape[0], -1), mx.array(every_second(x.shape[1:])), axis=1)


def add_at_mask(x, m, v):
    return mx.where(m, x + put(x, m, v), x)


def cases():
    rest, back = slice(None), slice(None, None, -1)
    first = slice(1, 3)
    return {
        "get-slices": lambda x: x[-1, None, 1::2, ::-1], "get-ellipsis": lambda x: x[..., None, 1], "get-array": lambda x, i: x[i],
        "get-arrays-apart": lambda x, i, j: x[i, :, j], "get-arrays-inside": lambda x, i, j: x[::-1, i, j, None],
        "get-array-and-integer": lambda x, i: x[:, 1, i], "get-mask": get_mask,
        "put-slices": lambda x, v: put(x, (back, 1, slice(1, 4, 2)), v), "put-whole": lambda x, v: put(x, ..., v),
        "put-array": lambda x, i, v: put(x, (rest, mx.argsort(i)), v),
        "put-array-and-slice": lambda x, i, v: put(x, (first, mx.argsort(i), 0), v),
        "put-mask": put, "put-a-value-for-each-true-place": lambda x, v: put(x, mx.array([True, False, True, False]), v),
        "put-add-put-subtract": lambda x, i, v: at(x, i, ["add", "subtract"], v),
        "put-maximum-put-minimum": lambda x, i, v: at(x, i, ["maximum", "minimum"], v),
        "put-multiply-put-divide": lambda x, i, v: at(x, i, ["multiply", "divide"], v),
        "put-add-put-multiply-slices": lambda x, v: at(x, (first, back), ["add", "multiply"], v),
        "put-maximum-put-minimum-slices": lambda x, v: at(x, (first, back), ["maximum", "minimum"], v),
        "put-add-mask": add_at_mask, "masked-scatter-of-two-axes": put,
        "slice-dynamic": lambda x, i: mx.slice(x, i, (2, 0), (2, 3, 2)),
        "slice-update-dynamic": lambda x, v, i: mx.slice_update(x, v, i, (-1,)),
        "gather-indices-of-two-dtypes": lambda x, i, j: x[i, j][:, None, None],
        "compress": lambda x: x[mx.array([0, 2])], "repeat-each": lambda x: x[:, mx.array([1, 2, 2, 3, 3, 3])],
    }
