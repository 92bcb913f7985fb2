"""Counts the test targets of one `bazel test` run: summary.py EVENTS BAZEL_STATUS.

EVENTS is what --build_event_json_file wrote. A target counts as skipped when it passed without testing anything: every
GoogleTest case of it was skipped, or its log has a line "SKIPPED: reason" (for tests that are scripts).
"""

import json
import sys
import urllib.parse
import xml.etree.ElementTree


def read_events(path):
    """Yields the events; the last line is torn where Bazel was interrupted."""
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                yield json.loads(line)
            except ValueError:
                pass


def collect(events):
    """Returns {test label: status} and {test label: {file name: path}}."""
    statuses, files = {}, {}
    for event in events:
        name = event.get("id", {})
        if "testSize" in event.get("configured", {}):
            statuses.setdefault(name["targetConfigured"]["label"], "FAILED TO BUILD")
        elif "testSummary" in event:
            statuses[name["testSummary"]["label"]] = event["testSummary"].get("overallStatus", "NO_STATUS")
        elif "testResult" in event:
            outputs = files.setdefault(name["testResult"]["label"], {})
            for output in event["testResult"].get("testActionOutput", []):
                outputs[output["name"]] = urllib.parse.unquote(urllib.parse.urlparse(output.get("uri", "")).path)
    return statuses, files


def skip_reason(files):
    """Why the target tested nothing, or None if it did test something."""
    try:
        with open(files.get("test.log", ""), encoding="utf-8", errors="replace") as log:
            for line in log:
                if line.startswith("SKIPPED: "):
                    return line[len("SKIPPED: "):].strip()
        cases = list(xml.etree.ElementTree.parse(files.get("test.xml", "")).iter("testcase"))
    except (OSError, xml.etree.ElementTree.ParseError):
        return None
    cases = [case for case in cases if case.get("status") != "notrun"]
    if not cases or any(case.get("result") != "skipped" for case in cases):
        return None
    for case in cases:
        for skipped in case.iter("skipped"):
            lines = (skipped.text or skipped.get("message") or "").strip().splitlines()
            if lines:
                return lines[-1].strip()
    return "no reason given"


def main(events_path, bazel_status):
    statuses, files = collect(read_events(events_path))
    passed = failed = skipped = 0
    for label, status in sorted(statuses.items()):
        if status not in ("PASSED", "FLAKY"):
            print(f"failed: {label}: {status.replace('_', ' ').lower()}")
            failed += 1
            continue
        reason = skip_reason(files.get(label, {}))
        if reason is None:
            passed += 1
        else:
            print(f"skipped: {label}: {reason}")
            skipped += 1
    if bazel_status != 0 and failed == 0:
        # Something that is no test did not build, or nothing could be analysed.
        print(f"failed: bazel itself ended with status {bazel_status}")
        failed = 1
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
