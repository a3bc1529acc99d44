"""GGUF against MLX (what mx.load makes of a file, what mx.save_gguf writes) and against gguf, ggml's own package in NumPy."""
import os, sys, tempfile

if os.environ.get("PONS_SANITIZE"):
    print("skipped: a sanitizer's library can't be loaded into Python")
    sys.exit(77)
import numpy as np

from calls_for_tests import bits, load, mx, save

try:
    import gguf
    from gguf import GGMLQuantizationType as Type, quants
except ImportError:
    gguf = None
    print("no package gguf here: the types that MLX lacks are not compared")
if mx is None and gguf is None:
    sys.exit(77)


def check(what, have, want):
    assert have == want, f"{what}:\n have {have}\n want {want}"


def numbers(array):
    name, shape, data = array
    if name == "bfloat16":
        return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4").reshape(shape)
    return np.frombuffer(data, name).reshape(shape)


def mlx_writes(folder):
    path = os.path.join(folder, "mlx.gguf")
    arrays = {"a.weight": mx.arange(12, dtype=mx.float32).reshape(3, 4), "half": mx.array([1.5, -2], dtype=mx.float16),
              "bytes": mx.array([-3, 4], dtype=mx.int8), "short": mx.array([[5], [-6]], dtype=mx.int16),
              "int": mx.array(7, dtype=mx.int32)}
    metadata = {"text": "a text", "list": ["one", "", "three"], "f": mx.array(1.5), "ints": mx.array([1, -2, 3], dtype=mx.int64),
                "flag": mx.array(True), "flags": mx.array([True, False]), "bytes": mx.array([1, 2], dtype=mx.uint8)}
    mx.save_gguf(path, arrays, metadata)
    have, have_metadata = load(path)
    check("from MLX", have, {key: bits(a) for key, a in arrays.items()})
    check("metadata from MLX", have_metadata, {k: v if isinstance(v, (str, list)) else bits(v) for k, v in metadata.items()})
    save(path, arrays, metadata)
    have, have_metadata = mx.load(path, return_metadata=True)
    check("to MLX", {key: bits(a) for key, a in have.items()}, {key: bits(a) for key, a in arrays.items()})
    check("metadata to MLX", {k: v if isinstance(v, (str, list)) else bits(v) for k, v in have_metadata.items()},
          {k: v if isinstance(v, (str, list)) else bits(v) for k, v in metadata.items()})


def own_round_trip(folder):
    """What MLX can't write."""
    path = os.path.join(folder, "own.gguf")
    arrays = {"bf": ("bfloat16", (2,), b"\x80\x3f\x00\xc0"), "f64": np.array([1.1, 2.2]), "i64": np.array([[2**40]]),
              "none": np.zeros((2, 0, 3), "float32"), "scalar": np.array(2.5, "float32"),
              "deep": np.arange(64, dtype="int8").reshape(1, 2, 2, 2, 2, 2, 2)}
    metadata = {"u16": np.array(65535, "uint16"), "u64": np.array(2**63, "uint64"), "f64": np.array([0.1]), "none": [],
                "general.alignment": np.array(64, "uint32"), "no numbers": np.zeros(0, "int32")}
    save(path, arrays, metadata)
    have, have_metadata = load(path)
    check("own", have, {key: bits(a) for key, a in arrays.items()})
    check("own metadata", have_metadata, {k: v if isinstance(v, (str, list)) else bits(v) for k, v in metadata.items()})
    for bad, why in [({"x": np.zeros(2, "uint8")}, 'save: "x": GGUF holds no uint8'),
                     ({"x": np.zeros(2, "complex64")}, 'save: "x": GGUF holds no complex64'),
                     ({"x": np.zeros((1,) * 9, "int8")}, 'save: "x" has 9 axes; GGUF holds 8')]:
        try:
            save(path, bad)
            raise AssertionError("saved " + why)
        except ValueError as e:
            check("refused", str(e), why)
    check("left as it was", load(path)[0], have)


