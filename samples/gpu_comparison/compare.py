#!/usr/bin/env python3
"""The CUDA engine beside PyTorch on the same GPU, in one run.

    samples/gpu_comparison/compare.py                        every network below, inference and training
    samples/gpu_comparison/compare.py --network ResNet-20    one of them
    samples/gpu_comparison/compare.py --smoke                tiny, on the CPU: tries the script, says nothing of speed

All figures come from samples/benchmark, which is built first or was packed by tests/run_gpu.sh (--benchmark names the
program). It runs our networks in PyTorch too, where this python3 has PyTorch 2: written for speed, with the same parameters,
checked against ours, in every form that may be the fastest (samples/benchmark/rivals). Ours are timed from the host's arrays
to the host's arrays, PyTorch's on arrays that are on the GPU already. Tables go to stdout, progress to stderr.
"""

import argparse
import importlib.util
import json
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).absolute().parents[2]
PACKED = (ROOT / "lib" / "glibc").exists()  # by tests/run_gpu.sh
OUR_PROGRAMS = ROOT if PACKED else ROOT / "bazel-bin"

ARITHMETICS = ("float32", "tf32", "bf16")
PHASES = ("inference", "training")
NETWORKS = {
    "MSD-CSC": ["--model", "msd_csc", "--depth", "12", "--width", "32", "--unfolding", "2"],
    "Res-CSC-20": ["--model", "res_csc", "--depth", "20"],
    "ResNet-20": ["--model", "resnet", "--depth", "20"],
}
SMOKE = {
    "MSD-CSC": ["--model", "msd_csc", "--depth", "3", "--width", "4", "--unfolding", "1"],
    "Res-CSC-20": ["--model", "res_csc", "--depth", "8", "--width", "4"],
    "ResNet-20": ["--model", "resnet", "--depth", "8", "--width", "4"],
}

# Of data sheets, without sparsity: GB/s, then TFLOP/s in each arithmetic. The first name that the device's begins with.
DEVICES = {
    "NVIDIA H200": (4800, 67, 495, 989),
    "NVIDIA H100 80GB HBM3": (3350, 67, 495, 989),
    "NVIDIA H100 PCIe": (2039, 51, 378, 756),
    "NVIDIA B200": (8000, 75, 1100, 2250),
    "NVIDIA A100-SXM4-80GB": (2039, 19.5, 156, 312),
    "NVIDIA A100": (1555, 19.5, 156, 312),
}


def parse(arguments):
    def some(allowed):
        def check(text):
            for name in text.split(","):
                if name not in allowed:
                    raise argparse.ArgumentTypeError(f"{name} is unknown: some of {', '.join(allowed)} expected")
            return text.split(",")

        return check

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", type=some(NETWORKS), default=list(NETWORKS), help=",".join(NETWORKS))
    parser.add_argument("--arithmetic", type=some(ARITHMETICS), default=list(ARITHMETICS), help=",".join(ARITHMETICS))
    parser.add_argument("--phase", type=some(PHASES), default=list(PHASES), help=",".join(PHASES))
    parser.add_argument("--batches", default="1,128,1024", help="1,128,1024")
    parser.add_argument("--seconds", default="1", help="time spent on each figure, at least (1)")
    parser.add_argument("--benchmark", default=str(OUR_PROGRAMS / "samples/benchmark/benchmark"), help="our program")
    parser.add_argument("--no-pytorch", action="store_true", help="our figures only")
    parser.add_argument("--json", help="also write every figure to this file")
    parser.add_argument("--smoke", action="store_true", help="tiny networks on the CPU, eager only")
    options = parser.parse_args(arguments)
    options.networks = NETWORKS
    if options.smoke:
        options.networks, options.batches, options.seconds, options.arithmetic = SMOKE, "1,2", "0.01", ["float32", "bf16"]
    return options


def python_outside(folder):
    """This interpreter, with the libraries that it has without ours."""
    script = Path(folder) / "python"
    libraries = os.environ.get("LD_LIBRARY_PATH", "")
    script.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH="{libraries}" exec "{sys.executable}" "$@"\n', encoding="utf-8")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return str(script)


def command(options, network, phase, python):
    line = [options.benchmark, *options.networks[network], "--phase", phase, "--json", "-",
            "--batch", options.batches, "--arithmetic", ",".join(options.arithmetic), "--seconds", options.seconds]
    line += ["--engine", "onednn", "--side", "8"] if options.smoke else ["--engine", "cuda"]
    line += ["--path", "engine,fused" if phase == "inference" else "engine"]
    if python:
        line += ["--compare", "pytorch", "--python", python, "--rival-batches", options.batches]
        line += ["--rival-device", "cpu" if options.smoke else "cuda"]
    return line


