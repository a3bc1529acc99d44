#!/bin/sh
# symbols_test.sh: neither library defines a name for others that isn't pons_*.
set -eu
if [ -n "$PONS_SANITIZE" ]; then
  echo "skipped: sanitizers add names of their own"
  exit 77
fi
strangers() {
  # Lines of nm: value, kind, name. Global kinds are capital letters; u is a unique global.
  awk 'NF >= 2 { kind = $(NF - 1); name = $NF; sub(/^_/, "", name) }
       NF >= 2 && kind ~ /^[A-TV-Zu]$/ && name !~ /^pons_/ { print $NF }'
}
count() { awk 'NF >= 2 && $(NF - 1) ~ /^[A-TV-Zu]$/' | wc -l; }

shared=$(nm -D --defined-only "$PONS_LIBRARY" 2>/dev/null || nm -gU "$PONS_LIBRARY")
static=$(nm -g --defined-only "$PONS_STATIC_LIBRARY" 2>/dev/null || nm -gU "$PONS_STATIC_LIBRARY")
bad=$(printf '%s\n%s\n' "$shared" "$static" | strangers)
if [ -n "$bad" ]; then
  printf 'exported, but not pons_*:\n%s\n' "$bad"
  exit 1
fi
n_shared=$(printf '%s\n' "$shared" | count)
n_static=$(printf '%s\n' "$static" | count)
if [ "$n_shared" -lt 100 ] || [ "$n_shared" -ne "$n_static" ]; then
  echo "the shared library exports $n_shared names, the static one $n_static"
  exit 1
fi
# The check itself finds what it should.
[ "$(echo '0000 T stranger' | strangers)" = stranger ]
echo "both libraries export the same $n_shared names, all pons_*"
