"""Our networks in PyTorch, written for speed: codes stay apart from the channels passed on until a layer ends, scales and
steps are folded into filters where that saves a pass, and synthesis can be a transposed convolution or, flipped, a plain
one. training/pytorch/csc_torch.py has the same layers, written to be read.
"""

import csc_torch
import torch
import torch.nn.functional as F
from torch import nn


def row(v, k):
    """Row k of a parameter that is given once, or once for each iteration."""
    return v[k] if v.dim() == 2 else v


def channels(v):
    return v.reshape(1, -1, 1, 1)


class Dictionary(nn.Module):
    """Filters with their thresholds b, step c and scales a. A code's `passed_on` channels stand before the filters'."""

    def __init__(self, parameters, stride, dilation, pad, options, dense=False, threshold_identity=True):
        super().__init__()
        self.F, self.b, self.c, self.a = (parameters.get(name) for name in "Fbca")
        self.stride, self.dilation, self.pad = stride, dilation, pad
        self.normalise, self.flipped, self.training_step = options.normalise, options.flipped, options.training
        self.epsilon = options.epsilon
        self.passed_on = self.F.shape[1] if dense else 0
        self.threshold_identity = threshold_identity
        self.steps = None if self.c is None else self.c.tolist()
        self.layout = torch.contiguous_format

    def scale(self, k):
        """c of iteration k, 1 where there is none; a number where nothing is trained."""
        if self.c is None:
            return 1
        c = self.c if self.training_step else self.steps
        return c[k] if len(c) > 1 else c[0]

    def kept(self, name, make):
        """A constant, made when it is first asked for. Buffers are what torch.compile packs once and for all."""
        if not hasattr(self, name):
            self.register_buffer(name, make(), persistent=False)
        return getattr(self, name)

    def split(self, v, k):
        """Entries for the channels passed on and for the filters' own."""
        v = row(v, k)
        if v.numel() == 1:
            return v, v.expand(self.F.shape[0])
        first = self.passed_on if self.threshold_identity else 0
        return v[:first], v[first:]

    def filters(self, sign, k):
        """Filters and bias whose convolution is a sign c F x - b, once and for all where nothing is trained."""
        if self.training_step:
            return self.F * (sign * self.scale(k)), None if self.normalise else -self.split(self.b, k)[1]

        def fold():
            a = 1 if self.a is None else self.split(self.a, k)[1].reshape(-1, 1, 1, 1)
            return (self.F * (sign * self.scale(k)) * a).contiguous(memory_format=self.layout)

        name = f"{'plus' if sign > 0 else 'minus'}{k}"
        return self.kept(f"filters_{name}", fold), self.kept(f"bias_{name}", lambda: -self.split(self.b, k)[1])

    def convolve(self, x, filters, bias=None):
        return F.conv2d(x, filters, bias, self.stride, self.pad, self.dilation)

    def proximal(self, u, part, k):
        """S+_b(a norm(u)) where nothing was folded; part 0 are the channels passed on."""
        if self.normalise:
            a, b = self.split(self.a, k)[part], self.split(self.b, k)[part]
            return F.relu_(F.batch_norm(u, None, None, a, -b, True, 0, self.epsilon))
        b = channels(self.split(self.b, k)[part])
        if self.a is None:
            return F.relu_(u - b)
        return F.relu_(torch.addcmul(-b, channels(self.split(self.a, k)[part]), u))

    def step(self, start, sign, image, k):
        """The code S+_b(a (start + sign A (c image))) as (passed on, new); an empty start is 0."""
        identity, fresh = start or (None, None)
        u = self.convolve(image, *self.filters(sign, k))
        if self.training_step:
            u = u if fresh is None else fresh + u
            new = self.proximal(u, 1, k) if self.normalise else F.relu_(u)
        else:
            if fresh is not None:
                a = None if self.a is None else channels(self.split(self.a, k)[1])
                u = u + fresh if a is None else torch.addcmul(u, a, fresh)
            new = F.relu_(u)
        if not self.passed_on:
            return None, new
        c = self.scale(k)
        if identity is None:
            moved = image * (sign * c)
        elif self.training_step:
            moved = torch.addcmul(identity, c, image, value=sign)
        else:
            moved = torch.add(identity, image, alpha=sign * c)
        return self.proximal(moved, 0, k) if self.threshold_identity else moved, new

    def synthesise(self, code, size):
        """A^T code in the height and width `size`."""
        identity, fresh = code
        k = self.F.shape[2]
        if self.flipped and self.stride == 1:
            filters = self.flipped_filters()
            image = F.conv2d(fresh, filters, None, 1, self.dilation * (k - 1) - self.pad, self.dilation)
        else:
            smallest = (fresh.shape[2] - 1) * self.stride - 2 * self.pad + self.dilation * (k - 1) + 1
            image = F.conv_transpose2d(fresh, self.F, None, self.stride, self.pad, size[0] - smallest, 1, self.dilation)
        return image if identity is None else identity + image

    def flipped_filters(self):
        def flip():
            return self.F.flip(2, 3).transpose(0, 1)

        if self.training_step:
            return flip()
        return self.kept("filters_flipped", lambda: flip().contiguous(memory_format=self.layout))

    def join(self, code):
        return torch.cat(code, 1) if self.passed_on else code[1]


