"""The folder layout that OpenLRM trains from, read and written.

    ROOT/UID/rgba/000.png   sRGB with straight alpha
    ROOT/UID/pose/000.npy   (3, 4) camera to world, Blender's axes, z up: our own frame
    ROOT/UID/intrinsics.npy (3, 2) [[fx, fy], [cx, cy], [width, height]] of all views

Only the ratio of the intrinsics to the size that stands beside them counts, as in OpenLRM itself:
images that were resized after rendering keep their cameras. Lists of uids are JSON arrays.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image

from lrm_core.errors import InputError, OutputError
from lrm_core.io.atomic_write import replacing
from lrm_core.io.image_writing import write_png
from lrm_core.structures.cameras import Cameras
from lrm_core.structures.view_set import ObjectSource, ViewSet, object_id_of

MAX_IMAGE_BYTES = 256 * 2**20
MAX_PIXELS = 2**30
"""Pixels of all views of an object together: 1024 views of 1024 px."""
_INTRINSICS = "intrinsics.npy"
_HINT = "expected OpenLRM's layout: UID/rgba/000.png, UID/pose/000.npy, UID/intrinsics.npy"
# files often hold rotations to six digits
_ROTATION_TOLERANCE = 1e-3


def openlrm_folders(root: Path) -> list[str]:
    """Names of the folders of objects, finished or not.

    Raises:
        InputError: no such folder, or no object in it.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder", hint=_HINT)
    names = [
        folder.name
        for folder in root.iterdir()
        if not folder.name.startswith(".")
        and ((folder / "rgba").is_dir() or (folder / _INTRINSICS).is_file())
    ]
    if not names:
        raise InputError(f"{root} holds no object", hint=_HINT)
    return sorted(names)


def read_openlrm_views(folder: Path, *, source: str, licence: str) -> ViewSet:
    """Read one object.

    The layout knows neither the asset nor its exact box: the hash is that of the object's files,
    `bounds` is None.

    Args:
        folder: ROOT/UID.
        source: name of the data set.
        licence: licence of the object.

    Raises:
        InputError: files are missing, damaged, too large or contradict one another.
    """
    digest = hashlib.sha256()

    def read(path: Path) -> bytes:
        data = _read_bytes(path)
        digest.update(data)
        return data

    lens = _read_array(read(folder / _INTRINSICS), folder / _INTRINSICS, (3, 2))
    if not (lens[[0, 2]] > 0).all():
        raise InputError(f"{folder / _INTRINSICS}: focal lengths and size must be positive")
    names = _view_names(folder)
    c2w = np.tile(np.eye(4), (len(names), 1, 1))
    images: list[UInt8[np.ndarray, "H W 4"]] = []
    for index, name in enumerate(names):
        pose, image = folder / "pose" / f"{name}.npy", folder / "rgba" / f"{name}.png"
        c2w[index, :3] = _read_array(read(pose), pose, (3, 4))
        images.append(_read_rgba(read(image), image, len(names)))
        if images[-1].shape != images[0].shape:
            raise InputError(f"{image}: views of one object differ in size")
    height, width = images[0].shape[:2]
    intrinsics = (lens[:2] / lens[2] * (width, height)).ravel()
    cameras = Cameras(
        torch.from_numpy(c2w).float(),
        torch.from_numpy(intrinsics).float().repeat(len(names), 1),
        width,
        height,
    )
    wrong = (~cameras.is_rigid(_ROTATION_TOLERANCE)).nonzero()
    if len(wrong):
        raise InputError(
            f"{folder / 'pose' / names[int(wrong[0])]}.npy: not a rigid camera-to-world matrix",
            hint="camera axes must be orthonormal and right-handed, without scale",
        )
    provenance = ObjectSource(source, licence, digest.hexdigest())
    return ViewSet(object_id_of(folder.name), np.stack(images), cameras, provenance)


