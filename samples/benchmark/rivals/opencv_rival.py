"""OpenCV's own DNN engine on the portable export, without our plugin."""

from protocol import need, serve

_, cv2 = need(("numpy", "numpy"), ("opencv-python-headless", "cv2"))


def rival(work):
    if work.training:
        yield {"batch": work.batches[0], "form": "portable export", "failed": "it does not train"}
        return
    cv2.setNumThreads(work.threads)
    net = cv2.dnn.readNetFromONNX(work.portable)

    def forward(images):
        net.setInput(images)
        return net.forward()

    for batch in work.batches:
        work.write(scores=forward(work.images(work.checked)).reshape(work.checked, -1))
        images = work.images(batch)
        yield {"batch": batch, "form": "portable export", **work.measure(lambda: forward(images))}


if __name__ == "__main__":
    serve("OpenCV", cv2.__version__, "its CPU back-end", rival)
