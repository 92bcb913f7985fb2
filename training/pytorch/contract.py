"""The layer contract in numpy: operators, their attributes and their constants.

A network is a list of Layer. Everything that enters one passes `make_layer`, which checks it as operator.cc and
check_parameters.cc of solvers/network do and completes it: attributes that were left out get their defaults, `pads` is
always written out.
"""

import dataclasses
import math
import typing

import numpy as np


class Error(Exception):
    """What a user can mend: one line that names what was found and what was expected."""


@dataclasses.dataclass
class Layer:
    op: str
    attributes: dict  # complete, sorted by name
    constants: list  # float32 arrays in the contract's order

    @property
    def names(self):
        return constant_names(self.op, self.attributes, len(self.constants))


# ---- attributes -----------------------------------------------------------------------------------------------------

REQUIRED = object()
OPTIONAL = None


@dataclasses.dataclass
class Attribute:
    default: object
    check: typing.Callable  # whether a value is allowed
    expected: str


def _is_int(value):
    return isinstance(value, int) and not isinstance(value, bool)


def _integer(default, low, high):
    text = str(low) if low == high else f"an integer in {low}..{high}"
    return Attribute(default, lambda v: _is_int(v) and low <= v <= high, text)


def _integers(default, low, high, length=None):
    def check(v):
        return isinstance(v, list) and all(_is_int(i) and low <= i <= high for i in v) and length in (None, len(v))

    return Attribute(default, check, f"a list of {f'{length} ' if length else ''}integers in {low}..{high}")


def _choice(default, *allowed):
    text = " or ".join(f'"{a}"' for a in allowed)
    return Attribute(default, lambda v: isinstance(v, str) and v in allowed, text)


_FLAG = {value: _integer(value, 0, 1) for value in (0, 1)}
_STRIDES = _integers([1, 1], 1, 1024, 2)
_GEOMETRY = {
    "strides": _STRIDES,
    "dilations": _integers([1, 1], 1, 1024, 2),
    "pads": _integers(OPTIONAL, 0, 16384, 4),
    # These only ever say what holds anyway.
    "kernel_shape": _integers(OPTIONAL, 1, 255, 2),
    "auto_pad": _choice(OPTIONAL, "NOTSET"),
    "group": _integer(OPTIONAL, 1, 1),
}
_UNROLLED = {"unfolding": _integer(0, 0, 1000), "algorithm": _choice("ista", "ista", "fista")}

# Lasso is missing: it iterates until converged and cannot be part of a network.
OPERATORS = {
    "SoftThreshold": {"nonnegative": _FLAG[0]},
    "LayeredThreshold": {**_GEOMETRY, "nonnegative": _FLAG[1]},
    "LayeredPursuit": {**_GEOMETRY, **_UNROLLED, "nonnegative": _FLAG[1]},
    "Synthesis": {**_GEOMETRY, "output_size": _integers(OPTIONAL, 1, 1 << 30, 2)},
    "MsdCsc": {**_GEOMETRY, **_UNROLLED, "threshold_identity": _FLAG[1]},
    "ResCsc": {"strides": _STRIDES, "shortcut": _choice("identity", "identity", "pad"), "simplified": _FLAG[0]},
    "MlCsc": {
        "layers": _integer(REQUIRED, 1, 1000),
        "layer_strides": _integers(OPTIONAL, 1, 1024),
        "layer_dilations": _integers(OPTIONAL, 1, 1024),
        "layer_pads": _integers(REQUIRED, 0, 16384),
        **_UNROLLED,
    },
    "MaxPool": {"kernel_shape": _integers(REQUIRED, 1, 255, 2), "strides": _STRIDES},
    "GlobalAveragePool": {},
    "Gemm": {},
}

STANDARD = ("MaxPool", "GlobalAveragePool", "Gemm")  # ONNX's own; the others are of domain csc


