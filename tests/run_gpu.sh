#!/bin/bash
# Everything that a GPU is needed for, on this machine's GPU: the engine `cuda` against the reference on every operator,
# gradients, the golden first steps of training, same bits in two runs, resumed training, networks through OpenCV and on
# GpuMat, the same with every linear map given to cuDNN, NVIDIA's compute-sanitizer on a part of it, and the benchmarks: each
# linear map by our own kernels and by cuDNN, networks beside PyTorch.
#
#     tests/run_gpu.sh                    builds with Bazel and nvcc, then runs
#     tests/run_gpu.sh --pack FILE.tar    builds, and packs what it takes to run on a machine without Bazel, OpenCV, internet
#     tar xf FILE.tar; csc-gpu/tests/run_gpu.sh                                    runs what was packed
#
# All that it says goes into gpu_report.md too (--report FILE), figures included. The last line is "N passed, N failed, N
# skipped"; the exit status is 0 only if nothing failed. Without a GPU everything is SKIPPED, with the reason.
# cuDNN is this machine's: what CSC_CUDNN_LIBRARY names, what the dynamic loader or the CUDA toolkit has, or the package of
# PYTHON (nvidia-cudnn-cu13, which comes with PyTorch). Without one its part is SKIPPED.
# --no-sanitizer and --no-benchmark leave those out, --no-pytorch our rival, which is also left out where PYTHON (python3)
# has no PyTorch 2. Tests take minutes, the sanitizer some more, the benchmark with PyTorch two hours.
set -u
cd "$(dirname "$0")/.." || exit 1

library=solvers/engines/cuda/libcsc_cuda.so
benchmark=samples/benchmark/benchmark
maps=samples/benchmark/gpu_maps
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
# Those that cuDNN changes.
with_cudnn=(
  "tests/solvers/engines/cuda/gpu_test"
  "tests/solvers/engines/exact_test *cuda*"
  "tests/solvers/engines/adjointness_test *cuda*"
  "tests/solvers/engines/operator_parity_test *cuda*"
  "tests/solvers/engines/training_parity_test *cuda*"
  "tests/solvers/engines/paper_networks_test *cuda*"
  "tests/solvers/engines/executable_test *cuda*"
  "tests/solvers/engines/same_bits_test *cuda*"
  "tests/training/golden_test *cuda*"
)
comparison=(samples/gpu_comparison/compare.py samples/benchmark/rivals/{protocol,pytorch_networks,pytorch_rival}.py
  training/pytorch/csc_torch.py)
data=(tests/golden/golden.json tests/golden/training/first_steps.csv)
# What each of the sanitizer's tools looks at: small programs of every kernel. Used by name.
# shellcheck disable=SC2034
memcheck=("tests/solvers/engines/cuda/gpu_test" "tests/solvers/engines/exact_test *cuda*"
  "tests/solvers/engines/operator_parity_test *cuda*" "tests/layers/cuda_network_gpu_test")
# shellcheck disable=SC2034
racecheck=("tests/solvers/engines/cuda/gpu_test" "tests/solvers/engines/exact_test *cuda*"
  "tests/solvers/engines/batch_statistics_test *cuda*")
# shellcheck disable=SC2034
synccheck=("tests/solvers/engines/cuda/gpu_test")
# shellcheck disable=SC2034
initcheck=("tests/solvers/engines/cuda/gpu_test" "tests/solvers/engines/exact_test *cuda*")

build() {
  export HOME=${HOME:-/root} USER=${USER:-$(id -un)}
  if java=$(readlink -e /usr/lib/jvm/default-java); then export JAVA_HOME=$java; fi
  local labels=(//solvers/engines/cuda:csc_cuda "//${benchmark%/*}:${benchmark##*/}" "//${maps%/*}:${maps##*/}") test
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
  for file in "$library" "$benchmark" "$maps" "${programs[@]}"; do
    install -D -s "bazel-bin/$file" "$folder/csc-gpu/$file" || exit 1
  done
  # OpenCV's plugin lies where Bazel's programs look for it.
  install -D -s bazel-bin/layers/libcsc_opencv.so "$folder/csc-gpu/lib/libcsc_opencv.so" || exit 1
  for file in "${data[@]}" "${comparison[@]}" tests/run_gpu.sh; do install -D "$file" "$folder/csc-gpu/$file" || exit 1; done
  # The benchmark finds its rivals where Bazel's programs keep their data.
  mkdir -p "$folder/csc-gpu/$benchmark.runfiles" && ln -s ../../.. "$folder/csc-gpu/$benchmark.runfiles/csc_dnn" || exit 1
  third_party/carry_libraries.sh --gcc-apart "$folder/csc-gpu/lib" "bazel-bin/$library" "bazel-bin/$benchmark" "bazel-bin/$maps" \
    "${programs[@]/#/bazel-bin/}" || exit 1
  git describe --always --dirty >"$folder/csc-gpu/version" 2>/dev/null
  tar cf "$1" -C "$folder" csc-gpu || exit 1
  echo "packed: $1 ($(du -h "$1" | cut -f 1)); tar xf it there and run csc-gpu/tests/run_gpu.sh"
}

passed=0 failed=0 skipped=0
skip() { skipped=$((skipped + 1)); echo "SKIPPED: $*"; }

# run NAME COMMAND...: one part, whose words are shown only where it fails.
run() {
  local log name=$1 status began=$SECONDS
  shift
  log=$(mktemp)
  echo "== $name"
  # A kernel that never ends must not keep the rest from being tried.
  timeout -k 30 1800 "$@" >"$log" 2>&1
  status=$?
  if [ "$status" != 0 ]; then
    failed=$((failed + 1))
    tail -n 200 "$log"
    echo "FAILED: $name (exit status $status, 124 is half an hour), repeat with: $*"
  elif grep -q '^\[       OK \]' "$log"; then
    passed=$((passed + 1))
    echo "$(grep '^\[  PASSED  \]' "$log" || tail -n 1 "$log") $((SECONDS - began)) s"
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
  run "$name" "${environment[@]}" "$@" "$bin/$program" ${filter:+"--gtest_filter=$filter"}
}

usage() { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' tests/run_gpu.sh; }

sanitizer=yes benchmarks=yes packed='' report=gpu_report.md pytorch=()
[ ! -e lib/glibc ] || packed=yes
while [ $# -gt 0 ]; do
  case $1 in
    --pack) file=${2:?a file is needed}; build && pack "$file"; exit ;;
    --no-sanitizer) sanitizer= ;;
    --no-benchmark) benchmarks= ;;
    --no-pytorch) pytorch=(--no-pytorch) ;;
    --report) report=${2:?a file is needed}; shift ;;
    -h | --help) usage; exit ;;
    *) echo "run_gpu.sh: $1 is no option"; usage; exit 2 ;;
  esac
  shift
