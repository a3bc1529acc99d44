#!/bin/sh
# build_kernels.sh PONS FOLDER NVRTC: fills FOLDER with the kernels of `pons selftest`, compiled for CUDA by the library NVRTC. The device on
# which it runs computes nothing, so what selftest says of its results means nothing.
set -eu
pons=$1 folder=$2 nvrtc=$3
rm -rf "$folder"
mkdir -p "$folder"
said=$(PONS_CUDA_AHEAD=1 PONS_CACHE_DIR=$folder PONS_NVRTC=$nvrtc "$pons" selftest --device cuda_ahead 2>&1) || true
count=$(find "$folder" -name '*.kernel' | wc -l)
if [ "$count" -eq 0 ]; then
  printf 'no kernels were built by %s:\n%s\n' "$nvrtc" "$said"
  exit 1
fi
echo "$count kernels in $folder"
