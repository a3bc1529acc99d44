#!/bin/sh
# opencl_limits_test.sh: OpenCL devices that have less: no float64, no 64-bit atomics, little memory. Results are the CPU's: what can't
# fit at all is computed there. And that kernels are kept, which other tests have PoCL do (tests/on_device.sh).
set -u
if [ -n "$PONS_SANITIZE" ]; then
  echo "skipped: drivers leak"
  exit 77
fi
[ -n "${PONS_DEVICE:-}" ] || exec sh "$PONS_SOURCE_DIR/tests/on_device.sh" opencl sh "$0"
fixtures=$PONS_SOURCE_DIR/tests/fixtures
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

# expect CODE TEXT COMMAND...: it exits with CODE and prints TEXT.
expect() {
  code=$1 text=$2
  shift 2
  env "$@" >"$work/out" 2>&1
  got=$?
  if [ $got -ne "$code" ] || ! grep -qF -- "$text" "$work/out"; then
    echo "FAILED: $*: exit code $got, not $code, or no '$text' in: $(tail -5 "$work/out")"
    failures=$((failures + 1))
  fi
}
agree="cpu and opencl agree"
diff() { expect 0 "$agree" "$@" --devices cpu,opencl --same-operands; }

without='PONS_OPENCL_WITHOUT=cl_khr_fp64 cl_khr_int64_base_atomics'
expect 0 'float64: no' "$without" "$PONS_COMMAND" info
for file in float64 constants-of-all-dtypes complex64 mlp; do
  diff "$without" "$PONS_COMMAND" diff "$fixtures/$file.mlxfn"
done
expect 0 'results agree' "$without" "$PONS_COMMAND" selftest --device opencl sum_of product_float32 softmax scattered

# So much holds the operands of the largest product, but not all that the network has.
expect 0 'limit 1.8 KiB, cache limit' PONS_MEMORY_LIMIT=1800 "$PONS_COMMAND" info
diff PONS_MEMORY_LIMIT=1800 "$PONS_COMMAND" diff "$fixtures/mlp.mlxfn"
diff PONS_MEMORY_LIMIT=300 "$PONS_COMMAND" diff "$fixtures/mlp.mlxfn"

# What was compiled is kept and loaded by the next process, even if the driver has kept nothing; what is loaded is not written again.
twice() {
  mkdir "$work/pocl-$1"
  expect 0 'results agree' POCL_CACHE_DIR="$work/pocl-$1" PONS_CACHE_DIR="$work/kept" "$PONS_COMMAND" selftest --device opencl softmax
}
twice first
ls "$work"/kept/*.kernel >/dev/null || failures=$((failures + 1))
sleep 1
touch "$work/then"
twice second
[ -z "$(find "$work/kept" -newer "$work/then" -name '*.kernel')" ] || { echo "FAILED: compiled again" && failures=$((failures + 1)); }

[ $failures -eq 0 ] && echo "less is enough"
exit $((failures > 0))
