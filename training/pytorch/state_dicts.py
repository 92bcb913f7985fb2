"""State dicts as networks and back, over plain numpy: {key: array}. The names are documented in README.md.

Batch normalisation is folded as training does when it freezes a network (training/models/training_program.cc): with
running mean m and variance v, a = gamma / sqrt(v + epsilon) and b = threshold + a m, since a layer computes S+_b(a u).
"""

import numpy as np

from contract import Error, check_finite, complete_attributes, constant_names, make_layer, show
from onnx_files import read_spec, write_spec
from sizes import input_channels, network_dims

EPSILON = 1e-5  # PyTorch's and the trainer's
SPEC = "_extra_state"  # where torch keeps what csc_torch.Network says of its layers

# Under these a checkpoint keeps its state dict.
_CHECKPOINT_KEYS = ("state_dict", "model_state_dict", "model", "net")
SHORTCUTS = ("append", "centre")


class State:
    """A state dict from which keys are taken one by one; whoever is left over was not understood."""

    def __init__(self, arrays):
        # Wrappers put a name before every key: "module.", "_orig_mod.", that of a member that holds the network.
        self.prefix = ""
        left = dict(arrays)
        while left:
            common = next(iter(left)).split(".", 1)[0] + "."
            if common[:-1].isdigit() or not all(key.startswith(common) for key in left):
                break
            self.prefix += common
            left = {key[len(common) :]: value for key, value in left.items()}
        self.left = left

    def __contains__(self, key):
        return key in self.left

    def any(self, start):
        return any(key.startswith(start) for key in self.left)

    def take(self, key, *shapes, at_least=None):
        """The float32 array under `key`, which has one of these shapes (None stands for any size)."""
        name = self.prefix + key
        expected = " or ".join(show(["any" if d is None else d for d in shape]) for shape in shapes)
        if key not in self.left:
            raise Error(f"{name} is missing: sizes {expected} expected")
        array = np.asarray(self.left.pop(key))
        if array.dtype.kind != "f":
            raise Error(f"{name} has type {array.dtype}: floating point expected")
        fits = (len(s) == array.ndim and all(w in (None, d) for d, w in zip(array.shape, s)) for s in shapes)
        if not any(fits) or array.size == 0:
            raise Error(f"{name} has sizes {show(array.shape)}: {expected} expected")
        check_finite(name, array)
        with np.errstate(over="ignore"):
            array = np.ascontiguousarray(array, np.float32).reshape(array.shape)
        check_finite(f"{name} as float32", array)
        if at_least is not None and array.min() < at_least:
            raise Error(f"{name} contains {array.min()}: at least {at_least} expected")
        return array

    def take_norm(self, key, n, affine):
        """Of an nn.BatchNorm2d: mean and variance in double and, where `affine`, weight and bias."""
        self.left.pop(key + ".num_batches_tracked", None)  # how many batches were seen: nothing to compute with
        names = ("running_mean", "running_var") + (("weight", "bias") if affine else ())
        zero = {"running_var": 0}
        return [self.take(f"{key}.{name}", (n,), at_least=zero.get(name)).astype(np.float64) for name in names]

    def finish(self, expected):
        for key in self.left:
            raise Error(f"{self.prefix}{key} is unknown: {expected} expected")


def unwrap(checkpoint):
    """The state dict inside what a checkpoint file holds."""
    if not isinstance(checkpoint, dict):
        raise Error(
            f"it holds an object of type {type(checkpoint).__name__}: a state dict, as model.state_dict() gives it, "
            "expected"
        )
    for key in _CHECKPOINT_KEYS:
        if isinstance(checkpoint.get(key), dict):
            return checkpoint[key]
    return checkpoint


def fold(a, b, mean, variance, epsilon):
    """The frozen a and b, one row for each row of the statistics."""
    with np.errstate(all="ignore"):  # what is not finite then is refused with the layer's name
        factor = a / np.sqrt(variance + epsilon)
        return factor.astype(np.float32), (b + factor * mean).astype(np.float32)