class Pursuit(nn.Module):
    """Layers pursued together by multi-layer ISTA or FISTA; MsdCsc and LayeredPursuit are one layer of it."""

    def __init__(self, dictionaries, unfolding, algorithm):
        super().__init__()
        self.dictionaries = nn.ModuleList(dictionaries)
        self.momentum = list(csc_torch.momentum(algorithm, unfolding))

    def forward(self, x):
        ds = list(self.dictionaries)
        images = [x]  # g_0, g_1, ...
        for i, d in enumerate(ds):
            code = d.step(None, 1, images[-1], 0)
            if i + 1 < len(ds):
                images.append(d.join(code))
        previous = code
        for k, factor in enumerate(self.momentum, 1):
            estimate = code
            if factor:
                estimate = [None if g is None else torch.lerp(p, g, 1 + factor) for p, g in zip(previous, code)]
            previous = code
            estimates, synthesised = [estimate], []
            for i in reversed(range(len(ds))):
                synthesised.insert(0, ds[i].synthesise(estimates[0], images[i].shape[2:]))
                if i:
                    whole, first = synthesised[0], ds[i - 1].passed_on
                    estimates.insert(0, (whole[:, :first], whole[:, first:]) if first else (None, whole))
            for i, d in enumerate(ds):
                code = d.step(estimates[i], -1, synthesised[i] - images[i], k)
                if i + 1 < len(ds):
                    images[i + 1] = d.join(code)
        return ds[-1].join(code)


class Residual(nn.Module):
    """ResCsc: h = S+(a1 F1 x), y = S+(a2 F2 (h + c F2^T s) + s); with a c that stays 0 a ResNet block."""

    def __init__(self, parameters, spec, options):
        super().__init__()
        p, stride = parameters, spec["strides"][0]
        self.first = Dictionary({"F": p["F1"], "b": p["b1"], "a": p.get("a1")}, stride, 1, p["F1"].shape[2] // 2, options)
        self.second = Dictionary({"F": p["F2"], "b": p["b2"], "a": p.get("a2")}, 1, 1, p["F2"].shape[2] // 2, options)
        self.c = p["c"]
        self.plain = not self.c.requires_grad and float(self.c) == 0
        self.stride, self.padded, self.simplified = stride, spec["shortcut"] == "pad", spec["simplified"]

    def forward(self, x):
        _, h = self.first.step(None, 1, x, 0)
        s = x
        if self.padded:
            s = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, h.shape[1] - x.shape[1]))
        d = self.second
        if not self.plain:
            h = torch.addcmul(h, channels(self.c), d.synthesise((None, s), s.shape[2:]))
        u = d.convolve(h, *d.filters(1, 0))
        if d.normalise:
            u = F.batch_norm(u, None, None, d.a, -d.b, True, 0, d.epsilon)
        return F.relu_(u if self.simplified else u + s)