def write_openlrm_views(root: Path, views: ViewSet) -> Path:
    """Write one object; its folder appears whole, an older one of the same id is replaced.

    Depth and normals have no place in the layout and are left out.

    Returns:
        the object's folder.

    Raises:
        InputError: the views differ in their intrinsics, for which the layout has one place.
        OutputError: the folder cannot be written.
    """
    cameras = views.cameras
    if not torch.equal(cameras.intrinsics, cameras.intrinsics[:1].expand_as(cameras.intrinsics)):
        raise InputError(
            f"{views.object_id}: its views differ in focal length or principal point, and "
            "OpenLRM's layout holds one for all",
        )
    folder = _object_folder(root, views.object_id)
    temporary = root / f".{views.object_id}.{uuid.uuid4().hex[:8]}"
    lens = [*cameras.intrinsics[0].reshape(2, 2).tolist(), [cameras.width, cameras.height]]
    try:
        for name in ("rgba", "pose"):
            (temporary / name).mkdir(parents=True)
        for index, image in enumerate(views.images):
            write_png(temporary / "rgba" / f"{index:03d}.png", image)
            np.save(temporary / "pose" / f"{index:03d}.npy", cameras.c2w[index, :3].numpy())
        np.save(temporary / _INTRINSICS, np.array(lens, dtype=np.float64))
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def is_written(root: Path, object_id: str) -> bool:
    """Whether `write_openlrm_views` has finished this object."""
    return (_object_folder(root, object_id) / _INTRINSICS).is_file()


def write_uids(path: Path, object_ids: Sequence[str]) -> None:
    """Write a list of uids as OpenLRM's configuration names it (`meta_path`).

    Raises:
        OutputError: the file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(list(object_ids), indent=1) + "\n", encoding="utf-8")


def _object_folder(root: Path, object_id: str) -> Path:
    if object_id_of(object_id) != object_id:
        raise InputError(f"'{object_id}' is not an object id: letters, digits, '_' and '-' only")
    return root / object_id


def _view_names(folder: Path) -> list[str]:
    """000, 001, ... : every image with its pose, none missing."""
    found = {
        kind: {path.stem for path in (folder / kind).glob(f"*{suffix}")}
        for kind, suffix in (("rgba", ".png"), ("pose", ".npy"))
    }
    expected = [f"{index:03d}" for index in range(len(found["rgba"]))]
    if not expected or found["rgba"] != set(expected) or found["pose"] != set(expected):
        raise InputError(
            f"{folder}: {len(found['rgba'])} images and {len(found['pose'])} poses, expected "
            "as many of both, numbered from 000 without gaps",
            hint=_HINT,
        )
    return expected


def _read_bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_IMAGE_BYTES:
            raise InputError(f"{path}: more than {MAX_IMAGE_BYTES // 2**20} MB")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})", hint=_HINT) from error


def _read_array(data: bytes, path: Path, shape: tuple[int, int]) -> Float[np.ndarray, "_ _"]:
    """A small array of finite numbers; its header is read before anything is allocated."""
    file = io.BytesIO(data)
    try:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError("not a plain array of numbers")
        found, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
        if found != shape or dtype.kind not in "fiu":
            raise ValueError(f"{found} of {dtype}, expected {shape} numbers")
        values = np.frombuffer(file.read(), dtype, count=shape[0] * shape[1])
    except (ValueError, SyntaxError, TypeError) as error:
        raise InputError(f"{path}: {error}", hint=_HINT) from error
    array = values.reshape(shape, order="F" if fortran_order else "C").astype(np.float64)
    if not np.isfinite(array).all():
        raise InputError(f"{path}: numbers are not finite")
    return array


def _read_rgba(data: bytes, path: Path, num_views: int) -> UInt8[np.ndarray, "H W 4"]:
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            if num_views * image.width * image.height > MAX_PIXELS:
                raise InputError(
                    f"{path}: {num_views} views of {image.width} x {image.height} pixels are "
                    f"more than {MAX_PIXELS / 1e9:.1f} gigapixels"
                )
            if image.mode != "RGBA":
                raise InputError(f"{path}: mode {image.mode}, expected RGBA", hint=_HINT)
            return np.array(image)
    except InputError:
        raise
    except Exception as error:  # Pillow's parsers raise many kinds on damaged files
        raise InputError(f"{path} is damaged ({error})") from error