def complete_attributes(op, attributes):
    """Checks attributes and fills in the defaults."""
    if op not in OPERATORS:
        if op == "Lasso":
            raise Error("a converged Lasso cannot be part of a network")
        raise Error(f'operator "{op}" is unknown: one of {", ".join(OPERATORS)} expected')
    table = OPERATORS[op]
    complete = {}
    for name, value in attributes.items():
        if name not in table:
            raise Error(f"attribute {name} is not one of {op}'s: {', '.join(table) or 'none'} expected")
        if name == "pads" and isinstance(value, list) and len(value) == 2:
            value = value + value
        if not table[name].check(value):
            shown = f'"{value}"' if isinstance(value, str) else value
            raise Error(f"attribute {name} is {shown}: {table[name].expected} expected")
        complete[name] = value
    for name, attribute in table.items():
        if name in complete:
            continue
        if attribute.default is REQUIRED:
            raise Error(f"attribute {name} is missing: {attribute.expected} expected")
        if attribute.default is not OPTIONAL:
            complete[name] = attribute.default
    if op == "MlCsc":
        for name in ("layer_strides", "layer_dilations", "layer_pads"):
            complete.setdefault(name, [1] * complete["layers"])
            if len(complete[name]) != complete["layers"]:
                raise Error(
                    f"attribute {name} is {complete[name]}: {complete['layers']} entries, one a layer, expected"
                )
    return complete


# ---- constants ------------------------------------------------------------------------------------------------------

_NAMES = {
    "SoftThreshold": ["b"],
    "LayeredThreshold": ["F", "b"],
    "LayeredPursuit": ["F", "b", "c"],
    "Synthesis": ["F"],
    "MsdCsc": ["F", "b", "c", "a"],
    "ResCsc": ["F1", "b1", "F2", "b2", "c", "a1", "a2"],
    "MaxPool": [],
    "GlobalAveragePool": [],
    "Gemm": ["W", "bias"],
}


def constant_names(op, attributes, count):
    """The contract's names of a layer's `count` constants."""
    if op == "MlCsc":
        allowed = [[f"{v}_{i + 1}" for i in range(attributes["layers"]) for v in "Fbc"]]
    else:
        allowed = [_NAMES[op]]
        if op in ("MsdCsc", "ResCsc"):  # scales come all or not at all
            allowed.insert(0, [name for name in _NAMES[op] if name[0] != "a"])
    for names in allowed:
        if len(names) == count:
            return names
    expected = " or ".join(f"{len(n)}{' (' + ', '.join(n) + ')' if n else ''}" for n in allowed)
    raise Error(f"{count} constants found: {expected} expected")


