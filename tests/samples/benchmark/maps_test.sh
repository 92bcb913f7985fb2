#!/usr/bin/env bash
# The benchmark of linear maps times each map by each algorithm that can compute it. Says nothing about speed.
set -euo pipefail
maps=$(realpath "$1")

fail() { echo "$1" >&2; exit 1; }

"$maps" --layers 2 --side 8 --rounds 1 > "$TEST_TMPDIR/table"
/usr/bin/python3 - "$TEST_TMPDIR/table" <<'PY'
import sys
head, columns, *rows = open(sys.argv[1]).read().splitlines()
assert "GFLOP/s" in head, head
found = set()
for row in rows:
    kind, channels, height, x, width, dilation, by, best, median, nominal, executed = row.split()
    assert (height, x, width) == ("8", "x", "8") and 0 < float(best) <= float(median) and float(nominal) > 0, row
    counted = by != "onednn" and kind != "gradient"
    assert 0 < float(executed) < 1.5 if counted else executed == "-", row
    found.add((kind, channels, dilation, by))
expected = {(k, c, d, by) for c, d in (("3", "1"), ("35", "2"))
            for k in ("analysis", "synthesis", "gradient") for by in ("direct", "winograd", "onednn")}
assert found == expected, found ^ expected
PY
"$maps" --map nothing > /dev/null 2>&1 && fail "an unknown map was accepted"
exit 0
