"""Computes tests/golden/golden.json: what the layers must give, from the layer contract's formulas alone.

Nothing here is shared with the library. An analysis is written out as a dense matrix, entry by entry from the
definition of cross-correlation, and its synthesis is that matrix transposed, so the adjoint is exact for the input at
hand. All arithmetic is float64; all inputs and constants are small binary fractions, which float32 holds exactly.

    python3 tests/golden/golden.py           write golden.json beside this file
    python3 tests/golden/golden.py --check   compare with the golden.json that is there
"""

import json
import math
import os
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))


# ---- random but repeatable binary fractions ----

class Random:
    """A linear congruential generator, so that no library's generator is part of the numbers."""

    def __init__(self, seed):
        self.state = seed

    def values(self, dims, low, high, unit):
        """Multiples of 1/unit from low to high, in row-major order."""
        out = np.empty(int(np.prod(dims)))
        span = round((high - low) * unit) + 1
        for i in range(out.size):
            self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
            out[i] = low + (self.state >> 33) % span / unit
        return out.reshape(dims)

    def image(self, *dims):
        return self.values(dims, -2, 2, 64)

    def filters(self, *dims):
        return self.values(dims, -0.5, 0.5, 64)

    def thresholds(self, *dims):
        return self.values(dims, 0.0, 0.25, 64)

    def scales(self, *dims):
        return self.values(dims, 0.5, 1.5, 16)


# ---- linear maps ----

class Dictionary:
    """D^T for one input size: analysis is F x, synthesis is F^T g."""

    def __init__(self, filters, height, width, strides=(1, 1), dilations=(1, 1), pads=None):
        w, channels, kh, kw = filters.shape
        if pads is None:
            ph, pw = dilations[0] * (kh - 1) / 2, dilations[1] * (kw - 1) / 2
            assert ph == int(ph) and pw == int(pw)
            pads = (int(ph), int(pw), int(ph), int(pw))
        top, left, bottom, right = pads
        out_h = (height + top + bottom - dilations[0] * (kh - 1) - 1) // strides[0] + 1
        out_w = (width + left + right - dilations[1] * (kw - 1) - 1) // strides[1] + 1
        self.image_shape = (channels, height, width)
        self.code_shape = (w, out_h, out_w)
        matrix = np.zeros((w, out_h, out_w, channels, height, width))
        for y in range(out_h):
            for x in range(out_w):
                for i in range(kh):
                    for j in range(kw):
                        row = y * strides[0] + i * dilations[0] - top
                        column = x * strides[1] + j * dilations[1] - left
                        if 0 <= row < height and 0 <= column < width:
                            matrix[:, y, x, :, row, column] += filters[:, :, i, j]
        self.matrix = matrix.reshape(w * out_h * out_w, channels * height * width)

    def analyse(self, x):
        return (self.matrix @ x.reshape(-1)).reshape(self.code_shape)

    def synthesise(self, g):
        return (self.matrix.T @ g.reshape(-1)).reshape(self.image_shape)


def soft(z, b):
    """S_b(z) = sign(z) max(|z| - b, 0)"""
    return np.sign(z) * np.maximum(np.abs(z) - b, 0)


def soft_plus(z, b):
    """S+_b(z) = max(z - b, 0)"""
    return np.maximum(z - b, 0)


def shrink(nonnegative):
    return soft_plus if nonnegative else soft


def per_channel(v):
    """[n] or [1] against [n, H, W]"""
    return np.asarray(v).reshape(-1, 1, 1)


def row(v, k, unfolding):
    """Row k of a parameter given once or per iteration."""
    v = np.asarray(v)
    return v[k] if v.ndim == 2 and v.shape[0] == unfolding + 1 else v.reshape(-1)


def step(c, k):
    c = np.asarray(c).reshape(-1)
    return c[k] if c.size > 1 else c[0]


def momentum(algorithm, steps):
    """(t_k - 1) / t_{k+1} for k = 1 .. steps"""
    t, factors = 1.0, []
    for _ in range(steps):
        following = (1 + math.sqrt(1 + 4 * t * t)) / 2
        factors.append((t - 1) / following if algorithm == "fista" else 0.0)
        t = following
    return factors


# ---- operators, one image at a time ----

