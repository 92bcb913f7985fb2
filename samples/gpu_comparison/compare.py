#!/usr/bin/env python3
"""The CUDA engine beside PyTorch on the same GPU, in one run.

    samples/gpu_comparison/compare.py                       MSD-CSC of 12 layers, inference and training
    samples/gpu_comparison/compare.py --network res_csc     Res-CSC-20
    samples/gpu_comparison/compare.py --smoke               tiny, on the CPU: tries the script, says nothing of speed

PyTorch 2 runs our modules of training/pytorch in every form that may be its fastest: synthesis as a transposed
convolution (natural) or as a convolution with flipped filters, contiguous or channels last, in FP32 (no TF32), TF32 and
BF16 (autocast), with cudnn.benchmark; eager, and torch.compile with CUDA graphs for the best eager form. Our figures come
from samples/benchmark, which is built first or was packed by tests/run_gpu.sh (--benchmark names the program). Tables go to stdout, progress to stderr.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

ROOT = Path(__file__).absolute().parents[2]
sys.path.append(str(ROOT / "training" / "pytorch"))

PACKED = (ROOT / "lib" / "glibc").exists()  # by tests/run_gpu.sh
OUR_PROGRAMS = ROOT if PACKED else ROOT / "bazel-bin"

ARITHMETICS = ("float32", "tf32", "bf16")
PHASES = ("inference", "training")


def parse(arguments):
    def numbers(text):
        return [int(number) for number in text.split(",")]

    def names(allowed):
        def check(text):
            for name in text.split(","):
                if name not in allowed:
                    raise argparse.ArgumentTypeError(f"{name} is unknown: some of {', '.join(allowed)} expected")
            return text.split(",")

        return check

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=("msd_csc", "res_csc"), default="msd_csc")
    parser.add_argument("--depth", type=int, help="layers (12, or 20 for res_csc)")
    parser.add_argument("--width", type=int, help="filters of a layer (32, or 16 for res_csc)")
    parser.add_argument("--unfolding", type=int, default=2, help="steps after the first (2)")
    parser.add_argument("--side", type=int, default=32, help="height and width of the images (32)")
    parser.add_argument("--batches", type=numbers, default=[1, 32, 128, 512, 2048], help="1,32,128,512,2048")
    parser.add_argument("--arithmetic", type=names(ARITHMETICS), default=list(ARITHMETICS), help=",".join(ARITHMETICS))
    parser.add_argument("--phase", type=names(PHASES), default=list(PHASES), help=",".join(PHASES))
    parser.add_argument("--seconds", type=float, default=2, help="time spent on each figure, at least (2)")
    parser.add_argument("--benchmark", default=str(OUR_PROGRAMS / "samples/benchmark/benchmark"), help="our program")
    parser.add_argument("--json", help="also write every figure to this file")
    parser.add_argument("--smoke", action="store_true", help="a tiny network on the CPU, eager only, without our figures")
    options = parser.parse_args(arguments)
    if options.smoke:
        options.depth, options.width, options.unfolding = (8 if options.network == "res_csc" else 3), 4, 1
        options.side, options.batches, options.seconds = 8, [1, 2], 0
        options.arithmetic = ["float32", "bf16"]
    options.depth = options.depth or (20 if options.network == "res_csc" else 12)
    options.width = options.width or (16 if options.network == "res_csc" else 32)
    return options


def flipped_synthesis(natural):
    """Dictionary.synthesise as a plain convolution, where the stride is 1."""
    import torch.nn.functional as F

    def synthesise(self, g, filters, size):
        if self.strides != [1, 1]:
            return natural(self, g, filters, size)
        reach = [d * (k - 1) for k, d in zip(filters.shape[2:], self.dilations)]
        top, left, _, _ = self.pads
        g = F.pad(g, (reach[1] - left, size[1] - g.shape[3] + left, reach[0] - top, size[0] - g.shape[2] + top))
        return F.conv2d(g, filters.flip(2, 3).transpose(0, 1), dilation=self.dilations)

    return synthesise


class Rival:
    """The network in PyTorch, in one arithmetic and form."""

    def __init__(self, options, phase, arithmetic, flipped, channels_last, compiled=False):
        import csc_models
        import csc_torch
        import torch

        self.torch, self.options, self.phase, self.arithmetic = torch, options, phase, arithmetic
        self.flipped, self.channels_last, self.compiled = flipped, channels_last, compiled
        self.device = "cpu" if options.smoke else "cuda"
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = arithmetic == "tf32"
        torch.backends.cudnn.benchmark = True
        if not hasattr(csc_torch.Dictionary, "natural"):
            csc_torch.Dictionary.natural = csc_torch.Dictionary.synthesise
        natural = csc_torch.Dictionary.natural
        csc_torch.Dictionary.synthesise = flipped_synthesis(natural) if flipped else natural
        torch.manual_seed(1)
        training = phase == "training"
        common = {"depth": options.depth, "width": options.width, "norm": training}
        if options.network == "msd_csc":
            common.update(size=options.side, unfolding=options.unfolding, algorithm="fista")
        self.network = getattr(csc_models, options.network)(**common).to(self.device).train(training)
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        self.network.to(memory_format=self.layout)
        if compiled:
            torch._dynamo.reset()
        self.run = torch.compile(self.network, mode="reduce-overhead") if compiled else self.network
        self.optimiser = torch.optim.SGD(self.network.parameters(), 0.01, 0.9) if training else None

    def name(self):
        parts = ["flipped" if self.flipped else "natural", "channels last" if self.channels_last else "contiguous"]
        return ", ".join(parts + (["compiled, CUDA graphs"] if self.compiled else []))

    def precision(self):
        if self.arithmetic != "bf16":
            return nullcontext()
        return self.torch.autocast(self.device, dtype=self.torch.bfloat16)

    def scores(self, images):
        with self.torch.no_grad(), self.precision():
            return self.run(images)

    def step(self, images, labels):
        self.optimiser.zero_grad(set_to_none=True)
        with self.precision():
            loss = self.torch.nn.functional.cross_entropy(self.run(images), labels)
        loss.backward()
        self.optimiser.step()

    def wait(self):
        if self.device == "cuda":
            self.torch.cuda.synchronize()

    def images(self, batch):
        generator = self.torch.Generator().manual_seed(1)
        images = self.torch.rand(batch, 3, self.options.side, self.options.side, generator=generator)
        return images.to(self.device).contiguous(memory_format=self.layout)

    def measure(self, batch):
        """Images a second (median), and the most memory that PyTorch held, in bytes."""
        images = self.images(batch)
        labels = self.torch.arange(batch, device=self.device) % 10
        call = (lambda: self.step(images, labels)) if self.phase == "training" else (lambda: self.scores(images))
        for _ in range(1 if self.options.smoke else 3):  # chooses algorithms, compiles, records graphs
            call()
        self.wait()
        if self.device == "cuda":
            self.torch.cuda.reset_peak_memory_stats()
        # Several calls between two waits, so that the wait itself does not count.
        times, start = [], time.perf_counter()
        calls = 1 if self.options.smoke else max(1, 256 // batch)
        while len(times) < 3 or time.perf_counter() - start < self.options.seconds:
            begin = time.perf_counter()
            for _ in range(calls):
                call()
            self.wait()
            times.append((time.perf_counter() - begin) / calls)
        peak = self.torch.cuda.max_memory_allocated() if self.device == "cuda" else 0
        return {"images_per_second": batch / statistics.median(times), "bytes": peak}


def forms_agree(options):
    """Flipped and natural synthesis must be the same map, or their times say nothing."""
    scores = []
    for flipped in (False, True):
        rival = Rival(options, "inference", "float32", flipped, False)
        scores.append(rival.scores(rival.images(2)))
    difference = (scores[0] - scores[1]).abs().max().item()
    if not difference <= 1e-3 * scores[0].abs().max().item():
        raise ArithmeticError(f"flipped and natural synthesis differ by {difference}")


def rivals(options, phase, arithmetic):
    """Every figure of PyTorch at one phase and arithmetic."""
    found = []

    def attempt(batch, **form):
        rival = Rival(options, phase, arithmetic, **form)
        figure = {"who": "PyTorch", "phase": phase, "arithmetic": arithmetic, "form": rival.name(), "batch": batch,
                  "compiled": rival.compiled}
        print(f"PyTorch, {phase}, {arithmetic}, {rival.name()}, batch {batch}", file=sys.stderr)
        try:
            figure.update(rival.measure(batch))
            found.append((figure["images_per_second"], batch, form))
        except Exception as reason:  # out of memory, no compiler
            figure["not_measured"] = f"{type(reason).__name__}: {reason}".split("\n")[0][:120]
        if not options.smoke:
            rival.torch.cuda.empty_cache()
        return figure

    for flipped in (False, True):
        for channels_last in (False, True):
            for batch in options.batches:
                yield attempt(batch, flipped=flipped, channels_last=channels_last)
    if found and not options.smoke:
        best = max(found, key=lambda entry: entry[0])
        for batch in dict.fromkeys([best[1], *options.batches]):
            for flipped in (False, True):
                yield attempt(batch, flipped=flipped, channels_last=best[2]["channels_last"], compiled=True)


def ours(options, phase):
    """Our engine's figures, by samples/benchmark."""
    command = [options.benchmark, "--engine", "cuda", "--path", "engine", "--phase", phase, "--json", "-",
               "--model", options.network, "--depth", str(options.depth), "--width", str(options.width),
               "--side", str(options.side), "--batch", ",".join(map(str, options.batches)),
               "--arithmetic", ",".join(options.arithmetic), "--seconds", str(options.seconds),
               "--normalisation", "batch" if phase == "training" else "none"]
    if options.network == "msd_csc":
        command += ["--unfolding", str(options.unfolding), "--algorithm", "fista"]
    print(" ".join(command), file=sys.stderr)
    environment = {**os.environ, "LD_LIBRARY_PATH": str(ROOT / "lib")} if PACKED else None
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    except (OSError, subprocess.CalledProcessError) as reason:
        said = (getattr(reason, "stderr", None) or str(reason)).strip().splitlines()
        return [{"who": "ours", "phase": phase, "arithmetic": "", "form": "", "batch": 0,
                 "not_measured": said[-1] if said else str(reason)}]
    return [read_ours(result) for result in json.loads(ended.stdout)["results"] if not result["rival"]]


