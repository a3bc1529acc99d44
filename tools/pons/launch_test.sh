#!/bin/sh
# launch_test.sh: what `pons launch` tells the processes, what it prints of them, and when it ends them.
set -u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}
# launch CODE ARGUMENTS...: into $work/out, sorted, and $work/err.
launch() {
  want=$1
  shift
  timeout 60 "$PONS_COMMAND" launch "$@" >"$work/unsorted" 2>"$work/err"
  got=$?
  [ $got -eq "$want" ] || fail "pons launch $*: status $got, not $want: $(cat "$work/err")"
  sort "$work/unsorted" >"$work/out"
}
is() { [ "$(cat "$work/$1")" = "$2" ] || fail "$1 is not '$2' but: $(cat "$work/$1")"; }

# shellcheck disable=SC2016 # the processes' own variables
launch 0 -n 3 sh -c 'echo "rank $MLX_RANK"; printf "no end of line"'
is out '0: no end of line
0: rank 0
1: no end of line
1: rank 1
2: no end of line
2: rank 2'
is err ""
# shellcheck disable=SC2016
launch 0 -n 2 sh -c 'grep -c "^\[\[\"127.0.0.1:[0-9]*\"\], \[\"127.0.0.1:[0-9]*\"\]\]$" "$MLX_HOSTFILE"; [ "$MLX_RANK" = 1 ] || echo "$MLX_HOSTFILE" >'"$work/hosts"
is out '0: 1
1: 1'
[ ! -e "$(cat "$work/hosts")" ] || fail "the hostfile is still there"
# shellcheck disable=SC2016
launch 0 --backend nccl -n 2 sh -c 'echo "$NCCL_HOST_IP $((NCCL_PORT > 0)) $MLX_WORLD_SIZE $MLX_RANK $PONS_DEVICE"' -n 5
is out '0: 127.0.0.1 1 2 0 cuda:0
1: 127.0.0.1 1 2 1 cuda:1'

# One fails: the others, which would wait for a minute, are ended, and its status is the launcher's.
# shellcheck disable=SC2016
launch 7 -n 3 sh -c 'if [ "$MLX_RANK" = 1 ]; then echo wrong >&2; exit 7; fi; exec sleep 59'
grep -q '^1: wrong$' "$work/err" || fail "its errors are not told: $(cat "$work/err")"
grep -q 'process 1 ended with status 7; the others are ended' "$work/err" || fail "it is not told: $(cat "$work/err")"
# shellcheck disable=SC2016
launch 137 -n 1 sh -c 'kill -9 $$'
launch 127 -n 1 no-such-program-anywhere
launch 2 -n 0 true
launch 2 -n 1.5 true
launch 2 --backend smoke true
launch 2

[ $failures -eq 0 ] && echo "pons launch starts, tells and ends processes"
exit $failures
