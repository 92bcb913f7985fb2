"""State dicts to ONNX to OpenCV against numpy, and back without losing a bit. Needs no torch."""

import os
import subprocess
import tempfile
import unittest

import numpy as np

import onnx_files
import state_dicts
from contract import Error
from conversion_testing import (
    CONVERT,
    constant_names,
    convert,
    golden_cases,
    images,
    msd_state,
    program,
    relative_error,
    resnet_state,
    run_msd,
    run_opencv,
    run_resnet,
    spec_bytes,
    train,
)
from python_plugin import run_tests

TOLERANCE = 1e-5  # of the largest magnitude
LARGEST = {}


def onnx_bytes(layers, form="layered", size=(0, 0), labels=()):
    return onnx_files.make_model(layers, [state_dicts.image_channels(layers), *size], form, labels).SerializeToString()


class ConvertTest(unittest.TestCase):

    def assert_close(self, found, wanted):
        error = relative_error(found, wanted)
        name = self.id().split(".")[-1]
        LARGEST[name] = max(error, LARGEST.get(name, 0))
        self.assertLessEqual(error, TOLERANCE)

    def assert_same_arrays(self, found, wanted):
        self.assertEqual(sorted(found), sorted(wanted))
        for key, array in wanted.items():
            self.assertEqual((found[key].dtype, found[key].shape), (array.dtype, array.shape), key)
            self.assertEqual(found[key].tobytes(), array.tobytes(), key)

    def assert_round_trip(self, layers, size=(0, 0)):
        """Both forms give back the same frozen state dict, and that the same files."""
        frozen = state_dicts.from_network(layers)
        for form in "layered", "fused":
            data = onnx_bytes(layers, form, size)
            again, dims, _ = onnx_files.parse(data)
            self.assertEqual(dims[1:], list(size))
            state = state_dicts.from_network(again)
            self.assert_same_arrays(state, frozen)
            self.assertEqual(onnx_bytes(state_dicts.to_network(state), form, size), data)

    def test_every_operator_gives_the_golden_numbers(self):
        tried = 0
        for case, constants, x, output in golden_cases():
            spec = {"op": case["op"], "parameters": len(constants), **case["attributes"]}
            state = {f"0.{name}": value for name, value in zip(constant_names(case), constants)}
            state["_extra_state"] = spec_bytes([spec])
            with self.subTest(case["name"]):
                if case["op"] == "Lasso":
                    with self.assertRaisesRegex(Error, "a converged Lasso cannot be part of a network"):
                        state_dicts.to_network(state)
                elif case["op"] == "SoftThreshold" and constants[0].size == 1:
                    with self.assertRaisesRegex(Error, "no layer says how many channels"):
                        state_dicts.to_network(state)
                else:
                    layers = state_dicts.to_network(state)
                    for form in "layered", "fused":
                        self.assert_close(run_opencv(onnx_bytes(layers, form, x.shape[2:]), x), output)
                    self.assert_round_trip(layers, x.shape[2:])
                    tried += 1
        self.assertGreater(tried, 30)

    def test_residual_networks_by_common_names(self):
        x = images(1, 2, 3, 8, 8)
        for seed, (blocks, steps, head, shortcut) in enumerate(
            [
                (1, False, "linear", "append"),
                (1, False, "fc", "centre"),
                (2, True, "linear", "centre"),
                (2, True, "fc", "append"),
            ]
        ):
            with self.subTest(blocks=blocks, steps=steps, shortcut=shortcut):
                state = resnet_state(seed, blocks, steps=steps, head=head)
                wanted = [run_resnet(state, image.astype(float), shortcut) for image in x]
                layers = state_dicts.to_network(state, shortcut)
                for form in "layered", "fused":
                    for size in (0, 0), (8, 8):
                        self.assert_close(run_opencv(onnx_bytes(layers, form, size), x), wanted)
                self.assert_round_trip(layers)
                # The other kind of shortcut would be another network.
                other = state_dicts.to_network(state, "append" if shortcut == "centre" else "centre")
                self.assertGreater(relative_error(run_opencv(onnx_bytes(other), x), wanted), 1e-2)

    def test_normalisation_in_every_iteration(self):
        x = images(2, 2, 3, 8, 8)
        for seed, options in enumerate([{}, {"unfolding": 0}, {"threshold_identity": 0}, {"rows": True, "depth": 2}]):
            with self.subTest(**options):
                state = msd_state(seed, **options)
                layers = state_dicts.to_network(state)
                if options.get("unfolding", 2):
                    self.assertEqual(len(layers[0].constants[1]), 3)  # a row for each iteration
                self.assert_close(
                    run_opencv(onnx_bytes(layers), x), [run_msd(state, image.astype(float)) for image in x]
                )
                self.assert_round_trip(layers)

    def test_normalisation_of_thresholds_and_of_own_residual_blocks(self):
        # The same network under both names: conv1, bn1 and layer1.0 are a LayeredThreshold and a ResCsc.
        common = {
            key: value for key, value in resnet_state(3, steps=True).items() if key[:6] not in ("layer2", "layer3")
        }
        common["linear.weight"] = common["linear.weight"][:, :4]
        own = {
            "_extra_state": spec_bytes(
                [
                    {"op": "LayeredThreshold", "parameters": 2},
                    {"op": "ResCsc", "parameters": 7},
                    {"op": "GlobalAveragePool"},
                    {"op": "Gemm", "parameters": 2},
                ]
            ),
            "0.F": common["conv1.weight"],
            "0.a": common["bn1.weight"],
            "0.b": -common["bn1.bias"],
            "3.W": common["linear.weight"].reshape(5, 4, 1, 1),
            "3.bias": common["linear.bias"],
            "1.c": common["layer1.0.c"].reshape(1),
        }
        for norm, key in ("0.norm", "bn1"), ("1.norm1", "layer1.0.bn1"), ("1.norm2", "layer1.0.bn2"):
            for name in "running_mean", "running_var", "num_batches_tracked":
                own[f"{norm}.{name}"] = common[f"{key}.{name}"]
        for k in "12":
            own["1.F" + k] = common[f"layer1.0.conv{k}.weight"]
            own["1.a" + k], own["1.b" + k] = common[f"layer1.0.bn{k}.weight"], -common[f"layer1.0.bn{k}.bias"]
        self.assertEqual(onnx_bytes(state_dicts.to_network(own)), onnx_bytes(state_dicts.to_network(common)))

    def test_epsilon_counts(self):
        state, x = resnet_state(4), images(4, 1, 3, 8, 8)
        state["bn1.running_var"][:] = 1e-3
        wanted = [run_resnet(state, x[0].astype(float), "append")]
        self.assert_close(run_opencv(onnx_bytes(state_dicts.to_network(state, "append")), x), wanted)
        other = state_dicts.to_network(state, "append", 1e-3)
        self.assertGreater(relative_error(run_opencv(onnx_bytes(other), x), wanted), 1e-2)

    def test_wrappers_and_checkpoints(self):
        state = resnet_state(5)
        wanted = onnx_bytes(state_dicts.to_network(state, "append"))
        for prefix in "module.", "model.", "_orig_mod.module.":
            wrapped = {prefix + key: value for key, value in state.items()}
            self.assertEqual(onnx_bytes(state_dicts.to_network(wrapped, "append")), wanted)
        own = msd_state(5)
        wrapped = {"module." + key: value for key, value in own.items()}
        self.assertEqual(onnx_bytes(state_dicts.to_network(wrapped)), onnx_bytes(state_dicts.to_network(own)))
        for key in "state_dict", "model", "model_state_dict", "net":
            self.assertIs(state_dicts.unwrap({"epoch": 3, key: state, "optimizer": {}}), state)
        self.assertIs(state_dicts.unwrap(state), state)

    def test_half_and_double_become_float(self):
        state = resnet_state(6)
        double = {key: value.astype(float) for key, value in state.items()}
        self.assertEqual(
            onnx_bytes(state_dicts.to_network(double, "append")), onnx_bytes(state_dicts.to_network(state, "append"))
        )
        half = {key: value.astype(np.float16) for key, value in state.items()}
        rounded = {key: value.astype(np.float32) for key, value in half.items()}
        self.assertEqual(
            onnx_bytes(state_dicts.to_network(half, "append")), onnx_bytes(state_dicts.to_network(rounded, "append"))
        )


