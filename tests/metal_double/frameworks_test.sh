#!/bin/sh
# frameworks_test.sh: what `pons info` says where some of Apple's libraries are not there.
set -eu
double=$PONS_BUILD_DIR/tests/metal_double/libobjc.A.dylib
if ! [ -e "$double" ] || [ -n "${PONS_SANITIZE:-}" ]; then
  echo "no double of Apple's frameworks (it needs clang++ and x86-64), or sanitizers"
  exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# info LIBRARY...: what is said where only these are there.
info() {
  rm -f "$folder"/*
  for library in "$@"; do ln -s "$double" "$folder/$library"; done
  LD_LIBRARY_PATH=$folder "$PONS_COMMAND" info
}
# expect WORDS LIBRARY...
expect() {
  words=$1
  shift
  info "$@" >"$folder.out"
  if ! sed -n '/^metal$/,/^[a-z]*$/p;/^devices:/p' "$folder.out" | grep -q -e "$words"; then
    echo "with $*: \"$words\" is not said:"
    cat "$folder.out"
    exit 1
  fi
  rm -f "$folder.out"
}

if [ "$(uname)" != Darwin ]; then
  expect 'libobjc.A.dylib: cannot open shared object file'
fi
expect 'Metal: cannot open shared object file' libobjc.A.dylib Foundation CoreGraphics
expect 'Foundation: cannot open shared object file' libobjc.A.dylib Metal CoreGraphics
expect '^devices:.* metal[,;]' libobjc.A.dylib Metal Foundation CoreGraphics
expect 'MetalPerformanceShaders: cannot open shared object file' libobjc.A.dylib Metal Foundation CoreGraphics
METAL_DOUBLE_DEVICES=0
export METAL_DOUBLE_DEVICES
expect 'the system shows no Metal device' libobjc.A.dylib Metal Foundation CoreGraphics MetalPerformanceShaders
