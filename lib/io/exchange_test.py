"""Files that NumPy and MLX write are read, and they read what Pons writes: every dtype, byte order and layout."""
import json, os, struct, sys, tempfile, zipfile

if os.environ.get("PONS_SANITIZE"):
    print("skipped: a sanitizer's library can't be loaded into Python")
    sys.exit(77)
import numpy as np

from calls_for_tests import NAMES, bits, load, mx, save


def check(what, have, want):
    assert have == want, f"{what}:\n have {have}\n want {want}"


def numpy_samples():
    rng = np.random.default_rng(7)
    for name in NAMES:
        if name == "bfloat16":
            continue
        for shape in [(), (0,), (5,), (3, 4), (2, 0, 3), (2, 3, 4)]:
            a = (rng.standard_normal(shape) * 50).astype("float64")
            a = (a > 0) if name == "bool" else (a + 1j * a[::-1] if a.ndim else a + 2j).astype(name) if name == "complex64" \
                else np.abs(a).astype(name) if name[0] == "u" else a.astype(name)
            yield name + str(shape), np.asarray(a)


def safetensors_by_hand(folder):
    """dtypes beyond NumPy's, and elements at odd places, as MLX takes them; float64, which MLX refuses."""
    path = os.path.join(folder, "hand.safetensors")
    rng = np.random.default_rng(3)
    data, tensors = b"", {}
    for name, dtype, width in [("odd", "U8", 1), ("half", "F16", 2), ("e4m3", "F8_E4M3", 1), ("whole", "I64", 8), ("e8m0", "F8_E8M0", 1),
                               ("bf", "BF16", 2), ("complex", "C64", 8), ("flags", "BOOL", 1), ("single", "F32", 4), ("wide", "F64", 8)]:
        piece = (rng.integers(0, 2, 3) if name == "flags" else rng.integers(1, 60, 3 * width)).astype("uint8").tobytes()
        tensors[name] = {"dtype": dtype, "shape": [3, 1], "data_offsets": [len(data), len(data) + len(piece)]}
        data += piece
    without = {key: t for key, t in tensors.items() if key != "wide"}

    def write(entries, length):
        header = json.dumps(entries).encode()
        with open(path, "wb") as f:
            f.write(struct.pack("<Q", len(header)) + header + data[:length])

    write(tensors, len(data))
    have = load(path)[0]
    check("float64", have["wide"], ("float64", (3, 1), data[-24:]))
    del have["wide"]
    write(without, len(data) - 24)
    check("without it", load(path)[0], have)
    if mx is not None:
        check("odd places", have, {key: bits(a) for key, a in mx.load(path).items()})
    tensors["half"]["data_offsets"] = [0, 6]
    write(tensors, len(data))
    try:
        load(path)
        raise AssertionError("overlapping tensors were read")
    except ValueError as e:
        assert "overlaps" in str(e), e


def main(folder):
    safetensors_by_hand(folder)
    samples = dict(numpy_samples())
    for key, a in samples.items():
        path = os.path.join(folder, "a.npy")
        variants = [a, np.asfortranarray(a), a.astype(a.dtype.newbyteorder(">")), a[::-1] if a.ndim else a]
        for variant in variants:
            for version in [(1, 0), (2, 0), (3, 0)]:
                with open(path, "wb") as f:
                    np.lib.format.write_array(f, variant, version=version)
                check(key, load(path)[0], {"arr_0": bits(variant)})
        save(path, {"only": a})
        check(key, bits(np.load(path)), bits(a))
        with open(path, "rb") as f:  # NumPy's own rule for where elements begin
            np.lib.format.read_magic(f)
            np.lib.format.read_array_header_1_0(f)
            assert f.tell() % 64 == 0
    wanted = {key: bits(a) for key, a in samples.items()}
    path = os.path.join(folder, "a.npz")
    for write in np.savez, np.savez_compressed:
        write(path, **samples)
        check("npz from NumPy", load(path)[0], wanted)
    np.savez(path, samples["int8(5,)"], samples["float32(5,)"])
    check("positional", list(load(path)[0]), ["arr_0", "arr_1"])
    for compressed in False, True:
        save(path, samples, compressed=compressed)
        with np.load(path) as f:
            check("npz to NumPy", {key: bits(f[key]) for key in f.files}, wanted)
        assert zipfile.ZipFile(path).testzip() is None
    if mx is None:
        return
    ours = {key: mx.array(a) for key, a in samples.items() if a.dtype != np.float64}
    ours["bfloat16"] = mx.array([1.5, -2, 3e38]).astype(mx.bfloat16)
    with mx.stream(mx.cpu):
        ours["strided"] = mx.arange(24).reshape(4, 6)[::2, 1::3]
    wanted = {key: bits(a) for key, a in ours.items()}
    for ending, write in [("npz", mx.savez), ("npz", mx.savez_compressed)]:
        write(path, **ours)
        check("npz from MLX", load(path)[0], wanted)
    path = os.path.join(folder, "a.safetensors")
    mx.save_safetensors(path, ours, {"format": "mlx"})
    loaded, metadata = load(path)
    check("safetensors from MLX", loaded, wanted)
    check("metadata", metadata, {"format": "mlx"})
    mx.save_safetensors(path, ours)
    check("safetensors without metadata", load(path)[0], wanted)
    save(path, ours, {"format": "pons"})
    loaded, metadata = mx.load(path, return_metadata=True)
    check("safetensors to MLX", {key: bits(a) for key, a in loaded.items()}, wanted)
    check("metadata", metadata, {"format": "pons"})
    path = os.path.join(folder, "a.npz")
    save(path, ours)
    check("npz to MLX", {key: bits(a) for key, a in mx.load(path).items()}, wanted)
    path = os.path.join(folder, "a.npy")
    for key, a in ours.items():
        mx.save(path, a)
        check("npy from MLX " + key, load(path)[0], {"arr_0": bits(a)})
        save(path, {"only": a})
        check("npy to MLX " + key, bits(mx.load(path)), bits(a))


with tempfile.TemporaryDirectory() as folder:
    main(folder)
print("files agree with NumPy" + (" and MLX" if mx else ""))
