"""The layers in numpy, from the layer contract's formulas alone, one image at a time.

Nothing here is shared with the library. An analysis is written out as a dense matrix, entry by entry from the
definition of cross-correlation, and its synthesis is that matrix transposed, so the adjoint is exact for the input at
hand. All arithmetic is float64.
"""

import math

import numpy as np


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
