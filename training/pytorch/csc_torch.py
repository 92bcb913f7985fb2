"""Unrolled convolutional sparse coding as torch modules, after the layer contract: train here, deploy in OpenCV.

    net = csc_torch.Network(csc_torch.MsdCsc(3, 32, unfolding=2, algorithm="fista", norm=True), ...)
    ...                                                    # any training loop
    torch.save(net.state_dict(), "net.pt")                 # then: convert.py to-onnx net.pt net.onnx

    net = csc_torch.from_state_dict(torch.load("net.pt"))  # also of what convert.py from-onnx wrote

Needs nothing but torch (1.13 or newer). Filters F are [w, C, kh, kw] as in nn.Conv2d, thresholds b are subtracted, c is
the step. With norm=True batch normalisation stands before every scale a and threshold b, in an unrolled layer with
statistics of its own for each iteration; F, a, b and c are shared by the iterations, but rows=True gives each its own
b, c and a. Keywords that are not named in a layer's signature are those of Dictionary.
"""

import json
import math

import torch
import torch.nn.functional as F
from torch import nn

KAIMING = math.sqrt(2)


def _pair(value):
    return [value] * 2 if isinstance(value, int) else list(value)


def _channels(v):
    """[n] or [1], to go with [N, n, H, W]."""
    return v.reshape(1, -1, 1, 1)


def _row(v, k):
    """Row k of a constant that is given once, or once for each iteration."""
    return _channels(v[k] if v.dim() == 2 else v)


def momentum(algorithm, count):
    """(t_k - 1) / t_{k+1} for k = 1 .. count; ISTA has none."""
    t = 1.0
    for _ in range(count):
        following = (1 + math.sqrt(1 + 4 * t * t)) / 2
        yield (t - 1) / following if algorithm == "fista" else 0.0
        t = following


def threshold(u, b, nonnegative=True):
    """S+_b(u) = max(u - b, 0), or S_b(u) = sign(u) max(|u| - b, 0)."""
    return F.relu(u - b) if nonnegative else u.sign() * F.relu(u.abs() - b)


