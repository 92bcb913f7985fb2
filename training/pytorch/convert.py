#!/usr/bin/python3
"""Turns PyTorch state dicts into ONNX files with csc operators, and such files back into state dicts.

Example, from the project's root:

  training/pytorch/convert.py to-onnx resnet20.pt resnet20.onnx --size 32 32 --shortcut centre
  training/pytorch/convert.py to-onnx msd_csc.pt msd_csc.onnx --form fused --labels labels.txt
  training/pytorch/convert.py from-onnx model.onnx model.pt

State dicts are files of torch.save (the Python that runs this needs torch then), or .npz files of numpy arrays. The
names that are understood stand in training/pytorch/README.md.
"""

import argparse
import contextlib
import io
import math
import sys
import warnings

try:
    import numpy as np
    import onnx_files
    import state_dicts
    from contract import Error, show
    from sizes import network_dims
except ImportError as missing:
    sys.exit(f"convert.py: {missing} (Debian: python3-numpy and python3-onnx; PyPI: numpy and onnx)")


def import_torch():
    try:
        import torch
    except ImportError:
        raise Error(
            f"needs torch, which {sys.executable} does not have (Debian: python3-torch; PyPI: torch); files that end "
            "in .npz do without"
        ) from None
    return torch


# ---- state dict files -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def naming(path):
    """Puts the file's name before the errors inside."""
    try:
        yield
    except Error as error:
        raise Error(f"{path}: {error}") from None


def load_state(path):
    """{key: array} of a .npz file or of one that torch.save wrote."""
    with open(path, "rb") as file:
        return _load_npz(file) if path.endswith(".npz") else _load_torch(file)


def _load_npz(file):
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}
    except Exception as error:  # many kinds, from zip and numpy
        raise Error(f"no .npz file of arrays, or cut short: {_first_line(error)}") from None


def _load_torch(file):
    torch = import_torch()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one line of our own, or none
            checkpoint = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # many kinds, from zip, pickle and torch
        raise Error(
            "torch cannot load it as tensors only; torch.save(model.state_dict(), ...) writes such a file: "
            f"{_first_line(error)}"
        ) from None
    arrays = {}
    for key, value in state_dicts.unwrap(checkpoint).items():
        if not isinstance(value, torch.Tensor):
            raise Error(f"{key} is of type {type(value).__name__}: a state dict holds tensors only")
        try:
            value = value.detach().to_dense() if value.layout != torch.strided else value.detach()
            arrays[key] = (
                value if value.dtype == torch.float64 or not value.is_floating_point() else value.float()
            ).numpy()
        except (RuntimeError, TypeError, NotImplementedError) as error:
            raise Error(f"{key}: {_first_line(error)}") from None
    return arrays


def _first_line(error):
    return (str(error) or type(error).__name__).strip().split("\n")[0][:200]


def save_state(arrays, path):
    data = io.BytesIO()
    if path.endswith(".npz"):
        np.savez(data, **arrays)
    else:
        torch = import_torch()
        torch.save({key: torch.from_numpy(array.copy()) for key, array in arrays.items()}, data)
    onnx_files.write_beside(path, data.getvalue())


# ---- the two ways ---------------------------------------------------------------------------------------------------


def read_labels(path):
    with open(path, encoding="utf-8") as file:
        try:
            return file.read().splitlines()
        except UnicodeDecodeError:
            raise Error(f"{path}: UTF-8 text expected") from None


def to_onnx(options):
    labels = read_labels(options.labels) if options.labels else []
    with naming(options.source):
        layers = state_dicts.to_network(load_state(options.source), options.shortcut, options.epsilon)
        dims = [state_dicts.image_channels(layers), *(options.size or [0, 0])]
        data = onnx_files.make_model(layers, dims, options.form, labels).SerializeToString()
    with naming(options.target):
        onnx_files.write_beside(options.target, data)
    report(options.target, layers, dims)


def from_onnx(options):
    with naming(options.source):
        layers, dims, _ = onnx_files.read(options.source)
    with naming(options.target):
        save_state(state_dicts.from_network(layers), options.target)
    report(options.target, layers, dims)


def report(path, layers, dims):
    first, last = [show([d or "open" for d in sizes]) for sizes in (dims, network_dims(layers, dims)[-1])]
    values = sum(constant.size for layer in layers for constant in layer.constants)
    print(f"{path}: {len(layers)} layers, {first} to {last}, {values} values")


# ---- command line ---------------------------------------------------------------------------------------------------


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"convert.py: {message} (--help lists the options)\n")


def size(text):
    value = int(text)
    if not 1 <= value <= 1 << 30:
        raise argparse.ArgumentTypeError(f"a size of {text}: at least 1 expected")
    return value


def epsilon(text):
    value = float(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"an epsilon of {text}: at least 0 expected")
    return value


def parse(arguments):
    parser = Parser(prog="convert.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    to = commands.add_parser(
        "to-onnx",
        help="a state dict becomes an ONNX file",
        description="Writes an ONNX file; --shortcut is for ResNets alone.",
    )
    to.set_defaults(run=to_onnx)
    to.add_argument("source", metavar="STATE", help="state dict or checkpoint: of torch.save, or .npz")
    to.add_argument("target", metavar="MODEL.onnx", help="file to write")
    to.add_argument(
        "--size",
        nargs=2,
        type=size,
        metavar=("HEIGHT", "WIDTH"),
        help="fix the size of the input, which is left open otherwise",
    )
    to.add_argument(
        "--shortcut",
        choices=state_dicts.SHORTCUTS,
        help="where the zero channels of a ResNet's shortcuts are: all appended, or half on both sides, as in "
        "F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, planes // 4, planes // 4))",
    )
    to.add_argument(
        "--form",
        choices=("layered", "fused"),
        default="layered",
        help="one node a layer (the default), or one for the whole network, which runs fastest",
    )
    to.add_argument("--labels", metavar="FILE", help="names of the classes, one a line, to be kept in the model")
    to.add_argument(
        "--epsilon",
        type=epsilon,
        default=state_dicts.EPSILON,
        help="that of batch normalisation (default: %(default)s)",
    )
    back = commands.add_parser(
        "from-onnx",
        help="an ONNX file, fused or layered, becomes a state dict",
        description="Writes a state dict for csc_torch.from_state_dict.",
    )
    back.set_defaults(run=from_onnx)
    back.add_argument("source", metavar="MODEL.onnx", help="fused or layered form")
    back.add_argument("target", metavar="STATE", help="file to write: as torch.save does, or .npz")
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse(arguments)
    try:
        options.run(options)
    except Error as error:
        sys.exit(f"convert.py: {error}")
    except OSError as error:
        sys.exit(f"convert.py: {error.filename or options.target}: {error.strerror or error}")
    except MemoryError:
        sys.exit("convert.py: not enough memory")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
