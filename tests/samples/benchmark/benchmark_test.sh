#!/usr/bin/env bash
# The benchmark runs every model on every path, finds that they agree, compares with another program where asked to, and
# prints figures that can be true. Says nothing about speed.
set -euo pipefail
benchmark=$(realpath "$1")
cuda_on_host=$(realpath "$2")
cd "$TEST_TMPDIR"

fail() { echo "$1" >&2; exit 1; }
check() { /usr/bin/python3 - "$@"; }

# --- every model, in both directions, with pictures ---
"$benchmark" --smoke --seconds 0.01 --threads 2 --json smoke.json --pictures pictures > table 2> progress
check <<'PY'
import json, xml.etree.ElementTree
report = json.load(open("smoke.json"))
assert report["peak_gflops_per_second"] > 0 and report["memory_gb_per_second"] > 0, report
models = "msd_csc msd_csc_joint layered_pursuit msdnet res_csc res_csc_simplified resnet plain ml_csc feed_forward".split()
found = {(r["network"].split()[0], r["phase"], r["form"], r["batch"]) for r in report["results"]}
expected = {(m, "inference", f, b) for m in models for f in ("engine", "fused", "layered") for b in (1, 3)}
expected |= {(m, "training", "engine", b) for m in models for b in (1, 3)}
assert found == expected, found ^ expected
for r in report["results"]:
    assert 0 < r["best_ms_per_image"] <= r["ms_per_image"] and 0 < r["share_of_peak"] < 1, r
    assert r["unfused_bytes_per_image"] > 0 and r["gflop_per_image"] > 0, r
    if r["form"] == "engine":
        w = r["workspace_bytes"]
        assert 0 < w["fixed"] < w["total"], r
for name in ("roofline", "time_batch"):
    xml.etree.ElementTree.parse(f"pictures/{name}.svg")
PY
grep -q "res_csc d=8 w=2, training, 8 x 8" table || fail "the table lacks a network"
check <<'PY'
import re
lines = open("table").read().splitlines()
columns = re.split(r" {2,}", next(line for line in lines if line.startswith("program, arithmetic")))
legend = [line for line in lines if line.startswith(("ms/image, best: ", "rival: "))]
assert len(legend) == 2, legend
assert len(columns) == 15 and all(column in " ".join(legend) for column in columns[3:]), (columns, legend)
PY

# --- the reference by name; what an engine declines is said ---
small="--depth 3 --width 4 --unfolding 1 --side 8 --threads 2 --seconds 0.01"
"$benchmark" $small --engine reference --arithmetic direct,bf16 --path engine --batch 2 --json - > result.json 2> progress
check <<'PY'
import json
direct, declined = json.load(open("result.json"))["results"]
assert direct["program"] == "reference" and direct["ms_per_image"] > 0, direct
assert "bf16" in declined["not_measured"], declined
PY

# --- where the time goes: in both phases, every kind of work that there is ---
for phase in inference training; do
  "$benchmark" $small --phase $phase --engine onednn --path engine --batch 1,8 --times --json $phase.json > /dev/null 2> progress
done
check <<'PY'
import json
for phase in "inference", "training":
    for result in json.load(open(phase + ".json"))["results"]:
        times = result["worker_seconds_per_image"]
        assert times["maps"] > 0 and times["elementwise"] > 0 and times["layout"] > 0 and times["other"] > 0, times
        assert (times["gradients"] > 0) == (phase == "training"), times
        assert -1e-9 < times["rest"] < times["total"], times
assert "worker_seconds_per_image" not in json.load(open("smoke.json"))["results"][0]
PY

# --- the engine cuda: no share of what the processor reaches meanwhile, when a GPU's steps would go on ---
CSC_CUDA_LIBRARY=$cuda_on_host "$benchmark" $small --phase training --engine cuda --batch 2 --json - > result.json 2> progress
check <<'PY'
import json
[result] = json.load(open("result.json"))["results"]
assert result["program"] == "cuda" and result["ms_per_image"] > 0 and result["share_of_peak_then"] is None, result
PY

