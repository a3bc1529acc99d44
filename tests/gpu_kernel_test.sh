#!/bin/sh
# gpu_kernel_test.sh: examples/gpu_kernel.c prints what its first lines say, on each device that has a compiler, and an error elsewhere.
set -eu
program=$PONS_BUILD_DIR/examples/gpu_kernel
[ -x "$program" ] || { echo "the examples are not built"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
awk '/ prints$/ { inside = 1; next } /^   On the CPU/ { exit } inside { sub(/^       /, ""); print }' \
  "$PONS_SOURCE_DIR/examples/gpu_kernel.c" >"$work/wanted"
[ -s "$work/wanted" ]
if PONS_DEVICE=cpu "$program" 2>"$work/error"; then echo "it runs on the CPU"; exit 1; fi
grep -q "No dialect back-end on cpu" "$work/error"
[ -z "${PONS_SANITIZE:-}" ] || { echo "not on GPUs: their drivers leak, and sanitizers do not know the fibers of doubles"; exit 0; }
for device in opencl cuda cuda_double; do
  status=0
  sh "$PONS_SOURCE_DIR/tests/on_device.sh" "$device" "$program" >"$work/printed" || status=$?
  if [ $status -eq 77 ]; then cat "$work/printed"; continue; fi
  [ $status -eq 0 ]
  diff -u "$work/wanted" "$work/printed"
  echo "the same on $device"
done
