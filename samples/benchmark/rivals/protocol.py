"""How a rival speaks with the benchmark: lines of JSON on stdin and stdout. See rival.h.

A rival calls `serve` with what it is called and a function that takes a Work and yields what it measured.
"""

import importlib
import json
import statistics
import sys
import time
from pathlib import Path


def say(**answer):
    print(json.dumps(answer), flush=True)


def need(*packages):
    """The modules of (package of PyPI, module) pairs; where one is missing the end, with a word on what to install."""
    modules = []
    for package, module in packages:
        try:
            modules.append(importlib.import_module(module))
        except ImportError as reason:
            say(error=f"{reason}; install it for {sys.executable} with: {sys.executable} -m pip install {package}")
            sys.exit(0)
    return modules


class Work:
    """One workload, as it lies in a folder."""

    def __init__(self, folder, numpy):
        self.folder = Path(folder)
        self.numpy = numpy
        for name, value in json.loads((self.folder / "work.json").read_text()).items():
            setattr(self, name, value)
        self.training = self.phase == "training"
        self.portable = str(self.folder / "portable.onnx")
        self.all_images = self._read("images.f32", "float32").reshape(-1, *self.input)
        self.all_labels = self._read("labels.i32", "int32")
        self.flat_parameters = self._read("parameters.f32", "float32")

    def _read(self, name, kind):
        return self.numpy.fromfile(self.folder / name, kind)

    def images(self, batch):
        return self.all_images[:batch]

    def labels(self, batch):
        return self.all_labels[:batch].astype("int64")

    def write(self, **arrays):
        """What is to be compared with the benchmark's own numbers: scores, or loss and gradients."""
        for name, values in arrays.items():
            path = self.folder / f"{name}.f32"
            # The benchmark may be reading what an earlier form has left.
            self.numpy.asarray(values, "float32").tofile(f"{path}.new")
            Path(f"{path}.new").replace(path)

    def measure(self, run, seconds=None, calls=1):
        """Median and best seconds of a call, of at least three runs of so many calls after one that does not count."""
        run()
        times = []
        seconds = self.seconds if seconds is None else seconds
        start = time.perf_counter()
        while len(times) < 3 or time.perf_counter() - start < seconds:
            begin = time.perf_counter()
            run()
            times.append((time.perf_counter() - begin) / calls)
        timing = {"median": statistics.median(times), "best": min(times), "runs": len(times)}
        # For the benchmark, which may ask for the same once more. What it holds stays as long.
        return {**timing, "again": lambda seconds: self.measure(run, seconds, calls)}


def serve(name, version, configuration, rival):
    """`rival(work)` yields dicts: batch, form and either what Work.measure gave or the reason why it `failed`."""
    again = {}

    def identity(answer):
        return answer.get("arithmetic", "float32"), answer["form"], answer["batch"]

    def answer_to(question):
        if "again" in question:
            timing = again[identity(question["again"])](question["seconds"])
            say(median=timing["median"], best=timing["best"], runs=timing["runs"])
            return
        again.clear()
        for answer in rival(Work(question["work"], numpy)):
            if "again" in answer:
                again[identity(answer)] = answer.pop("again")
                answer["repeatable"] = True
            say(**answer)
        say(done=True)

    numpy = importlib.import_module("numpy")
    say(name=name, version=version, configuration=configuration)
    for line in sys.stdin:
        try:
            answer_to(json.loads(line))
        except Exception as reason:  # whatever it is, the benchmark must hear of it
            say(error=f"{type(reason).__name__}: {reason}")
