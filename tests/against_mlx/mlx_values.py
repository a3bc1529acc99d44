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
