"""Networks as ONNX files: writes the layered and the fused form, reads both (training/onnx does the same in C++)."""

import json
import math
import os
import warnings

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from contract import OPERATORS, STANDARD, Error, make_layer, show
from sizes import network_dims

DOMAIN = "csc"
INPUT, OUTPUT = "input", "output"
FORMAT = {"format": "csc-network", "version": 1}  # of the spec of csc.Network, see solvers/network/network.h


# ---- the spec of a whole network ------------------------------------------------------------------------------------


def write_spec(layers):
    """The JSON text of csc.Network's attribute `spec`."""
    entries = [{"op": layer.op, "parameters": len(layer.constants), **layer.attributes} for layer in layers]
    return json.dumps({**FORMAT, "layers": entries}, separators=(",", ":"))


def read_spec(text):
    """[(op, number of constants, attributes)]; attributes are checked when the layer is made."""
    try:
        spec = json.loads(text)
    except (ValueError, RecursionError):
        spec = None
    if not isinstance(spec, dict) or not isinstance(spec.get("layers"), list) or not spec["layers"]:
        raise Error(f'spec is "{text[:60]}": a JSON object with a list of layers expected')
    for name, wanted in FORMAT.items():
        if spec.get(name) != wanted or isinstance(spec[name], bool):
            raise Error(f"spec has {name} {json.dumps(spec.get(name))}: {json.dumps(wanted)} expected")
    entries = []
    for i, entry in enumerate(spec["layers"]):
        op = entry.pop("op", None) if isinstance(entry, dict) else None
        if not isinstance(op, str):
            raise Error(f'layer {i} of the spec is {json.dumps(entry)[:60]}: an object with "op" expected')
        count = entry.pop("parameters", 0)
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise Error(f'layer {i} of the spec has {json.dumps(count)} for "parameters": a count expected')
        entries.append((op, count, entry))
    return entries


# ---- writing --------------------------------------------------------------------------------------------------------


class _GraphWriter:
    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, name, array):
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, op, inputs, output, domain="", **attributes):
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, domain=domain, **attributes))
        return output

    def flatten(self, source, output):
        return self.node("Flatten", [source], output, axis=1)


def _write_layer(graph, i, layer, source, output):
    prefix = f"layer{i}_{layer.op}"
    if layer.op == "Gemm":  # ONNX's sees [N, C*H*W] and gives [N, K]
        w, bias = layer.constants
        flat = graph.flatten(source, prefix + "_flat")
        inputs = [
            flat,
            graph.constant(prefix + "_W", w.reshape(len(w), -1)),
            graph.constant(prefix + "_bias", np.broadcast_to(bias, len(w))),
        ]
        graph.node("Gemm", inputs, output, alpha=1.0, beta=1.0, transA=0, transB=1)
        return
    inputs = [graph.constant(f"{prefix}_{name}", array) for name, array in zip(layer.names, layer.constants)]
    attributes = dict(layer.attributes)
    if layer.op == "MaxPool":
        attributes.update(pads=[0] * 4, ceil_mode=0)
    graph.node(layer.op, [source] + inputs, output, "" if layer.op in STANDARD else DOMAIN, **attributes)


def _write_layered(graph, layers):
    source, flat = INPUT, False
    for i, layer in enumerate(layers):
        if flat and layer.op != "Gemm":
            shape = graph.constant(f"layer{i}_shape", np.array([0, -1, 1, 1], np.int64))
            source = graph.node("Reshape", [source, shape], f"layer{i}_input")
        output = OUTPUT if i + 1 == len(layers) else f"layer{i}_{layer.op}"
        _write_layer(graph, i, layer, source, output)
        source, flat = output, layer.op == "Gemm"


def _write_fused(graph, layers):
    inputs = [
        graph.constant(f"layer{i}_{layer.op}_{name}", array)
        for i, layer in enumerate(layers)
        for name, array in zip(layer.names, layer.constants)
    ]
    flatten = layers[-1].op == "Gemm"
    output = graph.node("Network", [INPUT] + inputs, "network" if flatten else OUTPUT, DOMAIN, spec=write_spec(layers))
    if flatten:
        graph.flatten(output, OUTPUT)


