"""The plugin for tests written in Python: where it is, and whether this Python can load it."""

import os
import unittest

# Among a test's files; from the project's root it is where Bazel built it.
PLUGIN = os.path.abspath("layers/libcsc_opencv.so")
if not os.path.exists(PLUGIN):
    PLUGIN = os.path.abspath("bazel-bin/layers/libcsc_opencv.so")


def needs_sanitizer():
    """Whether the plugin was built with a sanitizer that must be in the program from its start."""
    with open(PLUGIN, "rb") as file:
        content = file.read()
    return b"libasan.so" in content or b"libtsan.so" in content


def run_tests():
    """unittest.main(), or the line that reports a test as skipped."""
    if needs_sanitizer():
        print("SKIPPED: python3 is not built with the plugin's sanitizer")
    else:
        unittest.main()
