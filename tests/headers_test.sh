#!/bin/sh
# headers_test.sh: the public headers, each by itself and all together, are strict C11 and C++17 without a warning, for every
# compiler that is here; and every function they declare exists in the library.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$PONS_SOURCE_DIR/include"
warnings='-Wall -Wextra -Wpedantic -Werror'
tried=
for header in pons/*.h; do
  echo "#include <$header>" >"$work/one.c"
  echo "#include <$header>" >"$work/one.cc"
  for c in "$PONS_CC" gcc clang; do
    if command -v "$c" >/dev/null 2>&1; then
      # shellcheck disable=SC2086 # a list of words
      "$c" -std=c11 -pedantic-errors $warnings -I. -fsyntax-only "$work/one.c"
      tried="$tried$c
"
    fi
  done
  for cxx in g++ clang++; do
    if command -v "$cxx" >/dev/null 2>&1 && echo '#include <cstddef>' | "$cxx" -x c++ -fsyntax-only - 2>/dev/null; then
      # shellcheck disable=SC2086 # a list of words
      "$cxx" -std=c++17 $warnings -I. -fsyntax-only "$work/one.cc"
      tried="$tried$cxx
"
    fi
  done
done
echo "compiled by:" "$(printf '%s' "$tried" | sort -u | tr '\n' ' ')"

if [ -n "$PONS_SANITIZE" ]; then exit 0; fi
echo '#include <pons/pons.h>' | "$PONS_CC" -E -P -I. - | tr '\n;' ' \n' | grep 'visibility("default")' |
  sed -n 's/^[^(]*((visibility("default")))[^(]*[^a-z_0-9(]\(pons_[a-z0-9_]*\)(.*/\1/p' | sort -u >"$work/declared"
{ nm -D --defined-only "$PONS_LIBRARY" 2>/dev/null || nm -gU "$PONS_LIBRARY"; } | awk '{ sub(/^_/, "", $NF); print $NF }' |
  sort -u >"$work/defined"
missing=$(comm -23 "$work/declared" "$work/defined")
if [ "$(wc -l <"$work/declared")" -lt 100 ] || [ -n "$missing" ]; then
  printf 'declared, but not in the library (of %s):\n%s\n' "$(wc -l <"$work/declared")" "$missing"
  exit 1
fi
extra=$(comm -13 "$work/declared" "$work/defined")
if [ -n "$extra" ]; then
  printf 'in the library, but not declared:\n%s\n' "$extra"
  exit 1
fi
echo "all $(wc -l <"$work/declared") functions declared are in the library"
