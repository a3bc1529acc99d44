#!/bin/sh
# glibc.sh FOLDER: do the library and the programs in a build for glibc 2.35 (preset glibc) ask for no later one, and do they run? Here,
# that is, on this system's glibc.
set -eu
folder=$1

for file in "$folder/lib/libpons.so" "$folder/bin/pons" "$folder/examples/digits"; do
  asked=$(readelf --wide --version-info "$file" | grep -o 'GLIBC_[0-9.]*' | sort -u -V | tail -n 1)
  newest=$(printf '%s\n' GLIBC_2.35 "$asked" | sort -V | tail -n 1)
  if [ -z "$asked" ] || [ "$newest" != GLIBC_2.35 ]; then
    echo "$file asks for ${asked:-no glibc at all}; Ubuntu 22.04 has GLIBC_2.35"
    exit 1
  fi
done

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
"$folder/examples/digits" --epochs 1 --quiet --out "$out"
"$folder/bin/pons" show "$out/digits.mlxfn" >"$out/shown"
if grep -q avx2 /proc/cpuinfo && ! "$folder/bin/pons" info | grep -q 'instruction_sets_found:.*avx2'; then
  echo "this processor has AVX2, and the library that zig built does not see it"
  exit 1
fi
