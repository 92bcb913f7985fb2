#!/usr/bin/python3
"""Trains cells of the paper's tables with several seeds and writes one table: ours beside the paper's.

Each run lives in OUT/PRESET/seedS. One that has its result is not repeated, one that has a checkpoint is resumed: the same
command again continues what was interrupted. OUT/reproduction.md and OUT/reproduction.csv are brought up to date after
every run. Ctrl-C saves a checkpoint.
"""

import argparse
import dataclasses
import fcntl
import fnmatch
import json
import os
import re
import shlex
import signal
import subprocess
import sys

import reproduction_table

EXAMPLE = """Options for train may follow after --, for all runs. Example:
  training/reproduce.py --cells 'paper-table3-msd_csc-6-*-cifar10' 'paper-table2-res_csc-20-*' --seeds 1,2,3 \\
      --data cifar10=cifar10:DIR --data svhn=folder:DIR2 --data cifar100=folder:DIR3 \\
      --out runs -- --epochs 10 --validation 5000"""
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OURS = {"preset", "data", "seed", "out", "resume", "list-presets", "help"}  # options that this program gives itself
HARMLESS = {"threads", "checkpoint-steps"}  # no result depends on them, so they may differ between two invocations
INTERRUPTED = 130  # as shells report SIGINT


class Problem(Exception):
    """Shown to the user as one line."""


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"reproduce.py: {message} (--help lists the options)\n")


@dataclasses.dataclass(eq=False)
class Run:
    preset: str
    seed: int
    folder: str
    record: dict  # {option: value}: all that its result depends on

    def file(self, name):
        return os.path.join(self.folder, name)


def parse_command_line(words):
    split = words.index("--") if "--" in words else len(words)
    parser = Parser(prog="reproduce.py", description=__doc__, epilog=EXAMPLE, allow_abbrev=False,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", nargs="+", action="extend", required=True, metavar="PATTERN",
                        help="presets, with * and ? as in file names; train --list-presets shows all")
    parser.add_argument("--seeds", default="1,2,3", help="default: 1,2,3; all cells get the first one first")
    parser.add_argument("--data", action="append", default=[], metavar="[KIND=]DATA",
                        help="train's --data for the presets that end in -KIND; without KIND for all, if of one kind")
    parser.add_argument("--out", required=True, help="folder for the runs and the table")
    parser.add_argument("--train", default=os.path.join(ROOT, "bazel-bin/training/train"), metavar="PROGRAM",
                        help="default: the project's bazel-bin/training/train")
    parser.add_argument("--dry-run", action="store_true", help="print what would be run, and end")
    arguments = parser.parse_args(words[:split])
    arguments.train = os.path.abspath(arguments.train)
    arguments.extra = words[split + 1:]
    return arguments


def read_json(path, *keys):
    """A JSON object that has these keys."""
    with open(path, encoding="utf-8") as file:
        try:
            value = json.load(file)
        except ValueError as error:
            raise Problem(f"{path}: damaged: {error}") from None
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            raise Problem(f"{path}: damaged: it has no {key}")
    return value


def list_presets(train):
    if not os.path.isfile(train):
        raise Problem(f"{train}: not there: bazel build //training:train makes it, --train names another")
    listed = subprocess.run([train, "--list-presets"], stdout=subprocess.PIPE, check=False)
    try:
        return {preset["preset"]: preset for preset in map(json.loads, listed.stdout.splitlines())}
    except (ValueError, TypeError, KeyError):
        raise Problem(f"{train}: does not list its presets") from None


def choose_cells(patterns, presets):
    """The presets that match any pattern, in the order of the patterns."""
    chosen = []
    for pattern in patterns:
        found = [name for name in presets if fnmatch.fnmatchcase(name, pattern)]
        if not found:
            raise Problem(f"--cells {pattern}: matches none of the {len(presets)} presets (train --list-presets)")
        chosen += found
    return list(dict.fromkeys(chosen))


def kind_of(preset):
    return preset.rpartition("-")[2]


def assign_data(values, cells, presets):
    """{kind: train's --data} for every kind among the cells."""
    kinds = list(dict.fromkeys(map(kind_of, cells)))
    known = {kind_of(name) for name in presets}
    data = {}
    for value in values:
        kind, equals, rest = value.partition("=")
        if not equals or not re.fullmatch(r"\w+", kind):  # the = of a path
            if len(kinds) > 1:
                raise Problem(f"--data {value}: the cells are of {' and '.join(kinds)}: KIND=DATA for each expected")
            kind, rest = kinds[0], value
        if kind not in known:
            raise Problem(f"--data {value}: kind {kind} is unknown: one of {', '.join(sorted(known))} expected")
        if kind in data:
            raise Problem(f"--data {value}: {kind} has {data[kind]} already")
        data[kind] = rest
    for cell in cells:
        if kind_of(cell) not in data:
            raise Problem(f"{cell} has no data: --data {kind_of(cell)}=DATA expected")
    return data


def parse_seeds(text):
    seeds = text.split(",")
    if not all(re.fullmatch(r"0|[1-9]\d*", seed) for seed in seeds) or len(set(seeds)) < len(seeds):
        raise Problem(f"--seeds is {text}: different whole numbers as in 1,2,3 expected")
    return [int(seed) for seed in seeds]


def parse_extra(words):
    """The options for train as {name: value}, so that neither their order nor their spelling matters."""
    options, name = {}, None
    for word in words:
        if word.startswith("--"):
            name, _, value = word[2:].partition("=")
            if name in OURS:
                raise Problem(f"--{name} after --: not among the options that may be given to train there")
            if name in options:
                raise Problem(f"--{name} is given twice")
            options[name] = value
        elif name is None or options[name]:
            raise Problem(f"{word} after --: an option of train expected")
        else:
            options[name] = word
    return options


