#!/bin/sh
# on_device.sh DEVICE PROGRAM: runs a test with DEVICE as the default device. Skipped (77) where there is none.
# DEVICE cuda_double is cuda on the doubles of its libraries (tests/cuda_double), metal_double metal on that of Apple's. cuda_early is
# cuda_double whose copies are done as early as they may, not as late; cuda_90 and cuda_90_early are these two, of compute capability 9.0.
# cuda_alone is cuda on the double of the driver with none of its libraries, and kernels that were built ahead.
set -eu
device=$1
shift
# PoCL keeps compiled kernels; not in the home folder, which may not be there. To hand one out it would compile it once more.
POCL_CACHE_DIR=$PONS_BUILD_DIR/pocl
PONS_CACHE_DIR=${PONS_CACHE_DIR:-$PONS_BUILD_DIR/kernels}
[ "$device" != opencl ] || PONS_CACHE_DIR=''
# Its optimiser takes three times as long as all else. What it makes of work items side by side is shown by selftest_opencl, which runs every
# kernel, in small and large sizes, optimised (cmake/tests.cmake); for what other tests ask, that kernels be right as they are written, they need not be.
POCL_EXTRA_BUILD_FLAGS=${POCL_EXTRA_BUILD_FLAGS--cl-opt-disable}
export POCL_CACHE_DIR POCL_EXTRA_BUILD_FLAGS PONS_CACHE_DIR
mkdir -p "$POCL_CACHE_DIR"
if [ "$device" = cuda_alone ]; then
  doubles=$PONS_BUILD_DIR/tests/cuda_double
  if ! [ -e "$doubles/alone.kernels" ]; then
    echo "no kernels built ahead: the test cuda_ahead makes them, if there are doubles of CUDA's libraries"
    exit 77
  fi
  mkdir -p "$doubles/alone"
  ln -sf ../libcuda.so.1 "$doubles/alone/libcuda.so.1"
  device=cuda PONS_CACHE_DIR='' PONS_KERNELS=$doubles/alone.kernels
  LD_LIBRARY_PATH=$doubles/alone${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  export PONS_KERNELS LD_LIBRARY_PATH
fi
case $device in
cuda_90*)
  CUDA_DOUBLE_ARCH=90
  export CUDA_DOUBLE_ARCH
  ;;
esac
case $device in
*_early)
  CUDA_DOUBLE_EARLY=1
  export CUDA_DOUBLE_EARLY
  ;;
esac
case $device in
cuda_early | cuda_90*) device=cuda_double ;;
esac
if [ "$device" = cuda_double ]; then
  device=cuda
  if ! [ -e "$PONS_BUILD_DIR/tests/cuda_double/libcuda.so.1" ]; then
    echo "no doubles of CUDA's libraries: they need clang++"
    exit 77
  fi
  LD_LIBRARY_PATH=$PONS_BUILD_DIR/tests/cuda_double${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  CUDA_DOUBLE_CACHE=${CUDA_DOUBLE_CACHE:-$PONS_BUILD_DIR/tests/cuda_double/kept}
  export LD_LIBRARY_PATH CUDA_DOUBLE_CACHE
fi
if [ "$device" = metal_double ]; then
  device=metal
  if ! [ -e "$PONS_BUILD_DIR/tests/metal_double/Metal" ]; then
    echo "no double of Apple's frameworks: it needs clang++ and x86-64"
    exit 77
  fi
  LD_LIBRARY_PATH=$PONS_BUILD_DIR/tests/metal_double${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  METAL_DOUBLE_CACHE=${METAL_DOUBLE_CACHE:-$PONS_CACHE_DIR/metal}
  export LD_LIBRARY_PATH METAL_DOUBLE_CACHE
fi
if ! "$PONS_COMMAND" info | grep -q "^devices:.* ${device}[,;]"; then
  echo "no device $device here"
  exit 77
fi
PONS_DEVICE=$device exec "$@"
