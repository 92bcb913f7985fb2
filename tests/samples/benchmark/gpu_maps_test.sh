#!/usr/bin/env bash
# The benchmark of the GPU's linear maps times each by both, or says why not. Says nothing about speed: cuDNN is plain loops.
set -euo pipefail
maps=$(realpath "$1")
CSC_CUDA_LIBRARY=$(realpath "$2")
export CSC_CUDA_LIBRARY

fail() { echo "$1" >&2; exit 1; }

"$maps" --smoke --batch 2 --seconds 0.001 --arithmetic float32,tf32 > "$TEST_TMPDIR/table"
/usr/bin/python3 - "$TEST_TMPDIR/table" <<'PY'
import sys
head, blank, columns, rule, *rows = open(sys.argv[1]).read().splitlines()
assert "batch 2" in head and not blank, head
found = set()
for row in rows:
    kind, image, code, geometry, networks, arithmetic, own, cudnn, ratio, own_is, cudnn_is = row.strip("| ").split(" | ")
    assert float(own) > 0 and float(cudnn) > 0 and float(ratio) > 0, row
    assert not own_is.startswith("cuDNN") and cudnn_is.startswith("cuDNN, " + arithmetic), row
    found.add((kind, arithmetic, "res_csc" in networks, "stride" in geometry))
for kind in ("analysis", "synthesis", "filter_gradient"):
    for arithmetic in ("float32", "tf32"):
        assert {(kind, arithmetic, False, False), (kind, arithmetic, True, True)} <= found, found
PY
"$maps" --arithmetic nothing > /dev/null 2>&1 && fail "an unknown arithmetic was accepted"
exit 0
