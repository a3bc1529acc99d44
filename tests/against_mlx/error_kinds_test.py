"""Wrong calls are of the kind that MLX's exceptions have: where MLX raises an IndexError there is PONS_ERROR_INDEX, and so on."""
import os
import sys
import tempfile

if os.environ.get("PONS_SANITIZE"):
    print("skipped: a sanitizer's library can't be loaded into Python")
    sys.exit(77)
from mlx_values import mx

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "differential"))
from binding import PonsError, load  # noqa: E402

pons = load()

KINDS = {"VALUE": ValueError, "TYPE": TypeError, "INDEX": IndexError, "MEMORY": MemoryError, "OVERFLOW": OverflowError,
         "RUNTIME": RuntimeError}
TYPES = {pons.headers.enums["PONS_ERROR_" + name]: kind for name, kind in KINDS.items()}
DIRECTORY = tempfile.TemporaryDirectory()
BROKEN = os.path.join(DIRECTORY.name, "broken")
for ending in (".npy", ".safetensors", ".mlxfn"):
    with open(BROKEN + ending, "wb") as file:
        file.write(b"no such format " * 20)


def cases():
    """The name of each case, MLX's call and ours; x is (3), m is (2, 3), both float32; i is (1) int32 zeros."""
    x, m, i = mx.array([1.0, 2.0, 3.0]), mx.zeros((2, 3)), mx.array([0])
    c = x.astype(mx.complex64)
    p = pons
    px, pm, pi = p.arange(1.0, 4.0, 1.0, "float32"), p.zeros([2, 3], "float32"), p.zeros([1], "int32")
    pc = p.astype(px, "complex64")
    square = p.zeros([2, 2], "float32")
    cpu = {"stream": mx.cpu}
    return [
        # axes and indices
        ("sum", lambda: mx.sum(x, axis=3), lambda: p.sum(px, axes=[3])),
        ("softmax", lambda: mx.softmax(x, axis=-4), lambda: p.softmax(px, axes=[-4])),
        ("expand_dims", lambda: mx.expand_dims(x, 5), lambda: p.expand_dims(px, [5])),
        ("squeeze", lambda: mx.squeeze(x, 3), lambda: p.squeeze(px, [3])),
        ("squeeze a size", lambda: mx.squeeze(x, 0), lambda: p.squeeze(px, [0])),
        ("transpose", lambda: mx.transpose(x, (4,)), lambda: p.transpose(px, axes=[4])),
        ("transpose twice", lambda: mx.transpose(m, (0, 0)), lambda: p.transpose(pm, axes=[0, 0])),
        ("moveaxis", lambda: mx.moveaxis(m, 0, 5), lambda: p.moveaxis(pm, 0, 5)),
        ("swapaxes", lambda: mx.swapaxes(m, 0, 5), lambda: p.swapaxes(pm, 0, 5)),
        ("concatenate axis", lambda: mx.concatenate([m, m], axis=4), lambda: p.concatenate([pm, pm], 4)),
        ("concatenate", lambda: mx.concatenate([m, x]), lambda: p.concatenate([pm, px], 0)),
        ("split", lambda: mx.split(x, 3, axis=4), lambda: p.split(px, 3, 4, out=3)),
        ("split sizes", lambda: mx.split(x, 2), lambda: p.split(px, 2, 0, out=2)),
        ("sort", lambda: mx.sort(x, axis=3), lambda: p.sort(px, 3)),
        ("cumsum", lambda: mx.cumsum(x, axis=3), lambda: p.cumsum(px, axis=3)),
        ("argmax", lambda: mx.argmax(x, axis=4), lambda: p.argmax(px, 4, False)),
        ("argmax of nothing", lambda: mx.argmax(mx.zeros((0,))), lambda: p.argmax(p.zeros([0], "float32"), 0, False)),
        ("take", lambda: mx.take(x, i, axis=3), lambda: p.take(px, pi, 3)),
        ("take of floats", lambda: mx.take(x, x), lambda: p.take(px, px, 0)),
        ("take_along_axis", lambda: mx.take_along_axis(x, i, axis=3), lambda: p.take_along_axis(px, pi, 3)),
        ("repeat", lambda: mx.repeat(x, 2, axis=4), lambda: p.repeat(px, 2, 4)),
        ("stack", lambda: mx.stack([x], axis=5), lambda: p.stack([px], 5)),
        ("roll", lambda: mx.roll(x, 1, axis=4), lambda: p.roll(px, [1], axes=[4])),
        ("var", lambda: mx.var(x, axis=4), lambda: p.var(px, axes=[4])),
        ("fft", lambda: mx.fft.fft(x, axis=5), lambda: p.fft_fft(px, axis=[5])),
        ("fft size", lambda: mx.fft.fft(x, n=-1), lambda: p.fft_fft(px, n=-1)),
        # dtypes and shapes
        ("reshape", lambda: x.reshape(2, 2), lambda: p.reshape(px, [2, 2])),
        ("broadcast_to", lambda: mx.broadcast_to(x, (2, 2)), lambda: p.broadcast_to(px, [2, 2])),
        ("add", lambda: m + mx.zeros((5,)), lambda: p.add(pm, p.zeros([5], "float32"))),
        ("matmul", lambda: m @ m, lambda: p.matmul(pm, pm)),
        ("negative size", lambda: mx.zeros((-1,)), lambda: p.zeros([-1], "float32")),
        ("negative of bools", lambda: -mx.array(True), lambda: p.negative(True)),
        ("bits of floats", lambda: mx.bitwise_and(x, x), lambda: p.bitwise_and(px, px)),
        ("bits of complex numbers", lambda: mx.bitwise_xor(c, c), lambda: p.bitwise_xor(pc, pc)),
        ("shift of floats", lambda: mx.left_shift(x, x), lambda: p.left_shift(px, px)),
        ("inverted floats", lambda: mx.bitwise_invert(x), lambda: p.bitwise_invert(px)),
        ("floor of complex numbers", lambda: mx.floor(c), lambda: p.floor(pc)),
        ("arange", lambda: mx.arange(0, 1, 0.0), lambda: p.arange(0.0, 1.0, 0.0, "float32")),
        ("item", lambda: x.item(), lambda: p.item(px)),
        ("finfo", lambda: mx.finfo(mx.int32), lambda: p.finfo("int32")),
        ("inv of a vector", lambda: mx.linalg.inv(x, **cpu), lambda: p.linalg_inv(px)),
        ("inv of integers", lambda: mx.linalg.inv(mx.zeros((2, 2), mx.int32), **cpu), lambda: p.linalg_inv(p.zeros([2, 2], "int32"))),
        ("quantize", lambda: mx.quantize(mx.zeros((4, 65))), lambda: p.quantize(p.zeros([4, 65], "float32"), out=3)),
        ("searchsorted", lambda: mx.searchsorted(m, x), lambda: p.searchsorted(pm, px, False)),
        # what the computation tells, files, devices
        ("inv of a singular matrix", lambda: mx.linalg.inv(mx.zeros((2, 2)), **cpu), lambda: p.linalg_inv(square)),
        ("svd of NaN", lambda: mx.linalg.svd(mx.full((2, 2), float("nan")), **cpu),
         lambda: p.linalg_svd(p.full([2, 2], float("nan")), True, out=3)),
        ("no file", lambda: mx.load("/nonexistent.npy"), lambda: p.load("/nonexistent.npy")),
        ("no format", lambda: mx.load("/nonexistent.zzz"), lambda: p.save_array("/nonexistent.zzz", px)),
        ("broken .npy", lambda: mx.load(BROKEN + ".npy"), lambda: p.load(BROKEN + ".npy")),
        ("broken .safetensors", lambda: mx.load(BROKEN + ".safetensors"), lambda: p.load(BROKEN + ".safetensors")),
        ("no .mlxfn", lambda: mx.import_function("/nonexistent.mlxfn"), lambda: p.import_function("/nonexistent.mlxfn")),
        ("broken .mlxfn", lambda: mx.import_function(BROKEN + ".mlxfn"), lambda: p.import_function(BROKEN + ".mlxfn")),
        ("no folder", lambda: mx.save("/nonexistent/x.npy", x), lambda: p.save_array("/nonexistent/x.npy", px)),
        ("sizes", lambda: mx.zeros((2**31,)), lambda: p.zeros([2**62], "float32")),
    ]


def raised(call):
    """The type of MLX's exception; evaluates what comes back."""
    try:
        mx.eval(call())
    except Exception as e:  # pylint: disable=broad-exception-caught
        return type(e), str(e)
    return None, "no error"


def ours(call):
    pons.clear_error()
    try:
        made = call()
        for a in made if isinstance(made, list) else [made]:
            if hasattr(a, "handle"):
                pons.data(a)
    except PonsError:
        pass
    kind, text = pons.plain["pons_last_error_kind"](), pons.plain["pons_error"]()
    return TYPES.get(kind), text.decode() if text else "no error"


def main():
    mx.set_default_device(mx.cpu)
    wrong = 0
    with pons.scope():
        table = cases()
        for name, mlx_call, pons_call in table:
            (expected, text), (got, our_text) = raised(mlx_call), ours(pons_call)
            if expected is None or got is not expected:
                wrong += 1
                print(f"{name}: MLX {expected and expected.__name__} ({text[:60]}), Pons {got and got.__name__} ({our_text[:60]})")
    if wrong:
        sys.exit(f"{wrong} calls are of another kind")
    print(f"{len(table)} wrong calls")


main()
