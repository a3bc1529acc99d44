"""MLX, if this Python has it (mx is None otherwise), and its arrays as the interpreter has values."""
import numpy as np

try:
    import mlx.core as mx
    mx.set_default_device(mx.cpu)
except ImportError:
    mx = None


def as_value(a):
    name = {"bool_": "bool"}.get(str(a.dtype).split(".")[-1], str(a.dtype).split(".")[-1])
    return np.array(a.astype(mx.float32) if name == "bfloat16" else a), name


def import_function(path):
    """MLX's, on a machine without a GPU: it refuses a file with GPU nodes once, and has their stream from then on."""
    try:
        return mx.import_function(path)
    except ValueError as e:
        if "Cannot make gpu stream" not in str(e):
            raise
        return mx.import_function(path)