def plan(arguments, cells, presets, data, extra):
    """All runs. The first seed of every cell comes first: a whole table early."""
    runs = []
    for seed in parse_seeds(arguments.seeds):
        for cell in cells:
            record = {"preset": cell, "data": data[kind_of(cell)], "seed": str(seed),
                      "epochs": str(presets[cell]["options"]["epochs"]), **extra}
            runs.append(Run(cell, seed, os.path.join(arguments.out, cell, f"seed{seed}"),
                            {name: value for name, value in record.items() if name not in HARMLESS}))
    return runs


def state_of(run):
    """"done", "resume" or "start". A folder that holds any other training is a Problem."""
    done = os.path.exists(run.file("result.json"))
    if not done and not os.path.exists(run.file("checkpoint.csc")):
        return "start"
    if not os.path.exists(run.file("run.json")):
        raise Problem(f"{run.folder}: holds a training that was not started from here: another --out expected")
    was = read_json(run.file("run.json"), "epochs")
    if done:  # as train itself tells it
        was["epochs"] = str(read_json(run.file("result.json"), "epochs")["epochs"])
    for name in {**was, **run.record}:
        if was.get(name) != run.record.get(name):
            then, asked = (f"--{name} {r[name]}".rstrip() if name in r else f"no --{name}" for r in (was, run.record))
            raise Problem(f"{run.folder}: was trained with {then}, asked for is {asked}: another --out expected")
    return "done" if done else "resume"


class Trainer:
    """Runs train, one run at a time, and passes on the signals that ask to stop."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.child, self.stopping = None, False

    def stop(self, *_):
        self.stopping = True
        if self.child:
            self.child.send_signal(signal.SIGINT)

    def command(self, run, state):
        return [self.arguments.train, "--preset", run.preset, "--data", run.record["data"], "--seed", str(run.seed),
                "--out", run.folder, *(["--resume"] if state == "resume" else []), *self.arguments.extra]

    def train(self, run, state, lock):
        """Trains to the end. Returns what went wrong, or None."""
        os.makedirs(run.folder, exist_ok=True)
        reproduction_table.replace(run.file("run.json"), json.dumps(run.record) + "\n")
        last = ""
        # In a session of its own, so that Ctrl-C reaches it once, from here: a second signal would end it at once. It
        # inherits the lock, which so outlives this program, should that be killed, as long as the training does.
        with open(run.file("train.log"), "ab") as log, subprocess.Popen(
                self.command(run, state), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                start_new_session=True, pass_fds=[lock.fileno()]) as self.child:
            if self.stopping:
                self.stop()
            for line in self.child.stderr:
                for file in (sys.stderr.buffer, log):
                    file.write(line)
                    file.flush()
                last = line.decode(errors="replace").strip() or last
        status, self.child = self.child.returncode, None
        if status == 0 and os.path.exists(run.file("result.json")):
            return None
        how = "ended without a result" if status == 0 else f"signal {-status}" if status < 0 else f"status {status}"
        return f"{how}: {last}" if last else how


def reproduce(arguments):
    presets = list_presets(arguments.train)
    cells = choose_cells(arguments.cells, presets)
    data = assign_data(arguments.data, cells, presets)
    runs = plan(arguments, cells, presets, data, parse_extra(arguments.extra))
    states = [state_of(run) for run in runs]  # a wrong one is an error before anything is trained
    trainer = Trainer(arguments)
    if arguments.dry_run:
        for run, state in zip(runs, states):
            print(f"{state:6} {run.folder if state == 'done' else shlex.join(trainer.command(run, state))}")
        return 0

    notes = [f"Data of {kind}: `{value}`." for kind, value in data.items()]
    if arguments.extra:
        notes.append(f"Options other than the presets': `{shlex.join(arguments.extra)}`.")
    failures = {}

    def table():
        rows = []
        for cell in cells:
            results = {run.seed: read_json(run.file("result.json"), "last_test_accuracy", "test_accuracy", "epochs",
                                           "images_per_second")
                       for run in runs if run.preset == cell and os.path.exists(run.file("result.json"))}
            rows.append(reproduction_table.make_row(
                presets[cell], results, [run.seed for run in failures if run.preset == cell]))
        return reproduction_table.write_table(
            arguments.out, rows, notes,
            [f"Failed: {run.preset}, seed {run.seed}, {reason}" for run, reason in failures.items()])

    os.makedirs(arguments.out, exist_ok=True)
    with open(os.path.join(arguments.out, ".lock"), "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Problem(f"{arguments.out}: another reproduction is at work there") from None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, trainer.stop)
        text = table()
        for number, run in enumerate(runs, 1):
            state = state_of(run)
            print(f"[{number}/{len(runs)}] {run.preset}, seed {run.seed}: {state}", file=sys.stderr, flush=True)
            problem = trainer.train(run, state, lock) if state != "done" and not trainer.stopping else None
            if problem and not trainer.stopping:
                failures[run] = problem
            text = table()
            if trainer.stopping:
                done = sum(state_of(run) == "done" for run in runs)
                print(f"reproduce.py: interrupted with {done} of {len(runs)} runs done: the same command continues",
                      file=sys.stderr)
                return INTERRUPTED
    print(text, end="")
    return 1 if failures else 0


def main():
    sys.stdout.reconfigure(encoding="utf-8")
    try:
        return reproduce(parse_command_line(sys.argv[1:]))
    except (Problem, OSError) as error:
        print(f"reproduce.py: {error}", file=sys.stderr)
    except KeyboardInterrupt:  # before there was anything to stop
        return INTERRUPTED
    return 1


if __name__ == "__main__":
    sys.exit(main())
