"""Cameras as NeRF-style `transforms.json` files.

The format is that of the NeRF synthetic scenes, instant-ngp and nerfstudio: one `transform_matrix`
per frame (camera to world, OpenGL axes, z up: our own conventions, so nothing is converted) and
intrinsics either as `fl_x fl_y cx cy` in pixels or as `camera_angle_x`, the horizontal field of
view in radians.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from lrm_core.errors import InputError
from lrm_core.io.atomic_write import replacing
from lrm_core.structures.cameras import Cameras

_HINT = "expected a NeRF-style transforms.json, see docs/conventions.md"

_PINHOLE_MODELS = {"PINHOLE", "SIMPLE_PINHOLE", "OPENCV"}
_DISTORTION = ("k1", "k2", "k3", "k4", "p1", "p2")

# how far rotations may be from orthonormal: files often hold six digits
_ROTATION_TOLERANCE = 1e-3


def read_cameras(path: Path | str, *, size: tuple[int, int] | None = None) -> Cameras:
    """Cameras of a `transforms.json` file, in the order of its frames.

    Intrinsics may stand at the top level or in each frame; without `cx`, `cy` the principal point
    is the image center.

    Args:
        path: the file.
        size: (width, height) in pixels to use instead of the file's; intrinsics are scaled. Needed
            where the file names none, as in the NeRF synthetic scenes.

    Returns:
        N >= 1 cameras in double precision: far from the origin (UTM) they keep their digits.

    Raises:
        InputError: not readable, not such a file, no frame, a matrix that is not rigid, lens
            distortion, image sizes that differ, or no image size at all.
    """
    path = Path(path)
    content = _read_json(path)
    frames = content.get("frames")
    if not isinstance(frames, list) or not frames:
        raise InputError(f"{path.name}: 'frames' must be a list of at least one view", hint=_HINT)
    matrices, intrinsics, sizes = [], [], set()
    for index, frame in enumerate(frames):
        where = f"{path.name}: frame {index}"
        if not isinstance(frame, dict):
            raise InputError(f"{where}: expected an object, got {type(frame).__name__}", hint=_HINT)
        values = {**content, **frame}
        _check_pinhole(values, where)
        matrices.append(_read_matrix(values, where))
        file_size = _read_size(values, size, where)
        sizes.add(file_size)
        intrinsics.append(_read_intrinsics(values, *file_size, where))
    if len(sizes) > 1:
        found = ", ".join(f"{width}x{height}" for width, height in sorted(sizes))
        raise InputError(
            f"{path.name}: views differ in size ({found})",
            hint="put views of one size into one file",
        )
    width, height = sizes.pop()
    lenses = torch.tensor(intrinsics, dtype=torch.float64)
    cameras = Cameras(torch.stack(matrices), lenses, width, height)
    wrong = (~cameras.is_rigid(_ROTATION_TOLERANCE)).nonzero()
    if len(wrong):
        raise InputError(
            f"{path.name}: frame {int(wrong[0])}: the upper left 3 x 3 of 'transform_matrix' is "
            "not a rotation",
            hint="camera axes must be orthonormal and right-handed, without scale",
        )
    return cameras if size is None else cameras.resized(*size)


def view_files(path: Path) -> list[Path]:
    """The image files that a `transforms.json` names, in the order of its frames.

    Args:
        path: the file, as `read_cameras` reads it; images lie in its folder or below.

    Raises:
        InputError: a frame names no image, one that is not there, or one outside the folder.
    """
    folder = path.parent
    files = []
    for frame in _read_json(path)["frames"]:
        named = frame.get("file_path")
        if not isinstance(named, str) or not named:
            raise InputError(f"{path}: a frame without 'file_path'")
        file = folder / named
        if not file.suffix:  # as the NeRF synthetic scenes name them
            file = file.with_name(f"{file.name}.png")
        if not Path(os.path.realpath(file)).is_relative_to(os.path.realpath(folder)):
            raise InputError(f"{path}: '{named}' lies outside the folder")
        if not file.is_file():
            raise InputError(f"{path}: there is no image '{named}'")
        files.append(file)
    return files


def write_cameras(
    path: Path | str, cameras: Cameras, *, file_paths: list[str] | None = None
) -> None:
    """Write cameras as a `transforms.json` that NeRF tools and `read_cameras` understand.

    Args:
        path: the file; replaced in one step.
        cameras: N cameras.
        file_paths: image file of each camera, relative to the file's folder; by default
            `000.png`, `001.png`, ...

    Raises:
        OutputError: the file cannot be written.
    """
    path = Path(path)
    names = file_paths or [f"{index:03d}.png" for index in range(len(cameras))]
    frames = [
        {
            "file_path": name,
            **dict(zip(("fl_x", "fl_y", "cx", "cy"), intrinsics, strict=True)),
            "transform_matrix": matrix,
        }
        for name, intrinsics, matrix in zip(
            names, cameras.intrinsics.tolist(), cameras.c2w.tolist(), strict=True
        )
    ]
    content = {
        "camera_model": "PINHOLE",
        "w": cameras.width,
        "h": cameras.height,
        # for readers that know one field of view for all frames
        "camera_angle_x": 2.0 * math.atan(0.5 * cameras.width / frames[0]["fl_x"]),
        "frames": frames,
    }
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"), parse_int=float)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path.name}: not JSON ({error})", hint=_HINT) from error
    if not isinstance(content, dict):
        raise InputError(
            f"{path.name}: expected a JSON object, got {type(content).__name__}", hint=_HINT
        )
    return content


def _read_number(
    values: Mapping[str, Any], key: str, where: str, *, above: float = -math.inf
) -> float:
    """A finite number above a bound."""
    value = values[key]
    if not isinstance(value, float) or not above < value < math.inf:
        bound = "" if above == -math.inf else f" above {above:g}"
        raise InputError(
            f"{where}: '{key}' must be a finite number{bound}, got {value!r:.40}", hint=_HINT
        )
    return value


def _check_pinhole(values: Mapping[str, Any], where: str) -> None:
    model = values.get("camera_model", "PINHOLE")
    bent = [key for key in _DISTORTION if values.get(key)]
    known = isinstance(model, str) and model in _PINHOLE_MODELS
    if bent or not known:
        found = bent[0] if known else f"camera model {model!r:.40}"
        raise InputError(
            f"{where}: {found}: only pinhole cameras without distortion are supported",
            hint="undistort the images first, for example with COLMAP's image_undistorter",
        )


def _read_size(
    values: Mapping[str, Any], size: tuple[int, int] | None, where: str
) -> tuple[int, int]:
    if "w" in values and "h" in values:
        width, height = (_read_number(values, key, where, above=0.0) for key in ("w", "h"))
        if width % 1 or height % 1:
            raise InputError(f"{where}: image size {width} x {height} is not whole", hint=_HINT)
        return int(width), int(height)
    if size is None:
        raise InputError(
            f"{where}: no image size ('w' and 'h')", hint="add them, or give the size yourself"
        )
    return size


def _read_intrinsics(
    values: Mapping[str, Any], width: int, height: int, where: str
) -> tuple[float, float, float, float]:
    """fx, fy, cx, cy in pixels."""
    if "fl_x" in values:
        fx = _read_number(values, "fl_x", where, above=0.0)
    elif "camera_angle_x" in values:
        fx = _focal(_read_number(values, "camera_angle_x", where, above=0.0), width, where)
    else:
        raise InputError(f"{where}: neither 'fl_x' nor 'camera_angle_x' is given", hint=_HINT)
    if "fl_y" in values:
        fy = _read_number(values, "fl_y", where, above=0.0)
    elif "camera_angle_y" in values:
        fy = _focal(_read_number(values, "camera_angle_y", where, above=0.0), height, where)
    else:
        fy = fx
    cx = _read_number(values, "cx", where) if "cx" in values else width / 2
    cy = _read_number(values, "cy", where) if "cy" in values else height / 2
    return fx, fy, cx, cy


def _focal(angle: float, side: int, where: str) -> float:
    """Focal length in pixels of a field of view in radians."""
    if angle >= math.pi:
        raise InputError(
            f"{where}: a field of view of {angle} radians is not below pi",
            hint="'camera_angle_x' is in radians",
        )
    return 0.5 * side / math.tan(0.5 * angle)


def _read_matrix(values: Mapping[str, Any], where: str) -> torch.Tensor:
    """A (4, 4) camera-to-world matrix; its last row may be missing and is not looked at."""
    try:
        matrix = torch.tensor(values.get("transform_matrix"), dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        matrix = torch.empty(0)
    if matrix.shape not in {(3, 4), (4, 4)} or not bool(torch.isfinite(matrix).all()):
        raise InputError(
            f"{where}: 'transform_matrix' must be 4 rows of 4 finite numbers", hint=_HINT
        )
    c2w = torch.eye(4, dtype=torch.float64)
    c2w[:3] = matrix[:3]
    return c2w