def write(path, tensors, kinds, for_mlx=True):
    """A file of ggml's: `tensors` are floats, or raw blocks (uint8) for a type in `kinds`."""
    writer = gguf.GGUFWriter(path, "test")
    for key, a in tensors.items():
        kind = kinds[key]
        writer.add_tensor(key, a, raw_dtype=kind)
    writer.add_string("general.name", "é")
    writer.add_array("tokens", ["a", "b", ""])
    writer.add_array("scores", [0.5, -1.5])
    writer.add_uint64("big", 2**40)
    if not for_mlx:  # mx.load crashes
        writer.add_float64("double", 0.1)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def random_blocks(rng, kind, rows, blocks):
    """Any bytes are blocks; scales are kept where float16 holds the values."""
    values, width = gguf.GGML_QUANT_SIZES[kind]
    b = rng.integers(0, 256, (rows, blocks, width), dtype=np.uint8)
    where = {"Q5_0": [0], "Q5_1": [0, 2], "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
             "IQ4_NL": [0], "IQ4_XS": [0], "TQ1_0": [52], "TQ2_0": [64], "Q4_0": [0], "Q4_1": [0, 2], "Q8_0": [0]}.get(kind.name, [])
    for at in where:
        b[:, :, at:at + 2] = (rng.standard_normal((rows, blocks, 1)) * 0.1).astype("<f2").view(np.uint8)
    if kind.name == "Q8_K":
        b[:, :, :4] = rng.standard_normal((rows, blocks, 1)).astype("<f4").view(np.uint8)
    if kind.name == "MXFP4":
        b[:, :, 0] = rng.integers(100, 150, (rows, blocks))
    return b.reshape(rows, blocks * width)


def unpacked(triple, bits_each):
    """The integers in packed weights."""
    w = numbers(triple)
    each = 32 // bits_each
    q = (w[..., None] >> (np.arange(each, dtype="uint32") * bits_each)) & (2**bits_each - 1)
    return q.reshape(*w.shape[:-1], -1).astype("float32")


