#!/bin/sh
# command_test.sh: what the command prints, where, and with which exit code.
set -u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fixtures=$PONS_SOURCE_DIR/tests/fixtures
failures=0

fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

# expect CODE ARGUMENTS...: runs the command into $work/out and $work/err.
expect() {
  want=$1
  shift
  "$PONS_COMMAND" "$@" >"$work/out" 2>"$work/err"
  got=$?
  [ $got -eq "$want" ] || fail "pons $*: exit code $got, not $want: $(cat "$work/err")"
}
# has FILE TEXT...
has() {
  file=$1
  shift
  grep -qF -- "$*" "$work/$file" || fail "no '$*' in: $(cat "$work/$file")"
}
empty() { [ ! -s "$work/$1" ] || fail "$1 should be empty: $(cat "$work/$1")"; }

# make_npy FILE SHAPE BYTES...: float32; bytes as printf has them.
make_npy() {
  file=$1 shape=$2 bytes=$3
  header=$(printf '%-117s' "{'descr': '<f4', 'fortran_order': False, 'shape': $shape, }")
  # shellcheck disable=SC2059 # escapes are wanted
  { printf '\223NUMPY\001\000\166\000' && printf '%s\n' "$header" && printf "$bytes"; } >"$file"
}
one='\000\000\200\077' two='\000\000\000\100' three='\000\000\100\100'
make_npy "$work/x.npy" '(3,)' "$one$two$three"
make_npy "$work/square.npy" "(2, 2)" "$one$two$three$one"
make_npy "$work/two.npy" '(2,)' "$one$two"

# ---- usage
expect 2
has err "usage: pons COMMAND"
expect 2 dance
has err "there is no command 'dance'"
expect 0 --help
has out "verify"
empty err
expect 0 --version
has out "pons "
for command in info run verify record show convert diff launch; do
  expect 0 $command --help
  has out "usage: pons $command"
  expect 2 $command --nonsense
  has err "unknown option --nonsense"
  empty out
done
expect 2 run
has err "something is missing"
expect 2 show one two
has err "too much: two"
expect 2 run one --device
has err "a value is missing behind --device"

# ---- info
expect 0 info
has out "devices: cpu"
expect 0 info --json
has out '"devices"'
expect 0 info --coverage
has out "primitive"
expect 0 info --coverage --json
has out '{"name": "QRF", "elementwise": false, "on": {"cpu": {"how": "native", "but": {}}, "cuda": {"how": '
has out '{"name": "add", "elementwise": true, "on": {"cpu": {"how": "native", "but": {}}, "cuda": {"how": "native", "but": {"complex128": "cpu"}}'

# ---- show
expect 0 show "$fixtures/noop-nodes.mlxfn"
has out "v0 float32 (3) = input 0"
has out "= Negative v"
expect 0 show "$fixtures/kwargs-order.mlxfn" --json
has out '"keyword": "alpha"'
expect 0 show "$fixtures/multi-trace.mlxfn" --dot
has out "digraph"
expect 0 show "$fixtures/custom-metal-kernel.mlxfn"
has out "CustomKernel"
has out "name=\"custom_kernel_scale_add__float_floatc_floats_float\""
expect 1 show "$work/nothing.mlxfn"
has err "can't be opened"
head -c 100 "$fixtures/mlp.mlxfn" >"$work/short.mlxfn"
expect 1 show "$work/short.mlxfn"
has err "import: byte "
empty out

# ---- run
expect 0 run "$fixtures/noop-nodes.mlxfn" --inputs "$work/x.npy"
has out "out1 = array([-1, -2, -3], dtype=float32)"
expect 0 run "$fixtures/noop-nodes.mlxfn" --inputs "$work/x.npy" --outputs "$work/out.npz" --device cpu
has out "2 arrays written to $work/out.npz"
expect 0 run "$fixtures/mlx-bug-strided-constant.mlxfn" --help
expect 1 run "$fixtures/noop-nodes.mlxfn" --inputs "$work/two.npy"
has err "import: no signature takes ((2) float32); the file has ((3) float32)"
expect 1 run "$fixtures/noop-nodes.mlxfn" --inputs "$work/absent.npy"
has err "absent.npy"
expect 1 run "$fixtures/noop-nodes.mlxfn" --inputs "$work/x.npy" --device gpu:7
has err "gpu:7"
expect 1 run "$fixtures/custom-metal-kernel.mlxfn" --inputs "$work/square.npy"
has err "custom_kernel: No Metal back-end on cpu for 'custom_kernel_scale_add__float_floatc_floats_float'"

