"""PyTorch's own forward pass against OpenCV's of the converted file. Skipped where there is no torch.

By hand, with a Python that has torch, onnx and the distribution's cv2 (for the second, Bazel's does not see a venv):

    bazel build //layers:libcsc_opencv.so && VENV/bin/python tests/training/pytorch/torch_test.py
    bazel test --test_env=PYTHONPATH=VENV/lib/python3.11/site-packages //tests/training/pytorch:torch_test
"""

import contextlib
import io
import json
import os
import sys
import tempfile
import unittest

if not os.path.exists("layers/libcsc_opencv.so"):  # run by hand from the project's root
    sys.path += ["tests/golden", "tests/layers", "tests/training/pytorch", "training/pytorch"]

import numpy as np

import conversion_testing
import convert
from conversion_testing import constant_names, golden_cases, images, relative_error, run_opencv
from python_plugin import needs_sanitizer

try:
    import torch
    from torch import nn
except ImportError as error:
    print(f"SKIPPED: {error}")
    sys.exit(0)

import csc_models
import csc_torch

TOLERANCE = 1e-5  # of the largest magnitude
LARGEST = {}


# ---- a residual network as it is commonly written -------------------------------------------------------------------


class Block(nn.Module):

    def __init__(self, before, planes, stride, shortcut, step):
        super().__init__()
        self.conv1 = nn.Conv2d(before, planes, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        if step:
            self.c = nn.Parameter(torch.tensor(step))
        self.stride, self.more = stride, planes - before
        self.before = self.more // 2 if shortcut == "centre" else 0

    def forward(self, x):
        s = x[:, :, :: self.stride, :: self.stride]
        s = nn.functional.pad(s, (0, 0, 0, 0, self.before, self.more - self.before))
        h = torch.relu(self.bn1(self.conv1(x)))
        if hasattr(self, "c"):
            h = h + self.c * nn.functional.conv_transpose2d(s, self.conv2.weight, padding=1)
        return torch.relu(self.bn2(self.conv2(h)) + s)


class CifarResNet(nn.Module):

    def __init__(self, depth, shortcut, step=0.0):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        before = 16
        for stage, planes in enumerate((16, 32, 64), 1):
            blocks = []
            for block in range((depth - 2) // 6):
                blocks.append(Block(before, planes, 2 if stage > 1 and block == 0 else 1, shortcut, step))
                before = planes
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))
        self.linear = nn.Linear(64, 10)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))


def randomise_statistics(network, seed):
    """Running statistics, scales and shifts as no initialisation gives them."""
    generator = torch.Generator().manual_seed(seed)
    uniform = lambda like, low, high: torch.rand(like.shape, generator=generator) * (high - low) + low
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.copy_(uniform(module.running_mean, -0.5, 0.5))
            module.running_var.copy_(uniform(module.running_var, 0.3, 2))
            if module.affine:
                nn.init.uniform_(module.weight, 0.2, 1.2)
                nn.init.uniform_(module.bias, -0.3, 0.5)


