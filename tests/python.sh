#!/bin/sh
# Runs a Python test with $PONS_PYTHON, or says why it is skipped. usage: sh python.sh FILE
if ! "$PONS_PYTHON" -c 'import numpy' 2>/dev/null; then
  echo "skipped: no numpy in $PONS_PYTHON (./do deps makes it)"
  exit 77
fi
exec "$PONS_PYTHON" "$1"
