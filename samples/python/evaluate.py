#!/usr/bin/python3
"""Accuracy of an exported CSC network on a folder FOLDER/CLASS/*, as one line of JSON.

    evaluate.py PLUGIN MODEL WIDTHxHEIGHTxCHANNELS FOLDER
"""
import ctypes, glob, json, os, sys
import cv2

if len(sys.argv) < 5:
    sys.exit(__doc__)
plugin, model, size, folder = sys.argv[1:]
width, height, channels = map(int, size.split("x"))
own = os.path.splitext(model)[0] + ".labels.txt"  # several models may share a folder
labels_path = own if os.path.exists(own) else os.path.join(os.path.dirname(model), "labels.txt")
labels = open(labels_path).read().split("\n")
ctypes.CDLL(os.path.realpath(plugin))  # registers the csc layers, so before the model is read
net = cv2.dnn.readNetFromONNX(model)
paths = sorted(glob.glob(os.path.join(folder, "*", "*")))
correct = 0
for first in range(0, len(paths), 64):
    batch = paths[first : first + 64]
    flag = cv2.IMREAD_COLOR if channels == 3 else cv2.IMREAD_GRAYSCALE
    images = [cv2.resize(cv2.imread(path, flag), (width, height), interpolation=cv2.INTER_AREA) for path in batch]
    net.setInput(cv2.dnn.blobFromImages(images, 1 / 255, swapRB=channels == 3))
    answers = net.forward().reshape(len(batch), -1).argmax(axis=1)
    correct += sum(labels[a] == os.path.basename(os.path.dirname(p)) for a, p in zip(answers, batch))
print(json.dumps({"test_accuracy": correct / len(paths), "images": len(paths)}))
