#!/usr/bin/env bash
# The benchmark of loading times every line of its table. Says nothing about speed.
set -euo pipefail
loading=$(realpath "$1")

fail() { echo "$1" >&2; exit 1; }

"$loading" --images 100 --side 8 --batch 16 --threads 2 --seconds 0.01 > "$TEST_TMPDIR/table"
/usr/bin/python3 - "$TEST_TMPDIR/table" <<'PY'
import sys
head, columns, *rows = open(sys.argv[1]).read().splitlines()
assert "100 images of [3, 8, 8]" in head, head
assert [row[:28].strip() for row in rows] == ["chosen", "chosen and copied as bytes", "made floats by one thread",
                                              "made floats by 2 of them"], rows
assert all(float(number) > 0 for row in rows for number in row[28:].split()), rows
PY
"$loading" --batch 0 > /dev/null 2>&1 && fail "batches of no images were accepted"
exit 0
