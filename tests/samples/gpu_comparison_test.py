"""The GPU comparison without a GPU: its tables, and where there is PyTorch 2 its networks, tiny and on the CPU."""

import contextlib
import importlib.util
import io
import unittest

import compare


def figure(who, speed, **fields):
    base = {"who": who, "phase": "training", "arithmetic": "tf32", "form": "natural", "batch": 32, "compiled": False,
            "bytes": 1000, "images_per_second": speed}
    return {**base, **fields}


class TableTest(unittest.TestCase):
    options = compare.parse(["--arithmetic", "tf32", "--phase", "training"])

    def test_compares_the_best_of_each(self):
        figures = [figure("ours", 300.0, bytes=200), figure("ours", 600.0, batch=128, bytes=500),
                   figure("PyTorch", 100.0), figure("PyTorch", 150.0, batch=128, form="flipped"),
                   figure("PyTorch", 240.0, compiled=True),
                   {"who": "PyTorch", "phase": "training", "arithmetic": "tf32", "form": "flipped", "batch": 2048,
                    "compiled": False, "not_measured": "OutOfMemoryError"}]
        row = compare.table(figures, self.options).splitlines()[2]
        self.assertEqual(row, "| training | tf32 | 600 (128) | 150 (128, flipped) | 240 (32, natural) | 4.00 | 2.50 | 0.50 |")

    def test_has_no_ratio_without_both(self):
        row = compare.table([figure("PyTorch", 100.0)], self.options).splitlines()[2]
        self.assertIn("| - | 100 (32, natural) | - | - | - | - |", row)

    def test_reads_what_the_benchmark_writes(self):
        result = {"phase": "training", "arithmetic": "bf16", "batch": 4, "program": "cuda", "ms_per_image": 0.5,
                  "workspace_bytes": {"total": 7}}
        self.assertEqual(compare.read_ours(result)["images_per_second"], 2000)
        self.assertEqual(compare.read_ours(result)["bytes"], 7)
        declined = {"phase": "training", "arithmetic": "bf16", "batch": 4, "program": "cuda", "not_measured": "why"}
        self.assertIn("why", compare.table([compare.read_ours(declined)], self.options))

    def test_says_when_the_benchmark_fails(self):
        self.options.benchmark = "/nowhere/benchmark"
        with contextlib.redirect_stderr(io.StringIO()):
            self.assertIn("/nowhere", compare.ours(self.options, "training")[0]["not_measured"])


@unittest.skipUnless(importlib.util.find_spec("torch"), "there is no PyTorch")
class SmokeTest(unittest.TestCase):
    def test_runs_every_form(self):
        for network in ("msd_csc", "res_csc"):
            out = io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
                compare.main(["--smoke", "--network", network])
            lines = [line for line in out.getvalue().splitlines() if line.startswith("| PyTorch")]
            self.assertEqual(len(lines), 2 * 2 * 4 * 2)  # phases, arithmetics, forms, batches
            self.assertFalse([line for line in lines if "Error" in line])


if __name__ == "__main__":
    unittest.main()
