#!/bin/sh
# diff_test.sh: `pons diff` between the CPU and an OpenCL device. With the usual tolerance they agree; with none the first
# operation that rounds otherwise is shown, and only if it is one that rounds.
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

# told CODE TEXT ARGUMENTS...: pons diff of these exits with CODE and prints TEXT.
told() {
  code=$1 text=$2
  shift 2
  "$PONS_COMMAND" diff "$@" --devices "cpu,$PONS_DEVICE" >"$work/out" 2>&1
  got=$?
  if [ $got -ne "$code" ] || ! grep -qF -- "$text" "$work/out"; then
    echo "FAILED: pons diff $*: exit code $got, not $code, or no '$text' in: $(cat "$work/out")"
    failures=$((failures + 1))
  fi
}

device=$PONS_DEVICE
told 0 "cpu and $device agree in 13 operations" "$fixtures/mlp.mlxfn"
told 0 "cpu and $device agree in " "$fixtures/noop-nodes.mlxfn" --rtol 0 --atol 0
told 1 "cpu and $device part at v5 = AddMM" "$fixtures/mlp.mlxfn" --rtol 0 --atol 0
told 0 "cpu and $device agree in 13 operations" "$fixtures/mlp.mlxfn" --rtol float16=0 --atol float16=0
told 1 '"primitive":	"AddMM"' "$fixtures/mlp.mlxfn" --rtol float32=0 --atol float32=0 --same-operands --json
grep -qF '"greatest_difference":	0' "$work/out" || failures=$((failures + 1)) # of the operands: copies round nothing

[ $failures -eq 0 ] && echo "the first operation that differs is shown"
exit $((failures > 0))
