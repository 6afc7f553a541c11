"""COLMAP sparse models as files, text and binary.

The files come from outside: no count is believed further than the file is long.

Source: https://colmap.github.io/format.html.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from lrm_core.errors import InputError
from lrm_core.io.colmap_model import (
    CAMERA_MODELS,
    ColmapCamera,
    ColmapImage,
    ColmapModel,
    ColmapPoints,
)

_LARGEST_FILE = 2**31
_HINT = "write the model again with COLMAP (model_converter), or download it again"

_MODEL_NAMES = {model_id: name for name, (model_id, _, _) in CAMERA_MODELS.items()}
_COUNT = struct.Struct("<Q")
_CAMERA = struct.Struct("<IiQQ")
_IMAGE = struct.Struct("<I4d3dI")
_POINT = struct.Struct("<Q3d3Bd")
_KEYPOINT = np.dtype([("xy", "<f8", 2), ("point_id", "<i8")])
_TRACK = np.dtype(("<u4", 2))


def colmap_model_files(folder: Path | str) -> tuple[Path, Path, Path]:
    """The files of cameras, images and points in a folder; binary ones go before text.

    The file of points may be missing.

    Raises:
        InputError: there are no files of cameras and images.
    """
    for suffix in (".bin", ".txt"):
        cameras, images, points = (
            Path(folder, name + suffix) for name in ("cameras", "images", "points3D")
        )
        if cameras.is_file() and images.is_file():
            return cameras, images, points
    raise InputError(
        f"{folder}: no COLMAP model (cameras and images, .bin or .txt)",
        hint="expected the folder that COLMAP's mapper writes, usually sparse/0",
    )


def read_colmap_model(folder: Path | str, *, points: bool = True) -> ColmapModel:
    """Read a sparse model.

    Args:
        folder: with cameras, images and points3D, all .bin or all .txt.
        points: whether to read the point cloud.

    Raises:
        InputError: a file is missing, cut off or damaged, or holds what no model can; see
            `ColmapCamera`, `ColmapImage`, `ColmapModel`.
    """
    camera_file, image_file, point_file = colmap_model_files(folder)
    if camera_file.suffix == ".bin":
        cameras, images = _read_cameras_bin(camera_file), _read_images_bin(image_file)
        cloud = _read_points_bin(point_file) if points else None
    else:
        cameras, images = _read_cameras_txt(camera_file), _read_images_txt(image_file)
        cloud = _read_points_txt(point_file) if points else None
    by_id = {camera.camera_id: camera for camera in cameras}
    if len(by_id) < len(cameras):
        raise InputError(f"{camera_file}: two cameras share one id", hint=_HINT)
    return ColmapModel(by_id, tuple(images), cloud)


def _read_bytes(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > _LARGEST_FILE:
            raise InputError(f"{path}: {size} bytes, expected at most {_LARGEST_FILE}")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error


class _BinaryFile:
    """A file read from front to back and never past its end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._data = _read_bytes(path)
        self._position = 0

    def _advance(self, num_bytes: int) -> int:
        start = self._position
        if num_bytes > len(self._data) - start:
            raise InputError(
                f"{self._path}: cut off or damaged: {num_bytes} bytes are due at byte {start}, "
                f"the file has {len(self._data)}",
                hint=_HINT,
            )
        self._position += num_bytes
        return start

    def record(self, layout: struct.Struct) -> tuple[Any, ...]:
        return layout.unpack_from(self._data, self._advance(layout.size))

    def records(self, dtype: np.dtype[Any], count: int) -> np.ndarray:
        start = self._advance(count * dtype.itemsize)
        return np.frombuffer(self._data, dtype, count, start)

    def count(self) -> int:
        number: int = self.record(_COUNT)[0]
        return number

    def name(self) -> str:
        end = self._data.find(b"\0", self._position)
        length = (end if end >= 0 else len(self._data)) - self._position
        start = self._advance(length + 1)  # fails where the end is missing
        return self._data[start : start + length].decode("utf-8", "surrogateescape")

    def finish(self) -> None:
        left = len(self._data) - self._position
        if left:
            raise InputError(
                f"{self._path}: {left} bytes are left over after the last entry", hint=_HINT
            )