def train(network, channels=3, size=32, steps=4):
    """A few steps of gradient descent, after which every parameter must have received a gradient."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.7
    optimiser = torch.optim.SGD(network.parameters(), 0.01)
    network.train()
    for step in range(steps):
        x = torch.from_numpy(images(step, 8, channels, size, size))
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(x), torch.arange(8) % 10).backward()
        optimiser.step()
        if isinstance(network, csc_torch.Network):
            network.project()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
    return network.eval()


class TorchTest(unittest.TestCase):

    def setUp(self):
        torch.manual_seed(7)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def run_convert(self, *arguments):
        """In this process: loading torch takes seconds."""
        with contextlib.redirect_stdout(io.StringIO()):
            convert.main([str(a) for a in arguments])

    def assert_close(self, found, wanted):
        error = relative_error(found, wanted)
        name = self.id().split(".")[-1]
        LARGEST[name] = max(error, LARGEST.get(name, 0))
        self.assertLessEqual(error, TOLERANCE)

    def assert_deploys(self, network, *options, channels=3, state=None):
        """torch -> file -> ONNX, both forms -> OpenCV, and -> file -> torch again, all with the same result."""
        x = images(99, 4, channels, 32, 32)
        with torch.no_grad():
            wanted = network.eval()(torch.from_numpy(x)).numpy()
        torch.save(state or network.state_dict(), self.path("net.pt"))
        for form in "layered", "fused":
            self.run_convert("to-onnx", self.path("net.pt"), self.path("net.onnx"), "--form", form, *options)
            found = run_opencv(self.path("net.onnx"), x)
            self.assert_close(found.reshape(wanted.shape), wanted)
            self.run_convert("from-onnx", self.path("net.onnx"), self.path("back.pt"))
            back = csc_torch.from_state_dict(torch.load(self.path("back.pt"))).eval()
            with torch.no_grad():
                self.assert_close(back(torch.from_numpy(x)).numpy().reshape(wanted.shape), wanted)

    def test_layers_compute_the_golden_numbers(self):
        tried = 0
        for case, constants, x, output in golden_cases():
            if case["op"] == "Lasso":
                continue
            spec = {"op": case["op"], "parameters": len(constants), **case["attributes"]}
            state = {f"0.{name}": torch.from_numpy(value) for name, value in zip(constant_names(case), constants)}
            with self.subTest(case["name"]):
                layer = csc_torch._make_layer(spec, {key[2:]: value for key, value in state.items()}).double()
                layer.load_state_dict({key[2:]: value for key, value in state.items()})
                with torch.no_grad():
                    self.assertLess(relative_error(layer(torch.from_numpy(x)).numpy(), output), 1e-12)
                tried += 1
        self.assertGreater(tried, 30)

    def test_synthesis_is_the_adjoint(self):
        for kernel, strides, dilations, pads in (
            (3, 1, 2, None),
            (3, 2, 1, [1, 1]),
            (2, 3, 1, [0, 1, 2, 0]),
            (4, 2, 1, 1),
        ):
            d = csc_torch.Dictionary(kernel, strides, dilations, pads)
            filters = torch.randn(5, 3, kernel, kernel, dtype=torch.float64)
            x = torch.randn(2, 3, 11, 12, dtype=torch.float64)
            code = d.analyse(x, filters)
            g = torch.randn_like(code)
            left, right = (code * g).sum(), (x * d.synthesise(g, filters, x.shape[2:])).sum()
            self.assertLess(abs(left - right), 1e-10 * abs(left))

    def test_resnet20_by_common_names(self):
        for shortcut in "append", "centre":
            network = CifarResNet(20, shortcut)
            randomise_statistics(network, 1)
            self.assert_deploys(network, "--shortcut", shortcut)

    def test_res_csc20_by_common_names_in_a_checkpoint_of_data_parallel(self):
        network = CifarResNet(20, "centre", step=-0.1)
        randomise_statistics(network, 2)
        state = {"epoch": 3, "state_dict": nn.DataParallel(network).state_dict()}
        self.assertIn("module.layer1.0.c", state["state_dict"])
        self.assert_deploys(network, "--shortcut", "centre", "--size", 32, 32, state=state)

    def test_res_csc20_of_our_modules(self):
        network = csc_models.res_csc(depth=20)
        randomise_statistics(network, 3)
        self.assert_deploys(network)
        self.assert_deploys(train(csc_models.res_csc(depth=8, simplified=1)))

    def test_msd_csc_with_batch_normalisation(self):
        network = csc_models.msd_csc(depth=6, width=16, unfolding=2)
        self.assert_deploys(train(network))
        # A network like it loads what it was trained to.
        again = csc_models.msd_csc(depth=6, width=16, unfolding=2)
        again.load_state_dict(network.state_dict())
        self.assert_deploys(again)

    def test_msd_csc_whose_identity_channels_stay_free(self):
        self.assert_deploys(train(csc_models.msd_csc(depth=3, width=8, unfolding=2, threshold_identity=0)))

    def test_msd_csc_with_rows(self):
        layers = [
            csc_torch.MsdCsc(3, 8, unfolding=3, algorithm="fista", norm=True, rows=True, dilations=2),
            csc_torch.GlobalAveragePool(),
            csc_torch.Gemm(11, 10),
        ]
        self.assert_deploys(train(csc_torch.Network(*layers)))

    def test_layered_pursuit(self):
        for options in {"rows": True, "strides": 2}, {"nonnegative": 0}:
            layers = [
                csc_torch.LayeredPursuit(3, 16, unfolding=3, algorithm="fista", step=0.5, **options),
                csc_torch.MaxPool(),
                csc_torch.LayeredPursuit(16, 16, unfolding=2, step=0.5),
                csc_torch.GlobalAveragePool(),
                csc_torch.Gemm(16, 10),
            ]
            self.assert_deploys(train(csc_torch.Network(*layers)))

    def test_ml_csc(self):
        self.assert_deploys(train(csc_models.ml_csc(width=8, unfolding=2)), "--size", 32, 32)
        self.assert_deploys(
            train(csc_models.ml_csc(width=8, unfolding=3, algorithm="ista", norm=False)), "--size", 32, 32
        )

    def test_the_models_are_laid_out_as_the_trainer_does(self):
        cases = [
            ("msd_csc", ["--depth", 6, "--width", 4, "--unfolding", 2], {"depth": 6, "width": 4, "unfolding": 2}),
            ("res_csc", ["--depth", 14, "--width", 4], {"depth": 14, "width": 4}),
            ("ml_csc", ["--width", 4, "--unfolding", 2], {"width": 4, "unfolding": 2}),
        ]
        x = images(5, 3, 1, 8, 8)
        for model, words, options in cases:
            with self.subTest(model):
                folder = self.path(model)
                conversion_testing.train(folder, model, *words)
                self.run_convert("from-onnx", f"{folder}/model.onnx", f"{folder}/model.pt")
                state = torch.load(f"{folder}/model.pt")
                if model != "res_csc":
                    options["size"] = 8
                fresh = getattr(csc_models, model)(channels=1, **options)
                specs = [json.loads(bytes(s["_extra_state"].tolist())) for s in (state, fresh.state_dict())]
                self.assertEqual(specs[0], specs[1])
                trained = csc_torch.from_state_dict(state).eval()
                with torch.no_grad():
                    self.assert_close(trained(torch.from_numpy(x)).numpy(), run_opencv(f"{folder}/model.onnx", x))

    def test_bfloat16_and_sparse_become_float(self):
        network = csc_models.msd_csc(depth=1, width=4, unfolding=0)
        torch.save(
            {key: v.bfloat16() if v.is_floating_point() else v for key, v in network.state_dict().items()},
            self.path("half.pt"),
        )
        rounded = {key: v.bfloat16().float() if v.is_floating_point() else v for key, v in network.state_dict().items()}
        torch.save({**rounded, "0.F": rounded["0.F"].to_sparse()}, self.path("full.pt"))
        for name in "half", "full":
            self.run_convert("to-onnx", self.path(f"{name}.pt"), self.path(f"{name}.onnx"))
        with open(self.path("half.onnx"), "rb") as half, open(self.path("full.onnx"), "rb") as full:
            self.assertEqual(half.read(), full.read())

    def test_a_state_dict_of_another_layout_is_refused(self):
        network = csc_models.msd_csc(depth=2, width=4, unfolding=2)
        other = csc_models.msd_csc(depth=2, width=4, unfolding=2, algorithm="ista")
        with self.assertRaisesRegex(
            ValueError, r"layer 0 \(MsdCsc\): the state dict has algorithm fista, the network ista"
        ):
            other.load_state_dict(network.state_dict())
        with self.assertRaisesRegex(TypeError, "ReLU: a layer of csc_torch expected"):
            csc_torch.Network(csc_torch.MsdCsc(3, 4), nn.ReLU())
        with self.assertRaisesRegex(ValueError, "needs explicit pads"):
            csc_torch.MsdCsc(3, 4, 2)

    def test_features_are_a_network_too(self):
        whole = csc_models.msd_csc(depth=2, width=4)
        part = whole[1:3]
        x = torch.rand(1, 3, 8, 8)
        again = csc_torch.from_state_dict(part.state_dict())
        self.assertIn("0.kernel_shape", [f"{i}.{name}" for i, layer in enumerate(again) for name in layer.attributes])
        self.assertTrue(torch.equal(whole.eval()[1:4](whole[:1](x)), whole[:4](x)))

    def test_bad_files_are_refused_with_one_line(self):
        torch.save(nn.Linear(2, 2), self.path("module.pt"))
        torch.save(torch.zeros(3), self.path("tensor.pt"))
        torch.save({"state_dict": {"a": 3}}, self.path("number.pt"))
        torch.save({1: torch.zeros(1)}, self.path("keys.pt"))
        with open(self.path("text.pt"), "w", encoding="utf-8") as file:
            file.write("no such thing\n" * 100)
        with open(self.path("empty.pt"), "wb"):
            pass
        for name, message in (
            ("module", "torch cannot load it as tensors only"),
            ("text", "torch cannot load it as tensors"),
            ("empty", "torch cannot load it as tensors only"),
            ("tensor", "it holds an object of type Tensor: a state dict"),
            ("number", "a is of type int: a state dict holds tensors only"),
            ("keys", "a key is 1: names expected"),
        ):
            with self.subTest(name):
                with self.assertRaises(SystemExit) as caught:
                    self.run_convert("to-onnx", self.path(f"{name}.pt"), self.path("out.onnx"))
                self.assertNotIn("\n", str(caught.exception))
                self.assertRegex(str(caught.exception), f"^convert.py: .*{name}.pt: {message}")
        result = conversion_testing.convert("to-onnx", self.path("text.pt"), self.path("out.onnx"))
        self.assertEqual((result.returncode, result.stdout, result.stderr.count("\n")), (1, "", 1), result.stderr)


def tearDownModule():
    print(f"torch {torch.__version__}")
    for name, error in LARGEST.items():
        print(f"{name}: largest error {error:.2g}")


if __name__ == "__main__":
    if needs_sanitizer():
        print("SKIPPED: python3 is not built with the plugin's sanitizer")
    else:
        unittest.main()