def _describe(name, dims):
    dims = [d or "NCHW"[i] for i, d in enumerate([0, *dims])]  # open sizes have a name
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)


def make_model(layers, dims, form, labels=()):
    """The ONNX model of `layers` for inputs [C, H, W] = `dims`, 0 for sizes left open."""
    sizes = network_dims(layers, dims)
    for i, (layer, found) in enumerate(zip(layers, sizes)):
        if layer.op == "Gemm" and 0 in found:
            raise Error(f"layer {i} (Gemm) sees a whole image of open size: --size expected")
    output = sizes[-1]
    if labels and len(labels) != output[0]:
        raise Error(f"{len(labels)} labels found: {output[0]} expected, one for each output channel")
    if layers[-1].op == "Gemm":
        output = output[:1]
    writer = _GraphWriter()
    {"layered": _write_layered, "fused": _write_fused}[form](writer, layers)
    graph = helper.make_graph(
        writer.nodes, "csc_" + form, [_describe(INPUT, dims)], [_describe(OUTPUT, output)], writer.constants
    )
    # ONNX 1.6, which OpenCV 4.6 reads without surprises, as training/onnx writes it.
    opsets = [helper.make_opsetid("", 11), helper.make_opsetid(DOMAIN, 1)]
    model = helper.make_model(graph, producer_name="CSC-DNN", producer_version="1.0", opset_imports=opsets)
    model.ir_version = 6
    if labels:
        helper.set_model_props(model, {"labels": json.dumps(list(labels), ensure_ascii=False)})
    return model


def write_beside(path, data):
    """Into a file beside `path` that is then renamed: a reader never meets half of it."""
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except BaseException as error:
        if os.path.exists(temporary):
            os.remove(temporary)
        if isinstance(error, OSError):
            raise Error(f"cannot be written: {error.strerror}") from None
        raise


# ---- reading --------------------------------------------------------------------------------------------------------

_ATTRIBUTE = {
    AttributeProto.INT: lambda a: a.i,
    AttributeProto.FLOAT: lambda a: a.f,
    AttributeProto.STRING: lambda a: a.s.decode("utf-8", "replace"),
    AttributeProto.INTS: lambda a: list(a.ints),
}

# Attributes of the standard operators that may only have one value here.
_TRIVIAL = {
    "Flatten": {"axis": [1]},
    "Gemm": {"alpha": [1.0], "beta": [1.0], "transA": [0], "transB": [0, 1]},
    "MaxPool": {
        "pads": [[0] * 4],
        "dilations": [[1, 1]],
        "ceil_mode": [0],
        "storage_order": [0],
        "auto_pad": ["NOTSET", "VALID"],
    },
    "GlobalAveragePool": {},
    "Identity": {},
    "Reshape": {"allowzero": [0]},
}


def _attributes(node):
    attributes = {}
    for a in node.attribute:
        if a.type not in _ATTRIBUTE:
            raise Error(f"attribute {a.name}: an integer, a float, a string or a list of integers expected")
        if a.name in attributes:
            raise Error(f"attribute {a.name} is given twice")
        attributes[a.name] = _ATTRIBUTE[a.type](a)
    return attributes


def _array(tensor, data_type):
    """The values of a float32 or int64 tensor kept inside the file."""
    if tensor.data_type != data_type or tensor.data_location == TensorProto.EXTERNAL:
        raise Error(f"constant {tensor.name}: {TensorProto.DataType.Name(data_type)} inside the file expected")
    dtype = np.dtype("<f4" if data_type == TensorProto.FLOAT else "<i8")
    if tensor.HasField("raw_data"):
        if len(tensor.raw_data) % dtype.itemsize:
            raise Error(f"constant {tensor.name} has {len(tensor.raw_data)} bytes: whole values expected")
        flat = np.frombuffer(tensor.raw_data, dtype)
    else:
        flat = np.array(tensor.float_data if data_type == TensorProto.FLOAT else tensor.int64_data, dtype)
    if math.prod(tensor.dims) != flat.size or min(tensor.dims, default=1) < 1:
        raise Error(
            f"constant {tensor.name} has {flat.size} values: sizes that give as many expected, not {show(tensor.dims)}"
        )
    return flat.reshape(tensor.dims)