class Dictionary:
    """How filters lie on an image: `analyse` is D^T x = F x, `synthesise` its exact adjoint D g = F^T g."""

    def __init__(self, kernel, strides=1, dilations=1, pads=None):
        self.strides, self.dilations = _pair(strides), _pair(dilations)
        if pads is None:
            both = [d * (k - 1) for k, d in zip(_pair(kernel), self.dilations)]
            if any(b % 2 for b in both):
                raise ValueError(f"a kernel of {_pair(kernel)} with dilations {self.dilations} needs explicit pads")
            pads = [b // 2 for b in both]
        self.pads = [pads] * 4 if isinstance(pads, int) else [*pads, *pads][:4]  # top, left, bottom, right
        self.attributes = {"strides": self.strides, "dilations": self.dilations, "pads": self.pads}

    def analyse(self, x, filters):
        top, left, bottom, right = self.pads
        x = F.pad(x, (left, right, top, bottom))
        return F.conv2d(x, filters, stride=self.strides, dilation=self.dilations)

    def synthesise(self, g, filters, size):
        """In the height and width `size`; rows and columns that no window reaches are zero."""
        top, left, _, _ = self.pads
        full = F.conv_transpose2d(g, filters, stride=self.strides, dilation=self.dilations)
        return F.pad(full, (-left, size[1] + left - full.shape[3], -top, size[0] + top - full.shape[2]))


# ---- layers ---------------------------------------------------------------------------------------------------------


class Layer(nn.Module):
    """An operator of the contract: parameters have the contract's names, `attributes` are what the ONNX node says."""

    folded = ()  # parameters that vanish when the network is frozen

    def __init__(self, dictionary=None, **attributes):
        super().__init__()
        self.dictionary = dictionary
        self.attributes = {**(dictionary.attributes if dictionary else {}), **attributes}

    def spec(self):
        names = [name for name, p in self._parameters.items() if p is not None and name not in self.folded]
        return {"op": type(self).__name__, "parameters": len(names), **self.attributes}

    def extra_repr(self):
        return ", ".join(f"{name}={value}" for name, value in self.attributes.items())

    def add(self, name, *dims, start=0.0):
        self.register_parameter(name, nn.Parameter(torch.full(dims, float(start))))

    def add_filters(self, name, width, channels, kernel, scale):
        """Normal with scale / sqrt(fan-in): 0.1 keeps a step of 1 stable over [I, F^T], KAIMING does not."""
        dims = [width, channels, *_pair(kernel)]
        self.register_parameter(name, nn.Parameter(torch.randn(dims) * scale / math.sqrt(math.prod(dims[1:]))))


def _norm(n):
    return nn.BatchNorm2d(n, affine=False)  # a and -b are its scale and shift


class SoftThreshold(Layer):
    def __init__(self, channels, nonnegative=0):
        super().__init__(nonnegative=nonnegative)
        self.add("b", channels)

    def forward(self, x):
        return threshold(x, _channels(self.b), self.attributes["nonnegative"])


class LayeredThreshold(Layer):
    """P_b(F x), one layer of Algorithm 1; with norm P_b(a norm(F x)), where a goes into F when frozen."""

    folded = ("a",)

    def __init__(self, channels, width, kernel=3, *, nonnegative=1, norm=False, filter_scale=KAIMING, **geometry):
        super().__init__(Dictionary(kernel, **geometry), nonnegative=nonnegative)
        self.add_filters("F", width, channels, kernel, filter_scale)
        self.add("b", width)
        self.norm = _norm(width) if norm else None
        if norm:
            self.add("a", width, start=1)

    def forward(self, x):
        u = self.dictionary.analyse(x, self.F)
        if self.norm is not None:
            u = _channels(self.a) * self.norm(u)
        return threshold(u, _channels(self.b), self.attributes["nonnegative"])


class LayeredPursuit(Layer):
    """g^1 = P_b(c F x), then g^{k+1} = P_b(z - c F (F^T z - x)): ISTA or FISTA for one plain layer."""

    def __init__(self, channels, width, kernel=3, *, unfolding=0, algorithm="ista", nonnegative=1, rows=False,
                 filter_scale=0.1, step=1.0, **geometry):
        super().__init__(
            Dictionary(kernel, **geometry), unfolding=unfolding, algorithm=algorithm, nonnegative=nonnegative
        )
        own = [unfolding + 1] if rows else []
        self.add_filters("F", width, channels, kernel, filter_scale)
        self.add("b", *own, width)
        self.add("c", *own or [1], start=step)

    def prox(self, u, k):
        return threshold(u, _row(self.b, k), self.attributes["nonnegative"])

    def analyse(self, image):
        return self.dictionary.analyse(image, self.F)

    def forward(self, x):
        unfolding = self.attributes["unfolding"]
        c = self.c.expand(unfolding + 1)
        g = previous = self.prox(c[0] * self.analyse(x), 0)
        for k, factor in enumerate(momentum(self.attributes["algorithm"], unfolding), 1):
            z, previous = g + factor * (g - previous), g
            r = self.dictionary.synthesise(z, self.F, x.shape[2:]) - x
            g = self.prox(z - c[k] * self.analyse(r), k)
        return g


class MsdCsc(Layer):
    """Algorithms 2 and 3, pursuit over [I, F^T]: [N, C, H, W] -> [N, C + width, H, W], x's channels first.

    g^1 = S+_b(a c [x; F x]), then with r = z_id + F^T z_w - x: g^{k+1} = S+_b(a (z - c [r; F r]))
    """

    def __init__(self, channels, width, kernel=3, *, unfolding=0, algorithm="ista", threshold_identity=1, norm=False,
                 scale=False, rows=False, filter_scale=0.1, step=1.0, **geometry):
        super().__init__(Dictionary(kernel, **geometry), unfolding=unfolding, algorithm=algorithm,
                         threshold_identity=int(threshold_identity))
        own = [unfolding + 1] if rows else []
        n = channels * bool(threshold_identity) + width
        self.add_filters("F", width, channels, kernel, filter_scale)
        self.add("b", *own, n)
        self.add("c", *own or [1], start=step)
        self.register_parameter("a", None)
        if norm or scale:
            self.add("a", *own, n, start=1)
        self.norm = nn.ModuleList(_norm(n) for _ in range(unfolding + 1)) if norm else None

    def prox(self, u, k, channels):
        passed = 0 if self.attributes["threshold_identity"] else channels
        u, untouched = u[:, passed:], u[:, :passed]
        if self.norm is not None:
            u = self.norm[k](u)
        if self.a is not None:
            u = _row(self.a, k) * u
        return torch.cat([untouched, threshold(u, _row(self.b, k))], 1)

    def analyse(self, image):
        return torch.cat([image, self.dictionary.analyse(image, self.F)], 1)

    def forward(self, x):
        channels, unfolding = x.shape[1], self.attributes["unfolding"]
        c = self.c.expand(unfolding + 1)
        g = previous = self.prox(c[0] * self.analyse(x), 0, channels)
        for k, factor in enumerate(momentum(self.attributes["algorithm"], unfolding), 1):
            z, previous = g + factor * (g - previous), g
            r = z[:, :channels] + self.dictionary.synthesise(z[:, channels:], self.F, x.shape[2:]) - x
            g = self.prox(z - c[k] * self.analyse(r), k, channels)
        return g


class ResCsc(Layer):
    """Eq. 3, then Eq. 5: h = S+_b1(a1 F1 x), y = S+_b2(a2 F2 (h + c F2^T s) + s) with s the shortcut.

    c = 0 is a ResNet block; useful c are negative. `simplified` drops the "+ s" and keeps the c term.
    """

    def __init__(self, channels, width, kernel=3, *, kernel2=None, strides=1, shortcut=None, simplified=0, norm=False,
                 scale=False, filter_scale=KAIMING, step=-0.1):
        same = channels == width and _pair(strides) == [1, 1]
        super().__init__(
            strides=_pair(strides), shortcut=shortcut or ("identity" if same else "pad"), simplified=int(simplified)
        )
        self.dictionary, self.dictionary2 = Dictionary(kernel, strides), Dictionary(kernel2 or kernel)
        self.add_filters("F1", width, channels, kernel, filter_scale)
        self.add("b1", width)
        self.add_filters("F2", width, width, kernel2 or kernel, filter_scale)
        self.add("b2", width)
        self.add("c", 1, start=step)
        for name in ("a1", "a2"):
            self.register_parameter(name, None)
            if norm or scale:
                self.add(name, width, start=1)
        self.norm1, self.norm2 = (_norm(width), _norm(width)) if norm else (None, None)

    @staticmethod
    def scaled(u, norm, a):
        u = u if norm is None else norm(u)
        return u if a is None else _channels(a) * u

    def forward(self, x):
        h = self.scaled(self.dictionary.analyse(x, self.F1), self.norm1, self.a1)
        h = threshold(h, _channels(self.b1))
        s = x
        if self.attributes["shortcut"] == "pad":
            down, right = self.attributes["strides"]
            s = F.pad(x[:, :, ::down, ::right], (0, 0, 0, 0, 0, h.shape[1] - x.shape[1]))
        h = h + self.c * self.dictionary2.synthesise(s, self.F2, s.shape[2:])
        y = self.scaled(self.dictionary2.analyse(h, self.F2), self.norm2, self.a2)
        return threshold(y if self.attributes["simplified"] else y + s, _channels(self.b2))


class MlCsc(Layer):
    """Multi-layer ISTA or FISTA: layers of `widths` filters are pursued together. The code of the last comes out."""

    def __init__(self, channels, widths, kernels, *, layer_pads, layer_strides=None, layer_dilations=None,
                 unfolding=0, algorithm="ista", filter_scale=0.5, step=1.0):
        ones = [1] * len(widths)
        super().__init__(layers=len(widths), layer_strides=layer_strides or ones, layer_dilations=layer_dilations or
                         ones, layer_pads=layer_pads, unfolding=unfolding, algorithm=algorithm)
        a = self.attributes
        self.dictionaries = [
            Dictionary(*geometry)
            for geometry in zip(kernels, a["layer_strides"], a["layer_dilations"], a["layer_pads"])
        ]
        for i, (width, kernel) in enumerate(zip(widths, kernels), 1):
            self.add_filters(f"F_{i}", width, channels, kernel, filter_scale)
            self.add(f"b_{i}", width)
            self.add(f"c_{i}", 1, start=step)
            channels = width

    def forward(self, x):
        layers = [(d, *(getattr(self, f"{name}_{i}") for name in "Fbc")) for i, d in enumerate(self.dictionaries, 1)]
        codes = [x]  # g_0, g_1, ...
        for d, filters, b, c in layers:
            codes.append(threshold(c * d.analyse(codes[-1], filters), _channels(b)))
        previous = codes[-1]
        for factor in momentum(self.attributes["algorithm"], self.attributes["unfolding"]):
            estimates = [codes[-1] + factor * (codes[-1] - previous)]  # a_L, then before it a_{L-1}, ..., a_0
            previous = codes[-1]
            for (d, filters, _, _), below in zip(layers[::-1], codes[-2::-1]):
                estimates.insert(0, d.synthesise(estimates[0], filters, below.shape[2:]))
            for i, (d, filters, b, c) in enumerate(layers, 1):
                u = estimates[i] - c * d.analyse(estimates[i - 1] - codes[i - 1], filters)
                codes[i] = threshold(u, _channels(b))
        return codes[-1]


class Synthesis(Layer):
    """F^T g of a code of `width` channels, to `output_size` or the smallest image whose analysis is as large as g."""

    def __init__(self, channels, width, kernel=3, *, output_size=None, filter_scale=0.1, **geometry):
        size = {"output_size": _pair(output_size)} if output_size else {}
        super().__init__(Dictionary(kernel, **geometry), **size)
        self.add_filters("F", width, channels, kernel, filter_scale)

    def forward(self, g):
        d, kernel = self.dictionary, self.F.shape[2:]
        smallest = [
            (g.shape[2 + i] - 1) * d.strides[i] + d.dilations[i] * (kernel[i] - 1) + 1 - d.pads[i] - d.pads[i + 2]
            for i in (0, 1)
        ]
        return d.synthesise(g, self.F, self.attributes.get("output_size", smallest))


class MaxPool(Layer):
    def __init__(self, kernel_shape=2, strides=2):
        super().__init__(kernel_shape=_pair(kernel_shape), strides=_pair(strides))

    def forward(self, x):
        return F.max_pool2d(x, self.attributes["kernel_shape"], self.attributes["strides"])


class GlobalAveragePool(Layer):
    def forward(self, x):
        return x.mean((2, 3), keepdim=True)


class Gemm(Layer):
    """Fully connected, [N, C, H, W] -> [N, K]; W is [K, C, H, W], `size` the height and width that it sees."""

    def __init__(self, channels, classes, size=1, filter_scale=1.0):
        super().__init__()
        self.add_filters("W", classes, channels, size, filter_scale)
        self.add("bias", classes)

    def forward(self, x):
        return F.linear(x.flatten(1), self.W.flatten(1), self.bias.expand(len(self.W)))


# ---- networks -------------------------------------------------------------------------------------------------------


class Network(nn.Sequential):
    """Layers in a row. `_extra_state` in its state dict says what they are: the spec of a csc.Network node as bytes."""

    def add_module(self, name, module):
        if not isinstance(module, Layer):
            raise TypeError(f"{type(module).__name__}: a layer of csc_torch expected, others cannot be exported")
        super().add_module(str(len(self)), module)  # names are positions, in slices too

    def forward(self, x):
        for layer in self:
            if x.dim() == 2 and not isinstance(layer, Gemm):
                x = x[:, :, None, None]
            x = layer(x)
        return x

    @torch.no_grad()
    def project(self):
        """Keeps two-sided thresholds at least 0, as the contract wants: call it after every step of the optimiser."""
        for layer in self:
            if layer.attributes.get("nonnegative") == 0:
                layer.b.clamp_(min=0)

    def get_extra_state(self):
        spec = {"format": "csc-network", "version": 1, "layers": [layer.spec() for layer in self]}
        return torch.tensor(list(json.dumps(spec).encode()), dtype=torch.uint8)

    def set_extra_state(self, state):
        found, own = _specs(state), _specs(self.get_extra_state())
        if len(found) != len(own):
            raise ValueError(f"the state dict has {len(found)} layers, the network {len(own)}")
        for i, (theirs, ours) in enumerate(zip(found, own)):
            for name in sorted({*theirs, *ours}):
                if theirs.get(name) != ours.get(name):
                    raise ValueError(
                        f"layer {i} ({ours['op']}): the state dict has {name} {theirs.get(name)}, the network "
                        f"{ours.get(name)}"
                    )


def _specs(state):
    return json.loads(bytes(state.tolist()))["layers"]


def from_state_dict(state):
    """The network that a state dict describes, with its values."""
    network = Network()
    for i, spec in enumerate(_specs(state["_extra_state"])):
        start = f"{i}."
        network.append(_make_layer(spec, {k[len(start) :]: v for k, v in state.items() if k.startswith(start)}))
    network.load_state_dict(state)
    return network


def _make_layer(spec, state):
    kind = globals()[spec["op"]]
    options = {name: value for name, value in spec.items() if name not in ("op", "parameters", "layers")}
    if kind in (MsdCsc, ResCsc, LayeredThreshold):
        options["norm"] = any(key.startswith("norm") for key in state)
    if kind in (MsdCsc, ResCsc):
        options["scale"] = "a" in state or "a1" in state
    filters = [value.shape for key, value in sorted(state.items()) if key[0] in "FW"]
    if kind is MlCsc:
        filters = [state[f"F_{i}"].shape for i in range(1, spec["layers"] + 1)]
        layer = MlCsc(filters[0][1], [f[0] for f in filters], [f[2:] for f in filters], **options)
    elif kind is Gemm:
        layer = Gemm(filters[0][1], filters[0][0], filters[0][2:])
    elif filters:
        if kind is ResCsc:
            options["kernel2"] = filters[1][2:]
        layer = kind(filters[0][1], filters[0][0], filters[0][2:], **options)
    elif kind is SoftThreshold:
        layer = SoftThreshold(len(state["b"]), **options)
    else:
        layer = kind(**options)
    for name, parameter in layer._parameters.items():  # b, a and c come once or in rows, b also as one number
        if parameter is not None and name in state:
            layer.register_parameter(name, nn.Parameter(torch.empty_like(state[name])))
    return layer
