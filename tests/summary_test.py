"""The counts that tests/run.sh ends with, on event files like Bazel's."""

import contextlib
import io
import json
import os
import tempfile
import unittest

import summary

SKIPPED_CASE = '<testcase name="{0}" status="run" result="skipped"><skipped message="x.cc:1&#x0A;no device"/></testcase>'
RUN_CASE = '<testcase name="{0}" status="run" result="completed"/>'
DISABLED_CASE = '<testcase name="{0}" status="notrun" result="suppressed"/>'


class SummaryTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(dir=os.environ.get("TEST_TMPDIR"))
        self.events = []

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def add(self, label, status=None, cases=None, log=""):
        """One test target; no status means that it did not build."""
        self.events.append({"id": {"targetConfigured": {"label": label}}, "configured": {"testSize": "SMALL"}})
        if status is None:
            return
        stem = str(len(self.events))
        outputs = [{"name": "test.log", "uri": "file://" + self.write(stem + " a.log", log).replace(" ", "%20")}]
        if cases is not None:
            xml = "<testsuites><testsuite>" + "".join(cases) + "</testsuite></testsuites>"
            outputs.append({"name": "test.xml", "uri": "file://" + self.write(stem + ".xml", xml)})
        self.events.append({"id": {"testResult": {"label": label}}, "testResult": {"testActionOutput": outputs}})
        self.events.append({"id": {"testSummary": {"label": label}}, "testSummary": {"overallStatus": status}})

    def run_main(self, bazel_status, torn=""):
        path = self.write("events.json", "".join(json.dumps(e) + "\n" for e in self.events) + torn)
        with contextlib.redirect_stdout(io.StringIO()) as out:
            status = summary.main(path, bazel_status)
        return status, out.getvalue().splitlines()

    def test_passed_and_flaky_targets_pass(self):
        self.add("//a:a", "PASSED", [RUN_CASE.format("x")])
        self.add("//a:b", "FLAKY")
        self.assertEqual(self.run_main(0), (0, ["2 passed, 0 failed, 0 skipped"]))

    def test_a_target_whose_cases_are_all_skipped_is_skipped_with_its_reason(self):
        self.add("//a:a", "PASSED", [SKIPPED_CASE.format("x"), SKIPPED_CASE.format("y"), DISABLED_CASE.format("z")])
        self.assertEqual(self.run_main(0), (0, ["skipped: //a:a: no device", "0 passed, 0 failed, 1 skipped"]))

    def test_a_target_that_ran_one_case_is_not_skipped(self):
        self.add("//a:a", "PASSED", [SKIPPED_CASE.format("x"), RUN_CASE.format("y")])
        self.assertEqual(self.run_main(0), (0, ["1 passed, 0 failed, 0 skipped"]))

    def test_a_script_says_that_it_was_skipped(self):
        self.add("//a:sh", "PASSED", log="starting\nSKIPPED: no OpenCV for Python\n")
        self.assertEqual(
            self.run_main(0), (0, ["skipped: //a:sh: no OpenCV for Python", "0 passed, 0 failed, 1 skipped"])
        )

    def test_failed_timed_out_and_unbuilt_targets_fail(self):
        self.add("//a:a", "FAILED", [SKIPPED_CASE.format("x")])
        self.add("//a:b", "TIMEOUT")
        self.add("//a:c")
        self.add("//a:d", "PASSED")
        status, lines = self.run_main(3)
        self.assertEqual(status, 1)
        self.assertIn("failed: //a:c: failed to build", lines)
        self.assertEqual(lines[-1], "1 passed, 3 failed, 0 skipped")

    def test_a_broken_build_fails_even_where_every_test_passed(self):
        self.add("//a:a", "PASSED")
        status, lines = self.run_main(1)
        self.assertEqual(status, 1)
        self.assertEqual(lines[-1], "1 passed, 1 failed, 0 skipped")

    def test_an_interrupted_run_fails(self):
        self.add("//a:a", "PASSED")
        status, lines = self.run_main(8, torn='{"id": {"testSum')
        self.assertEqual(status, 1)
        self.assertEqual(lines[-1], "1 passed, 1 failed, 0 skipped")


if __name__ == "__main__":
    unittest.main()
