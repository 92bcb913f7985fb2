#!/bin/bash
# Everything that a GPU is needed for, on this machine's GPU: the engine `cuda` against the reference on every operator,
# gradients, the golden first steps of training, same bits in two runs, resumed training, networks through OpenCV and on
# GpuMat, NVIDIA's compute-sanitizer on a part of it, and the benchmark.
#
#     tests/run_gpu.sh                    builds with Bazel and nvcc, then runs
#     tests/run_gpu.sh --pack FILE.tar    builds, and packs what it takes to run on a machine without Bazel, OpenCV, internet
#     tar xf FILE.tar; csc-gpu/tests/run_gpu.sh                                    runs what was packed
#
# The last line is "N passed, N failed, N skipped"; the exit status is 0 only if nothing failed. Without a GPU everything
# is SKIPPED, with the reason. --no-sanitizer and --no-benchmark leave those out.
set -u
cd "$(dirname "$0")/.." || exit 1

library=solvers/engines/cuda/libcsc_cuda.so
benchmark=samples/benchmark/benchmark
# Test programs and, for those of all engines, which cases are this one's.
tests=(
  "tests/solvers/engines/cuda/gpu_test"
  "tests/solvers/engines/exact_test *cuda*"
  "tests/solvers/engines/adjointness_test *cuda*"
  "tests/solvers/engines/operator_parity_test *cuda*"
  "tests/solvers/engines/training_parity_test *cuda*"
  "tests/solvers/engines/batch_statistics_test *cuda*"
  "tests/solvers/engines/paper_networks_test *cuda*"
  "tests/solvers/engines/executable_test *cuda*"
  "tests/solvers/engines/same_bits_test *cuda*"
  "tests/golden/golden_test"
  "tests/training/golden_test *cuda*"
  "tests/training/model_parity_test *cuda*"
  "tests/training/trainer_test *cuda*"
  "tests/layers/operators_test *cuda*"
  "tests/layers/cuda_network_gpu_test"
)
programs=("${tests[@]%% *}")
# For servers that have PyTorch: run by hand.
comparison=(samples/gpu_comparison/compare.py training/pytorch/csc_models.py training/pytorch/csc_torch.py)
data=(tests/golden/golden.json tests/golden/training/first_steps.csv)
# Small programs of every kernel, and for races of every kind of sum. Used by name.
# shellcheck disable=SC2034
memcheck=("tests/solvers/engines/cuda/gpu_test" "tests/solvers/engines/exact_test *cuda*"
  "tests/solvers/engines/operator_parity_test *cuda*" "tests/layers/cuda_network_gpu_test")
# shellcheck disable=SC2034
racecheck=("tests/solvers/engines/cuda/gpu_test" "tests/solvers/engines/exact_test *cuda*"
  "tests/solvers/engines/batch_statistics_test *cuda*")

