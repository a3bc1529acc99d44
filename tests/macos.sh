#!/bin/sh
# macos.sh FOLDER: are the library and the command in a build for arm64 macOS (preset macos) what they should be? They are not
# run: that needs a Mac.
set -eu
folder=$1

# expect_head FILE KIND: the first words of a Mach-O file: magic, processor (arm64), of which sort, kind (2: a program, 6: a
# library).
expect_head() {
  head=$(od -A n -t x4 -N 16 --endian=little "$1" | tr -s ' ')
  case $head in
  " feedfacf 0100000c "*" $2") ;;
  *)
    echo "$1 begins with$head"
    exit 1
    ;;
  esac
}
expect_head "$folder/bin/pons" 00000002
expect_head "$folder/lib/libpons.dylib" 00000006
if ! grep -a -q '/System/Library/Frameworks/Metal.framework/Metal' "$folder/lib/libpons.dylib"; then
  echo "the library does not look for Metal"
  exit 1
fi