def to_network(arrays, shortcut=None, epsilon=EPSILON):
    """The layers of a state dict in one of the known forms."""
    for key in arrays:
        if not isinstance(key, str):
            raise Error(f"a key is {key!r}: names expected")
    state = State(arrays)
    if SPEC in state:
        layers = _read_own(state, epsilon)
    elif "conv1.weight" in state or state.any("layer1."):
        layers = _read_resnet(state, shortcut, epsilon)
    else:
        keys = ", ".join(list(arrays)[:3]) or "none"
        raise Error(
            f"keys of no known form, beginning with {keys}: those of csc_torch.Network ({SPEC}, 0.F, ...) or of a "
            "ResNet for CIFAR (conv1.weight, bn1.weight, layer1.0.conv1.weight, ...) expected"
        )
    network_dims(layers, [image_channels(layers), 0, 0])
    return layers


def image_channels(layers):
    """Those that the first layer with filters wants; before it stand layers that keep them."""
    for layer in layers:
        if input_channels(layer):
            return input_channels(layer)
    raise Error("no layer says how many channels the network's input has: filters expected")


# ---- the modules of csc_torch.py ------------------------------------------------------------------------------------


def encode_spec(text):
    """A state dict holds arrays only, so that averaging, moving and saving it work as usual."""
    return np.frombuffer(text.encode(), np.uint8).copy()


def _decode_spec(state):
    array = np.asarray(state.left.pop(SPEC))
    if array.dtype != np.uint8 or array.ndim != 1:
        raise Error(
            f"{state.prefix}{SPEC} has sizes {show(array.shape)} and type {array.dtype}: the bytes of a JSON text, "
            "as csc_torch.Network gives them, expected"
        )
    return read_spec(array.tobytes().decode("utf-8", "replace"))


def _read_own(state, epsilon):
    layers = []
    for i, (op, count, attributes) in enumerate(_decode_spec(state)):
        try:
            complete = complete_attributes(op, attributes)
            names = constant_names(op, complete, count)
            constants = _fold_own(state, i, op, complete, names, epsilon)
            layers.append(make_layer(op, attributes, constants, f"{state.prefix}{i}."))
        except Error as error:
            raise Error(f"layer {i} ({op}): {error}") from None
    state.finish("the names that README.md gives to the layers' constants")
    return layers


def _fold_own(state, i, op, attributes, names, epsilon):
    """The constants of layer i, with normalisation folded in where it has some."""
    ranks = {"F": 4, "W": 4}
    values = {}
    for name in names:
        rank = ranks.get(name[0], 1)
        shapes = [(None,) * rank] + ([(None, None)] if name in ("a", "b") else [])
        values[name] = state.take(f"{i}.{name}", *shapes)
    norm = f"{i}.norm"
    if state.any(norm) and op == "MsdCsc" and "a" in values:
        n = values["F"].shape[0] + (values["F"].shape[1] if attributes["threshold_identity"] else 0)
        moments = [state.take_norm(f"{norm}.{k}", n, False) for k in range(attributes["unfolding"] + 1)]
        mean, variance = (np.array(rows) for rows in zip(*moments))
        if len(moments) == 1:
            mean, variance = mean[0], variance[0]
        for name in ("a", "b"):  # before numpy broadcasts what does not belong together
            if values[name].shape not in ((n,), (1,), (len(moments), n)):
                raise Error(f"{state.prefix}{i}.{name} has sizes {show(values[name].shape)}: [{n}] expected")
        values["a"], values["b"] = fold(values["a"], values["b"], mean, variance, epsilon)
    elif state.any(norm) and op == "ResCsc" and "a1" in values:
        m = values["F1"].shape[0]
        for k in "12":
            values["a" + k], values["b" + k] = _fold_one(state, f"{i}.", "a" + k, "b" + k, norm + k, m, values, epsilon)
    elif state.any(norm) and op == "LayeredThreshold":
        w = values["F"].shape[0]
        values["a"] = state.take(f"{i}.a", (w,))
        values["a"], values["b"] = _fold_one(state, f"{i}.", "a", "b", norm, w, values, epsilon)
        values["F"] = values["F"] * values["a"].reshape(-1, 1, 1, 1)
    return [values[name] for name in names]


def _fold_one(state, prefix, a, b, norm, n, values, epsilon):
    for name in (a, b):
        if values[name].shape not in ((n,), (1,)):
            raise Error(f"{state.prefix}{prefix}{name} has sizes {show(values[name].shape)}: [{n}] expected")
    return fold(values[a], values[b], *state.take_norm(norm, n, False), epsilon)


def from_network(layers):
    """The state dict that csc_torch.Network loads: frozen, a and b one row for each iteration where they had rows."""
    arrays = {SPEC: encode_spec(write_spec(layers))}
    for i, layer in enumerate(layers):
        for name, array in zip(layer.names, layer.constants):
            arrays[f"{i}.{name}"] = array
    return arrays


