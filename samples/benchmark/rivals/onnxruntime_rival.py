"""ONNX Runtime on the portable export."""

from protocol import need, serve

_, onnxruntime = need(("numpy", "numpy"), ("onnxruntime", "onnxruntime"))


def rival(work):
    if work.training:
        yield {"batch": work.batches[0], "form": "portable export", "failed": "it does not train"}
        return
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = work.threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(work.portable, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    for batch in work.batches:
        work.write(scores=session.run(None, {name: work.images(work.checked)})[0].reshape(work.checked, -1))
        images = work.images(batch)
        yield {"batch": batch, "form": "portable export", **work.measure(lambda: session.run(None, {name: images}))}


if __name__ == "__main__":
    configuration = "CPU execution provider, all graph optimisations, operators one after the other"
    serve("ONNX Runtime", onnxruntime.__version__, configuration, rival)
