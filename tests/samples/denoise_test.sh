#!/usr/bin/env bash
# The Lasso removes noise from a picture of edges, slopes and texture: at least
# 5 dB at a standard deviation of 25.
set -euo pipefail
denoise=$(realpath "$1")
cd "$TEST_TMPDIR"
/usr/bin/python3 - <<'PY'
import cv2, numpy
y, x = numpy.mgrid[0:96, 0:96]
image = 60 + 0.8 * x + 40 * (x + y > 96) + 25 * numpy.sin(x / 3.0) * (y > 64)
cv2.imwrite("clean.png", numpy.clip(image, 0, 255).astype(numpy.uint8))
PY
"$denoise" clean.png result.png --add-noise --sigma 25 --noisy noisy.png
/usr/bin/python3 - <<'PY'
import cv2
clean, noisy, result = (cv2.imread(f, 0) for f in ("clean.png", "noisy.png", "result.png"))
before, after = cv2.PSNR(clean, noisy), cv2.PSNR(clean, result)
print(f"PSNR {before:.2f} dB before, {after:.2f} dB after")
assert after > before + 5, "a gain of at least 5 dB expected"
PY
