"""What the samples of this folder share: the plugin in this Python's cv2, names of classes, pictures as networks see them.

Raises RuntimeError, of one line, for what cannot work.
"""
import ctypes, os, re, sys
import cv2, numpy

WAYS_OUT = "Use the distribution's python3-opencv (/usr/bin/python3), or - for PLUGIN and model_portable.onnx, which needs none."


def opencv_libraries():
    """The OpenCV DNN libraries that this process has loaded."""
    with open("/proc/self/maps") as maps:
        return {line.split(maxsplit=5)[5].strip() for line in maps if "/libopencv_dnn" in line}


def load_plugin(plugin):
    """Makes the csc layers known to cv2, which must be done before a model is read; - is for models without such layers."""
    if plugin == "-":
        return
    of_cv2 = opencv_libraries()
    if not os.path.exists(plugin):
        made_by = "bazel build //layers:libcsc_opencv.so makes bazel-bin/layers/libcsc_opencv.so"
        raise RuntimeError(f"{plugin}: not there ({made_by})")
    try:
        ctypes.CDLL(os.path.realpath(plugin))
        problem = None
    except OSError as error:
        problem = str(error)
    # The layers are registered in the library that the plugin is linked to. A cv2 without it never hears of them.
    if problem is None and opencv_libraries() != of_cv2:
        problem = "it is not linked to the OpenCV that the plugin joins; wheels from PyPI hold an OpenCV of their own"
    if problem:
        cv2_name = f"{cv2.__version__}, {cv2.__file__}"
        raise RuntimeError(f"{plugin}: the plugin cannot join this Python's cv2 ({cv2_name}): {problem}. {WAYS_OUT}")


def read_labels(model):
    """The names of a model's classes: the lines of X.labels.txt for X.onnx, else of labels.txt beside it."""
    own = os.path.splitext(model)[0] + ".labels.txt"  # several models may share a folder
    path = own if os.path.exists(own) else os.path.join(os.path.dirname(model), "labels.txt")
    if not os.path.exists(path):
        raise RuntimeError(f"{path}: not there: the names of the classes of {model}, one a line, expected")
    with open(path, encoding="utf-8") as file:
        return file.read().split("\n")


def logits_of(net, pictures):
    """One row of a network's outputs for each picture."""
    logits = net.forward().reshape(pictures, -1)
    if not numpy.isfinite(logits).all():
        raise RuntimeError("the model's outputs are not finite")
    return logits


def parse_size(text):
    if not re.fullmatch(r"[1-9]\d*x[1-9]\d*x[13]", text):
        raise RuntimeError(f"{text} is no WIDTHxHEIGHTxCHANNELS: 32x32x3 or the like expected")
    return map(int, text.split("x"))


def read_picture(path, width, height, channels):
    image = cv2.imread(path, cv2.IMREAD_COLOR if channels == 3 else cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise RuntimeError(f"{path}: not a picture that OpenCV reads, or not there")
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)  # as training does


def run(main):
    """A program's main: what cannot work ends it with one line and status 1."""
    try:
        main()
    except (RuntimeError, cv2.error) as error:
        sys.exit(" ".join(str(error).split()))