# --- beside neighbours, and against OpenCV's own engine (of the distribution, which is no rival at speed) ---
"$benchmark" $small --batch 1 --neighbours 1 --compare opencv --python /usr/bin/python3 --rival-batches 2 --json - \
  > result.json 2> progress
check <<'PY'
import json
report = json.load(open("result.json"))
assert report["rivals"][0].startswith("OpenCV "), report["rivals"]
rivals = [r for r in report["results"] if r["rival"]]
assert [r["batch"] for r in rivals] == [1, 2], rivals
own = report["results"][0]
best = min(r["ms_per_image"] for r in rivals)
assert abs(own["best_rival"]["times_as_long"] - best / own["ms_per_image"]) < 1e-6, own
assert report["beside_neighbours"][0]["busy_ms"] > 0, report["beside_neighbours"]
PY

# --- a rival that takes another time whenever it is asked: its fastest form is timed five times more, in turns with ours ---
cat > rival_of_seconds.py <<'PY'
import sys
sys.path.insert(0, sys.argv[1].rsplit("/", 1)[0])
from protocol import serve
import cv2

def rival(work):
    net = cv2.dnn.readNetFromONNX(work.portable)
    net.setInput(work.images(work.checked))
    work.write(scores=net.forward())
    yield {"batch": 1, "form": "slow", "median": 3, "best": 3, "runs": 3, "again": lambda seconds: 1 / 0}
    later = iter([(4, 3), (9, 8), (1, 1), (8, 7), (5, 0.5)])
    again = lambda seconds: dict(zip(("median", "best", "runs"), (*next(later), 4)))
    yield {"batch": 1, "form": "fast", "median": 2, "best": 2, "runs": 3, "again": again}

serve("Seconds", "1", "none", rival)
PY
printf '#!/bin/sh\nexec /usr/bin/python3 rival_of_seconds.py "$@"\n' > seconds
chmod +x seconds
"$benchmark" $small --batch 1 --path engine --compare pytorch --python ./seconds --json - > result.json 2> progress
check <<'PY'
import json
own, slow, fast = json.load(open("result.json"))["results"]
assert (slow["ms_per_image"], slow["runs"]) == (3000, 3), slow
assert (fast["ms_per_image"], fast["best_ms_per_image"], fast["runs"]) == (5000, 500, 20), fast
assert own["runs"] >= 15 and own["best_rival"]["form"] == "fast", own
assert (slow["in_turns"], fast["in_turns"], own["in_turns"]) == (False, True, True)
PY

# --- a rival whose numbers are wrong, one without its packages, one that is no program ---
cat > wrong <<'SH'
#!/bin/sh
echo '{"name": "Wrong", "version": "1", "configuration": "none"}'
IFS='"' read -r _ _ _ folder _
head -c 160 /dev/zero > "$folder/scores.f32"
echo '{"batch": 1, "form": "zeros", "median": 1, "best": 1, "runs": 3}'
echo '{"done": true}'
SH
printf '#!/bin/sh\nexec /usr/bin/python3 -S "$@"\n' > bare
chmod +x wrong bare
refused() {  # pattern, options
  local pattern=$1
  shift
  if "$benchmark" $small --batch 1 --path engine "$@" > out 2> error; then fail "accepted: $*"; fi
  grep -q "$pattern" error || { cat error >&2; fail "expected: $pattern"; }
}
refused 'Wrong 1, zeros, scores: results differ' --compare pytorch --python ./wrong
refused 'bare.*-m pip install\|-m pip install numpy' --compare onnxruntime --python ./bare
refused 'no-such-python cannot be started' --compare opencv --python ./no-such-python

# --- command lines that mean nothing ---
refused '"abacus" is unknown' --engine abacus
refused 'has networks of its own' --suite training
