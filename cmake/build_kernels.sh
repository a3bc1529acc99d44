#!/bin/sh
# build_kernels.sh PONS ARCHIVE NVRTC ARCHS OPTIONS...: the kernels of `pons selftest OPTIONS`, compiled for CUDA by the library NVRTC, in one
# file: as PTX, and as machine code for each of ARCHS ("80 90"; may be empty). What the file has from before is not compiled again. The
# device on which it runs computes nothing, so what selftest says of its results means nothing.
set -eu
pons=$1 archive=$2 nvrtc=$3 archs=$4
shift 4
rm -f "$archive.new"
before=0
for arch in 0 $archs; do # 0: PTX
  said=$(PONS_CUDA_AHEAD=$archive.new PONS_CUDA_AHEAD_ARCH=$arch PONS_KERNELS=$archive PONS_CACHE_DIR='' PONS_NVRTC=$nvrtc \
    "$pons" selftest --device cuda_ahead "$@" 2>&1) || true
  size=$(wc -c <"$archive.new" 2>/dev/null || echo 0)
  if [ "$size" -le "$before" ]; then
    [ "$arch" = 0 ] || said="for sm_$arch: $said"
    printf 'no kernels were built by %s:\n%s\n' "$nvrtc" "$said"
    exit 1
  fi
  before=$size
done
mv "$archive.new" "$archive"