class TrainedTest(unittest.TestCase):
    """Files of the trainer, and what its reader makes of ours."""

    def test_trained_models_go_to_state_dicts_and_back(self):
        x = images(7, 3, 1, 8, 8)
        for model, options in (
            ("msd_csc", ("--depth", 6, "--width", 4, "--unfolding", 2)),
            ("res_csc", ("--depth", 8, "--width", 4)),
            ("plain", ("--depth", 8, "--width", 4)),
            ("ml_csc", ("--width", 2, "--unfolding", 2)),
        ):
            with self.subTest(model), tempfile.TemporaryDirectory() as parent:
                folder = os.path.join(parent, "trained")
                train(folder, model, *options)
                wanted = run_opencv(f"{folder}/model.onnx", x)
                states = []
                for form in "model", "model_layered":
                    result = convert("from-onnx", f"{folder}/{form}.onnx", f"{folder}/{form}.npz")
                    self.assertEqual((result.returncode, result.stderr), (0, ""))
                    with np.load(f"{folder}/{form}.npz") as arrays:
                        states.append(dict(arrays))
                self.assertEqual(
                    {key: value.tobytes() for key, value in states[0].items()},
                    {key: value.tobytes() for key, value in states[1].items()},
                )
                for form in "layered", "fused":
                    result = convert(
                        "to-onnx",
                        f"{folder}/model.npz",
                        f"{folder}/again.onnx",
                        "--form",
                        form,
                        "--size",
                        8,
                        8,
                        "--labels",
                        f"{folder}/labels.txt",
                    )
                    self.assertEqual((result.returncode, result.stderr), (0, ""))
                    # Not a bit is lost, and fused or not the plugin computes the same.
                    original = "model" if form == "fused" else "model_layered"
                    self.assertEqual(
                        run_opencv(f"{folder}/again.onnx", x).tobytes(),
                        run_opencv(f"{folder}/{original}.onnx", x).tobytes(),
                    )
                    self.assertLessEqual(relative_error(run_opencv(f"{folder}/again.onnx", x), wanted), TOLERANCE)
                    # ReadOnnx, which checks every attribute and constant, and the labels.
                    check = subprocess.run(
                        [program("samples/check/check"), f"{folder}/again.onnx", "onednn"],
                        stdout=subprocess.PIPE,
                        stderr=subprocess.STDOUT,
                        universal_newlines=True,
                        check=False,
                    )
                    self.assertEqual(check.returncode, 0, check.stdout)


class CommandTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def test_help_has_an_example(self):
        for arguments in ["--help"], ["to-onnx", "--help"], ["from-onnx", "--help"]:
            result = convert(*arguments)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("convert.py to-onnx resnet20.pt resnet20.onnx --size 32 32", convert("--help").stdout)

    def test_both_ways_through_files(self):
        state, x = resnet_state(8, steps=True), images(8, 2, 3, 8, 8)
        np.savez(self.path("state.npz"), **state)
        with open(self.path("labels.txt"), "w", encoding="utf-8") as file:
            file.write("\n".join(["cat", "dog", "ü", "d", "e"]) + "\n")
        result = convert(
            "to-onnx",
            self.path("state.npz"),
            self.path("m.onnx"),
            "--shortcut",
            "centre",
            "--labels",
            self.path("labels.txt"),
        )
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("m.onnx: 6 layers, [3, open, open] to [5, 1, 1]", result.stdout)
        self.assertEqual(onnx_files.read(self.path("m.onnx"))[2], ["cat", "dog", "ü", "d", "e"])
        wanted = [run_resnet(state, image.astype(float), "centre") for image in x]
        self.assertLessEqual(relative_error(run_opencv(self.path("m.onnx"), x), wanted), TOLERANCE)
        result = convert("from-onnx", self.path("m.onnx"), self.path("back.npz"))
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        result = convert("to-onnx", self.path("back.npz"), self.path("again.onnx"), "--labels", self.path("labels.txt"))
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        with open(self.path("m.onnx"), "rb") as first, open(self.path("again.onnx"), "rb") as second:
            self.assertEqual(first.read(), second.read())
        self.assertEqual(
            sorted(os.listdir(self.folder)), ["again.onnx", "back.npz", "labels.txt", "m.onnx", "state.npz"]
        )

    def assert_refused(self, status, message, *arguments):
        result = convert(*arguments)
        self.assertEqual((result.returncode, result.stdout), (status, ""), result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertRegex(result.stderr, "^convert.py: .*" + message)

    def test_errors_are_one_line_and_leave_nothing_behind(self):
        np.savez(self.path("state.npz"), **resnet_state(9))
        np.savez(self.path("objects.npz"), a=np.array([{}], object))
        for name, content in (
            ("text.npz", b"not a zip file"),
            ("text.onnx", b"not a model"),
            ("latin.txt", b"caf\xe9\n"),
            ("empty.npz", b""),
            ("two.txt", b"a\nb\n"),
        ):
            with open(self.path(name), "wb") as file:
                file.write(content)
        state, target = self.path("state.npz"), self.path("target.onnx")
        with open(target, "w", encoding="utf-8") as file:
            file.write("what was there")
        before = sorted(os.listdir(self.folder))
        refused = self.assert_refused
        refused(2, "required: COMMAND")
        refused(2, "invalid choice: 'to_onnx'", "to_onnx")
        refused(2, "unrecognized arguments: --sice", "to-onnx", state, target, "--sice", 3, 3)
        refused(2, "a size of 0: at least 1 expected", "to-onnx", state, target, "--size", 0, 8)
        refused(2, "an epsilon of nan: at least 0 expected", "to-onnx", state, target, "--epsilon", "nan")
        refused(1, "absent.npz: No such file or directory", "to-onnx", self.path("absent.npz"), target)
        refused(1, "Is a directory", "to-onnx", self.folder, target)
        refused(1, r"state.npz: layer2.0 widens 4 channels to 8.*: --shortcut append", "to-onnx", state, target)
        refused(1, "no .npz file of arrays, or cut short", "to-onnx", self.path("text.npz"), target)
        refused(1, "no .npz file of arrays, or cut short", "to-onnx", self.path("empty.npz"), target)
        refused(1, "no .npz file of arrays, or cut short", "to-onnx", self.path("objects.npz"), target)
        options = "--shortcut", "append", "--labels"
        refused(1, "2 labels found: 5 expected", "to-onnx", state, target, *options, self.path("two.txt"))
        refused(1, "latin.txt: UTF-8 text expected", "to-onnx", state, target, *options, self.path("latin.txt"))
        refused(1, "none.txt: No such file", "to-onnx", state, target, *options, self.path("none.txt"))
        refused(
            1,
            "none/m.onnx: cannot be written: No such file or directory",
            "to-onnx",
            state,
            self.path("none/m.onnx"),
            "--shortcut",
            "append",
        )
        refused(1, "cannot be written: Is a directory", "to-onnx", state, self.folder, "--shortcut", "append")
        refused(
            1, "text.onnx: not an ONNX model, or cut short", "from-onnx", self.path("text.onnx"), self.path("b.npz")
        )
        self.assertEqual(sorted(os.listdir(self.folder)), before)
        with open(target, encoding="utf-8") as file:
            self.assertEqual(file.read(), "what was there")

    def test_runs_by_its_name_from_anywhere(self):
        self.assertTrue(os.access(os.path.realpath(CONVERT), os.X_OK))
        result = subprocess.run(
            [os.path.realpath(CONVERT), "--help"],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            env={"PATH": os.environ["PATH"]},
            check=False,
        )
        self.assertEqual(result.returncode, 0)


def tearDownModule():
    for name, error in LARGEST.items():
        print(f"{name}: largest error {error:.2g}")


if __name__ == "__main__":
    run_tests()
