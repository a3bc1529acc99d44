#!/bin/sh
# kernels_test.sh: every kernel of src/backends/gpu/, and generated ones, compiled from their Metal text and run on the double
# of Apple's frameworks beside the CPU (`pons selftest`). Not conv_windows.kc, which writes what a library multiplies.
set -eu
if [ -n "${PONS_SANITIZE:-}" ]; then
  echo "not under sanitizers"
  exit 77
fi
names=$PONS_BUILD_DIR/tests/metal_double/names
rm -f "$names"
METAL_DOUBLE_NAMES=$names sh "$PONS_SOURCE_DIR/tests/on_device.sh" metal_double "$PONS_COMMAND" selftest --device metal
cd "$PONS_SOURCE_DIR/src/backends/gpu"
kernels=fused
for file in *.kc; do
  [ "$file" != conv_windows.kc ] || continue
  kernels="$kernels $(sed -n 's/^KERNEL \([a-z_0-9]*\)(.*/\1/p' "$file")"
done
missing=
for kernel in $kernels; do
  grep -q -x "$kernel" "$names" || missing="$missing $kernel"
done
if [ -n "$missing" ]; then
  echo "kernels that no check of pons selftest uses:$missing"
  exit 1
fi