# ---- ResNets for CIFAR ----------------------------------------------------------------------------------------------


def _read_resnet(state, shortcut, epsilon):
    """conv1, bn1, then layerS.B with conv1, bn1, conv2, bn2 and perhaps c, then linear or fc."""
    conv = state.take("conv1.weight", (None, None, 3, 3))
    a, b = _fold_affine(state, "bn1", len(conv), epsilon)
    layers = [make_layer("LayeredThreshold", {}, [conv * a.reshape(-1, 1, 1, 1), b])]
    order = np.arange(len(conv))  # which of the state dict's channels stand where
    stage = 1
    while state.any(f"layer{stage}."):
        block = 0
        while block == 0 or state.any(f"layer{stage}.{block}."):
            stride = 2 if stage > 1 and block == 0 else 1
            layer, order = _read_block(state, f"layer{stage}.{block}.", stride, order, shortcut, epsilon)
            layers.append(layer)
            block += 1
        stage += 1
    if stage == 1:
        raise Error(f"{state.prefix}layer1.0.conv1.weight is missing: at least one block expected")
    layers.append(make_layer("GlobalAveragePool", {}, []))
    name = "fc" if "fc.weight" in state else "linear"
    weight = state.take(f"{name}.weight", (None, len(order)))[:, order]
    bias = state.take(f"{name}.bias", (len(weight),))
    layers.append(make_layer("Gemm", {}, [weight.reshape(*weight.shape, 1, 1), bias]))
    state.finish(
        "a ResNet of basic blocks (conv1, bn1, conv2, bn2, perhaps c), with shortcuts that have no parameters, and "
        "linear or fc"
    )
    return layers


def _fold_affine(state, key, n, epsilon):
    mean, variance, weight, bias = state.take_norm(key, n, True)
    return fold(weight, -bias, mean, variance, epsilon)


def _read_block(state, key, stride, order, shortcut, epsilon):
    """The ResCsc of a block whose input has its channels in `order`, and the order that it gives."""
    for name in ("shortcut.", "downsample."):
        if state.any(f"{key}{name}"):
            raise Error(
                f"{state.prefix}{key}{name}* are the parameters of a shortcut: csc.ResCsc has shortcuts of option A "
                "only, which subsample and append zero channels"
            )
    channels = len(order)
    f1 = state.take(f"{key}conv1.weight", (None, channels, 3, 3))
    m = len(f1)
    f2 = state.take(f"{key}conv2.weight", (m, m, 3, 3))
    a1, b1 = _fold_affine(state, f"{key}bn1", m, epsilon)
    a2, b2 = _fold_affine(state, f"{key}bn2", m, epsilon)
    c = state.take(f"{key}c", (), (1,), (1, 1, 1, 1)) if f"{key}c" in state else np.zeros(1, np.float32)
    f1 = f1[:, order]
    if m > channels:
        order = _widened(state.prefix + key, order, m, shortcut)
    elif m < channels:
        raise Error(
            f"{state.prefix}{key}conv1.weight has {m} filters for {channels} channels: at least {channels} expected"
        )
    same = stride == 1 and m == channels
    attributes = {"strides": [stride, stride], "shortcut": "identity" if same else "pad"}
    return make_layer("ResCsc", attributes, [f1, b1, f2[order], b2[order], c.reshape(1), a1, a2[order]]), order


def _widened(key, order, m, shortcut):
    """Where the m channels of the state dict stand when the shortcut's come first, as csc.ResCsc wants them.

    Reordering the channels of a stage changes nothing: the filters that read them are reordered too.
    """
    channels = len(order)
    if shortcut not in SHORTCUTS:
        raise Error(
            f"{key[:-1]} widens {channels} channels to {m}, and a state dict does not say where its shortcut puts the "
            "zeros: --shortcut append (all behind) or centre (half before, half behind: pad by planes // 4) expected"
        )
    if shortcut == "append":
        first = 0
    else:
        first = (m - channels) // 2
        if (m - channels) % 2:
            raise Error(
                f"{key[:-1]} widens {channels} channels to {m}: an even number of zero channels expected by centre"
            )
    others = [i for i in range(m) if not first <= i < first + channels]
    return np.concatenate([first + order, others]).astype(np.int64)
