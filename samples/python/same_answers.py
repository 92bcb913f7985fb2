#!/usr/bin/python3
"""Counts the pictures that a network answers otherwise with faster arithmetic than with direct sums.

    same_answers.py PLUGIN MODEL WIDTHxHEIGHTxCHANNELS DIR

DIR/CLASS/* are pictures, classes in the order of their names. For each of CSC_ARITHMETIC = direct, float32 and bf16
(where the processor has it) prints the accuracy, how many first answers differ from those of direct sums, and the largest
difference of a logit. Each runs in a process of its own. Needs Debian's python3-opencv.
"""
import glob, os, subprocess, sys, tempfile
import cv2, numpy
from csc_pipeline import load_plugin, logits_of, parse_size, read_picture, run


def logits(plugin, model, size, files):
    width, height, channels = parse_size(size)
    load_plugin(plugin)
    net = cv2.dnn.readNetFromONNX(model)
    rows = []
    for first in range(0, len(files), 100):
        images = [read_picture(file, width, height, channels) for file in files[first:first + 100]]
        net.setInput(cv2.dnn.blobFromImages(images, 1 / 255, swapRB=channels == 3))
        rows.append(logits_of(net, len(images)))
    return numpy.concatenate(rows)


def main():
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    plugin, model, size, folder = sys.argv[1:5]
    files = sorted(glob.glob(os.path.join(glob.escape(folder), "*", "*")))
    if not files:
        raise RuntimeError(f"same_answers.py: no pictures in {folder}/CLASS/")
    if len(sys.argv) > 5:  # the child
        numpy.save(sys.argv[5], logits(plugin, model, size, files))
        return
    classes = sorted({os.path.dirname(file) for file in files})
    labels = numpy.array([classes.index(os.path.dirname(file)) for file in files])
    with tempfile.TemporaryDirectory() as scratch:
        for arithmetic in "direct", "float32", "bf16":
            out = os.path.join(scratch, arithmetic + ".npy")
            child = subprocess.run([sys.executable, __file__, *sys.argv[1:5], out], capture_output=True, text=True,
                                   env={**os.environ, "CSC_ARITHMETIC": arithmetic})
            if child.returncode != 0:
                reason = (child.stderr.strip().splitlines() or [f"status {child.returncode}"])[-1]
                if arithmetic != "bf16":
                    raise RuntimeError(f"{arithmetic}: {reason}")
                print(f"{arithmetic}: {reason}")
                continue
            answers = numpy.load(out)
            if arithmetic == "direct":
                direct = answers
            print(f"{arithmetic}: {100 * (answers.argmax(1) == labels).mean():.2f} % of {len(files)} right, "
                  f"{(answers.argmax(1) != direct.argmax(1)).sum()} first answers differ, "
                  f"logits by at most {abs(answers - direct).max():.2g} of {abs(direct).max():.3g}")


if __name__ == "__main__":
    run(main)
