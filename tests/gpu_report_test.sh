#!/bin/sh
# gpu_report_test.sh: tools/gpu-report, which is what ./do gpu runs, tells in its last line whether anything failed, and in its report what:
# on the doubles of CUDA's libraries, where all is fine; where there is no such device; where time is over.
set -eu
[ -z "${PONS_SANITIZE:-}" ] || { echo "not under sanitizers: they do not know the fibers of doubles"; exit 77; }
[ -e "$PONS_BUILD_DIR/tests/cuda_double/libcuda.so.1" ] || { echo "no doubles of CUDA's libraries are built"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
report() {
  device=$1
  shift
  "$PONS_PYTHON" "$PONS_SOURCE_DIR/tools/gpu-report" --device "$device" --build "$PONS_BUILD_DIR" --bench "$PONS_BUILD_DIR/bench/cases" \
    --quick --no-tests --out "$work/report.json" "$@" >"$work/printed"
}
# last WORDS: of what was printed.
last() {
  tail -n 1 "$work/printed" | grep -q -x "$1" || { cat "$work/printed" && exit 1; }
}
# holds EXPRESSION: of the report r.
holds() {
  "$PONS_PYTHON" -c "import json, sys; r = json.load(open(sys.argv[1])); sys.exit(not ($1))" "$work/report.json"
}

report cuda_double
last "nothing failed"
holds 'r["failed"] == [] and r["hardware"]["name"].startswith("Double") and all(c["value"] > 0 for c in r["cases"] if "value" in c)'
holds '{"matmul float32", "digits network, training step"} <= {c["title"] for c in r["cases"] if "value" in c}'

if report vulkan; then cat "$work/printed" && exit 1; fi
last "failed: no device vulkan here: .*"
holds 'len(r["failed"]) == 1'

if report cuda_double --seconds 0; then cat "$work/printed" && exit 1; fi
last "failed: pons info: not done in time"
echo "the report says what failed"