# ---- record and verify
cp "$fixtures/noop-nodes.mlxfn" "$work/negative.mlxfn"
expect 0 record "$work/negative.mlxfn" --inputs "$work/x.npy" --inputs "$work/x.npy"
has out "2 calls of negative recorded in $work/manifest.json"
expect 0 verify "$work/manifest.json"
has out "passed negative"
has out "1 passed, 0 failed"
expect 0 record "$work/negative.mlxfn" --inputs "$work/x.npy" --name other --rtol 0 --atol 0
expect 0 verify "$work/manifest.json"
has out "2 passed, 0 failed"
expect 0 verify "$work/manifest.json" other
has out "1 passed, 0 failed"
expect 0 verify "$work/manifest.json" --json
has out '"passed":	2'
expect 1 verify "$work/manifest.json" stranger
has err "lists no stranger"
cp "$fixtures/depends-stopgrad.mlxfn" "$work/negative.mlxfn"
expect 1 verify "$work/manifest.json"
has out "FAILED negative"
has out "0 passed, 2 failed"
expect 2 record "$work/negative.mlxfn" --rtol much
has err "--rtol wants a number"
printf '[{' >"$work/broken.json"
expect 1 verify "$work/broken.json"
has err "is no JSON"

# ---- convert
expect 0 convert "$fixtures/mlp.mlxfn" "$work/old.mlxfn" --release 0.26.5
expect 0 show "$work/old.mlxfn"
has out "MLX 0.26.5"
expect 1 convert "$fixtures/mlp.mlxfn" "$work/old.mlxfn" --release 7
has err "not for '7'"

# ---- files of arrays: two metadata entries ("a" = uint32 7, "b" = ["x", "yz"]), one tensor "w" of two int8
zeros7='\000\000\000\000\000\000\000'
length() { printf "\\$(printf '%03o' "$1")$zeros7"; }
four() { printf "\\$(printf '%03o' "$1")\000\000\000"; }
{
  printf 'GGUF' && four 3 && length 1 && length 2
  length 1 && printf 'a' && four 4 && four 7
  length 1 && printf 'b' && four 9 && four 8 && length 2 && length 1 && printf 'x' && length 2 && printf 'yz'
  length 1 && printf 'w' && four 1 && length 2 && four 24 && length 0
  head -c 10 /dev/zero && printf '\001\376' && head -c 30 /dev/zero
} >"$work/small.gguf"
expect 0 show "$work/small.gguf"
has out 'a: uint32 7'
has out 'b: texts ["x", "yz"]'
has out 'w  int8 (2)'
has out '1 arrays of 2 bytes, 2 metadata entries'
expect 0 show "$work/small.gguf" --json
has out '"type":	"uint32"'
expect 1 convert "$work/small.gguf" "$work/small.npz"
has err '.npz files hold no metadata, and there is "a"'
expect 0 convert "$work/small.gguf" "$work/small.npz" --no-metadata
expect 0 convert "$work/small.npz" "$work/again.gguf"
expect 0 show "$work/again.gguf"
has out 'w  int8 (2)'
expect 0 convert "$work/small.gguf" "$work/again.gguf"
expect 0 show "$work/again.gguf"
has out 'b: texts ["x", "yz"]'
expect 1 show "$work/short.gguf"
has err "No such file"

# ---- diff
expect 0 diff "$fixtures/mlp.mlxfn" --devices cpu,cpu --seed 3
has out "inputs are random numbers, seed 3"
has out "cpu and cpu agree in 13 operations"
expect 0 diff "$fixtures/noop-nodes.mlxfn" --devices cpu,cpu --inputs "$work/x.npy" --json
has out '"agree":	true'
has out '"seed":	null'
expect 0 diff "$fixtures/kwargs-order.mlxfn" --devices cpu,cpu
expect 1 diff "$fixtures/linalg-sign-free.mlxfn" --devices cpu,cpu
has out "cpu can't compute"
expect 1 diff "$fixtures/mlp.mlxfn" --devices cpu
has err "--devices wants two devices, as in cpu,opencl, not 'cpu'"
expect 1 diff "$fixtures/mlp.mlxfn" --devices cpu,gpu:7
has err "no such device: 'gpu:7'"
expect 2 diff "$fixtures/mlp.mlxfn" --devices cpu,cpu --rtol flat16=1
has err "--rtol wants a number, or one for a dtype as in float16=0.01, not 'flat16=1'"

# ---- selftest
expect 1 selftest --device cpu no_such_kernel
has err "no check's name begins with 'no_such_kernel'"

# ---- a default device that isn't there
export PONS_DEVICE=abacus
expect 2 info
has err "PONS_DEVICE: no such device: 'abacus'"

[ $failures -eq 0 ] && echo "the command behaves"
exit $((failures > 0))