class Classifier(nn.Module):
    def __init__(self, parameters):
        super().__init__()
        self.W, self.bias = parameters["W"], parameters["bias"]

    def forward(self, x):
        return F.linear(x.flatten(1), self.W.flatten(1), self.bias)


class Options:
    """What holds for all layers of a network."""

    def __init__(self, work, flipped):
        self.training, self.epsilon, self.flipped = work.training, work.epsilon, flipped
        self.normalise = False


def _groups(parameters):
    """Of several layers in one: a new one begins with every F."""
    groups = []
    for name, value in parameters:
        if name[0] == "F":
            groups.append({})
        groups[-1][name[0]] = value
    return groups


def _layer(spec, parameters, options):
    op, named = spec["op"], dict(parameters)
    if op in ("MsdCsc", "DenseCsc"):
        groups = _groups(parameters)
        dilations = spec.get("layer_dilations") or [spec["dilations"][0]]
        both = spec.get("threshold_identity", 1)
        dictionaries = [Dictionary(g, 1, d, d * (g["F"].shape[2] - 1) // 2, options, True, both)
                        for g, d in zip(groups, dilations)]
        return Pursuit(dictionaries, spec["unfolding"], spec["algorithm"])
    if op == "MlCsc":
        groups, ones = _groups(parameters), [1] * spec["layers"]
        geometry = zip(spec.get("layer_strides") or ones, spec.get("layer_dilations") or ones, spec["layer_pads"])
        dictionaries = [Dictionary(g, *each, options) for g, each in zip(groups, geometry)]
        return Pursuit(dictionaries, spec["unfolding"], spec["algorithm"])
    if op in ("LayeredPursuit", "LayeredThreshold"):
        d = spec.get("dilations", [1])[0]
        pad = spec["pads"][0] if spec.get("pads") else d * (named["F"].shape[2] - 1) // 2
        dictionary = Dictionary(named, spec.get("strides", [1])[0], d, pad, options)
        return Pursuit([dictionary], spec.get("unfolding", 0), spec.get("algorithm", "ista"))
    if op == "ResCsc":
        return Residual(named, spec, options)
    if op == "MaxPool":
        return nn.MaxPool2d(spec["kernel_shape"], spec["strides"])
    if op == "GlobalAveragePool":
        return nn.AdaptiveAvgPool2d(1)
    if op == "Gemm":
        return Classifier(named)
    raise ValueError(f"operator {op} is unknown here")


class Network(nn.Sequential):
    """The network of a Work. `flat` are its parameters in the order of the benchmark's array."""

    def __init__(self, work, flipped, layout):
        super().__init__()
        self.flat, self.start = [], []
        at = 0
        for spec in work.layers:
            parameters = []
            for p in spec["parameters"]:
                size = int(torch.Size(p["dims"]).numel())
                value = torch.tensor(work.flat_parameters[at : at + size], device=work.device).reshape(p["dims"])
                if value.dim() == 4:
                    value = value.contiguous(memory_format=layout)
                at += size
                self.start.append(value.clone())
                self.flat.append(nn.Parameter(value, requires_grad=work.training and p["trainable"]))
                parameters.append((p["name"], self.flat[-1]))
            options = Options(work, flipped)
            options.normalise = spec["normalise"]
            self.append(_layer(spec, parameters, options))
        for module in self.modules():
            if isinstance(module, Dictionary):
                module.layout = layout

    @torch.no_grad()
    def restart(self):
        """Undoes all steps of training."""
        for p, value in zip(self.flat, self.start):
            p.copy_(value)

    def gradients(self):
        """All gradients, in that order; zeros for what is not trained."""
        return torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in self.flat])
