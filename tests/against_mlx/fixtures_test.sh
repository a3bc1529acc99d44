#!/bin/sh
# fixtures_test.sh: files that MLX wrote run and agree with what MLX recorded; converted to another release they
# still do.
set -eu

fixtures=$PONS_SOURCE_DIR/tests/fixtures
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$PONS_COMMAND" verify "$fixtures/manifest.json" >"$work/log" || {
  grep FAILED "$work/log"
  exit 1
}
tail -n 1 "$work/log"

# Written again: for the newest release, for a GPU, and for an old release.
names=$(sed -n 's/^ *"name": "\(.*\)",$/\1/p' "$fixtures/manifest.json")
sed 's|"data": "|"data": "'"$fixtures"'/|' "$fixtures/manifest.json" >"$work/manifest.json"
for how in "" "--gpu" "--release 0.31.2 --no-metadata"; do
  rm -f "$work"/*.mlxfn
  again=
  refused=
  for name in $names; do
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
