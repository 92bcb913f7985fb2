"""What the tests of this folder share: running files in OpenCV, and state dicts with an evaluation of their own."""

import ctypes
import json
import math
import os
import subprocess
import sys

import numpy as np

import layers_in_numpy
from layers_in_numpy import Dictionary, momentum, per_channel
from python_plugin import PLUGIN

CONVERT = os.path.abspath("training/pytorch/convert.py")


def run_opencv(model, x):
    """The output of an ONNX file, or of one's bytes, through OpenCV with the plugin."""
    import cv2

    ctypes.CDLL(PLUGIN)
    net = cv2.dnn.readNetFromONNX(model if isinstance(model, str) else np.frombuffer(model, np.uint8))
    net.setInput(np.ascontiguousarray(x, np.float32))
    return net.forward()


def program(path):
    """A program among a test's files, or from the project's root where Bazel built it."""
    return path if os.path.exists(path) else os.path.join("bazel-bin", path)


def convert(*arguments):
    return subprocess.run(
        [sys.executable, CONVERT, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        check=False,
    )


def train(folder, model, *options):
    """A short training of the project's own: 8 x 8 digits, 10 classes; with images enough that channels vary."""
    command = [
        program("training/train"),
        "--model",
        model,
        "--limit-train",
        "480",
        "--limit-test",
        "10",
        "--batch-size",
        "16",
        "--epochs",
        "1",
        "--out",
        folder,
        *map(str, options),
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def relative_error(found, wanted):
    """Of the largest magnitude. A result of zeros only would show nothing."""
    found, wanted = np.asarray(found, float), np.asarray(wanted, float)
    assert found.shape == wanted.shape, (found.shape, wanted.shape)
    largest = np.abs(wanted).max()
    assert largest > 0 and np.isfinite(largest)
    error = np.abs(found - wanted).max() / largest
    return error if np.isfinite(error) else np.inf


def spec_bytes(layers):
    text = json.dumps({"format": "csc-network", "version": 1, "layers": layers})
    return np.frombuffer(text.encode(), np.uint8)


def images(seed, *dims):
    return np.random.default_rng(seed).uniform(0, 1, dims).astype(np.float32)


def golden_cases():
    with open(os.path.join(os.path.dirname(layers_in_numpy.__file__), "golden.json"), encoding="utf-8") as file:
        for case in json.load(file):
            # A layer of the project's own network spec, not an operator of the contract.
            if case["op"] == "DenseCsc":
                continue
            tensors = [
                np.array(t["data"], float).reshape(t["dims"])
                for t in [*case["parameters"], case["input"], case["output"]]
            ]
            yield case, tensors[:-2], tensors[-2], tensors[-1]


def constant_names(case):
    depth = case["attributes"].get("layers", 0)
    return (
        {
            "MsdCsc": "F b c a",
            "ResCsc": "F1 b1 F2 b2 c a1 a2",
            "SoftThreshold": "b",
            "MlCsc": " ".join(f"F_{i} b_{i} c_{i}" for i in range(1, depth + 1)),
        }
        .get(case["op"], "F b c")
        .split()
    )


# ---- ResNets under the names that are common for CIFAR --------------------------------------------------------------


class RandomArrays:
    def __init__(self, seed):
        self.random = np.random.default_rng(seed)

    def filters(self, *dims):
        return (self.random.standard_normal(dims) * math.sqrt(2 / math.prod(dims[1:]))).astype(np.float32)

    def vector(self, low, high, *dims):
        return self.random.uniform(low, high, dims).astype(np.float32)

    def norm(self, state, key, n, affine=True):
        if affine:
            state[key + ".weight"] = self.vector(-0.2, 1.2, n)
            state[key + ".bias"] = self.vector(-0.3, 0.5, n)
        state[key + ".running_mean"] = self.vector(-0.5, 0.5, n)
        state[key + ".running_var"] = self.vector(0.3, 2, n)
        state[key + ".num_batches_tracked"] = np.array(391)


def resnet_state(seed, blocks=1, width=4, classes=5, steps=False, head="linear"):
    r, state = RandomArrays(seed), {}
    state["conv1.weight"] = r.filters(width, 3, 3, 3)
    r.norm(state, "bn1", width)
    before = width
    for stage in (1, 2, 3):
        m = width << (stage - 1)
        for block in range(blocks):
            key = f"layer{stage}.{block}."
            state[key + "conv1.weight"] = r.filters(m, before, 3, 3)
            r.norm(state, key + "bn1", m)
            state[key + "conv2.weight"] = r.filters(m, m, 3, 3)
            r.norm(state, key + "bn2", m)
            if steps:
                state[key + "c"] = r.vector(-0.3, -0.1)
            before = m
    state[head + ".weight"] = r.filters(classes, before)
    state[head + ".bias"] = r.vector(-1, 1, classes)
    return state


def relu(u):
    return np.maximum(u, 0)


def normalised(state, key, u):
    s = {
        name: per_channel(state[f"{key}.{name}"]).astype(float)
        for name in ("running_mean", "running_var", "weight", "bias")
    }
    return (u - s["running_mean"]) / np.sqrt(s["running_var"] + 1e-5) * s["weight"] + s["bias"]


def run_resnet(state, image, shortcut):
    """The scores of one image [3, H, W], batch normalisation as PyTorch computes it after training."""

    def filters(key, x, stride=1):
        return Dictionary(state[key].astype(float), *x.shape[1:], strides=(stride, stride))

    x = relu(normalised(state, "bn1", filters("conv1.weight", image).analyse(image)))
    for stage in (1, 2, 3):
        block = 0
        while f"layer{stage}.{block}.conv1.weight" in state:
            key = f"layer{stage}.{block}."
            stride = 2 if stage > 1 and block == 0 else 1
            h = relu(normalised(state, key + "bn1", filters(key + "conv1.weight", x, stride).analyse(x)))
            more = len(h) - len(x)
            before = more // 2 if shortcut == "centre" else 0
            s = np.pad(x[:, ::stride, ::stride], ((before, more - before), (0, 0), (0, 0)))
            d = filters(key + "conv2.weight", h)
            y = d.analyse(h + state.get(key + "c", 0.0) * d.synthesise(s))
            x = relu(normalised(state, key + "bn2", y) + s)
            block += 1
    head = "fc" if "fc.weight" in state else "linear"
    return state[head + ".weight"].astype(float) @ x.mean((1, 2)) + state[head + ".bias"]


# ---- csc_torch's own names, in training form ------------------------------------------------------------------------


def msd_state(seed, depth=6, width=3, unfolding=2, rows=False, threshold_identity=1):
    """A network of MsdCsc layers with batch normalisation, as csc_torch.Network's state dict."""
    r, state, specs, channels = RandomArrays(seed), {}, [], 3
    own = (unfolding + 1,) if rows else ()
    for depth_so_far in range(depth):
        i = len(specs)
        n = width + channels * threshold_identity
        state[f"{i}.F"] = 0.2 * r.filters(width, channels, 3, 3)
        state[f"{i}.b"] = r.vector(-0.5, 0.3, *own, n)
        state[f"{i}.c"] = r.vector(0.4, 0.8, *own or (1,))
        state[f"{i}.a"] = r.vector(0.5, 1.5, *own, n)
        for k in range(unfolding + 1):
            r.norm(state, f"{i}.norm.{k}", n, affine=False)
        dilation = depth_so_far % 3 + 1
        specs.append(
            {
                "op": "MsdCsc",
                "parameters": 4,
                "dilations": [dilation, dilation],
                "unfolding": unfolding,
                "algorithm": "fista",
                "threshold_identity": threshold_identity,
            }
        )
        channels += width
        if depth_so_far == 1:
            specs.append({"op": "MaxPool", "parameters": 0, "kernel_shape": [2, 2], "strides": [2, 2]})
    state[f"{len(specs) + 1}.W"] = r.filters(5, channels, 1, 1)
    state[f"{len(specs) + 1}.bias"] = r.vector(-1, 1, 5)
    specs += [{"op": "GlobalAveragePool", "parameters": 0}, {"op": "Gemm", "parameters": 2}]
    return {"_extra_state": spec_bytes(specs), **state}


def run_msd(state, x):
    """The scores of one image, normalisation not folded."""
    specs = json.loads(state["_extra_state"].tobytes())["layers"]
    for i, spec in enumerate(specs):
        p = {key.split(".", 1)[1]: value.astype(float) for key, value in state.items() if key.startswith(f"{i}.")}
        if spec["op"] == "MsdCsc":
            x = _run_msd_layer(spec, p, x)
        elif spec["op"] == "MaxPool":
            c, h, w = x.shape
            x = x[:, : h // 2 * 2, : w // 2 * 2].reshape(c, h // 2, 2, w // 2, 2).max((2, 4))
        elif spec["op"] == "GlobalAveragePool":
            x = x.mean((1, 2), keepdims=True)
        else:
            x = p["W"].reshape(len(p["W"]), -1) @ x.reshape(-1) + p["bias"]
    return x


def _run_msd_layer(spec, p, x):
    d = Dictionary(p["F"], *x.shape[1:], dilations=spec["dilations"])
    channels = len(x)
    passed = 0 if spec["threshold_identity"] else channels

    def row(name, k):
        return p[name][k] if len(p[name].shape) > 1 or (name == "c" and p[name].size > 1) else p[name]

    def prox(u, k):
        v = (u[passed:] - per_channel(p[f"norm.{k}.running_mean"])) / np.sqrt(
            per_channel(p[f"norm.{k}.running_var"]) + 1e-5
        )
        return np.concatenate([u[:passed], relu(per_channel(row("a", k)) * v - per_channel(row("b", k)))])

    g = previous = prox(row("c", 0) * np.concatenate([x, d.analyse(x)]), 0)
    for k, factor in enumerate(momentum(spec["algorithm"], spec["unfolding"]), 1):
        z, previous = g + factor * (g - previous), g
        r = z[:channels] + d.synthesise(z[channels:]) - x
        g = prox(z - row("c", k) * np.concatenate([r, d.analyse(r)]), k)
    return g