def measure(options, network, phase, python, variables=None):
    """What the benchmark says, as (device, figures); without PyTorch where it does not run."""
    line = command(options, network, phase, python)
    print(" ".join([f"{name}={value}" for name, value in (variables or {}).items()] + line), file=sys.stderr, flush=True)
    environment = {**os.environ, **(variables or {})}
    if PACKED:  # the driver's libraries may be among the others
        ours = os.environ.get("CSC_LIBRARIES", str(ROOT / "lib"))
        environment["LD_LIBRARY_PATH"] = ":".join(filter(None, [ours, os.environ.get("LD_LIBRARY_PATH")]))
    if options.smoke:
        environment["CXX"] = "/bin/false"  # PyTorch has no compiled forms then
    try:
        ended = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    except (OSError, subprocess.CalledProcessError) as reason:
        if python:
            print(f"again without PyTorch: {reason}", file=sys.stderr)
            device, figures = measure(options, network, phase, None)
            failed = {"network": network, "phase": phase, "rival": True, "program": "PyTorch", "arithmetic": "-",
                      "form": "-", "batch": 0, "not_measured": "the comparison failed: see above"}
            return device, figures + [failed]
        return "", [{"network": network, "phase": phase, "rival": False, "program": "cuda", "arithmetic": "-",
                     "form": "-", "batch": 0, "not_measured": str(reason)}]
    report = json.loads(ended.stdout)
    return "; ".join(report["engines"] + report["rivals"]), [{**r, "network": network} for r in report["results"]]


def speed(figure):
    return 1000 / figure["ms_per_image"]


def memory(figure):
    return (figure or {}).get("workspace_bytes", {}).get("total", 0)


def best(figures, kind, **where):
    """The fastest figure of these fields: ours, or PyTorch's eager, graph or compiled ones."""
    kinds = {
        "ours": lambda f: not f["rival"] and f["form"] == "engine",
        "fused": lambda f: not f["rival"] and f["form"] == "fused",
        "eager": lambda f: f["rival"] and "compiled" not in f["form"] and "graph" not in f["form"],
        "graph": lambda f: f["rival"] and f["form"].endswith("CUDA graph"),
        "compiled": lambda f: f["rival"] and "compiled" in f["form"],
    }
    fitting = [f for f in figures if "ms_per_image" in f and kinds[kind](f) and all(f[k] == v for k, v in where.items())]
    return max(fitting, key=speed, default=None)


def peaks(device, arithmetic):
    """Bytes and FLOPs a second, or None for an unknown device."""
    for name, limits in DEVICES.items():
        if name in device:
            return limits[0] * 1e9, limits[1 + ARITHMETICS.index(arithmetic)] * 1e12
    return None


def ratio(above, below):
    return f"{above / below:.2f}" if above and below else "-"


def shown(figure):
    if not figure:
        return "-"
    form = f", {figure['form']}" if figure["rival"] else ""
    return f"{speed(figure):,.0f} ({figure['batch']}{form})"


def share(amount, figure, limit):
    return f"{100 * amount * speed(figure) / limit:.1f} %" if figure and limit else "-"


def best_table(figures, options, device):
    """The best batch and form of each."""
    yield ("| network | phase | arithmetic | ours, images/s (batch) | of bandwidth | of FLOP/s | PyTorch eager | as CUDA graph | "
           "compiled | ours / eager | ours / its best | memory, ours / eager |")
    yield "|---|---|---|---|---|---|---|---|---|---|---|---|"
    for network in options.network:
        for phase in options.phase:
            for arithmetic in options.arithmetic:
                here = {"network": network, "phase": phase, "arithmetic": arithmetic}
                our, *theirs = (best(figures, kind, **here) for kind in ("ours", "eager", "graph", "compiled"))
                fastest = max((speed(f) for f in theirs if f), default=None)
                limits = peaks(device, arithmetic) or (None, None)
                same = our and best(figures, "eager", batch=our["batch"], **here)
                cells = [network, phase, arithmetic, shown(our),
                         share(our and our["unfused_bytes_per_image"], our, limits[0]),
                         share(our and 1e9 * our["gflop_per_image"], our, limits[1]), *map(shown, theirs),
                         ratio(our and speed(our), theirs[0] and speed(theirs[0])), ratio(our and speed(our), fastest),
                         ratio(memory(our), memory(same))]
                yield "| " + " | ".join(cells) + " |"


