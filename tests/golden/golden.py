"""Computes tests/golden/golden.json: what the layers must give, from the layer contract's formulas alone.

The formulas are those of layers_in_numpy.py. All inputs and constants are small binary fractions, which float32 holds
exactly.

    python3 tests/golden/golden.py           write golden.json beside this file
    python3 tests/golden/golden.py --check   compare with the golden.json that is there
"""

import json
import os
import sys

import numpy as np

from layers_in_numpy import OPERATORS, Dictionary, geometry, objective

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
