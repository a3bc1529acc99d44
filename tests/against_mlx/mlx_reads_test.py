"""MLX runs what Pons wrote: every file of tests/fixtures that Pons can run, written again, gives the recorded
outputs. They are written for the release of the MLX that is there: PYTHONPATH=folder gives it another one."""
import json
import os
import subprocess
import sys
import tempfile

import interpreter
import reader

from mlx_values import as_value, import_function, mx

FIXTURES = os.path.join(os.environ["PONS_SOURCE_DIR"], "tests", "fixtures")
PONS = os.environ["PONS_COMMAND"]



def convert(name, folder):
    path = os.path.join(folder, name + ".mlxfn")
    words = [PONS, "convert", os.path.join(FIXTURES, name + ".mlxfn"), path, "--release", mx.__version__]
    if reader.parse_version(mx.__version__) < (0, 32, 1):
        words.append("--no-metadata")
    done = subprocess.run(words, capture_output=True, text=True)
    return path if done.returncode == 0 else None, done.stderr.strip()


def check(entry, path):
    wrong = reader.check(reader.load(path))
    data = mx.load(os.path.join(FIXTURES, entry["data"]))
    recorded = interpreter.load_npz(os.path.join(FIXTURES, entry["data"]))
    f = import_function(path)
    for k, c in enumerate(entry["calls"]):
        got = f(*[data[a] for a in c["args"]], **{n: data[a] for n, a in c["kwargs"].items()})
        for j, (g, key) in enumerate(zip(got, c["outputs"], strict=True)):
            d = interpreter.difference(as_value(g), recorded[key], c["rtol"], c["atol"])
            if d:
                wrong.append(f"call {k} output {j}: {d}")
    return wrong


def main():
    if not mx:
        print("skipped: no mlx in this Python (./do deps makes one)")
        return 77
    entries = json.load(open(os.path.join(FIXTURES, "manifest.json"), encoding="utf-8"))
    agree = failed = left_out = 0
    with tempfile.TemporaryDirectory() as folder:
        for entry in entries:
            name = entry["name"]
            path, why = convert(name, folder)
            if not path:
                if "this version of Pons has no such primitive" not in why:
                    print(f"{name}: {why}")
                    failed += 1
                left_out += 1
                continue
            try:
                wrong = check(entry, path)
            except Exception as e:  # what MLX refuses it says in many ways
                wrong = [f"{type(e).__name__}: {e}"]
            agree += not wrong
            failed += bool(wrong)
            for w in wrong[:4]:
                print(f"{name}: {w}")
    print(f"{agree} files written by Pons run in MLX {mx.__version__} and agree, {failed} do not, "
          f"{left_out} left out")
    return failed > 0 or agree < 45


if __name__ == "__main__":
    sys.exit(main())
