#!/bin/bash
# Runs the tests of the CUDA engine on this machine's GPU. Without a GPU every test is reported as SKIPPED, with the
# reason. The last line is "N passed, N failed, N skipped"; the exit status is 0 only if nothing failed.
#
#     tests/run_gpu.sh                      builds with Bazel and nvcc, then runs
#     tests/run_gpu.sh --pack FOLDER        builds, and collects in FOLDER what the tests need, libraries included
#     tests/run_gpu.sh --binaries FOLDER    runs what was packed, on a machine that need not have Bazel or CUDA
#
# CSC_GPU_WRAPPER is put before each test, for instance "compute-sanitizer --error-exitcode 1".
set -u
cd "$(dirname "$0")/.." || exit 1

cuda=solvers/engines/cuda/libcsc_cuda.so
gpu_test=tests/solvers/engines/cuda/gpu_test
# The tests of all engines, of which only the cases of this one are run.
parity_tests=(adjointness_test exact_test executable_test operator_parity_test same_bits_test training_parity_test)

build() {
  bazel build //solvers/engines/cuda:csc_cuda "//$(dirname $gpu_test):gpu_test" \
    "${parity_tests[@]/#///tests/solvers/engines:}" </dev/null || exit 1
  if [ ! -e "bazel-bin/$cuda" ]; then
    echo "SKIPPED: there is no CUDA toolkit to build $cuda with"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
  fi
}

pack() {
  mkdir -p "$1/lib" || exit 1
  for file in "$cuda" "$gpu_test" "${parity_tests[@]/#/tests/solvers/engines/}"; do
    install -s "bazel-bin/$file" "$1/" || exit 1
    # All libraries but those that belong to the kernel and the C library of the other machine.
    ldd "bazel-bin/$file" | awk '$3 ~ /^\// { print $3 }' |
      grep -vE '/(libc|libm|libdl|librt|libpthread)\.so' | xargs -r cp -uL -t "$1/lib"
  done
  echo "packed: copy $1 and tests/run_gpu.sh, then run tests/run_gpu.sh --binaries $1"
}

passed=0 failed=0 skipped=0
run() {
  local log
  log=$(mktemp)
  echo "== $(basename "$1") ${2:-}"
  # shellcheck disable=SC2086
  if ${CSC_GPU_WRAPPER:-} "$@" >"$log" 2>&1; then
    if grep -q '^\[  SKIPPED \]' "$log" && ! grep -q '^\[       OK \]' "$log"; then
      skipped=$((skipped + 1))
      echo "SKIPPED: $(grep -A1 ': Skipped$' "$log" | sed -n 2p)"
    elif ! grep -q '^\[       OK \]' "$log"; then
      skipped=$((skipped + 1))
      echo "SKIPPED: the engine is absent, so the test has no case for it"
    else
      passed=$((passed + 1))
      tail -n 1 "$log"
    fi
  else
    failed=$((failed + 1))
    cat "$log"
  fi
  rm -f "$log"
}

folder=
case ${1:-} in
  --pack) build && pack "${2:?a folder is needed}"; exit ;;
  --binaries) folder=${2:?a folder is needed} ;;
  "") build ;;
  *) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac

if [ -n "$folder" ]; then
  export LD_LIBRARY_PATH=$folder/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  export CSC_CUDA_LIBRARY=$folder/libcsc_cuda.so
  run "$folder/gpu_test"
  for test in "${parity_tests[@]}"; do run "$folder/$test" '--gtest_filter=*/cuda*'; done
else
  export CSC_CUDA_LIBRARY=bazel-bin/$cuda
  run "bazel-bin/$gpu_test"
  for test in "${parity_tests[@]}"; do run "bazel-bin/tests/solvers/engines/$test" '--gtest_filter=*/cuda*'; done
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
