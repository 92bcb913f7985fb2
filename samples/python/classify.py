#!/usr/bin/python3
"""Classifies pictures with an exported CSC network.

    classify.py PLUGIN MODEL WIDTHxHEIGHTxCHANNELS PICTURE...

PLUGIN is bazel-bin/layers/libcsc_opencv.so; X.labels.txt for a MODEL X.onnx, or else labels.txt, is read from beside it.
Needs Debian's python3-opencv: wheels from PyPI are linked statically and cannot take a plugin (they run
model_portable.onnx without one).
"""
import ctypes, os, sys
import cv2, numpy

if len(sys.argv) < 5:
    sys.exit(__doc__)
plugin, model, size, *pictures = sys.argv[1:]
width, height, channels = map(int, size.split("x"))
own = os.path.splitext(model)[0] + ".labels.txt"  # several models may share a folder
labels_path = own if os.path.exists(own) else os.path.join(os.path.dirname(model), "labels.txt")
labels = open(labels_path).read().split("\n")
ctypes.CDLL(os.path.realpath(plugin))  # registers the csc layers, so before the model is read
net = cv2.dnn.readNetFromONNX(model)
for picture in pictures:
    image = cv2.imread(picture, cv2.IMREAD_COLOR if channels == 3 else cv2.IMREAD_GRAYSCALE)
    image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)  # as training does
    net.setInput(cv2.dnn.blobFromImage(image, 1 / 255, swapRB=channels == 3))
    logits = net.forward().ravel()
    probabilities = numpy.exp(logits - logits.max()) / numpy.exp(logits - logits.max()).sum()
    best = probabilities.argmax()
    print(f"{picture}: {labels[best]} {100 * probabilities[best]:.1f} %")