def geometry(attributes):
    return {k: attributes[k] for k in ("strides", "dilations", "pads") if k in attributes}


def soft_threshold(x, p, a):
    return shrink(a.get("nonnegative", 0))(x, per_channel(p[0]))


def layered_threshold(x, p, a):
    d = Dictionary(p[0], *x.shape[1:], **geometry(a))
    return shrink(a.get("nonnegative", 1))(d.analyse(x), per_channel(p[1]))


def layered_pursuit(x, p, a):
    filters, b, c = p
    u = a.get("unfolding", 0)
    d = Dictionary(filters, *x.shape[1:], **geometry(a))
    prox = shrink(a.get("nonnegative", 1))
    g = prox(step(c, 0) * d.analyse(x), per_channel(row(b, 0, u)))
    previous = g
    for k, factor in enumerate(momentum(a.get("algorithm", "ista"), u), start=1):
        z = g + factor * (g - previous)
        previous = g
        g = prox(z - step(c, k) * d.analyse(d.synthesise(z) - x), per_channel(row(b, k, u)))
    return g


def msd_csc(x, p, a):
    filters, b, c = p[:3]
    scale = p[3] if len(p) == 4 else np.ones(1)
    u = a.get("unfolding", 0)
    channels = x.shape[0]
    d = Dictionary(filters, *x.shape[1:], **geometry(a))

    def prox(z, k):
        bk, ak = per_channel(row(b, k, u)), per_channel(row(scale, k, u))
        if a.get("threshold_identity", 1):
            return soft_plus(ak * z, bk)
        return np.concatenate([z[:channels], soft_plus(ak * z[channels:], bk)])

    g = prox(step(c, 0) * np.concatenate([x, d.analyse(x)]), 0)
    previous = g
    for k, factor in enumerate(momentum(a.get("algorithm", "ista"), u), start=1):
        z = g + factor * (g - previous)
        previous = g
        r = z[:channels] + d.synthesise(z[channels:]) - x
        g = prox(z - step(c, k) * np.concatenate([r, d.analyse(r)]), k)
    return g


def res_csc(x, p, a):
    f1, b1, f2, b2, c = p[:5]
    a1, a2 = p[5:] if len(p) == 7 else (np.ones(1), np.ones(1))
    strides = a.get("strides", [1, 1])
    d1 = Dictionary(f1, *x.shape[1:], strides=strides)
    h = soft_plus(per_channel(a1) * d1.analyse(x), per_channel(b1))
    s = x
    if a.get("shortcut", "identity") == "pad":
        s = np.zeros(h.shape)
        s[:x.shape[0]] = x[:, ::strides[0], ::strides[1]]
    d2 = Dictionary(f2, *h.shape[1:])
    y = per_channel(a2) * d2.analyse(h + c[0] * d2.synthesise(s))
    if not a.get("simplified", 0):
        y = y + s
    return soft_plus(y, per_channel(b2))


def ml_csc(x, p, a):
    layers = a["layers"]
    ones = [1] * layers
    dictionaries, size = [], x.shape[1:]
    for i in range(layers):
        s, d, pad = a.get("layer_strides", ones)[i], a.get("layer_dilations", ones)[i], a["layer_pads"][i]
        dictionaries.append(Dictionary(p[3 * i], *size, (s, s), (d, d), (pad,) * 4))
        size = dictionaries[-1].code_shape[1:]
    b = [per_channel(p[3 * i + 1]) for i in range(layers)]
    c = [p[3 * i + 2][0] for i in range(layers)]

    g = [x]
    for i in range(layers):
        g.append(soft_plus(c[i] * dictionaries[i].analyse(g[i]), b[i]))
    previous = g[layers]
    for factor in momentum(a.get("algorithm", "ista"), a.get("unfolding", 0)):
        z = g[layers] + factor * (g[layers] - previous)
        previous = g[layers]
        estimate = [None] * layers + [z]
        for i in range(layers, 1, -1):
            estimate[i - 1] = dictionaries[i - 1].synthesise(estimate[i])
        for i in range(1, layers + 1):
            d = dictionaries[i - 1]
            r = d.synthesise(estimate[i]) - g[i - 1]
            g[i] = soft_plus(estimate[i] - c[i - 1] * d.analyse(r), b[i - 1])
    return g[layers]