def one_image_table(figures, options):
    yield "| network | arithmetic | engine, ms | through OpenCV's Net::forward, ms | PyTorch's best, ms |"
    yield "|---|---|---|---|---|"
    for network in options.network:
        for arithmetic in options.arithmetic:
            here = {"network": network, "phase": "inference", "arithmetic": arithmetic, "batch": 1}
            found = [best(figures, kind, **here) for kind in ("ours", "fused", "eager", "graph", "compiled")]
            times = [f["ms_per_image"] if f else None for f in found]
            theirs = min((t for t in times[2:] if t), default=None)
            cells = [f"{t:.3f}" if t else "-" for t in (times[0], times[1], theirs)]
            yield f"| {network} | {arithmetic} | " + " | ".join(cells) + " |"


def residual_table(figures, options):
    """How many times as long a Res-CSC block takes as a ResNet block, each at its best batch."""
    yield "| phase | arithmetic | Res-CSC-20 / ResNet-20, ours | in PyTorch |"
    yield "|---|---|---|---|"
    for phase in options.phase:
        for arithmetic in options.arithmetic:
            cells = []
            for kinds in (("ours",), ("eager", "graph", "compiled")):
                speeds = []
                for network in ("ResNet-20", "Res-CSC-20"):
                    found = [best(figures, kind, network=network, phase=phase, arithmetic=arithmetic) for kind in kinds]
                    speeds.append(max((speed(f) for f in found if f), default=None))
                cells.append(ratio(*speeds))
            yield f"| {phase} | {arithmetic} | " + " | ".join(cells) + " |"


def early_table(figures, late, options):
    """What it gains that a kernel begins before the one before it has ended."""
    yield "| network | phase | arithmetic | batch | images/s | after all of the one before | gain |"
    yield "|---|---|---|---|---|---|---|"
    for network in options.network:
        for phase in options.phase:
            for arithmetic in options.arithmetic:
                for batch in map(int, options.batches.split(",")):
                    here = {"network": network, "phase": phase, "arithmetic": arithmetic, "batch": batch}
                    pair = [best(some, "ours", **here) for some in (figures, late)]
                    speeds = [speed(f) if f else None for f in pair]
                    cells = [network, phase, arithmetic, str(batch), *(f"{v:,.0f}" if v else "-" for v in speeds), ratio(*speeds)]
                    yield "| " + " | ".join(cells) + " |"


def all_table(figures):
    yield "| who | network | phase | arithmetic | form | batch | images/s | MB |"
    yield "|---|---|---|---|---|---|---|---|"
    for f in figures:
        result = f["not_measured"] + " | -" if "not_measured" in f else f"{speed(f):,.0f} | {memory(f) / 1e6:,.0f}"
        yield f"| {f['program']} | {f['network']} | {f['phase']} | {f['arithmetic']} | {f['form']} | {f['batch']} | {result} |"


def text(figures, late, options, device):
    parts = [
        ("Best of each", best_table(figures, options, device)),
        ("One image, from the host to the host", one_image_table(figures, options)),
        ("What the extra convolution of Res-CSC costs", residual_table(figures, options)),
        ("What kernels that begin early gain", early_table(figures, late, options)),
        ("All figures", all_table(figures)),
    ]
    notes = ("Shares are nominal, of the data sheet: bytes as if every instruction went through memory, FLOPs of the direct "
             "form.\nMemory is what the engine holds, and the most that PyTorch had allocated (reserved, for graphs).")
    return "\n\n".join([device, notes, *("\n".join([f"### {title}", "", *lines]) for title, lines in parts)])


def main(arguments):
    options = parse(arguments)
    wanted = not options.no_pytorch
    if wanted and importlib.util.find_spec("torch") is None:
        print(f"without PyTorch, which {sys.executable} does not have: {sys.executable} -m pip install torch\n")
        wanted = False
    figures, late, device = [], [], ""
    with tempfile.TemporaryDirectory() as folder:
        python = python_outside(folder) if wanted else None
        for network in options.network:
            for phase in options.phase:
                found, more = measure(options, network, phase, python)
                device = device or found
                figures += more
                late += measure(options, network, phase, None, {"CSC_CUDA_EDGES": "full"})[1]
    print(text(figures, late, options, device))
    if options.json:
        Path(options.json).write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    ours = [f for f in figures if not f["rival"] and f["form"] != "fused"]
    return 0 if any("ms_per_image" in f for f in ours) and not any(f["batch"] == 0 for f in figures) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
