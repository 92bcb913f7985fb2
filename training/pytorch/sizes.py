"""The sizes that layers give, as output_dims.cc of solvers/network has them. A size of 0 is open."""

import dataclasses

from contract import Error, same_pads, show


@dataclasses.dataclass
class Geometry:
    kernel: tuple
    strides: list
    dilations: list
    pads: list  # top, left, bottom, right

    def extent(self, axis):
        return self.dilations[axis] * (self.kernel[axis] - 1) + 1

    def windows(self, axis, size):
        """How many windows fit on `size` pixels; 0 where the size is open."""
        if size == 0:
            return 0
        room = size + self.pads[axis] + self.pads[axis + 2] - self.extent(axis)
        if room < 0:
            raise Error(
                f"its input's {('height', 'width')[axis]} is {size}: at least {size - room} expected by its filters"
            )
        return room // self.strides[axis] + 1


def _geometries(op, a, constants):
    if op == "ResCsc":
        kernels = constants[0].shape[2:], constants[2].shape[2:]
        return [Geometry(k, s, [1, 1], same_pads(k)) for k, s in zip(kernels, (a["strides"], [1, 1]))]
    if op == "MlCsc":
        return [
            Geometry(f.shape[2:], [s, s], [d, d], [p] * 4)
            for f, s, d, p in zip(constants[::3], a["layer_strides"], a["layer_dilations"], a["layer_pads"])
        ]
    if op == "MaxPool":
        return [Geometry(a["kernel_shape"], a["strides"], [1, 1], [0] * 4)]
    if "dilations" in a:
        return [Geometry(constants[0].shape[2:], a["strides"], a["dilations"], a["pads"])]
    return []


def input_channels(layer):
    """The channels that a layer's filters want; None where any number will do."""
    if layer.op in ("GlobalAveragePool", "MaxPool"):
        return None
    first = layer.constants[0]
    if layer.op == "SoftThreshold":
        return first.size if first.size > 1 else None
    return first.shape[0 if layer.op == "Synthesis" else 1]


def output_dims(layer, dims):
    """[C, H, W] of what the layer gives for an input of `dims`; a size of 0 is open."""
    op, a = layer.op, layer.attributes
    wanted = input_channels(layer)
    if wanted not in (None, dims[0]):
        raise Error(f"its input has {dims[0]} channels: {wanted} expected by its constants")
    geometries = _geometries(op, a, layer.constants)
    if op == "Synthesis":
        return [layer.constants[0].shape[1]] + _synthesis_size(geometries[0], a, dims[1:])
    if op == "GlobalAveragePool":
        return [dims[0], 1, 1]
    if op == "Gemm":
        w = layer.constants[0].shape
        if any(found not in (0, size) for found, size in zip(dims, w[1:])):
            raise Error(f"its input has sizes {show(dims)}: {show(w[1:])} expected by W")
        return [w[0], 1, 1]
    if op == "ResCsc":
        m, channels = layer.constants[0].shape[:2]
        if a["shortcut"] == "identity" and (m != channels or a["strides"] != [1, 1]):
            raise Error(
                f'attribute shortcut is "identity" with {channels} channels, {m} filters and strides '
                f'{a["strides"]}: as many filters as channels and strides [1, 1] expected'
            )
        if m < channels:
            raise Error(
                f'attribute shortcut is "pad" with {channels} channels and {m} filters: at least {channels} expected'
            )
        geometries = geometries[:1]
    size = list(dims[1:])
    for geometry in geometries:
        size = [geometry.windows(axis, size[axis]) for axis in (0, 1)]
    return [_output_channels(layer, dims[0])] + size


def _output_channels(layer, channels):
    if layer.op in ("MaxPool", "SoftThreshold"):
        return channels
    if layer.op == "MsdCsc":
        return channels + layer.constants[0].shape[0]
    return layer.constants[-3 if layer.op == "MlCsc" else 0].shape[0]


def _synthesis_size(geometry, a, windows):
    """Height and width of a synthesis: `output_size`, else the smallest whose analysis has these windows."""
    sizes = []
    for axis, count in enumerate(windows):
        pads = geometry.pads[axis] + geometry.pads[axis + 2]
        smallest = (count - 1) * geometry.strides[axis] + geometry.extent(axis) - pads
        size = a["output_size"][axis] if "output_size" in a else smallest if count else 0
        if count and (size < 1 or geometry.windows(axis, size) != count):
            raise Error(
                f"a synthesis to a {('height', 'width')[axis]} of {size} from a code of {count}: "
                f"sizes that fit each other expected"
            )
        sizes.append(size)
    return sizes


def network_dims(layers, dims):
    """[C, H, W] before each layer and after the last."""
    all_dims = [list(dims)]
    for i, layer in enumerate(layers):
        try:
            all_dims.append(output_dims(layer, all_dims[-1]))
        except Error as error:
            raise Error(f"layer {i} ({layer.op}): {error}") from None
    return all_dims
