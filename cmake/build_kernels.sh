#!/bin/sh
# build_kernels.sh PONS ARCHIVE NVRTC OPTIONS...: the kernels of `pons selftest OPTIONS`, compiled for CUDA by the library NVRTC, in one file.
# What the file has from before is not compiled again. The device on which it runs computes nothing, so what selftest says of its results
# means nothing.
set -eu
pons=$1 archive=$2 nvrtc=$3
shift 3
rm -f "$archive.new"
said=$(PONS_CUDA_AHEAD=$archive.new PONS_KERNELS=$archive PONS_CACHE_DIR='' PONS_NVRTC=$nvrtc \
  "$pons" selftest --device cuda_ahead "$@" 2>&1) || true
if ! [ -s "$archive.new" ]; then
  printf 'no kernels were built by %s:\n%s\n' "$nvrtc" "$said"
  exit 1
fi
mv "$archive.new" "$archive"
