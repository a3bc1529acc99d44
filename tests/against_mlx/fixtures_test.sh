#!/bin/sh
# fixtures_test.sh: files that MLX wrote run and agree with what MLX recorded; converted to another release they
# still do. Files that need a primitive which Pons hasn't yet are listed below, each with the primitive: no other
# may be left out.
set -eu

expected=

fixtures=$PONS_SOURCE_DIR/tests/fixtures
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# left_out LOG: "name primitive" of the files that failed for want of a primitive; other failures as they are.
left_out() {
  sed -n 's/^FAILED //p' "$1" |
    sed 's/^\([^ ]*\) *import: byte [0-9]*: \([A-Za-z]*\): this version of Pons has no such primitive$/\1 \2/'
}

"$PONS_COMMAND" verify "$fixtures/manifest.json" >"$work/log" || true
tail -n 1 "$work/log"
left_out "$work/log" >"$work/left_out"
if [ "$(cat "$work/left_out")" != "$expected" ]; then
  echo "left out, or differing, are others than expected:"
  printf '%s\n' "$expected" | diff - "$work/left_out" || true
  exit 1
fi
echo "left out for want of a primitive:"
cat "$work/left_out"

omitted=" $(cut -d' ' -f1 "$work/left_out" | tr '\n' ' ')"
# Written again: for the newest release, for a GPU, and for an old release.
names=$(sed -n 's/^ *"name": "\(.*\)",$/\1/p' "$fixtures/manifest.json")
sed 's|"data": "|"data": "'"$fixtures"'/|' "$fixtures/manifest.json" >"$work/manifest.json"
for how in "" "--gpu" "--release 0.31.2 --no-metadata"; do
  rm -f "$work"/*.mlxfn
  again=
  refused=
  for name in $names; do
    case "$omitted" in *" $name "*) continue ;; esac
    # shellcheck disable=SC2086 # a list of words
    if "$PONS_COMMAND" convert "$fixtures/$name.mlxfn" "$work/$name.mlxfn" $how 2>"$work/why"; then
      again="$again $name"
    elif grep -q "can't be written for MLX 0.31.2: that release doesn't" "$work/why"; then
      refused="$refused $name"
    else
      cat "$work/why"
      exit 1
    fi
  done
  # It has no SearchSorted, and no math mode of kernels but the safe one.
  case "$how:$refused" in
    *0.31.2*": custom-metal-kernel searchsorted kernels" | ":" | "--gpu:") ;;
    *) echo "refused: $refused" && exit 1 ;;
  esac
  # shellcheck disable=SC2086
  "$PONS_COMMAND" verify "$work/manifest.json" $again >"$work/log" || {
    grep FAILED "$work/log"
    exit 1
  }
  echo "converted${how:+ }$how: $(tail -n 1 "$work/log")"
done
