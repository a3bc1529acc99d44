#!/bin/sh
# readme_test.sh: the C example in README.md compiles as printed, without a warning, and prints what README.md says it prints.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
block() { awk -v mark="$1" '$0 == "```" { inside = 0 } inside { print } $0 == "```" mark { inside = 1 }' "$PONS_SOURCE_DIR/README.md"; }
block c >"$work/example.c"
block text >"$work/wanted"
[ -s "$work/example.c" ] && [ -s "$work/wanted" ]
sanitize=${PONS_SANITIZE:+-fsanitize=$PONS_SANITIZE}
# shellcheck disable=SC2086 # empty or one word
"$PONS_CC" -std=c11 -Wall -Wextra -Wpedantic -Werror $sanitize -I"$PONS_SOURCE_DIR/include" "$work/example.c" "$PONS_LIBRARY" \
  -Wl,-rpath,"${PONS_LIBRARY%/*}" -o "$work/example"
"$work/example" >"$work/printed"
diff -u "$work/wanted" "$work/printed"
echo "the README's example prints what it should"
