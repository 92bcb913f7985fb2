"""The GPU comparison without a GPU: its tables, and its run of the benchmark, tiny and on the CPU."""

import contextlib
import importlib.util
import io
import tempfile
import unittest
from pathlib import Path

import compare

BENCHMARK = "samples/benchmark/benchmark"


def figure(speed, **fields):
    base = {"network": "ResNet-20", "phase": "training", "arithmetic": "tf32", "form": "engine", "batch": 32, "rival": False,
            "program": "cuda", "workspace_bytes": {"total": 1000}, "ms_per_image": 1000 / speed, "gflop_per_image": 0.1,
            "unfused_bytes_per_image": 1e6}
    return {**base, **fields}


def rival(speed, form, **fields):
    return figure(speed, rival=True, program="PyTorch", form=form, **fields)


def options(*arguments):
    return compare.parse(["--arithmetic", "tf32", "--phase", "training", *arguments])


class TableTest(unittest.TestCase):
    chosen = options("--network", "ResNet-20")

    def row(self, figures, device="NVIDIA H200 (compute capability 9.0)"):
        return list(compare.best_table(figures, self.chosen, device))[2]

    def test_compares_the_best_of_each(self):
        figures = [figure(300.0, workspace_bytes={"total": 200}), figure(600.0, batch=128, workspace_bytes={"total": 500}),
                   rival(100.0, "natural, contiguous"), rival(150.0, "flipped, contiguous", batch=128),
                   rival(200.0, "flipped, contiguous, CUDA graph"),
                   rival(240.0, "natural, channels last, compiled, CUDA graphs"),
                   figure(900.0, arithmetic="bf16"), figure(900.0, phase="inference"), figure(900.0, network="MSD-CSC")]
        figures.append({"network": "ResNet-20", "rival": True, "program": "PyTorch", "phase": "training", "arithmetic": "tf32",
                        "form": "flipped, contiguous", "batch": 2048, "not_measured": "OutOfMemoryError"})
        self.assertEqual(
            self.row(figures),
            "| ResNet-20 | training | tf32 | 600 (128) | 0.0 % | 0.0 % | 150 (128, flipped, contiguous) | "
            "200 (32, flipped, contiguous, CUDA graph) | 240 (32, natural, channels last, compiled, CUDA graphs) | 4.00 | "
            "2.50 | 0.50 |")

    def test_gives_shares_of_the_data_sheet(self):
        fast = figure(1e6, unfused_bytes_per_image=2.4e6, gflop_per_image=0.2475)
        self.assertIn("| 50.0 % | 50.0 % |", self.row([fast]))
        self.assertIn("| - | - |", self.row([fast], device="some other GPU"))

    def test_has_no_ratio_without_both(self):
        self.assertTrue(self.row([rival(100.0, "natural, contiguous")]).endswith("| - | - | - | - | - |"))

    def test_shows_one_image_and_what_res_csc_costs(self):
        ways = {"phase": "inference", "batch": 1}
        figures = [figure(1000.0, **ways), figure(500.0, form="fused", **ways), rival(250.0, "natural, contiguous", **ways)]
        self.assertEqual(list(compare.one_image_table(figures, self.chosen))[2], "| ResNet-20 | tf32 | 1.000 | 2.000 | 4.000 |")
        figures = [figure(300.0), figure(200.0, network="Res-CSC-20")]
        self.assertEqual(list(compare.residual_table(figures, self.chosen))[2], "| training | tf32 | 1.50 | - |")


class RunTest(unittest.TestCase):
    def run_main(self, *arguments):
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            status = compare.main(["--smoke", "--network", "MSD-CSC", "--phase", "inference", *arguments])
        return status, out.getvalue()

    def test_takes_our_figures_from_the_benchmark(self):
        status, out = self.run_main("--no-pytorch", "--benchmark", BENCHMARK)
        self.assertEqual(status, 0)
        self.assertEqual(len([line for line in out.splitlines() if line.startswith("| onednn |")]), 2 * 2 * 2)

    def test_says_when_the_benchmark_fails(self):
        status, out = self.run_main("--no-pytorch", "--benchmark", "/nowhere/benchmark")
        self.assertEqual(status, 1)
        self.assertIn("No such file or directory: '/nowhere/benchmark'", out)

    def test_keeps_our_figures_when_pytorch_fails(self):
        with tempfile.TemporaryDirectory() as folder:
            broken = Path(folder) / "benchmark"
            broken.write_text(f'#!/bin/sh\ncase "$*" in *--compare*) exit 1 ;; esac\nexec "{Path(BENCHMARK).absolute()}" "$@"\n')
            broken.chmod(0o755)
            chosen = compare.parse(["--smoke", "--benchmark", str(broken)])
            with contextlib.redirect_stderr(io.StringIO()):
                _, figures = compare.measure(chosen, "MSD-CSC", "inference", "python3")
        self.assertTrue(any("ms_per_image" in f for f in figures))
        self.assertIn("the comparison failed", figures[-1]["not_measured"])

    @unittest.skipUnless(importlib.util.find_spec("torch"), "there is no PyTorch")
    def test_runs_every_eager_form_of_pytorch(self):
        status, out = self.run_main("--benchmark", BENCHMARK)
        self.assertEqual(status, 0)
        measured = [line for line in out.splitlines() if line.startswith("| PyTorch") and "compiled" not in line]
        self.assertEqual(len(measured), 2 * 4 * 2)  # arithmetics, forms, batches
        self.assertFalse([line for line in measured if "Error" in line])


if __name__ == "__main__":
    unittest.main()
