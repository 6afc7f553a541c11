"""How a mesh stands in a file: which way up, in which unit, how large and where.

| format     | up           | unit        | placed                                        |
|------------|--------------|-------------|-----------------------------------------------|
| .glb       | y            | the world's | as in the world                               |
| .obj .ply  | y, or chosen | the world's | as in the world                               |
| .stl       | z, or chosen | millimeter  | smallest corner at the origin, for slicers    |
| .3mf       | z            | millimeter  | smallest corner at the origin                 |
| .usdz      | y            | meter       | on the floor, centered (augmented reality)    |

A photo does not tell how large its object is: formats that have a unit take the longest side from
the caller.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from lrm_core.errors import ConfigError
from lrm_core.structures.frames import WORLD_TO_FILE
from lrm_core.structures.mesh import Mesh

UpAxis = Literal["y", "z"]

DEFAULT_SIZE_MM = 100.0
"""Longest side of a mesh in a format that has a unit, unless the caller says otherwise."""
SMALLEST_SIZE_MM, LARGEST_SIZE_MM = 1.0, 10_000.0

_MILLIMETERS = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "in": 25.4}
_LENGTH = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(mm|cm|m|in)?\s*", re.IGNORECASE)


@dataclass(frozen=True)
class FormatFrame:
    """What a file format says about frame and unit.

    Attributes:
        up: its up axis, by default or by its standard.
        fixed_up: whether the standard demands that axis.
        unit: of its coordinates, or None where the format names none and the world's are kept.
        standing: where a mesh with a unit is put: its smallest corner at the origin, or its
            middle above it.
    """

    up: UpAxis
    fixed_up: bool = False
    unit: Literal["mm", "m"] | None = None
    standing: Literal["corner", "middle"] = "corner"


FORMAT_FRAMES = {
    ".obj": FormatFrame("y"),
    ".glb": FormatFrame("y", fixed_up=True),
    ".ply": FormatFrame("y"),
    ".stl": FormatFrame("z", unit="mm"),
    ".3mf": FormatFrame("z", fixed_up=True, unit="mm"),
    ".usdz": FormatFrame("y", fixed_up=True, unit="m", standing="middle"),
}


@dataclass(frozen=True)
class MeshPlacement:
    """The similarity x -> scale * (rotation @ x - origin) from the world to a file's coordinates.

    Attributes:
        up: up axis of the file.
        unit: of its coordinates, or None for the world's.
        rotation: (3, 3), a proper rotation.
        scale: file units per world unit.
        origin: (3,) the turned world's point that becomes the origin of the file.
    """

    up: UpAxis
    unit: Literal["mm", "m"] | None
    rotation: Float[np.ndarray, "3 3"]
    scale: float
    origin: Float[np.ndarray, "3"]

    def apply(self, points: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N 3"]:
        """Points of the world in the file's coordinates, of the same dtype."""
        # subtracted first: the smallest corner becomes zero exactly
        placed: np.ndarray = self.scale * (points @ self.rotation.T - self.origin)
        return placed.astype(points.dtype)


def place_mesh(
    mesh: Mesh, suffix: str, *, up: UpAxis | None = None, size_mm: float | None = None
) -> MeshPlacement:
    """Where a mesh belongs in a file.

    Args:
        mesh: in the world frame, with vertices.
        suffix: of the file, a key of `FORMAT_FRAMES`.
        up: up axis; None for the format's own.
        size_mm: longest side in millimeters, for formats that have a unit; None for
            `DEFAULT_SIZE_MM`.

    Raises:
        ConfigError: see `check_placement`.
    """
    check_placement(suffix, up=up, size_mm=size_mm)
    frame = FORMAT_FRAMES[suffix]
    up = up or frame.up
    rotation = WORLD_TO_FILE[up]
    if frame.unit is None:
        return MeshPlacement(up, None, rotation, 1.0, np.zeros(3))
    turned = mesh.vertices.astype(np.float64) @ rotation.T
    low, high = turned.min(axis=0), turned.max(axis=0)
    longest = float((high - low).max())
    size = (DEFAULT_SIZE_MM if size_mm is None else size_mm) / _MILLIMETERS[frame.unit]
    scale = size / longest if longest > 0.0 else 1.0
    origin = low
    if frame.standing == "middle":
        across = [axis for axis in range(3) if axis != {"y": 1, "z": 2}[up]]
        origin[across] = (low + high)[across] / 2
    return MeshPlacement(up, frame.unit, rotation, scale, origin)


def check_placement(suffix: str, *, up: UpAxis | None, size_mm: float | None) -> None:
    """Find out before the work whether a format can be written with this up axis and size.

    Raises:
        ConfigError: an up axis that the standard of the format excludes, a size for a format
            without a unit, or one that is out of range.
    """
    frame = FORMAT_FRAMES[suffix]
    if frame.fixed_up and up not in (None, frame.up):
        raise ConfigError(
            f"{suffix} files are {frame.up} up by their standard, asked for {up} up",
            hint="write OBJ, PLY or STL for other up axes",
        )
    if size_mm is None:
        return
    if frame.unit is None:
        sized = ", ".join(name for name, known in FORMAT_FRAMES.items() if known.unit)
        raise ConfigError(
            f"{suffix} files have no unit of length, asked for a size of {size_mm:g} mm",
            hint=f"sizes apply to {sized}",
        )
    if not SMALLEST_SIZE_MM <= size_mm <= LARGEST_SIZE_MM:
        raise ConfigError(
            f"a size of {size_mm:g} mm, expected {SMALLEST_SIZE_MM:g} mm to "
            f"{LARGEST_SIZE_MM / 1000:g} m"
        )


def parse_length(text: str) -> float:
    """Millimeters of a length such as `120mm`, `12 cm`, `0.12m`, `4.7in`, or `120` (millimeters).

    Raises:
        ConfigError: the text is not a length.
    """
    match = _LENGTH.fullmatch(text)
    if match is None:
        raise ConfigError(f"'{text}' is not a length", hint="write it as 120mm, 12cm or 4.7in")
    return float(match[1]) * _MILLIMETERS[(match[2] or "mm").lower()]