def same_pads(kernel, dilations=(1, 1)):
    both = [d * (k - 1) for k, d in zip(kernel, dilations)]
    if any(b % 2 for b in both):
        raise Error(f"attribute pads is missing: filters of {kernel[0]} x {kernel[1]} need explicit ones")
    return [both[0] // 2, both[1] // 2] * 2


def show(dims):
    return "[" + ", ".join(str(d) for d in dims) + "]"


class _Checker:
    """Checks one layer's constants; a one-element constant of any rank becomes [1]."""

    def __init__(self, names, constants, prefix):
        self.index = {name: i for i, name in enumerate(names)}
        self.constants = constants
        self.prefix = prefix

    def dims(self, name):
        return list(self.constants[self.index[name]].shape)

    def refuse(self, name, expected):
        raise Error(f"{self.prefix}{name} has sizes {show(self.dims(name))}: {expected} expected")

    def filters(self, name, channels=None, width=None, odd=False):
        dims = self.dims(name)
        if len(dims) != 4 or max(dims[2:]) > 255:
            self.refuse(name, "[w, C, kh, kw] with kernels of 1..255")
        if (channels or dims[1]) != dims[1] or (width or dims[0]) != dims[0]:
            self.refuse(name, f"[{width or 'w'}, {channels or 'C'}, kh, kw]")
        if odd and not (dims[2] % 2 and dims[3] % 2):
            self.refuse(name, "odd kernels")
        return dims

    def vector(self, name, n, rows=None, one=True):
        """[n], [1] unless `one` is False, and [rows, n] where there are rows."""
        i = self.index[name]
        array = self.constants[i]
        if rows and array.shape == (rows, n):
            return
        if array.size == 1 and (one or n == 1):
            self.constants[i] = array.reshape(1)
            return
        if array.shape not in ((n,), (n, 1)):
            allowed = [[1]] * (one and n > 1) + [[n]] + ([[rows, n]] if rows else [])
            self.refuse(name, " or ".join(show(d) for d in allowed))
        self.constants[i] = array.reshape(n)

    def at_least_zero(self, name):
        for value in self.constants[self.index[name]].ravel():
            if value < 0:
                raise Error(f"{self.prefix}{name} contains {value}: at least 0 expected where nonnegative is 0")


def _check_constants(op, a, check):
    rows = a.get("unfolding", 0) + 1
    if op == "SoftThreshold":
        check.vector("b", math.prod(check.dims("b")))
    elif op in ("Synthesis", "LayeredThreshold", "LayeredPursuit", "MsdCsc"):
        f = check.filters("F")
        if a.get("kernel_shape", f[2:]) != f[2:]:
            raise Error(f"attribute kernel_shape is {a['kernel_shape']}: the filters' {f[2:]} expected")
        for name in ("kernel_shape", "auto_pad", "group"):
            a.pop(name, None)
        if "pads" not in a:
            a["pads"] = same_pads(f[2:], a["dilations"])
        if op == "LayeredThreshold":
            check.vector("b", f[0])
        elif op == "LayeredPursuit":
            check.vector("b", f[0], rows)
            check.vector("c", rows)
        elif op == "MsdCsc":
            _check_msd_csc(f, a, rows, check)
    elif op == "ResCsc":
        f1 = check.filters("F1", odd=True)
        check.filters("F2", f1[0], f1[0], odd=True)
        for name in ("b1", "b2"):
            check.vector(name, f1[0])
        check.vector("c", 1)
        for name in ("a1", "a2"):
            if name in check.index:
                check.vector(name, f1[0], one=False)
    elif op == "MlCsc":
        channels = None
        for i in range(1, a["layers"] + 1):
            channels = check.filters(f"F_{i}", channels)[0]
            check.vector(f"b_{i}", channels)
            check.vector(f"c_{i}", 1)
    elif op == "Gemm":
        if len(check.dims("W")) != 4:
            check.refuse("W", "[K, C, H, W]")
        check.vector("bias", check.dims("W")[0])
    if a.get("nonnegative") == 0:
        check.at_least_zero("b")


def _check_msd_csc(f, a, rows, check):
    if a["strides"] != [1, 1]:
        raise Error(f"attribute strides is {a['strides']}: [1, 1] expected")
    if any(a["pads"][i] + a["pads"][i + 2] != a["dilations"][i] * (f[2 + i] - 1) for i in (0, 1)):
        raise Error(f"attribute pads is {a['pads']}: pads that keep the size expected")
    n = f[0] + (f[1] if a["threshold_identity"] else 0)
    check.vector("b", n, rows)
    check.vector("c", rows)
    if "a" in check.index:
        check.vector("a", n, rows, one=False)


def make_layer(op, attributes, constants, prefix=""):
    """A Layer that keeps the contract. Raises Error, with `prefix` before the names of constants."""
    complete = complete_attributes(op, attributes)
    names = constant_names(op, complete, len(constants))
    constants = [np.ascontiguousarray(c) for c in constants]
    for name, array in zip(names, constants):
        if array.dtype != np.float32 or array.size == 0:
            raise Error(
                f"{prefix}{name} has sizes {show(array.shape)} and type {array.dtype}: float32, none 0, expected"
            )
        check_finite(prefix + name, array)
    _check_constants(op, complete, _Checker(names, constants, prefix))
    return Layer(op, dict(sorted(complete.items())), constants)


def check_finite(name, array):
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise Error(f"{name} contains {array.flat[bad[0]]} at position {bad[0]}: finite values expected")