def ggml_writes(folder):
    path = os.path.join(folder, "ggml.gguf")
    seed = int(os.environ.get("PONS_SEED", "11"))
    print("seed", seed)
    rng = np.random.default_rng(seed)
    names = ["Q4_0", "Q4_1", "Q8_0", "Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "Q8_K", "IQ4_NL", "IQ4_XS", "TQ1_0",
             "TQ2_0", "MXFP4"]
    kinds, tensors = {}, {}
    for name in names:
        if not hasattr(Type, name):
            continue
        kind = Type[name]
        key = f"blk.{name}.weight"
        kinds[key] = kind
        tensors[key] = random_blocks(rng, kind, 3, 2)
    write(path, tensors, kinds, for_mlx=False)
    have, metadata = load(path)
    check("text", metadata["general.name"], "é")
    check("list", metadata["tokens"], ["a", "b", ""])
    check("numbers", metadata["scores"], bits(np.array([0.5, -1.5], "float32")))
    check("big", metadata["big"], bits(np.array(2**40, "uint64")))
    check("double", metadata["double"], bits(np.array(0.1)))
    compared = 0
    for key, kind in kinds.items():
        try:
            want = quants.dequantize(tensors[key], kind)
        except NotImplementedError:
            if kind.name != "Q8_K":
                print("not compared:", kind.name)
                continue
            b = tensors[key].reshape(-1, 292)
            want = (b[:, :4].copy().view("<f4") * b[:, 4:260].view("int8")).reshape(3, -1)
        stem = key[: -len(".weight")]
        if kind.name in ("Q4_0", "Q4_1", "Q8_0"):
            q = unpacked(have[key], 8 if kind.name == "Q8_0" else 4)
            scales, biases = (np.repeat(numbers(have[stem + part]).astype("float32"), 32, axis=-1) for part in (".scales", ".biases"))
            got = scales * q + biases
        elif kind.name == "MXFP4":
            table = np.array([0, .5, 1, 1.5, 2, 3, 4, 6, 0, -.5, -1, -1.5, -2, -3, -4, -6])
            got = table[unpacked(have[key], 4).astype(int)] * np.exp2(np.repeat(numbers(have[stem + ".scales"]), 32, axis=-1) - 127.)
        else:
            check(key, have[key][0], "float32" if kind.name == "Q8_K" else "float16")
            with np.errstate(over="ignore"):
                want = want if kind.name == "Q8_K" else want.astype("float16")
            got = numbers(have[key])
        # One rounding of float16 apart at most: the order of products is not part of the format.
        np.testing.assert_allclose(got.astype("float64"), want.astype("float64"), rtol=2e-3, atol=4e-3, err_msg=key)
        compared += 1
    print(compared, "types agree with ggml's package")
    again = os.path.join(folder, "again.gguf")
    exact = {key for key, kind in kinds.items() if kind.name in ("Q4_0", "Q4_1", "Q8_0", "MXFP4")}
    stems = {key[: -len(".weight")] for key in exact}
    save(again, {key: a for key, a in have.items() if key.rsplit(".", 1)[0] in stems})
    for tensor in gguf.GGUFReader(again).tensors:
        check("type of " + tensor.name, tensor.tensor_type, kinds[tensor.name])
        check("blocks of " + tensor.name, tensor.data.tobytes(), tensors[tensor.name].tobytes())
        exact.discard(tensor.name)
    assert not exact, exact
    if mx is None:
        return
    mlx_has = {key: t for key, t in tensors.items() if kinds[key].name in ("Q4_0", "Q4_1", "Q8_0", "Q2_K", "Q4_K", "Q6_K")}
    mlx_has["projection"], kinds["projection"] = tensors["blk.Q4_1.weight"], Type.Q4_1
    write(path, mlx_has, kinds)
    have, metadata = load(path)
    want, want_metadata = mx.load(path, return_metadata=True)
    for key, a in have.items():
        if key.startswith("projection."):  # MLX cuts seven letters off any name; Pons those of ".weight" alone
            continue
        if a[0] == "float16" and key.endswith(".weight"):
            same = np.ones(512, bool)
            if "Q4_K" in key:  # MLX gives the high nibbles, every other 32 values, the scale of the low ones
                same = np.arange(512) % 64 < 32
            np.testing.assert_allclose(numbers(a)[:, same], np.array(want[key])[:, same], rtol=2e-3, atol=4e-3, err_msg=key)
            continue
        check("as mx.load: " + key, a, bits(want[key]))
    assert {"projection", "projection.scales", "projection.biases"} <= set(have)
    save(again, have)
    for key, a in mx.load(again).items():
        if key in have:
            check("written again: " + key, bits(a), have[key])


def what_mlx_loses(folder):
    """Tensors of types that MLX doesn't know, and all behind them, are missing from mx.load, without an error."""
    path = os.path.join(folder, "lost.gguf")
    floats = np.arange(64, dtype="float32").reshape(1, 64)
    write(path, {"first": floats, "second": np.zeros((1, 34), np.uint8), "third": floats},
          {"first": Type.F32, "second": Type.MXFP4, "third": Type.F32})
    if mx is not None:
        check("MLX", sorted(mx.load(path)), ["first"])
    check("Pons", sorted(load(path)[0]), ["first", "second", "second.scales", "third"])
    data = bytearray(open(path, "rb").read())
    at = data.index(b"second") + 6 + 4 + 16
    data[at] = 99
    open(path, "wb").write(data)
    try:
        load(path)
        raise AssertionError("an unknown type was read")
    except ValueError as e:
        check("unknown type", str(e).split("gguf: ")[1], f'byte {at}: tensor "second" has type 99, which is not supported')
    # bfloat16 beyond float16's range is infinite in mx.load.
    write(path, {"large": np.array([[0x80, 0x7e]], np.uint8)}, {"large": Type.BF16})
    if mx is not None:
        assert np.isinf(np.array(mx.load(path)["large"])).all()
    check("bfloat16", load(path)[0]["large"], ("bfloat16", (1, 1), b"\x80\x7e"))


with tempfile.TemporaryDirectory() as folder:
    if mx is not None:
        mlx_writes(folder)
    own_round_trip(folder)
    if gguf is not None:
        ggml_writes(folder)
        what_mlx_loses(folder)
print("gguf files agree")
