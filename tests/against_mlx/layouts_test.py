"""Files in the layout of every release: written here byte by byte with nodes of every primitive (nodes.py, writer.py), they
are read by Pons and written by it for the same release, and say the same. The MLX that is there judges its own release: it
reads what Pons wrote and writes it again. PYTHONPATH=folder gives it another one than the newest; docs/files.md tells
what came of those that were tried by hand.
"""
import os
import subprocess
import sys
import tempfile

import nodes
import reader
from mlx_values import import_function, mx
from writer import Writer

PONS = os.environ["PONS_COMMAND"]
# Each release in which something changed, and the one before it.
RELEASES = """0.22.0 0.22.1 0.23.0 0.23.1 0.23.2 0.24.0 0.24.1 0.24.2 0.25.0 0.25.1 0.25.2 0.26.0 0.26.1 0.26.2 0.26.5 0.28.0
0.29.0 0.29.1 0.29.4 0.30.0 0.30.1 0.30.6 0.31.0 0.31.1 0.31.2 0.32.0 0.32.1 0.32.2 0.32.3 0.32.4""".split()
NEWEST = RELEASES[-1]
ON_GPUS = {"RMSNorm", "RMSNormVJP", "LayerNorm", "LayerNormVJP", "RoPE", "ScaledDotProductAttention"}
# MLX can't serialize these, fused gradients among them; Pons writes gradients as what they are made of.
NEVER_IN_FILES = """ScaledDotProductAttentionVJP CrossEntropy CrossEntropyVJP GatedDeltaUpdate GatedDeltaUpdateVJP Contiguous
BitwiseInvert LUF SegmentedMM QQMatmul GatherQQMM ToFP8 FromFP8 Load CustomTransforms Compiled AllReduce AllGather Send Recv
CumLogAddExp""".split()
# MLX leaves it out, or has another name for it when it writes than when it reads.
NOT_WRITTEN_BY_MLX = {"StopGradient", "Scan: logaddexp"}


def label(i):
    name, _, state, *_ = nodes.NODES[i]
    return f"{name}: {state['kind']}" if "kind" in state else name


def chosen(release, gpu):
    """Which nodes a file for this release and device may hold."""
    version = reader.parse_version(release)
    schema = reader.schema_for(version)
    out = []
    for i, (name, _, state, _, *since) in enumerate(nodes.NODES):
        fits = name in schema and version >= (since[0] if since else (0, 0, 0))
        if name == "Convolution" and since and version < (0, 25, 2):
            fits = False
        if name == "DivMod" and version < (0, 32, 2):
            fits = False  # it truncated: written as what it computed
        if name == "Quantize" and state["mode"] == "mxfp4" and version < (0, 29, 0):
            fits = False
        if name == "Quantize" and (state["mode"] != "affine" or state["dequantize"]) and not gpu:
            fits = False  # MLX's CPU has simpler ops for it
        if fits and (gpu or name not in ON_GPUS):
            out.append(i)
    return out


def write(path, release, gpu, which):
    """A function for each node; its inputs are keywords that begin with the node's number."""
    w = Writer(release, device="gpu" if gpu else "cpu")
    for i in which:
        name, operands, state, results, *_ = nodes.NODES[i]
        inputs = {f"n{i:03}_{k}": w.input(d, s) for k, (d, s) in enumerate(operands)} or {f"n{i:03}_": w.input("bool", [])}
        values = list(inputs.values()) if operands else []
        w.function([], w.op(name, values, state, results, device="gpu" if name == "CustomKernel" else None), inputs)
    w.save(path)
    return reader.load(path)


def convert(old, new, release, gpu):
    words = [PONS, "convert", old, new, "--release", release] + ["--gpu"] * gpu
    if reader.parse_version(release) < (0, 32, 1):
        words.append("--no-metadata")
    return subprocess.run(words, capture_output=True, text=True)


def differences(which, want, got):
    a, b = reader.content(want), reader.content(got)
    if a[:2] != b[:2] or len(a) != len(b):
        return ["the headers differ"]
    return [f"{label(i)}: {y[2]} instead of {x[2]}" for i, x, y in zip(which, a[2:], b[2:]) if x != y]


