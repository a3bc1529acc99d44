#!/bin/sh
# digits_test.sh: the main job reads at least 97 % of the held-out images right, on every device it runs the exported file on, writes
# the same file with any number of threads, and a report that needs nothing beside it.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for threads in 1 3; do
  mkdir "$work/$threads"
  PONS_NUM_THREADS=$threads "$PONS_DIGITS" --quiet --data "$PONS_SOURCE_DIR/data/digits.npz" --out "$work/$threads" \
    >"$work/$threads/printed"
done
cat "$work/1/printed"
awk '$1 == "device" { rows = 1; next }
     rows && NF == 5 { devices++; if ($2 < 97) { print $1 " reads less than 97 % right"; bad = 1 } }
     END { if (!devices) print "no device ran the file"; exit bad || !devices }' "$work/1/printed"
cmp "$work/1/digits.mlxfn" "$work/3/digits.mlxfn"
"$PONS_COMMAND" show "$work/1/digits.mlxfn" | grep -q 'Convolution'
[ "$(grep -c '<svg' "$work/1/report.html")" -ge 3 ]
if grep -nE 'src=|href=|url\(|@import|<script' "$work/1/report.html"; then
  echo "the report refers to something beside it"
  exit 1
fi
if "$PONS_DIGITS" --data "$work/none.npz" --out "$work" 2>"$work/error"; then exit 1; fi
grep -q 'none.npz' "$work/error"
echo "the main job does what it should"
