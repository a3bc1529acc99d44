"""The whole op table: every conformance case in all its dtypes, written by Pons to a file, gives in the
interpreter and in MLX what Pons computed."""
import json
import os
import subprocess
import sys
import tempfile

import interpreter
import reader
from mlx_values import as_value, mx
from quantized_cases import adds_up_in_halves

# What MLX can't do on a CPU, although it reads it.
MLX_LACKS = ("[Convolution::eval] got unsupported data type", "[hadamard] Unsupported type.", "only supports float32 or float64.")

PROGRAM = os.path.join(os.environ["PONS_BUILD_DIR"], "tests", "op_table_test")
PONS = os.environ["PONS_COMMAND"]


def run(call, c, data):
    try:
        return call([data[a] for a in c["args"]]), None
    except Exception as e:  # what refuses a file says so in many ways
        return None, f"{type(e).__name__}: {e}"


def compare(who, name, c, got, why, recorded):
    if why:
        return [f"{name} {c['dtype']}: {who}: {why}"]
    out = []
    for j, (g, key) in enumerate(zip(got, c["outputs"], strict=True)):
        d = interpreter.difference(recorded[key], g, c["rtol"], c["atol"])
        if d:
            out.append(f"{name} {c['dtype']}: result {j} against {who}: {d}")
    return out


def check(folder, entry):
    path = os.path.join(folder, entry["file"])
    recorded = interpreter.load_npz(os.path.join(folder, entry["data"]))
    doc = reader.load(path)
    wrong = [f"{entry['name']}: {w}" for w in reader.check(doc)]
    if mx:
        f, arrays = mx.import_function(path), mx.load(os.path.join(folder, entry["data"]))
    for c in entry["calls"]:
        got, why = run(lambda args: interpreter.call(doc, args, {}), c, recorded)
        wrong += compare("the interpreter", entry["name"], c, got, why, recorded)
        if mx and not adds_up_in_halves(entry["name"].split("-", 1)[1], c["dtype"]):
            got, why = run(lambda args: [as_value(g) for g in f(*args)], c, arrays)
            if why and any(text in why for text in MLX_LACKS):
                continue
            wrong += compare("MLX", entry["name"], c, got, why, recorded)
    return wrong


def main():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([PROGRAM, folder], check=True, stdout=subprocess.DEVNULL)
        manifest = os.path.join(folder, "manifest.json")
        verified = subprocess.run([PONS, "verify", manifest], capture_output=True, text=True)
        wrong = [line for line in verified.stdout.splitlines() if line.startswith("FAILED")]
        entries = json.load(open(manifest, encoding="utf-8"))
        for entry in entries:
            wrong += check(folder, entry)
    for w in wrong:
        print(w)
    calls = sum(len(e["calls"]) for e in entries)
    who = f"the interpreter and MLX {mx.__version__}" if mx else "the interpreter (there is no MLX)"
    print(f"{len(entries)} cases, {calls} calls, against {who}: {len(wrong)} differ")
    return len(wrong) > 0


if __name__ == "__main__":
    sys.exit(main())