def _read_cameras_bin(path: Path) -> list[ColmapCamera]:
    file = _BinaryFile(path)
    cameras = []
    for _ in range(file.count()):
        camera_id, model_id, width, height = file.record(_CAMERA)
        # of an unknown model the length is unknown too: the constructor refuses it
        model = _MODEL_NAMES.get(model_id, f"number {model_id}")
        _, _, num_params = CAMERA_MODELS.get(model, (0, 0, 0))
        params = tuple(file.records(np.dtype("<f8"), num_params).tolist())
        cameras.append(ColmapCamera(camera_id, model, width, height, params))
    file.finish()
    return cameras


def _read_images_bin(path: Path) -> list[ColmapImage]:
    file = _BinaryFile(path)
    images = []
    for _ in range(file.count()):
        image_id, qw, qx, qy, qz, tx, ty, tz, camera_id = file.record(_IMAGE)
        name = file.name()
        seen = file.records(_KEYPOINT, file.count())
        images.append(
            ColmapImage(
                image_id,
                name,
                camera_id,
                (qw, qx, qy, qz),
                (tx, ty, tz),
                seen["xy"].astype(np.float64),
                seen["point_id"].astype(np.int64),
            )
        )
    file.finish()
    return images


def _read_points_bin(path: Path) -> ColmapPoints:
    file = _BinaryFile(path)
    rows, tracks = [], []
    for _ in range(file.count()):
        rows.append(file.record(_POINT))
        tracks.append(file.records(_TRACK, file.count()).astype(np.int64))
    file.finish()
    return _points(path, rows, tracks)


def _points(
    path: Path, rows: Sequence[Sequence[Any]], tracks: Sequence[np.ndarray]
) -> ColmapPoints:
    """Points from rows of id, x, y, z, r, g, b, error."""
    table = np.array(rows, dtype=np.float64).reshape(-1, 8)
    xyz, rgb, errors = table[:, 1:4], table[:, 4:7], table[:, 7]
    if (
        not np.isfinite(xyz).all()
        or not ((rgb >= 0) & (rgb <= 255)).all()
        or not all(0 <= row[0] < 2**63 for row in rows)
    ):
        raise InputError(f"{path}: holds a point without place, color or number", hint=_HINT)
    ids = np.array([row[0] for row in rows], dtype=np.int64)
    return ColmapPoints(ids, xyz, rgb.astype(np.uint8), errors, tuple(tracks))


def _text_lines(path: Path) -> Iterator[tuple[str, str]]:
    """The lines of a file, each with where it stands."""
    text = _read_bytes(path).decode("utf-8-sig", "surrogateescape")
    for number, line in enumerate(text.split("\n"), 1):
        yield f"{path}, line {number}", line


def _is_entry(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


@contextmanager
def _parsing(where: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, IndexError, OverflowError) as error:
        raise InputError(
            f"{where}: not an entry of a COLMAP model ({error})", hint=_HINT
        ) from error


def _read_cameras_txt(path: Path) -> list[ColmapCamera]:
    cameras = []
    for where, line in _text_lines(path):
        if _is_entry(line):
            with _parsing(where):
                camera_id, model, width, height, *params = line.split()
                numbers = tuple(map(float, params))
                size = int(width), int(height)
                cameras.append(ColmapCamera(int(camera_id), model, *size, numbers))
    return cameras


def _read_images_txt(path: Path) -> list[ColmapImage]:
    images = []
    lines = _text_lines(path)
    for where, line in lines:
        if not _is_entry(line):
            continue
        keypoint_line = next(lines, ("", ""))[1]  # the second line of an entry may be empty
        with _parsing(where):
            image_id, *pose, camera_id, name = line.split(maxsplit=9)
            qw, qx, qy, qz, tx, ty, tz = map(float, pose)
            seen = np.array(keypoint_line.split(), dtype=np.float64).reshape(-1, 3)
            images.append(
                ColmapImage(
                    int(image_id),
                    name.strip(),
                    int(camera_id),
                    (qw, qx, qy, qz),
                    (tx, ty, tz),
                    seen[:, :2],
                    seen[:, 2].astype(np.int64),
                )
            )
    return images


def _read_points_txt(path: Path) -> ColmapPoints:
    rows, tracks = [], []
    for where, line in _text_lines(path):
        if _is_entry(line):
            with _parsing(where):
                point_id, *values = line.split()
                rows.append([int(point_id), *map(float, values[:7])])
                tracks.append(np.array(values[7:], dtype=np.int64).reshape(-1, 2))
                if len(rows[-1]) != 8:
                    raise ValueError(f"{len(rows[-1])} values, expected at least 8")
    return _points(path, rows, tracks)
