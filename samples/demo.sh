#!/usr/bin/env bash
# From a fresh clone to a trained CSC network in C++ and Python pipelines.
#
#   samples/demo.sh [FOLDER]      FOLDER (./demo-output) receives everything
#
# Installs what is missing, builds, trains a small MSD-CSC network on
# handwritten digits, exports it, runs it through OpenCV from C++ and from
# Python, prints both accuracies, and draws the learned filters and one digit's
# codes.
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in
  -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' samples/demo.sh; exit ;;
  -*) echo "demo.sh: $1 is no option (--help says what there is)" >&2; exit 2 ;;
esac
out=$(realpath -m "${1:-demo-output}")

say() { printf '\n== %s\n' "$*"; }

say "Installing what is missing"
third_party/install.sh

say "Building (a few minutes the first time)"
bazel build //layers:libcsc_opencv.so //training:train //training:evaluate //samples/classify \
  //samples/digits //samples/visualise
bin=$(pwd)/bazel-bin

mkdir -p "$out"
rm -rf "$out/model" # of an earlier demo
say "Training an MSD-CSC network on the digits"
"$bin/training/train" --data digits --model msd_csc --unfolding 2 --algorithm fista --out "$out/model" \
  | tee "$out/training.json"

say "The same file in an OpenCV pipeline, from C++ and from Python"
"$bin/samples/digits/digits" "$out/digits"
accuracy() { /usr/bin/python3 -c 'import json, sys; print("%.4f" % json.load(sys.stdin)["test_accuracy"])'; }
cpp=$("$bin/training/evaluate" "$out/model/model.onnx" --data "folder:$out/digits" | tail -n 1 | accuracy)
python=$(/usr/bin/python3 samples/python/evaluate.py "$bin/layers/libcsc_opencv.so" \
  "$out/model/model.onnx" 8x8x1 "$out/digits/test" | accuracy)
echo "test accuracy in C++    $cpp"
echo "test accuracy in Python $python"
if [ "$cpp" != "$python" ]; then
  echo "demo.sh: the two accuracies differ" >&2
  exit 1
fi

say "One picture, from C++ and from Python"
picture=$(find "$out/digits/test/3" -name '*.png' | sort | head -n 1)
"$bin/samples/classify/classify" "$out/model/model.onnx" "$picture" --top 3
/usr/bin/python3 samples/python/classify.py "$bin/layers/libcsc_opencv.so" "$out/model/model.onnx" 8x8x1 "$picture"

say "Pictures of what was learned"
"$bin/samples/visualise/visualise" "$out/model/model.onnx" "$picture" \
  --filters "$out/filters.png" --codes "$out/codes.png"

say "Done: everything is in $out"