class _GraphReader:
    """Follows the graph's chain of nodes from its input to its output."""

    def __init__(self, graph):
        self.graph = graph
        self.tensors = {tensor.name: tensor for tensor in graph.initializer}
        self.layers = []
        self.flat = False  # the current tensor is seen as [N, C*H*W]

    def read(self):
        inputs = [i for i in self.graph.input if i.name not in self.tensors]
        if len(inputs) != 1 or len(self.graph.output) != 1:
            raise Error(f"the graph has {len(inputs)} inputs and {len(self.graph.output)} outputs: 1 of each expected")
        shape = inputs[0].type.tensor_type.shape.dim
        sizes = [max(d.dim_value, 0) for d in shape]
        if len(sizes) != 4 or inputs[0].type.tensor_type.elem_type != TensorProto.FLOAT or max(sizes) > 1 << 30:
            raise Error(f"the graph's input {inputs[0].name} has sizes {show(sizes)}: FLOAT [N, C, H, W] expected")
        self.input = self.dims = sizes[1:]
        self.current = inputs[0].name
        for node in self.graph.node:
            try:
                self._read_node(node)
            except Error as error:
                op = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
                raise Error(f"node {node.name or 'without a name'} ({op}): {error}") from None
        if not self.layers:
            raise Error("the graph has no layers")
        if self.graph.output[0].name != self.current:
            raise Error(
                f"the graph's output is {self.graph.output[0].name}: {self.current}, what its last node gives, "
                "expected"
            )
        return self.layers

    def _read_node(self, node):
        standard = node.domain in ("", "ai.onnx")
        if standard and node.op_type == "Constant":
            if (
                len(node.output) != 1
                or [a.name for a in node.attribute] != ["value"]
                or not node.attribute[0].HasField("t")
            ):
                raise Error("one output and one attribute, value, with a tensor expected")
            self.tensors[node.output[0]] = node.attribute[0].t
            return
        found = node.input[0] if node.input else "missing"
        if found != self.current or len(node.output) != 1:
            raise Error(
                f"its first input is {found} and it has {len(node.output)} outputs: {self.current} and one output "
                "expected, since each layer is fed by the one before"
            )
        if standard:
            self._read_standard(node)
        elif node.domain != DOMAIN:
            raise Error(f'domain "{node.domain}" is unknown: "csc" or ONNX\'s own expected')
        elif node.op_type == "Network":
            self._read_network(node)
        elif node.op_type in STANDARD:
            raise Error(f"operator {node.op_type} is not in domain csc")
        else:
            self._append(node.op_type, _attributes(node), self._constants(node))
        self.current = node.output[0]

    def _constant(self, name, data_type=TensorProto.FLOAT):
        if name not in self.tensors:
            raise Error(f'input "{name}" is held by no initialiser: a constant expected')
        return _array(self.tensors[name], data_type)

    def _constants(self, node):
        return [self._constant(name) for name in node.input[1:]]

    def _append(self, op, attributes, constants, prefix=""):
        if self.flat:
            raise Error("it comes after a Flatten: only Gemm may")
        layer = make_layer(op, attributes, constants, prefix)
        self.dims = network_dims([layer], self.dims)[-1]
        self.layers.append(layer)

    def _read_network(self, node):
        attributes = _attributes(node)
        if list(attributes) != ["spec"] or not isinstance(attributes["spec"], str):
            raise Error("one attribute, spec, a string, expected")
        entries = read_spec(attributes["spec"])
        constants = self._constants(node)
        wanted = sum(count for _, count, _ in entries)
        if len(constants) != wanted:
            raise Error(f"{len(constants)} constants found: {wanted} expected by the spec")
        for i, (op, count, attributes) in enumerate(entries):
            self._append(op, attributes, constants[:count], f"layer {i}: ")
            constants = constants[count:]

    def _read_standard(self, node):
        op, attributes = node.op_type, _attributes(node)
        if op not in _TRIVIAL:
            raise Error(
                "networks here hold csc operators, MaxPool, GlobalAveragePool, Flatten, Reshape and Gemm; the "
                "portable form cannot be read back: use the fused or the layered one"
            )
        for name, allowed in _TRIVIAL[op].items():
            if attributes.get(name, allowed[0]) not in allowed:
                raise Error(f"attribute {name} is {attributes[name]}: {' or '.join(str(a) for a in allowed)} expected")
        rest = {name: value for name, value in attributes.items() if name not in _TRIVIAL[op]}
        if op in OPERATORS and op != "Gemm":
            self._append(op, rest, self._constants(node))
        elif rest:
            raise Error(f"attribute {next(iter(rest))} is unknown")
        elif op == "Flatten":
            self.flat = True
        elif op == "Reshape":
            self._read_reshape(node)
        elif op == "Gemm":
            self._read_gemm(node, attributes.get("transB", 0))

    def _read_reshape(self, node):
        """[N, C, H, W] to [N, C*H*W], or a Gemm's [N, K] to [N, K, 1, 1]."""
        shape = list(self._constant(node.input[1], TensorProto.INT64)) if len(node.input) == 2 else []
        size = math.prod(self.dims)
        if shape in ([0, -1], [-1, size], [0, size]) and size:
            self.flat = True
        elif shape in ([0, -1, 1, 1], [-1, size, 1, 1], [0, size, 1, 1]) and self.dims[1:] == [1, 1]:
            self.flat = False
        else:
            raise Error(
                f"a reshape of {show(self.dims)} to {show(shape)}: [0, -1], which flattens, or [0, -1, 1, 1] after "
                "a Gemm expected"
            )

    def _read_gemm(self, node, transposed):
        constants = self._constants(node)
        if len(constants) not in (1, 2) or constants[0].ndim != 2:
            raise Error(f"{len(constants)} constants found: W with 2 axes, and at most a bias, expected")
        if not self.flat and self.dims[1:] != [1, 1]:
            raise Error("its input has 4 axes: a Flatten expected")
        w = constants[0] if transposed else np.ascontiguousarray(constants[0].T)
        if 0 in self.dims:
            raise Error(
                f"its input has sizes {show(self.dims)}, 0 for open: a graph input of fixed sizes, or a "
                "GlobalAveragePool before it, expected"
            )
        if w.shape[1] != math.prod(self.dims):
            raise Error(f"its W takes {w.shape[1]} inputs: those of {show(self.dims)} expected")
        bias = constants[1] if len(constants) == 2 else np.zeros(len(w), np.float32)
        self.flat = False
        self._append("Gemm", {}, [w.reshape(-1, *self.dims), bias.reshape(-1) if bias.shape == (1, len(w)) else bias])
        self.flat = True


def parse(data):
    """The layers, [C, H, W] of the input (0 for open) and the labels of an ONNX file's bytes."""
    model = onnx.ModelProto()
    try:
        with warnings.catch_warnings(record=True) as left_over:
            warnings.simplefilter("always")
            model.ParseFromString(data)
    except DecodeError:
        left_over = True
    if left_over:
        raise Error("not an ONNX model, or cut short")
    versions = {opset.domain: opset.version for opset in model.opset_import}
    if versions.get(DOMAIN, 1) > 1:
        raise Error(
            f"written for version {versions[DOMAIN]} of the csc operators; this program reads version 1: a newer one may read it"
        )
    if not model.HasField("graph") or versions.get(DOMAIN) != 1:
        raise Error(
            f"not a csc model: opset_import names domains {sorted(map(str, versions))}, csc in version 1 expected"
        )
    reader = _GraphReader(model.graph)
    layers = reader.read()
    labels = []
    for entry in model.metadata_props:
        if entry.key == "labels":
            try:
                labels = json.loads(entry.value)
            except (ValueError, RecursionError):
                labels = None
            if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
                raise Error("metadata labels: a JSON list of strings expected")
    return layers, reader.input, labels


def read(path):
    with open(path, "rb") as file:
        return parse(file.read())
