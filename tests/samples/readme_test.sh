#!/usr/bin/env bash
# The pipelines printed in the README run as they stand there, and agree.
set -euo pipefail
readme=$(realpath "$1") plugin=$(realpath "$2") train=$(realpath "$3") pipeline=$(realpath "$4")
cd "$TEST_TMPDIR"

# Two classes of 32 x 32 colour pictures: reddish and bluish noise.
/usr/bin/python3 - <<'PY'
import os
import cv2, numpy
rng = numpy.random.default_rng(1)
for split, count in (("train", 32), ("test", 8)):
    for name, bright in (("red", 2), ("blue", 0)):
        os.makedirs(f"pictures/{split}/{name}")
        for i in range(count):
            image = rng.integers(0, 100, (32, 32, 3), dtype=numpy.uint8)
            image[..., bright] += 150
            cv2.imwrite(f"pictures/{split}/{name}/{i:02}.png", image)
PY
"$train" --data folder:pictures --depth 3 --width 16 --epochs 2 --out model 2> train.log || { cat train.log; exit 1; }

mkdir -p bazel-bin/layers
ln -sf "$plugin" bazel-bin/layers/libcsc_opencv.so
sed -n '/^```python$/,/^```$/p' "$readme" | sed '/^```/d' > pipeline.py
[ -s pipeline.py ]
for picture in pictures/test/red/00.png pictures/test/blue/00.png; do
  python=$(/usr/bin/python3 pipeline.py model/model.onnx "$picture")
  cpp=$("$pipeline" model/model.onnx "$picture")
  echo "$picture: Python says $python, C++ says $cpp"
  [[ "$python" =~ ^class\ [01]$ ]]
  [ "$python" = "$cpp" ]
done
