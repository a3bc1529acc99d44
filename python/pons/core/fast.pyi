"""Operations that devices may have a kernel for, and kernels of your own."""

# Written by tools/python-stubs from the module's docstrings.

from collections.abc import Sequence
from pons.core import StreamOrDevice, array

def cross_entropy(logits: array, targets: array, *, stream: StreamOrDevice = None) -> array:
    """logsumexp(logits) - logits[target] over the last axis."""

def cuda_kernel(name: str, input_names: Sequence[str], output_names: Sequence[str], source: str, header: str = '', ensure_row_contiguous: bool = True, shared_memory: int = 0) -> object:
    """A kernel from the body of a function in CUDA C; its signature is written around it."""

def gated_delta_update(q: array, k: array, v: array, gamma: array, beta: array, initial_state: array | None = None, mask: array | None = None, stream: StreamOrDevice = None) -> list[array]:
    """The gated delta rule, step by step: the results and the last state."""

def gpu_kernel(name: str, input_names: Sequence[str], output_names: Sequence[str], source: str, header: str = '', ensure_row_contiguous: bool = True) -> object:
    """A kernel from the body of a function in the dialect of Pons' own kernels: the same on every GPU and OpenCL device."""

def layer_norm(x: array, weight: array | None, bias: array | None, eps: float, *, stream: StreamOrDevice = None) -> array:
    """x less its mean, over its standard deviation, along the last axis; times weight, plus bias."""

def metal_kernel(name: str, input_names: Sequence[str], output_names: Sequence[str], source: str, header: str = '', ensure_row_contiguous: bool = True, atomic_outputs: bool = False, compile_options: object | None = None) -> object:
    """A kernel from the body of a function in the Metal Shading Language; its signature is written around it."""

def precompiled_cuda_kernel(*, name: str, compiled_source: bytes, inputs: object, output_shapes: object, output_dtypes: object, scalars: object, grid: object, threadgroup: object, shared_memory: int = 0, init_value: float | None = None, ensure_row_contiguous: bool = False, stream: StreamOrDevice = None) -> list[array]:
    """Runs a function of PTX or a cubin with the pointers of inputs and results and the scalars."""

def rms_norm(x: array, weight: array | None, eps: float, *, stream: StreamOrDevice = None) -> array:
    """x over its root mean square along the last axis, times weight."""

def rope(a: array, dims: int, *, traditional: bool, base: float | None, scale: float, offset: int | array, freqs: array | None = None, stream: StreamOrDevice = None) -> array:
    """Rotary positions on the first `dims` of the last axis; either base or freqs is given."""

def scaled_dot_product_attention(q: array, k: array, v: array, *, scale: float, mask: None | str | array = None, sinks: array | None = None, force_fused: bool = False, stream: StreamOrDevice = None) -> array:
    """softmax(scale q k^T + mask) v over (batch, heads, length, dim); mask may be 'causal'."""