def read_ours(result):
    figure = {"who": "ours", "form": result["program"], "compiled": False}
    figure.update({name: result[name] for name in ("phase", "arithmetic", "batch")})
    if "not_measured" in result:
        figure["not_measured"] = result["not_measured"]
    else:
        figure["images_per_second"] = 1000 / result["ms_per_image"]
        figure["bytes"] = result.get("workspace_bytes", {}).get("total", 0)
    return figure


def best_of(figures, **where):
    """The fastest figure with these fields."""
    fitting = [f for f in figures if "images_per_second" in f and all(f[k] == v for k, v in where.items())]
    return max(fitting, key=lambda f: f["images_per_second"], default=None)


def ratio(a, b, field):
    return f"{a[field] / b[field]:.2f}" if a and b and a[field] and b[field] else "-"


def table(figures, options):
    """The best of each, and how they compare; then everything."""
    lines = ["| phase | arithmetic | ours, images/s | PyTorch eager | compiled | ours / eager | ours / compiled | memory, ours / eager |",
             "|---|---|---|---|---|---|---|---|"]

    def show(f):
        return f"{f['images_per_second']:,.0f} ({f['batch']}{', ' + f['form'] if f['who'] != 'ours' else ''})" if f else "-"

    for phase in options.phase:
        for arithmetic in options.arithmetic:
            our = best_of(figures, who="ours", phase=phase, arithmetic=arithmetic)
            eager = best_of(figures, who="PyTorch", phase=phase, arithmetic=arithmetic, compiled=False)
            compiled = best_of(figures, who="PyTorch", phase=phase, arithmetic=arithmetic, compiled=True)
            # Memory at one batch: ours against the eager form that is fastest there.
            same = our and best_of(figures, who="PyTorch", phase=phase, arithmetic=arithmetic, compiled=False,
                                   batch=our["batch"])
            lines.append(f"| {phase} | {arithmetic} | {show(our)} | {show(eager)} | {show(compiled)} | "
                         f"{ratio(our, eager, 'images_per_second')} | {ratio(our, compiled, 'images_per_second')} | "
                         f"{ratio(our, same, 'bytes')} |")
    lines += ["", "| who | phase | arithmetic | form | batch | images/s | MB |", "|---|---|---|---|---|---|---|"]
    for f in figures:
        speed = f"{f['images_per_second']:,.0f} | {f['bytes'] / 1e6:,.0f}" if "images_per_second" in f else f"{f['not_measured']} | -"
        lines.append(f"| {f['who']} | {f['phase']} | {f['arithmetic']} | {f['form']} | {f['batch']} | {speed} |")
    return "\n".join(lines)


def main(arguments):
    options = parse(arguments)
    try:
        import torch
    except ImportError as reason:
        sys.exit(f"compare.py: {reason}; PyTorch 2 for {sys.executable} is needed: {sys.executable} -m pip install torch")
    if not options.smoke and not torch.cuda.is_available():
        print("SKIPPED: PyTorch finds no GPU; --smoke tries the script on the CPU")
        return
    device = "CPU, smoke only: no figure below means anything" if options.smoke else torch.cuda.get_device_name()
    print(f"{options.network}, depth {options.depth}, width {options.width}, unfolding {options.unfolding}, "
          f"{options.side} x {options.side}; PyTorch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}, {device}\n")
    forms_agree(options)
    figures = []
    for phase in options.phase:
        if not options.smoke:
            figures += ours(options, phase)
        for arithmetic in options.arithmetic:
            figures += rivals(options, phase, arithmetic)
    print(table(figures, options))
    if options.json:
        Path(options.json).write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
