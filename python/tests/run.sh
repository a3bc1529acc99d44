#!/bin/sh
# Runs the pytest file FILE with $PONS_PYTHON, or says why it is skipped. usage: sh run.sh FILE
set -eu
if ! "$PONS_PYTHON" -c 'import pytest, numpy' 2>/dev/null; then
  echo "skipped: no pytest or numpy in $PONS_PYTHON (./do deps makes it)"
  exit 77
fi
# An extension under a sanitizer needs its runtime before Python, which has none. Python itself leaks on purpose.
case $PONS_SANITIZE in
*thread*)
  echo "skipped: ThreadSanitizer knows nothing of the locks inside Python"
  exit 77
  ;;
*address*)
  preload=$("$PONS_CC" -print-file-name=libasan.so)
  export ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0" PYTHONMALLOC=malloc
  ;;
esac
LD_PRELOAD=${preload-} exec "$PONS_PYTHON" -m pytest -q -p no:cacheprovider "$1"
