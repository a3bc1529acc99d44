#!/bin/sh
# install_test.sh: what is installed is enough to build a program: by pkg-config, shared and static, and by find_package.
set -eu
if [ -n "$PONS_SANITIZE" ]; then
  echo "skipped: a sanitized library is not for installing"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$PONS_BUILD_DIR" --prefix "$work/first" >/dev/null
mv "$work/first" "$work/prefix" # nothing may remember where it was
prefix=$work/prefix

cat >"$work/consumer.c" <<'END'
#include <pons/pons.h>
#include <stdio.h>

int main(void) {
  pons_scope s = pons_scope_open();
  pons_array x = pons_arange(0, 10, 1, PONS_FLOAT32);
  printf("%s %g\n", pons_version(), pons_item(pons_sum(pons_multiply(x, x))));
  pons_scope_close(s);
  return pons_ok() ? 0 : 1;
}
END
check() {
  printed=$("$2")
  echo "$1: $printed"
  [ "${printed#* }" = 285 ]
}

pc=$(find "$prefix" -name pons.pc)
export PKG_CONFIG_PATH="${pc%/*}${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
libdir=$(pkg-config --variable=libdir pons)
# shellcheck disable=SC2046 # lists of words
"$PONS_CC" -std=c11 "$work/consumer.c" $(pkg-config --cflags --libs pons) -Wl,-rpath,"$libdir" -o "$work/shared"
check "pkg-config, shared" "$work/shared"
# The archive by name: where both are installed, -lpons takes the shared one.
static=$(pkg-config --static --libs pons | sed "s|-lpons|$libdir/libpons.a|")
# shellcheck disable=SC2046,SC2086 # lists of words
"$PONS_CC" -std=c11 "$work/consumer.c" $(pkg-config --cflags pons) $static -o "$work/static"
check "pkg-config, static" "$work/static"

mkdir "$work/cmake"
cat >"$work/cmake/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.16)
project(consumer C)
find_package(pons REQUIRED)
foreach(kind pons static)
  add_executable(with_${kind} ../consumer.c)
  target_link_libraries(with_${kind} pons::${kind})
endforeach()
END
if ! { cmake -S "$work/cmake" -B "$work/cmake/build" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$PONS_CC" &&
  cmake --build "$work/cmake/build"; } >"$work/log" 2>&1; then
  cat "$work/log"
  exit 1
fi
check "find_package, pons::pons" "$work/cmake/build/with_pons"
check "find_package, pons::static" "$work/cmake/build/with_static"
if [ -x "$prefix/bin/pons" ]; then "$prefix/bin/pons" info >/dev/null; fi
