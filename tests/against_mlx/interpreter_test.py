"""The interpreter agrees with what MLX recorded for its own files."""
import json
import os
import sys

import interpreter
import reader

FIXTURES = os.path.join(os.environ["PONS_SOURCE_DIR"], "tests", "fixtures")


def check(entry):
    doc = reader.load(os.path.join(FIXTURES, entry["file"]))
    wrong = reader.check(doc)
    data = interpreter.load_npz(os.path.join(FIXTURES, entry["data"]))
    for c in entry["calls"]:
        kwargs = {n: data[k] for n, k in c["kwargs"].items()}
        got = interpreter.call(doc, [data[k] for k in c["args"]], kwargs)
        for j, (g, key) in enumerate(zip(got, c["outputs"], strict=True)):
            d = interpreter.difference(g, data[key], c["rtol"], c["atol"])
            if d:
                wrong.append(f"output {j}: {d}")
    return wrong


def main():
    entries = json.load(open(os.path.join(FIXTURES, "manifest.json"), encoding="utf-8"))
    failed = 0
    for entry in entries:
        wrong = check(entry)
        failed += bool(wrong)
        for w in wrong:
            print(f"{entry['name']}: {w}")
    print(f"{len(entries) - failed} files agree with MLX, {failed} do not")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
