#!/bin/sh
# documents_test.sh: the C examples in README.md and docs/arrays.md compile as printed, without a warning, and print what the
# documents say they print.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sanitize=${PONS_SANITIZE:+-fsanitize=$PONS_SANITIZE}
for document in README.md docs/arrays.md; do
  block() { awk -v mark="$1" '$0 == "```" { inside = 0 } inside { print } $0 == "```" mark { inside = 1 }' "$PONS_SOURCE_DIR/$document"; }
  block c >"$work/example.c"
  block text >"$work/wanted"
  [ -s "$work/example.c" ] && [ -s "$work/wanted" ]
  # shellcheck disable=SC2086 # empty or one word
  "$PONS_CC" -std=c11 -Wall -Wextra -Wpedantic -Werror $sanitize -I"$PONS_SOURCE_DIR/include" "$work/example.c" "$PONS_LIBRARY" \
    -Wl,-rpath,"${PONS_LIBRARY%/*}" -o "$work/example"
  "$work/example" >"$work/printed"
  diff -u "$work/wanted" "$work/printed"
  echo "the example of $document prints what it should"
done
