#!/bin/sh
# wheel_test.sh: the wheel that `pip install .` makes holds what it should, and works unpacked in an empty folder, found by nothing
# but its path: the extension finds the library beside it, and the library what it needs.
set -eu
if [ -n "$PONS_SANITIZE" ]; then
  echo "skipped: a sanitized library is not for installing"
  exit 77
fi
if ! "$PONS_PYTHON" -c 'import pip, scikit_build_core' 2>/dev/null; then
  echo "skipped: no scikit-build-core in $PONS_PYTHON (./do deps makes it)"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset PYTHONPATH
# Compiled as the preset dev is, so that ccache has the objects, and with few CUDA kernels; `pip install .` itself optimises further and
# has them all.
if ! "$PONS_PYTHON" -m pip wheel -q --no-deps --no-build-isolation --wheel-dir "$work" \
  -C build-dir="$PONS_BUILD_DIR/wheel" -C cmake.build-type=RelWithDebInfo -C cmake.define.PONS_WERROR=ON \
  -C cmake.define.CMAKE_C_COMPILER="$PONS_CC" -C cmake.define.PONS_CUDA_KERNELS=fused "$PONS_SOURCE_DIR" >"$work/log" 2>&1; then
  cat "$work/log"
  exit 1
fi
wheel=$(ls "$work"/*.whl)
case $wheel in
*/pons-*-cp311-abi3-*.whl) ;;
*)
  echo "the wheel is not for the stable ABI: $wheel"
  exit 1
  ;;
esac
"$PONS_PYTHON" -m zipfile -e "$wheel" "$work/unpacked"
for file in __init__.py py.typed core.abi3.so; do
  [ -f "$work/unpacked/pons/$file" ] || { echo "the wheel lacks pons/$file" && exit 1; }
done
# Where there is an NVRTC, CUDA kernels are built ahead and go with the library.
if ls "$PONS_SOURCE_DIR"/build/nvrtc/*/libnvrtc.so.* >/dev/null 2>&1; then
  [ -s "$work/unpacked/pons/pons-kernels" ] || { echo "the wheel lacks kernels for CUDA" && exit 1; }
fi
case $(uname) in
Linux)
  # Every library is one of the wheel's or one of the C library's.
  foreign=$(ldd "$work"/unpacked/pons/*.so* | awk -v own="$work" \
    '$2 == "=>" && index($3, own) != 1 && $1 !~ /^(libc|libm|libpthread|libdl)[.]so/ { print }')
  [ -z "$foreign" ] || { echo "the wheel leaves to the machine: $foreign" && exit 1; }
  ;;
esac
cd "$work"
PYTHONPATH=$work/unpacked "$PONS_PYTHON" -c '
import pons.core
assert pons.core.__file__.startswith("'"$work"'"), pons.core.__file__
print("imported", pons.core.__file__)'
