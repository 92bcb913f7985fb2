#!/usr/bin/env bash
# The benchmark runs every path on a small network, finds that they agree, and
# prints figures that can be true. Says nothing about speed.
set -euo pipefail
benchmark=$(realpath "$1")
cd "$TEST_TMPDIR"
for engine in onednn reference; do
  "$benchmark" --engine "$engine" --depth 3 --width 4 --unfolding 1 --size 8 --batch 1,3 --threads 2 --seconds 0.02 \
    --json > result.json
  /usr/bin/python3 - "$engine" <<'PY'
import json, sys
result = json.load(open("result.json"))
assert result["engine"] == sys.argv[1], result
assert result["peak_gflops_per_second"] > 0 and result["memory_gb_per_second"] > 0, result
assert [(r["path"], r["batch"]) for r in result["results"]] == [
    ("engine", 1), ("Net::forward", 1), ("engine", 3), ("Net::forward", 3)], result
for r in result["results"]:
    assert 0 < r["best_ms_per_image"] <= r["ms_per_image"] and 0 < r["share_of_peak"] < 1, r
PY
done

if "$benchmark" --engine abacus --batch 1 2> error; then echo "engine abacus was accepted" >&2; exit 1; fi
grep -q '"abacus" is unknown' error