def known(folder):
    """The nodes that Pons has; what it lacks is told."""
    path, out, lacking = os.path.join(folder, "one.mlxfn"), [], set()
    for i in range(len(nodes.NODES)):
        release = "0.28.0" if nodes.NODES[i][0] == "AffineQuantize" else NEWEST
        write(path, release, True, [i])
        done = convert(path, os.path.join(folder, "again.mlxfn"), release, True)
        if done.returncode == 0:
            out.append(i)
        elif "this version of Pons has no such primitive" in done.stderr:
            lacking.add(nodes.NODES[i][0])
        else:
            out.append(i)
            print(f"{label(i)}: {done.stderr.strip()}")
    if lacking:
        print("left out for want of a primitive:", " ".join(sorted(lacking)))
    return set(out)


def check_release(folder, release, gpu, have):
    old, new = os.path.join(folder, "old.mlxfn"), os.path.join(folder, "new.mlxfn")
    which = [i for i in chosen(release, gpu) if i in have]
    want = write(old, release, gpu, which)
    done = convert(old, new, release, gpu)
    if done.returncode:
        return [done.stderr.strip()], 0
    got = reader.load(new)
    wrong = reader.check(got) + differences(which, want, got)
    if mx and release == mx.__version__:
        wrong += judge(folder, new, which, got)
    return wrong, len(which)


def judge(folder, path, which, doc):
    """MLX reads the file, and writes each function again as it stands there."""
    again, wrong = os.path.join(folder, "mlx.mlxfn"), []
    try:
        f = import_function(path)
    except Exception as e:  # in many ways
        return [f"MLX: {e}"]
    one = reader.content(doc)
    for k, i in enumerate(which):
        if label(i) in NOT_WRITTEN_BY_MLX:
            continue
        fn = doc["functions"][k]
        inputs = {key: mx.zeros(s, getattr(mx, d if d != "bool" else "bool_"))
                  for key, (s, d) in zip(fn["kwarg_keys"], fn["inputs"])}
        try:
            mx.export_function(again, lambda **kw: f(**kw), **inputs)
            if reader.content(reader.load(again))[2] != one[2 + k]:
                wrong.append(f"{label(i)}: MLX writes {reader.content(reader.load(again))[2]}, read from {one[2 + k]}")
        except Exception as e:  # in many ways
            wrong.append(f"{label(i)}: MLX: {type(e).__name__}: {e}")
    return wrong


def check_unknown(folder):
    """What MLX never writes is refused with its name."""
    path, wrong = os.path.join(folder, "unknown.mlxfn"), []
    for name in NEVER_IN_FILES:
        w = Writer(NEWEST)
        w.schema[name] = []
        x = w.input("float32", [2])
        w.function([x], w.op(name, [x], {}, [("float32", [2])]))
        w.save(path)
        done = subprocess.run([PONS, "show", path], capture_output=True, text=True)
        if done.returncode == 0 or f"unknown primitive '{name}'" not in done.stderr:
            wrong.append(f"{name}: {done.stderr.strip()}")
    return wrong


def main():
    count = failed = 0
    names = {n[0] for n in nodes.NODES} | {"Copy"}  # Copy is left out in writing, by MLX and here
    for version in RELEASES:
        lacking = set(reader.schema_for(reader.parse_version(version))) - names
        if lacking:
            print(f"{version}: no node of {sorted(lacking)}")
            failed += 1
    with tempfile.TemporaryDirectory() as folder:
        have = known(folder)
        for w in check_unknown(folder):
            print(w)
            failed += 1
        for release in RELEASES:
            for gpu in False, True:
                wrong, n = check_release(folder, release, gpu, have)
                count += n
                failed += bool(wrong)
                for w in wrong[:6]:
                    print(f"{release}{' gpu' if gpu else ''}: {w}")
    print(f"{count} nodes in the layouts of {len(RELEASES)} releases, read and written again; {failed} files differ; "
          f"judge: {'MLX ' + mx.__version__ if mx else 'none'}")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
