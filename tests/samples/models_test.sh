#!/usr/bin/env bash
# The trained models of the repository do what their table says.
set -euo pipefail
evaluate=$(realpath "$1") classify=$(realpath "$2") digits=$(realpath "$3") cifar10=$(realpath "$4")
readme=$(realpath "$5") picture=$(realpath "$6") plugin=$(realpath "$7") python=$(realpath "$8")
labels=$(realpath "${4%.onnx}.labels.txt")
cd "$TEST_TMPDIR"
fail() { echo "$*" >&2; exit 1; }
# expect MODEL DATA: the accuracy in the table's row of the model, in percent.
expect() {
  stated=$(sed -n "s/^| \`$(basename "$1")\` .* \([0-9.]*\) % .*/\1/p" "$readme")
  found=$("$evaluate" "$1" --data "$2" |
    /usr/bin/python3 -c 'import json, sys; print("%.2f" % (100 * json.load(sys.stdin)["test_accuracy"]))')
  echo "$1: $found % found, $stated % stated"
  # Another machine may round an image or two to the other side.
  /usr/bin/python3 -c "assert abs($found - $stated) <= 0.3"
}
expect "$digits" digits
"$classify" "$cifar10" "$picture" --top 10 > answer
for label in airplane automobile bird cat deer dog frog horse ship truck; do
  grep -q "$label" answer || { cat answer; fail "$label is not among the answers"; }
done
# What the plugin says of an engine reaches the user.
for command in "$evaluate $digits" "$classify $cifar10 $picture"; do
  if $command --engine abacus > /dev/null 2> error; then fail "engine abacus was accepted"; fi
  grep -q '^[a-z]*: engine "abacus" is unknown: one of ' error || { cat error; fail "no reason is given"; }
done
# The same answer from Python, with the names of the classes. (realpath has left the runfiles; both files side by side again.)
cp "$cifar10" "$labels" .
if /usr/bin/python3 -c 'import cv2' 2>/dev/null; then
  /usr/bin/python3 "$python" "$plugin" cifar10.onnx 32x32x3 "$picture" 2>/dev/null > python-answer
  best=$(sed 's/.*: \([a-z]*\) .*/\1/' python-answer)
  head -n 2 answer | grep -q "$best" || { cat answer python-answer; fail "Python answers otherwise"; }
fi
if [ -n "${CSC_CIFAR10_JPEG:-}" ]; then
  expect "$cifar10" "folder:$CSC_CIFAR10_JPEG"
else
  echo "the accuracy on CIFAR-10 (JPEG) is checked where CSC_CIFAR10_JPEG names its folder"
fi
