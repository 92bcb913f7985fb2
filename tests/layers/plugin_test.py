"""The plugin in the distribution's Python module of OpenCV: by ctypes, by LD_PRELOAD, from the environment."""

import ctypes
import os
import subprocess
import sys
import unittest

import numpy as np

from python_plugin import PLUGIN, run_tests

MODEL = os.path.abspath("tests/layers/model.onnx")

RUN = """
import sys, cv2, numpy
if "--load" in sys.argv:
    import ctypes
    ctypes.CDLL(sys.argv[1])
net = cv2.dnn.readNetFromONNX(sys.argv[2])
net.setInput(numpy.ones((1, 2, 4, 4), numpy.float32))
print(net.forward().shape)
"""


def run(*arguments, **environment):
    """Runs RUN in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", RUN, PLUGIN, MODEL, *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, check=False)


def analysis(x, filters):
    """F x, with pads of 1: [N, C, H, W] -> [N, w, H, W]."""
    height, width = x.shape[2:]
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    result = 0
    for i in range(3):
        for j in range(3):
            window = padded[:, :, i:i + height, j:j + width]
            result = result + np.einsum("nchw,kc->nkhw", window, filters[:, :, i, j])
    return result


def synthesis(g, filters):
    """F^T g: each code puts its filter where the window lay."""
    batch, _, height, width = g.shape
    padded = np.zeros((batch, filters.shape[1], height + 2, width + 2))
    for i in range(3):
        for j in range(3):
            padded[:, :, i:i + height, j:j + width] += np.einsum("nkhw,kc->nchw", g, filters[:, :, i, j])
    return padded[:, :, 1:-1, 1:-1]


def msd_csc(x):
    """The model: one unfolding, c = 1/2."""
    filters = ((7 * np.arange(54) % 5 - 2) / 8).reshape(3, 2, 3, 3)
    b = np.array([0.125, 0.25, 0, 0.5, 0.125]).reshape(1, 5, 1, 1)
    both = lambda image: np.concatenate([image, analysis(image, filters)], axis=1)
    g = np.maximum(0.5 * both(x) - b, 0)
    r = g[:, :2] + synthesis(g[:, 2:], filters) - x
    return np.maximum(g - 0.5 * both(r) - b, 0)


class PluginTest(unittest.TestCase):

    def test_computes_what_numpy_computes(self):
        import cv2
        plugin = ctypes.CDLL(PLUGIN)
        plugin.csc_last_engine.restype = ctypes.c_char_p
        plugin.csc_engine.restype = ctypes.c_char_p
        net = cv2.dnn.readNetFromONNX(MODEL)
        random = np.random.default_rng(1)
        for shape in (1, 2, 6, 5), (4, 2, 9, 7):
            x = random.uniform(-1, 1, shape).astype(np.float32)
            net.setInput(x)
            np.testing.assert_allclose(net.forward(), msd_csc(x.astype(float)), rtol=0, atol=1e-5)
        self.assertEqual(plugin.csc_last_engine(b"code"), plugin.csc_engine())

    def test_an_error_is_cv2_error(self):
        import cv2
        ctypes.CDLL(PLUGIN)
        net = cv2.dnn.readNetFromONNX(MODEL)
        net.setInput(np.ones((1, 3, 4, 4), np.float32))
        with self.assertRaisesRegex(cv2.error, r'layer "code" \(csc\.MsdCsc\): the input has 3 channels'):
            net.forward()

    def test_loading_is_enough(self):
        for result in run("--load"), run(LD_PRELOAD=PLUGIN):
            self.assertEqual((result.returncode, result.stdout), (0, "(1, 5, 4, 4)\n"), result.stderr)

    def test_without_it_opencv_knows_no_such_layer(self):
        result = run()
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("MsdCsc", result.stderr)

    def test_the_environment_chooses_the_engine(self):
        result = run("--load", CSC_ENGINE="reference", CSC_VERBOSE="1")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stderr.count('csc: layer "code" (MsdCsc), input [1, 2, 4, 4], engine reference'), 1)
        result = run("--load", CSC_ENGINE="abacus")
        self.assertNotEqual(result.returncode, 0)
        self.assertIn('engine "abacus" is unknown', result.stderr)


if __name__ == "__main__":
    run_tests()