build() {
  export HOME=${HOME:-/root} USER=${USER:-$(id -un)}
  if java=$(readlink -e /usr/lib/jvm/default-java); then export JAVA_HOME=$java; fi
  local labels=(//solvers/engines/cuda:csc_cuda "//${benchmark%/*}:${benchmark##*/}") test
  if ! bazel build //solvers/engines/cuda:csc_cuda </dev/null || [ ! -e "bazel-bin/$library" ]; then
    echo "SKIPPED: $library cannot be built: there is no CUDA toolkit (CUDA_HOME, /usr/local/cuda)"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
  fi
  for test in "${programs[@]}"; do labels+=("//${test%/*}:${test##*/}"); done
  bazel build "${labels[@]}" </dev/null || exit 1
}

pack() {
  local file
  folder=$(mktemp -d) || exit 1
  trap 'rm -rf "$folder"' EXIT
  for file in "$library" "$benchmark" "${programs[@]}"; do
    install -D -s "bazel-bin/$file" "$folder/csc-gpu/$file" || exit 1
  done
  # OpenCV's plugin lies where Bazel's programs look for it.
  install -D -s bazel-bin/layers/libcsc_opencv.so "$folder/csc-gpu/lib/libcsc_opencv.so" || exit 1
  for file in "${data[@]}" "${comparison[@]}" tests/run_gpu.sh; do install -D "$file" "$folder/csc-gpu/$file" || exit 1; done
  third_party/carry_libraries.sh "$folder/csc-gpu/lib" "bazel-bin/$library" "bazel-bin/$benchmark" \
    "${programs[@]/#/bazel-bin/}" || exit 1
  tar cf "$1" -C "$folder" csc-gpu || exit 1
  echo "packed: $1 ($(du -h "$1" | cut -f 1)); tar xf it there and run csc-gpu/tests/run_gpu.sh"
}

passed=0 failed=0 skipped=0
skip() { skipped=$((skipped + 1)); echo "SKIPPED: $*"; }

# run NAME COMMAND...: one part, whose words are shown only where it fails.
run() {
  local log name=$1
  shift
  log=$(mktemp)
  echo "== $name"
  if ! "$@" >"$log" 2>&1; then
    failed=$((failed + 1))
    cat "$log"
    echo "FAILED: $name, repeat with: $*"
  elif grep -q '^\[       OK \]' "$log"; then
    passed=$((passed + 1))
    grep '^\[  PASSED  \]' "$log" || tail -n 1 "$log"
  elif grep -q '^\[  SKIPPED \]' "$log"; then
    skip "$(grep -A1 ': Skipped$' "$log" | sed -n 2p)"
  else
    # A test that tests nothing is none: the engine was there a moment ago.
    failed=$((failed + 1))
    echo "FAILED: $name has no case for this engine"
  fi
  rm -f "$log"
}

run_test() {  # NAME PROGRAM FILTER [WRAPPER...]
  local name=$1 program=$2 filter=$3
  shift 3
  run "$name" "$@" "$bin/$program" ${filter:+"--gtest_filter=$filter"}
}

usage() { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' tests/run_gpu.sh; }

sanitizer=yes benchmarks=yes packed=
[ ! -e lib/glibc ] || packed=yes
while [ $# -gt 0 ]; do
  case $1 in
    --pack) file=${2:?a file is needed}; build && pack "$file"; exit ;;
    --no-sanitizer) sanitizer= ;;
    --no-benchmark) benchmarks= ;;
    -h | --help) usage; exit ;;
    *) echo "run_gpu.sh: $1 is no option"; usage; exit 2 ;;
  esac
  shift
done

# Tests say so too, but building them takes minutes.
if ! compgen -G '/dev/nvidia*' >/dev/null && [ ! -e /dev/dxg ] && ! ldconfig -p 2>/dev/null | grep -q 'libcuda\.so'; then
  echo "SKIPPED: this machine has no NVIDIA device (/dev/nvidia*) and no driver (libcuda.so)"
  echo "0 passed, 0 failed, 1 skipped"
  exit 0
fi

if [ -n "$packed" ]; then
  bin=.
  export LD_LIBRARY_PATH=$PWD/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  found=$(getconf GNU_LIBC_VERSION | cut -d ' ' -f 2) needed=$(cat lib/glibc)
  if [ "$(printf '%s\n' "$needed" "$found" | sort -V | head -n 1)" != "$needed" ]; then
    echo "FAILED: this machine has glibc $found, and what was packed needs $needed: pack on an older system"
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
  fi
else
  build
  bin=bazel-bin
fi
export CSC_CUDA_LIBRARY=$PWD/$bin/$library

# The first test says whether there is a GPU; nothing else is worth starting where there is none.
run_test "${tests[0]}" "${tests[0]}" ""
if [ "$skipped" = 1 ]; then
  for test in "${tests[@]:1}"; do skip "${test%% *}: as above"; done
  [ -z "$sanitizer" ] || skip "compute-sanitizer: as above"
  [ -z "$benchmarks" ] || skip "benchmark: as above"
  echo "$passed passed, $failed failed, $skipped skipped"
  exit 0
fi
if [ "$failed" = 0 ] && command -v nvidia-smi >/dev/null; then
  nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm --format=csv,noheader
fi

for test in "${tests[@]:1}"; do
  read -r program filter <<<"$test"
  run_test "$program" "$program" "$filter"
done

if [ -n "$sanitizer" ]; then
  tool=$(command -v compute-sanitizer || ls "${CUDA_HOME:-/usr/local/cuda}"/bin/compute-sanitizer 2>/dev/null)
  if [ -z "$tool" ]; then
    skip "compute-sanitizer is not installed (it comes with the CUDA toolkit)"
  else
    for kind in memcheck racecheck; do
      declare -n part=$kind
      for test in "${part[@]}"; do
        read -r program filter <<<"$test"
        # Few seeds: it takes a hundred times as long.
        CSC_TEST_SEED=1-3 run_test "$kind: $program" "$program" "$filter" "$tool" --tool "$kind" --error-exitcode 9
      done
    done
  fi
fi

if [ -n "$benchmarks" ]; then
  echo "== $benchmark"
  if "$bin/$benchmark" --engine cuda --batch 1,128; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
