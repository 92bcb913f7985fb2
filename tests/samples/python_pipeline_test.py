"""What the Python samples say where a pipeline cannot work."""

import os
import subprocess
import sys
import tempfile
import unittest

import csc_pipeline

from python_plugin import PLUGIN, run_tests

SAMPLES = os.path.dirname(os.path.abspath(csc_pipeline.__file__))


def run(code, *arguments, path=""):
    """Runs code after the samples' module was imported, in a process of its own, and prints the RuntimeError that it raises."""
    code = f"import sys\nfrom csc_pipeline import *\ntry:\n  {code}\nexcept RuntimeError as error:\n  sys.exit(str(error))"
    return run_python(["-c", code, *arguments], path)


def run_python(command, path=""):
    return subprocess.run(
        [sys.executable, *command],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([path, SAMPLES]), "OPENCV_LOG_LEVEL": "SILENT"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, check=False)


class PipelineTest(unittest.TestCase):

    def refused(self, result, *parts):
        self.assertEqual((result.returncode, result.stdout), (1, ""), result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        for part in parts:
            self.assertIn(part, result.stderr)

    def test_the_plugin_joins_the_distributions_cv2(self):
        result = run("load_plugin(sys.argv[1]); print('loaded')", PLUGIN)
        self.assertEqual((result.returncode, result.stdout), (0, "loaded\n"), result.stderr)

    def test_a_cv2_with_an_opencv_of_its_own_is_named_with_the_ways_out(self):
        with tempfile.TemporaryDirectory() as folder:
            # Such a wheel's cv2 brings no libopencv_dnn into the process, as this one does not.
            with open(os.path.join(folder, "cv2.py"), "w", encoding="utf-8") as file:
                file.write("__version__ = '9.9.9'\n")
            result = run("load_plugin(sys.argv[1])", PLUGIN, path=folder)
            self.refused(result, "cannot join", "9.9.9", os.path.join(folder, "cv2.py"), "PyPI", "python3-opencv",
                         "model_portable.onnx")
            result = run("load_plugin('-'); print('none needed')", path=folder)
            self.assertEqual((result.returncode, result.stdout), (0, "none needed\n"), result.stderr)

    def test_a_library_that_cannot_be_loaded_is_named_with_the_reason(self):
        with tempfile.NamedTemporaryFile(suffix=".so") as file:
            file.write(b"no library")
            file.flush()
            self.refused(run("load_plugin(sys.argv[1])", file.name), file.name, "too short", "python3-opencv")
        self.refused(run("load_plugin('nowhere.so')"), "nowhere.so: not there", "bazel build")

    def test_what_else_a_command_line_can_get_wrong_is_one_line(self):
        self.refused(run("read_picture('nowhere.png', 8, 8, 1)"), "nowhere.png: not a picture")
        self.refused(run("read_labels('nowhere/model.onnx')"), "nowhere/labels.txt: not there")
        for size in "32x32", "32x32x2", "0x32x3", "axbxc", "32x32x3x1":
            self.refused(run("parse_size(sys.argv[1])", size), size, "32x32x3 or the like expected")

    def test_the_programs_say_it_in_one_line_and_a_status(self):
        for program in "classify.py", "evaluate.py":
            command = [os.path.join(SAMPLES, program), "nowhere.so", "model.onnx", "8x8x2", "."]
            self.refused(run_python(command), "8x8x2", "32x32x3 or the like expected")
        command = [os.path.join(SAMPLES, "evaluate.py"), "-", "model.onnx", "8x8x1", ".", "one too many"]
        self.assertIn("evaluate.py PLUGIN", run_python(command).stderr)
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "labels.txt"), "w") as labels:
                labels.write("0")
            command = [os.path.join(SAMPLES, "evaluate.py"), "-", os.path.join(folder, "model.onnx"), "8x8x1", "."]
            self.refused(run_python(command), "model.onnx")  # in OpenCV's words
        with tempfile.TemporaryDirectory() as folder:
            command = [os.path.join(SAMPLES, "same_answers.py"), "nowhere.so", "model.onnx", "8x8x1", folder]
            self.refused(run_python(command), folder, "no pictures")
            os.mkdir(os.path.join(folder, "class"))
            with open(os.path.join(folder, "class", "picture.png"), "wb"):
                pass
            self.refused(run_python(command), "direct: nowhere.so: not there")  # of the process that it starts


if __name__ == "__main__":
    run_tests()