def dense_csc(x, p, a):
    """The layers of a dense block, pursued together; a dictionary's analysis is [g ; F g]."""
    layers, u = a["layers"], a.get("unfolding", 0)
    own = [p[i * len(p) // layers:(i + 1) * len(p) // layers] for i in range(layers)]
    dictionaries = [Dictionary(own[i][0], *x.shape[1:], dilations=(a.get("layer_dilations", [1] * layers)[i],) * 2)
                    for i in range(layers)]

    def analyse(i, g):
        return np.concatenate([g, dictionaries[i].analyse(g)])

    def synthesise(i, code):
        channels = own[i][0].shape[1]
        return code[:channels] + dictionaries[i].synthesise(code[channels:])

    def prox(i, z, k):
        scale = per_channel(row(own[i][3], k, u)) if len(own[i]) == 4 else 1
        return soft_plus(scale * z, per_channel(row(own[i][1], k, u)))

    g = [x]
    for i in range(layers):
        g.append(prox(i, step(own[i][2], 0) * analyse(i, g[i]), 0))
    previous = g[layers]
    for k, factor in enumerate(momentum(a.get("algorithm", "ista"), u), start=1):
        estimate = [None] * layers + [g[layers] + factor * (g[layers] - previous)]
        previous = g[layers]
        for i in range(layers - 1, -1, -1):
            estimate[i] = synthesise(i, estimate[i + 1])
        for i in range(layers):
            g[i + 1] = prox(i, estimate[i + 1] - step(own[i][2], k) * analyse(i, estimate[i] - g[i]), k)
    return g[layers]


def synthesis(g, p, a):
    filters = p[0]
    if "output_size" in a:
        size = a["output_size"]
    else:
        # The smallest whose analysis has g's height and width: by trying.
        size = []
        for axis in (0, 1):
            n = 1
            while True:
                trial = [n, n]
                try:
                    shape = Dictionary(filters, *trial, **geometry(a)).code_shape
                except ValueError:
                    shape = (0, 0, 0)
                if shape[1 + axis] == g.shape[1 + axis]:
                    break
                n += 1
            size.append(n)
    return Dictionary(filters, *size, **geometry(a)).synthesise(g)


def objective(d, x, g, beta):
    return 0.5 * np.sum((x - d.synthesise(g)) ** 2) + np.sum(per_channel(beta) * np.abs(g))


def lasso(x, p, a):
    """Coordinate descent: each coefficient in turn is set to its best value, until none moves."""
    filters, beta = p
    d = Dictionary(filters, *x.shape[1:], **geometry(a))
    columns = d.matrix  # row i is the atom of coefficient i
    norms = np.sum(columns**2, axis=1)
    bound = np.broadcast_to(per_channel(beta), d.code_shape).reshape(-1)
    g = np.zeros(columns.shape[0])
    residual = x.reshape(-1).copy()
    for _ in range(200000):
        moved = 0.0
        for i in np.flatnonzero(norms):
            z = columns[i] @ residual + norms[i] * g[i]
            best = shrink(a.get("nonnegative", 0))(z, bound[i]) / norms[i]
            if best != g[i]:
                residual += columns[i] * (g[i] - best)
                moved = max(moved, abs(best - g[i]))
                g[i] = best
        if moved < 1e-14:
            break
    else:
        raise RuntimeError("coordinate descent did not converge")
    # Optimality: the residual's correlations are beta where g > 0 and at most beta elsewhere.
    correlations = columns @ (x.reshape(-1) - columns.T @ g)
    assert np.all(np.abs(correlations - np.sign(g) * bound)[g != 0] < 1e-11)
    tails = correlations if a.get("nonnegative", 0) else np.abs(correlations)
    assert np.all((tails - bound)[g == 0] < 1e-11)
    return g.reshape(d.code_shape)


OPERATORS = {
    "SoftThreshold": soft_threshold,
    "LayeredThreshold": layered_threshold,
    "LayeredPursuit": layered_pursuit,
    "MsdCsc": msd_csc,
    "ResCsc": res_csc,
    "MlCsc": ml_csc,
    "DenseCsc": dense_csc,
    "Synthesis": synthesis,
    "Lasso": lasso,
}


# ---- cases ----

def make_cases():
    r = Random(20240229)
    cases = []

    def add(name, op, x, parameters, **attributes):
        outputs = np.stack([OPERATORS[op](image, parameters, attributes) for image in x])
        assert np.any(outputs != 0), name
        case = {"name": name, "op": op, "attributes": attributes, "parameters": [tensor(p) for p in parameters],
                "input": tensor(x), "output": tensor(outputs)}
        if op == "Lasso":
            d = Dictionary(parameters[0], *x.shape[2:], **geometry(attributes))
            case["objective"] = [objective(d, image, g, parameters[1]) for image, g in zip(x, outputs)]
        cases.append(case)

    def c(*values):
        return np.array(values, dtype=float)

    x = r.image(2, 2, 5, 4)
    add("soft_threshold", "SoftThreshold", x, [r.thresholds(2)])
    add("soft_threshold_nonnegative", "SoftThreshold", x, [c(0.25)], nonnegative=1)

    filters = r.filters(3, 2, 3, 3)
    add("layered_threshold", "LayeredThreshold", x, [filters, r.thresholds(3)])
    add("layered_threshold_negative_b", "LayeredThreshold", x, [filters, -r.thresholds(3)])
    add("layered_threshold_two_sided", "LayeredThreshold", x, [filters, c(0.125)],
        strides=[2, 1], dilations=[1, 2], pads=[0, 1, 2, 3], nonnegative=0)

    wide = r.image(2, 2, 7, 6)
    for unfolding in range(4):
        add("pursuit_fista_%d" % unfolding, "LayeredPursuit", x, [filters, r.thresholds(3), c(0.25)],
            unfolding=unfolding, algorithm="fista")
    add("pursuit_strided", "LayeredPursuit", wide, [filters, r.thresholds(3), c(0.375)],
        strides=[2, 2], unfolding=3, algorithm="ista", nonnegative=0)
    add("pursuit_dilated", "LayeredPursuit", wide, [filters, c(0.0625), c(0.1875)],
        dilations=[2, 3], unfolding=2, algorithm="fista")
    add("pursuit_strided_dilated_rows", "LayeredPursuit", wide, [filters, r.thresholds(3, 3), c(0.25, 0.3125, 0.125)],
        strides=[2, 3], dilations=[2, 1], pads=[1, 0, 2, 1], unfolding=2, algorithm="fista", nonnegative=0)
    add("pursuit_unreached_rows", "LayeredPursuit", wide, [r.filters(3, 2, 2, 2), r.thresholds(3), c(0.375)],
        strides=[3, 4], pads=[0, 0, 0, 0], unfolding=2)

    for algorithm in ("ista", "fista"):
        for unfolding in range(4):
            if algorithm == "fista" and unfolding < 2:
                continue
            add("msd_%s_%d" % (algorithm, unfolding), "MsdCsc", x, [filters, r.thresholds(5), c(0.3125)],
                dilations=[1, 2], unfolding=unfolding, algorithm=algorithm)
    add("msd_scaled", "MsdCsc", x, [filters, r.thresholds(5), c(0.25), r.scales(5)], unfolding=2, algorithm="fista")
    add("msd_identity_free", "MsdCsc", x, [filters, r.thresholds(3), c(0.25), r.scales(3)],
        unfolding=3, algorithm="fista", threshold_identity=0)
    add("msd_rows", "MsdCsc", x, [filters, r.thresholds(4, 5), c(0.5, 0.25, 0.1875, 0.125), r.scales(4, 5)],
        unfolding=3, algorithm="fista")
    add("msd_even_kernel", "MsdCsc", x, [r.filters(3, 2, 2, 2), c(0.125), c(0.25)], pads=[1, 0, 0, 1], unfolding=2)

    square = r.filters(3, 3, 3, 3)
    add("res_identity", "ResCsc", r.image(2, 3, 4, 5), [r.filters(3, 3, 3, 3), r.thresholds(3), square,
                                                       r.thresholds(3), c(-0.25)])
    pad = [r.filters(3, 2, 3, 3), r.thresholds(3), square, r.thresholds(3), c(-0.375)]
    add("res_pad", "ResCsc", x, pad + [r.scales(3), r.scales(3)], strides=[2, 2], shortcut="pad")
    add("res_pad_stride_one", "ResCsc", x, pad, shortcut="pad")
    add("res_simplified", "ResCsc", x, pad, strides=[2, 1], shortcut="pad", simplified=1)

    layers = [r.filters(3, 2, 3, 3), r.thresholds(3) / 8, c(0.25), r.filters(4, 3, 3, 3), c(0.03125), c(0.1875)]
    add("ml_first_estimate", "MlCsc", wide, layers, layers=2, layer_pads=[1, 1])
    add("ml_two_layers", "MlCsc", wide, layers, layers=2, layer_pads=[1, 0], layer_strides=[2, 1], unfolding=2)
    deep = layers + [r.filters(3, 4, 2, 2), r.thresholds(3) / 32, c(0.25)]
    add("ml_three_layers", "MlCsc", wide, deep, layers=3, layer_pads=[1, 2, 1], layer_strides=[1, 2, 1],
        layer_dilations=[1, 2, 1], unfolding=3, algorithm="fista")

    code = r.image(1, 3, 3, 4)
    add("synthesis", "Synthesis", code, [filters])
    add("synthesis_strided", "Synthesis", code, [filters], strides=[2, 2], pads=[1, 1, 1, 1])
    add("synthesis_output_size", "Synthesis", code, [filters], strides=[2, 3], pads=[0, 1, 0, 1], output_size=[8, 12])

    add("lasso_strided", "Lasso", r.image(2, 2, 6, 6), [r.filters(4, 2, 3, 3), c(0.25)], strides=[2, 2])
    add("lasso_per_channel_nonnegative", "Lasso", r.image(2, 2, 5, 4), [r.filters(2, 2, 3, 3), c(0.125, 0.375)],
        nonnegative=1)

    block = [r.filters(3, 2, 3, 3), r.thresholds(5) / 4, c(0.25), r.filters(2, 5, 3, 1), c(0.03125), c(0.1875)]
    add("dense_first_estimate", "DenseCsc", x, block, layers=2)
    add("dense_two_layers", "DenseCsc", x, block, layers=2, layer_dilations=[1, 2], unfolding=2)
    scaled = [r.filters(2, 2, 3, 3), r.thresholds(4, 4) / 4, c(0.5, 0.25, 0.1875, 0.125), r.scales(4, 4),
              r.filters(1, 4, 3, 3), r.thresholds(5) / 4, c(0.25), r.scales(5),
              r.filters(2, 5, 1, 3), r.thresholds(7) / 8, c(0.1875, 0.25, 0.125, 0.25), r.scales(4, 7)]
    add("dense_rows", "DenseCsc", x, scaled, layers=3, layer_dilations=[2, 1, 3], unfolding=3, algorithm="fista")
    return cases


def tensor(values):
    # Whole numbers are written as such, which shortens the file.
    flat = [int(v) if v == int(v) else float(v) for v in np.asarray(values, dtype=float).reshape(-1)]
    return {"dims": list(np.asarray(values).shape), "data": flat}


# ---- the file ----

def dump(cases):
    lines = [json.dumps(case, separators=(",", ":")) for case in cases]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def differences(found, wanted):
    """Names of the cases that differ; sums may round otherwise with another BLAS."""
    if [c["name"] for c in found] != [c["name"] for c in wanted]:
        return ["the list of cases"]
    bad = []
    for a, b in zip(found, wanted):
        same = {k: v for k, v in a.items() if k not in ("output", "objective")} == \
               {k: v for k, v in b.items() if k not in ("output", "objective")}
        same = same and np.allclose(a["output"]["data"], b["output"]["data"], rtol=0, atol=1e-12)
        if not same:
            bad.append(a["name"])
    return bad


def main():
    path = os.path.join(HERE, "golden.json")
    text = dump(make_cases())
    if sys.argv[1:] == ["--check"]:
        with open(path) as file:
            bad = differences(json.loads(text), json.load(file))
        for name in bad:
            print("golden.json differs: " + name)
        sys.exit(1 if bad else 0)
    if sys.argv[1:]:
        sys.exit(__doc__)
    with open(path, "w") as file:
        file.write(text)
    print("%s: %d bytes" % (path, len(text)))


if __name__ == "__main__":
    main()
