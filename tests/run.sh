#!/bin/bash
# Installs what is missing, builds everything and runs every test. The last line is "N passed, N failed, N skipped",
# counted in test targets; the exit status is 0 only if nothing failed. Further arguments go to bazel test:
#     tests/run.sh --config=asan //solvers/...
set -u
cd "$(dirname "$0")/.." || exit 1

case ${1:-} in -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' tests/run.sh; exit ;; esac

third_party/install.sh || exit 1

# Bazel wants to know whose cache to use, and packaged Bazel runs on the packaged Java, whatever else is installed.
export HOME=${HOME:-/root} USER=${USER:-$(id -un)}
if java=$(readlink -e /usr/lib/jvm/default-java); then export JAVA_HOME=$java; fi
progress=()
[ -t 1 ] || progress=(--show_progress_rate_limit=60 --curses=no --color=no)

targets=(//...)
for argument in "$@"; do
  case $argument in -*) ;; *) targets=() ;; esac
done

events=$(mktemp)
trap 'rm -f "$events"' EXIT
bazel test --keep_going --build_event_json_file="$events" "${progress[@]}" "$@" "${targets[@]}" </dev/null
status=$?

/usr/bin/python3 tests/summary.py "$events" "$status"
