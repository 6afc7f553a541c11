"""COLMAP sparse models as files, for tests of what reads them.

Source: https://colmap.github.io/format.html.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lrm_core.io.colmap_model import CAMERA_MODELS, ColmapModel

_COUNT = struct.Struct("<Q")
_CAMERA = struct.Struct("<IiQQ")
_IMAGE = struct.Struct("<I4d3dI")
_POINT = struct.Struct("<Q3d3Bd")
_KEYPOINT = np.dtype([("xy", "<f8", 2), ("point_id", "<i8")])


def write_colmap_model(folder: Path, model: ColmapModel, *, binary: bool = True) -> None:
    """Write .bin or .txt files; without points an empty cloud, since COLMAP asks for the file."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = _to_binary(model) if binary else _to_text(model)
    for name, content in contents.items():
        (folder / name).write_bytes(content)


def _to_binary(model: ColmapModel) -> dict[str, bytes]:
    cameras = [_COUNT.pack(len(model.cameras))]
    for camera in model.cameras.values():
        model_id = CAMERA_MODELS[camera.model][0]
        cameras.append(_CAMERA.pack(camera.camera_id, model_id, camera.width, camera.height))
        cameras.append(np.array(camera.params, dtype="<f8").tobytes())
    images = [_COUNT.pack(len(model.images))]
    for image in model.images:
        pose = (*image.quaternion, *image.translation)
        images.append(_IMAGE.pack(image.image_id, *pose, image.camera_id))
        images.append(image.name.encode("utf-8", "surrogateescape") + b"\0")
        seen = np.empty(len(image.point_ids), _KEYPOINT)
        seen["xy"], seen["point_id"] = image.keypoints, image.point_ids
        images.append(_COUNT.pack(len(seen)) + seen.tobytes())
    points = [_COUNT.pack(0 if model.points is None else len(model.points.ids))]
    for values, track in _point_rows(model):
        points.append(_POINT.pack(*values) + _COUNT.pack(len(track)))
        points.append(track.astype("<u4").tobytes())
    return {
        "cameras.bin": b"".join(cameras),
        "images.bin": b"".join(images),
        "points3D.bin": b"".join(points),
    }


def _to_text(model: ColmapModel) -> dict[str, bytes]:
    cameras = ["# CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]"]
    for camera in model.cameras.values():
        size = (camera.width, camera.height)
        cameras.append(_line(camera.camera_id, camera.model, *size, *camera.params))
    images = [
        "# IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME",
        "# POINTS2D[] as (X, Y, POINT3D_ID)",
    ]
    for image in model.images:
        pose = (*image.quaternion, *image.translation)
        images.append(_line(image.image_id, *pose, image.camera_id, image.name))
        seen = zip(image.keypoints.tolist(), image.point_ids.tolist(), strict=True)
        images.append(_line(*(value for (x, y), point_id in seen for value in (x, y, point_id))))
    points = ["# POINT3D_ID, X, Y, Z, R, G, B, ERROR, TRACK[] as (IMAGE_ID, POINT2D_IDX)"]
    for values, track in _point_rows(model):
        points.append(_line(*values, *track.ravel().tolist()))
    return {
        name: ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")
        for name, lines in (
            ("cameras.txt", cameras),
            ("images.txt", images),
            ("points3D.txt", points),
        )
    }


def _line(*values: int | float | str) -> str:
    return " ".join(map(str, values))


def _point_rows(model: ColmapModel) -> Iterator[tuple[tuple[Any, ...], np.ndarray]]:
    """Id, x, y, z, r, g, b and error of each point, and its track."""
    if model.points is None:
        return
    points = model.points
    columns = (points.ids, points.xyz, points.rgb, points.errors, points.tracks)
    for point_id, xyz, rgb, error, track in zip(*columns, strict=True):
        yield (int(point_id), *xyz.tolist(), *rgb.tolist(), float(error)), track
