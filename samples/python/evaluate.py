#!/usr/bin/python3
"""Accuracy of an exported CSC network on a folder FOLDER/CLASS/*, as one line of JSON.

    evaluate.py PLUGIN MODEL WIDTHxHEIGHTxCHANNELS FOLDER
"""
import glob, json, os, sys
import cv2
from csc_pipeline import load_plugin, logits_of, parse_size, read_labels, read_picture, run


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    plugin, model, size, folder = sys.argv[1:]
    width, height, channels = parse_size(size)
    labels = read_labels(model)
    load_plugin(plugin)  # before the model is read
    net = cv2.dnn.readNetFromONNX(model)
    paths = sorted(glob.glob(os.path.join(glob.escape(folder), "*", "*")))
    if not paths:
        raise RuntimeError(f"{folder}: no pictures in {folder}/CLASS/")
    correct = 0
    for first in range(0, len(paths), 64):
        batch = paths[first : first + 64]
        images = [read_picture(path, width, height, channels) for path in batch]
        net.setInput(cv2.dnn.blobFromImages(images, 1 / 255, swapRB=channels == 3))
        answers = logits_of(net, len(batch)).argmax(axis=1)
        correct += sum(labels[a] == os.path.basename(os.path.dirname(p)) for a, p in zip(answers, batch))
    print(json.dumps({"test_accuracy": correct / len(paths), "images": len(paths)}))


if __name__ == "__main__":
    run(main)
