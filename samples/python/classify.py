#!/usr/bin/python3
"""Classifies pictures with an exported CSC network.

    classify.py PLUGIN MODEL WIDTHxHEIGHTxCHANNELS PICTURE...

PLUGIN is bazel-bin/layers/libcsc_opencv.so; X.labels.txt for a MODEL X.onnx, or else labels.txt, is read from beside it.
Needs Debian's python3-opencv: wheels from PyPI are linked statically and cannot take a plugin. They run model_portable.onnx,
with - for PLUGIN.
"""
import sys
import cv2, numpy
from csc_pipeline import load_plugin, logits_of, parse_size, read_labels, read_picture, run


def main():
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    plugin, model, size, *pictures = sys.argv[1:]
    width, height, channels = parse_size(size)
    labels = read_labels(model)
    load_plugin(plugin)  # before the model is read
    net = cv2.dnn.readNetFromONNX(model)
    for picture in pictures:
        image = read_picture(picture, width, height, channels)
        net.setInput(cv2.dnn.blobFromImage(image, 1 / 255, swapRB=channels == 3))
        logits = logits_of(net, 1)[0]
        probabilities = numpy.exp(logits - logits.max()) / numpy.exp(logits - logits.max()).sum()
        best = probabilities.argmax()
        print(f"{picture}: {labels[best]} {100 * probabilities[best]:.1f} %")


if __name__ == "__main__":
    run(main)
