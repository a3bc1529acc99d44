#!/bin/sh
# on_device.sh DEVICE PROGRAM: runs a test with DEVICE as the default device. Skipped (77) where there is none.
set -eu
device=$1
shift
# PoCL keeps compiled kernels; not in the home folder, which may not be there.
POCL_CACHE_DIR=$PONS_BUILD_DIR/pocl
PONS_CACHE_DIR=$PONS_BUILD_DIR/kernels
export POCL_CACHE_DIR PONS_CACHE_DIR
mkdir -p "$POCL_CACHE_DIR"
if ! "$PONS_COMMAND" info | grep -q "^devices:.* ${device}[,;]"; then
  echo "no device $device here"
  exit 77
fi
PONS_DEVICE=$device exec "$@"
