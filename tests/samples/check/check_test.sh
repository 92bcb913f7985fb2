#!/bin/bash
# The program's exit status and what it says. Arguments: write_model, check.
set -u
write_model=$1 check=$2
model=$TEST_TMPDIR/model.onnx
failures=0

# expect STATUS TEXT COMMAND...: the command's status, and a text in its output.
expect() {
  local status=$1 text=$2 output
  shift 2
  output=$("$@" 2>&1)
  local found=$?
  if [ "$found" -ne "$status" ] || ! grep -qF -- "$text" <<<"$output"; then
    echo "FAILED: ${*/#*\//}: status $found, $status expected, with \"$text\" in:"
    echo "$output"
    failures=$((failures + 1))
  fi
}

"$write_model" "$model" || exit 1
expect 0 "--tolerance" "$check" --help
expect 0 "reference" "$check" --engines
expect 0 "all layers" "$check" "$model" reference
expect 0 "same class 4/4" "$check" "$model"
expect 0 "3 images" "$check" "$model" reference --batch 3 --size 16 12
expect 0 "arithmetic direct" "$check" "$model" --exact
expect 0 "arithmetic direct" env CSC_ARITHMETIC=direct "$check" "$model"
expect 2 "one of direct, float32" env CSC_ARITHMETIC=slow "$check" "$model"
expect 2 "no model file" "$check"
expect 2 "unknown" "$check" "$model" turbo
expect 2 "not an ONNX model" "$check" "$check"
expect 2 "nowhere.onnx: cannot be opened: No such file" "$check" nowhere.onnx
/usr/bin/python3 - "$model" "$TEST_TMPDIR/newer.onnx" <<'PY'
import sys
model = open(sys.argv[1], "rb").read()
opset = b"\x0a\x03csc\x10"  # the domain, then the version
assert model.count(opset + b"\x01") == 1
open(sys.argv[2], "wb").write(model.replace(opset + b"\x01", opset + b"\x63"))
PY
expect 2 "newer.onnx: written for version 99 of the csc operators" "$check" "$TEST_TMPDIR/newer.onnx"
expect 2 "cannot read a picture" "$check" "$model" --images "$model"
expect 2 "--batch" "$check" "$model" --batch 0
exit $((failures > 0))
