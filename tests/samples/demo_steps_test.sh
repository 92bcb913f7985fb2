#!/usr/bin/env bash
# A network trained on the digits answers alike in C++ and Python pipelines.
set -euo pipefail
plugin=$(realpath "$1") train=$(realpath "$2") evaluate=$(realpath "$3") digits=$(realpath "$4")
classify=$(realpath "$5") visualise=$(realpath "$6") evaluate_py=$(realpath "$7") classify_py=$(realpath "$8")
cd "$TEST_TMPDIR"
fail() { echo "$*" >&2; exit 1; }
accuracy() { /usr/bin/python3 -c 'import json, sys; print("%.4f" % json.load(sys.stdin)["test_accuracy"])'; }

"$train" --data digits --epochs 8 --unfolding 2 --out model 2> train.log || { cat train.log; exit 1; }
"$digits" digits
cpp=$("$evaluate" model/model.onnx --data folder:digits 2> /dev/null | tail -n 1 | accuracy)
cp -r digits renamed
for split in train test; do mv "renamed/$split/3" "renamed/$split/three"; done  # sorted last, so that others move up
"$evaluate" model/model.onnx --data folder:renamed > /dev/null 2> error
grep -q "^note: the model's classes are 0, 1, 2, 3,.* those of folder:renamed are 0, 1, 2, 4" error || fail "other classes pass unnoticed"
python=$(/usr/bin/python3 "$evaluate_py" "$plugin" model/model.onnx 8x8x1 digits/test 2> /dev/null | accuracy)
echo "accuracy $cpp in C++, $python in Python"
[ "$cpp" = "$python" ] || fail "the accuracies differ"
/usr/bin/python3 -c "assert $cpp > 0.9, 'accuracy $cpp: more than 0.9 expected'"

picture=$(find digits/test/3 -name '*.png' | sort | head -n 1)
for model in model model_layered model_portable; do
  "$classify" "model/$model.onnx" "$picture" --top 1 | tee answer
  label=$(cut -f 2 answer | cut -d ' ' -f 1)
  [ "${first:=$label}" = "$label" ] || fail "$model answers $label, not $first"
done
/usr/bin/python3 "$classify_py" "$plugin" model/model.onnx 8x8x1 "$picture" 2> /dev/null | grep -q ": $first "

"$visualise" model/model.onnx "$picture" --filters filters.png --codes codes.png
for file in filters.png codes.png; do
  /usr/bin/python3 -c "import cv2; i = cv2.imread('$file'); assert i is not None and i.std() > 5, '$file is blank'"
done

if "$classify" model/model.onnx missing.png 2> error; then fail "a missing picture was accepted"; fi
grep -q missing.png error