done

# Whatever is said from here on is the report too.
exec > >(tee "$report") 2>&1
trap 'exec >&- 2>&-; wait' EXIT

# end: the last line, and the exit status.
end() {
  echo "$passed passed, $failed failed, $skipped skipped"
  [ "$failed" = 0 ]
  exit
}

# Tests say so too, but building them takes minutes.
if ! compgen -G '/dev/nvidia*' >/dev/null && [ ! -e /dev/dxg ] && ! ldconfig -p 2>/dev/null | grep -q 'libcuda\.so'; then
  skip "this machine has no NVIDIA device (/dev/nvidia*) and no driver (libcuda.so)"
  end
fi

# What programs are run with: not exported, since other machines' programs have libraries of their own.
if [ -n "$packed" ]; then
  bin=.
  libraries=$PWD/lib
  if LD_LIBRARY_PATH=$libraries ldd ./"$library" "${programs[@]}" lib/*.so* 2>&1 | grep -q 'not found'; then
    libraries+=:$PWD/lib/gcc
  fi
  environment=(env "CSC_CUDA_LIBRARY=$PWD/$library" "LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}")
  found=$(getconf GNU_LIBC_VERSION | cut -d ' ' -f 2) needed=$(cat lib/glibc)
  if [ "$(printf '%s\n' "$needed" "$found" | sort -V | head -n 1)" != "$needed" ]; then
    echo "FAILED: this machine has glibc $found, and what was packed needs $needed: pack on an older system"
    failed=1
    end
  fi
else
  build
  bin=bazel-bin
  environment=(env "CSC_CUDA_LIBRARY=$PWD/bazel-bin/$library")
fi

if [ -z "${CSC_CUDNN_LIBRARY:-}" ] && ! ldconfig -p 2>/dev/null | grep -q 'libcudnn\.so\.9' &&
  ! compgen -G "${CUDA_HOME:-/usr/local/cuda}/lib*/libcudnn.so.9" >/dev/null; then
  packaged=$("${PYTHON:-python3}" -c 'import nvidia.cudnn as c; print(c.__path__[0])' 2>/dev/null)/lib/libcudnn.so.9
  [ ! -e "$packaged" ] || export CSC_CUDNN_LIBRARY=$packaged
fi

echo "# The engine cuda on a GPU"
echo
echo "$(date -u '+%F %H:%M UTC'), $(uname -srm), $(git describe --always --dirty 2>/dev/null || cat version 2>/dev/null)"
nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm,clocks.max.mem,mig.mode.current --format=csv 2>/dev/null
echo
echo "## Tests"

# The first test says whether there is a GPU; nothing else is worth starting where there is none.
run_test "${tests[0]}" "${tests[0]}" "-*LetsCudnnServeEveryMap"
if [ "$skipped" = 1 ]; then
  for test in "${tests[@]:1}"; do skip "${test%% *}: as above"; done
  [ -z "$sanitizer" ] || skip "compute-sanitizer: as above"
  [ -z "$benchmarks" ] || skip "benchmark: as above"
  end
fi
for test in "${tests[@]:1}"; do
  read -r program filter <<<"$test"
  run_test "$program" "$program" "$filter"
done

# Says whether there is a cuDNN; the benchmark of maps says which.
before=$((passed + failed))
run_test "cuDNN" "${tests[0]}" "*LetsCudnnServeEveryMap"
if [ $((passed + failed)) != "$before" ]; then
  for test in "${with_cudnn[@]}"; do
    read -r program filter <<<"$test"
    run_test "cuDNN: $program" "$program" "$filter" env CSC_CUDNN=all
  done
fi

if [ -n "$sanitizer" ]; then
  tool=$(command -v compute-sanitizer || ls "${CUDA_HOME:-/usr/local/cuda}"/bin/compute-sanitizer 2>/dev/null)
  if [ -z "$tool" ]; then
    skip "compute-sanitizer is not installed (it comes with the CUDA toolkit)"
  else
    for kind in memcheck racecheck synccheck initcheck; do
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
  echo
  echo "## Linear maps, our own kernels and cuDNN"
  echo
  if timeout -k 30 1800 "${environment[@]}" "$bin/$maps"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAILED: $maps"
  fi
  echo
  echo "## Figures"
  echo
  if ! command -v "${PYTHON:-python3}" >/dev/null; then
    skip "figures: there is no ${PYTHON:-python3} to make tables (PYTHON)"
  elif env "${environment[1]}" "CSC_LIBRARIES=${libraries:-}" "${PYTHON:-python3}" samples/gpu_comparison/compare.py "${pytorch[@]}"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAILED: figures"
  fi
  echo
fi
end
