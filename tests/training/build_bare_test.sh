#!/bin/bash
# training/build_bare.sh makes a driver that trains without OpenCV, oneDNN and Bazel. Compiles all of it, which takes
# minutes: bazel test //tests/training:build_bare_test.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
out=$TEST_TMPDIR
fail() { echo "$*" >&2; exit 1; }

# The library of the GPU is compiled too, where there is nvcc, for one kind of GPU.
training/build_bare.sh --out "$out/bare" --archs 90 --cuda-on-host --carry
cd "$out"
for needed in opencv dnnl; do
  ! ldd bare/train | grep "$needed" || fail "the driver needs $needed"
done

few=(--epochs 2 --limit-train 200 --limit-test 100)
bare/train "${few[@]}" --engine reference --out of-reference | tail -n 1 | grep '"engine":"reference"'
CSC_CUDA_LIBRARY=bare/libcsc_cuda_on_host.so bare/train "${few[@]}" --engine cuda --out of-cuda |
  tail -n 1 | grep '"engine":"cuda"'
[ -s of-cuda/model.onnx ] && [ -s of-cuda/report.html ] || fail "files are missing"

# Both engines learn alike, and what is absent says so.
python3 - <<'PYTHON' || fail "the engines differ"
import csv
rows = [list(csv.DictReader(open(f"of-{engine}/metrics.csv"))) for engine in ("reference", "cuda")]
for a, b in zip(*rows, strict=True):
    assert abs(float(a["train_loss"]) - float(b["train_loss"])) < 0.1 * float(a["train_loss"]), (a, b)
PYTHON
! bare/train --engine onednn --out none 2>error.txt && grep 'built without oneDNN' error.txt
! bare/train --data folder:. --out none 2>error.txt && grep 'built without OpenCV' error.txt
