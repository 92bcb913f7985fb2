"""The reproduction program as a user meets it: runs, tables, interruptions, errors. Networks are tiny."""

import csv
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import unittest

PROGRAM = [sys.executable, os.path.abspath("training/reproduce.py"), "--train", "training/train"]
SIX, NINE = "paper-table3-msdnet-6-cifar10", "paper-table3-msdnet-9-cifar10"
TINY = ["--width", "2", "--depth", "1", "--limit-train", "24", "--limit-test", "8", "--batch-size", "8"]
# Of some seconds, so that a signal in the third epoch finds it at work.
LONG = ["--width", "8", "--depth", "3", "--batch-size", "64", "--epochs", "40", "--threads", "1"]


def read(*path):
    with open(os.path.join(*path), "rb") as file:
        return file.read()


def run_command(out, *options, data=("digits",), extra=(*TINY, "--epochs", "2")):
    return [*PROGRAM, "--out", out, *(word for value in data for word in ("--data", value)), *options, "--", *extra]


def run(*arguments, **more):
    return subprocess.run(run_command(*arguments, **more), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True, check=False)


def run_and_signal(number, *arguments, **more):
    """Runs until the third epoch, sends the signal, and waits for the end. Returns the status and standard error."""
    with subprocess.Popen(run_command(*arguments, **more), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          universal_newlines=True) as program:
        lines = []
        for line in program.stderr:
            lines.append(line)
            if line.startswith("epoch 3/"):
                program.send_signal(number)
                if number == signal.SIGKILL:  # its training may hold the pipe for longer
                    break
        program.wait()
        return program.returncode, "".join(lines)


class ReproduceTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(dir=os.environ.get("TEST_TMPDIR"))
        self.addCleanup(folder.cleanup)
        self.out = os.path.join(folder.name, "runs")

    def result(self, preset, seed, out=None):
        return json.loads(read(out or self.out, preset, f"seed{seed}", "result.json"))

    def rows(self):
        return list(csv.DictReader(read(self.out, "reproduction.csv").decode().splitlines()))

    def expect_problem(self, ended, *parts):
        self.assertEqual((ended.returncode, ended.stdout, ended.stderr.count("\n")), (1, "", 1), ended.stderr)
        self.assertTrue(ended.stderr.startswith("reproduce.py: "), ended.stderr)
        for part in parts:
            self.assertIn(part, ended.stderr)

    def test_two_cells_with_two_seeds_become_one_table_and_are_not_repeated(self):
        options = ["--cells", "paper-table3-msdnet-[69]-cifar10", "--seeds", "4,5"]
        extra = [*TINY, "--epochs", "2", "--validation", "6"]
        ended = run(self.out, *options, extra=extra)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        rows = self.rows()
        self.assertEqual([row["preset"] for row in rows], [SIX, NINE])
        for row in rows:
            results = [self.result(row["preset"], seed) for seed in (4, 5)]
            self.assertEqual([r["seed"] for r in results], [4, 5])
            for column, key in (("last", "last_test_accuracy"), ("selected", "test_accuracy")):
                values = [100 * r[key] for r in results]
                self.assertAlmostEqual(float(row[column + "_mean"]), statistics.mean(values), 3)
                self.assertAlmostEqual(float(row[column + "_deviation"]), statistics.stdev(values), 3)
            self.assertEqual((row["seeds"], row["failed_seeds"]), ("4 5", ""))
            self.assertEqual((row["epochs"], row["preset_epochs"]), ("2", "150"))
            self.assertGreater(float(row["images_per_second"]), 0)
        self.assertEqual([row["paper_accuracy"] for row in rows], ["87.2200", "89.4200"])
        table = read(self.out, "reproduction.md").decode()
        self.assertEqual(ended.stdout, table)
        mean, deviation = float(rows[0]["last_mean"]), float(rows[0]["last_deviation"])
        self.assertIn(f"| {SIX} | 87.22 | {mean:.2f} ± {deviation:.2f} | ", table)
        self.assertIn(" | 4, 5 | 2 of 150 epochs | ", table)

        # Seen live, and kept.
        log = read(self.out, SIX, "seed4", "train.log").decode()
        self.assertIn("epoch 2/2: ", log)
        self.assertIn(log, ended.stderr)

        logs = [read(self.out, cell, seed, "train.log") for cell in (SIX, NINE) for seed in ("seed4", "seed5")]
        again = run(self.out, *options, extra=[*extra[2:], "--width=2", "--threads", "1"])  # the same, said otherwise
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual(again.stderr.count(": done\n"), 4)
        self.assertNotIn("epoch", again.stderr)
        self.assertEqual(
            [read(self.out, cell, seed, "train.log") for cell in (SIX, NINE) for seed in ("seed4", "seed5")], logs)

    def test_an_interrupted_run_is_resumed_to_the_same_result(self):
        whole = os.path.join(self.out, "whole")
        self.assertEqual(run(whole, "--cells", SIX, "--seeds", "1", extra=LONG).returncode, 0)
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                cut = os.path.join(self.out, number.name)
                status, errors = run_and_signal(number, cut, "--cells", SIX, "--seeds", "1,2", extra=LONG)
                self.assertEqual(status, 130, errors)
                self.assertIn("0 of 2 runs done: the same command continues", errors.splitlines()[-1])
                self.assertIn("\ninterrupted in epoch ", errors)  # train itself, which thus saved a checkpoint
                folder = os.path.join(cut, SIX, "seed1")
                self.assertTrue(os.path.exists(os.path.join(folder, "checkpoint.csc")))
                self.assertFalse(os.path.exists(os.path.join(folder, "result.json")))
                self.assertFalse(os.path.exists(os.path.join(cut, SIX, "seed2")))
                ended = run(cut, "--cells", SIX, "--seeds", "1", extra=LONG)
                self.assertEqual(ended.returncode, 0, ended.stderr)
                self.assertIn(f"{SIX}, seed 1: resume\n", ended.stderr)
                for key in ("test_accuracy", "last_test_accuracy", "train_loss", "epochs"):
                    self.assertEqual(self.result(SIX, 1, cut)[key], self.result(SIX, 1, whole)[key], key)
                for name in ("checkpoint.csc", "metrics.csv", "model.onnx"):
                    self.assertEqual(read(cut, SIX, "seed1", name), read(whole, SIX, "seed1", name), name)

    def test_a_training_that_is_left_behind_keeps_others_away_from_its_folder(self):
        gate, train = self.out + ".gate", self.out + ".train"
        os.mkfifo(gate)
        with open(train, "w", encoding="utf-8") as file:  # stands in for train, and waits at the gate while there is one
            file.write(f"""#!/bin/sh
if [ "$1" = --list-presets ]; then exec training/train --list-presets; fi
echo "epoch 3/9" >&2
if [ -p {gate} ]; then read -r _ < {gate}; fi
""")
        os.chmod(train, 0o755)
        options = ["--cells", SIX, "--seeds", "1", "--train", train]
        status, _ = run_and_signal(signal.SIGKILL, self.out, *options)
        self.assertEqual(status, -signal.SIGKILL)
        self.expect_problem(run(self.out, *options), "another reproduction is at work")
        with open(gate, "w", encoding="utf-8") as file:
            os.remove(gate)
            file.write("go\n")
        ended = run(self.out, *options)
        while "at work" in ended.stderr:  # the one left behind is about to end
            ended = run(self.out, *options)
        self.assertEqual(ended.returncode, 1)
        self.assertIn("Failed: " + SIX + ", seed 1, ended without a result: epoch 3/9\n", ended.stdout)

    def test_a_failed_run_is_reported_and_the_others_go_on(self):
        options = ["--cells", SIX, "paper-table3-msdnet-6-svhn", "--seeds", "1"]
        bad = ["cifar10=folder:/no/such", "svhn=digits"]
        ended = run(self.out, *options, data=bad)
        self.assertEqual(ended.returncode, 1)
        self.assertEqual([row["seeds"] for row in self.rows()], ["", "1"])
        self.assertEqual([row["failed_seeds"] for row in self.rows()], ["1", ""])
        self.assertIn(f"Failed: {SIX}, seed 1, status 1: train: /no/such/train: no such folder", ended.stdout)
        # Nothing was trained with the wrong data, so they may be put right.
        ended = run(self.out, *options, data=["cifar10=digits", "svhn=digits"])
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertEqual([row["seeds"] for row in self.rows()], ["1", "1"])
        self.assertNotIn("Failed", ended.stdout)
        # A single seed has no deviation.
        self.assertEqual([row["last_deviation"] for row in self.rows()], ["", ""])

    def test_other_options_than_those_of_a_finished_run_are_refused(self):
        options = ["--cells", SIX, "--seeds", "1"]
        self.assertEqual(run(self.out, *options).returncode, 0)
        table = read(self.out, "reproduction.md")
        for extra, parts in (
                (["--epochs", "3"], ["--epochs 2", "--epochs 3"]),
                ([], ["--epochs 2", "--epochs 150"]),
                (["--epochs", "2", "--augment"], ["no --augment", "asked for is --augment"])):
            self.expect_problem(run(self.out, *options, extra=[*TINY, *extra]), "seed1", "another --out", *parts)
        self.expect_problem(run(self.out, *options, data=["folder:/x"]), "--data digits", "--data folder:/x")
        os.remove(os.path.join(self.out, SIX, "seed1", "run.json"))
        self.expect_problem(run(self.out, *options), "seed1", "not started from here")
        self.assertEqual(read(self.out, "reproduction.md"), table)

    def test_a_dry_run_says_what_would_be_done_and_does_nothing(self):
        ended = run(self.out, "--cells", SIX, "--seeds", "1,2", "--dry-run", extra=["--epochs", "7"])
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))
        lines = ended.stdout.splitlines()
        self.assertEqual([line.split()[0] for line in lines], ["start", "start"])
        self.assertIn(f"--preset {SIX} --data digits --seed 2 --out {self.out}/{SIX}/seed2 --epochs 7", lines[1])
        self.assertFalse(os.path.exists(self.out))

    def test_errors_are_one_line(self):
        for options, more, parts in (
                (["--cells", "paper-table9-*"], {}, ["paper-table9-*", "none of the 108"]),
                (["--cells", SIX, "--seeds", "1,x"], {}, ["1,x"]),
                (["--cells", SIX, "--seeds", "1,1"], {}, ["1,1"]),
                (["--cells", SIX], {"data": []}, [SIX, "--data cifar10=DATA"]),
                (["--cells", "paper-table3-msdnet-6-*"], {}, ["digits", "KIND=DATA"]),
                (["--cells", "paper-table3-msdnet-6-*"], {"data": ["cifar10=digits"]}, ["--data cifar100=DATA"]),
                (["--cells", SIX], {"data": ["cifr10=digits"]}, ["cifr10", "cifar10, cifar100, svhn"]),
                (["--cells", SIX], {"data": ["digits", "cifar10=digits"]}, ["digits already"]),
                (["--cells", SIX], {"extra": ["--seed", "3"]}, ["--seed"]),
                (["--cells", SIX], {"extra": ["3"]}, ["3", "an option"]),
                (["--cells", SIX], {"extra": ["--epochs", "3", "--epochs=4"]}, ["--epochs", "twice"]),
                (["--cells", SIX, "--train", "/no/such"], {}, ["/no/such", "bazel build"]),
                (["--cells", SIX, "--train", "/bin/echo"], {}, ["/bin/echo", "presets"])):
            with self.subTest(options=options, **more):
                self.expect_problem(run(self.out, *options, **more), *parts)
                self.assertFalse(os.path.exists(self.out))
        ended = run(self.out)
        self.assertEqual((ended.returncode, ended.stdout, ended.stderr.count("\n")), (2, "", 1), ended.stderr)
        self.assertIn("--cells", ended.stderr)

    def test_help_shows_an_example(self):
        ended = subprocess.run([*PROGRAM, "--help"], stdout=subprocess.PIPE, universal_newlines=True, check=False)
        self.assertEqual(ended.returncode, 0)
        for part in ("Example:", "--cells", "--seeds", "--data", "--dry-run", "-- --epochs 10"):
            self.assertIn(part, ended.stdout)


if __name__ == "__main__":
    unittest.main()
