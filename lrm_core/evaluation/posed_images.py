"""Photos of one object with known cameras, as something to evaluate on.

One photo is the input, others are what predictions are compared with; there is no surface, so no
geometry is scored. The world is scaled until the input's camera is as far away as every method
expects, and its photo is cropped or padded about the principal point until the focal
length fits too: both are exact, whatever lens took it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from lrm_core.errors import InputError
from lrm_core.evaluation.observation import Observation
from lrm_core.evaluation.protocol import Protocol
from lrm_core.geometry.camera_normalization import normalize_cameras
from lrm_core.imaging.resampling import resample
from lrm_core.io.camera_files import read_cameras, view_files
from lrm_core.io.image_files import read_image
from lrm_core.structures.cameras import Cameras

TRANSFORMS = "transforms.json"


@dataclass(frozen=True)
class PosedImages:
    """Photos of one object, cut out, with their cameras.

    Attributes:
        photos: N >= 2 images with alpha: files, read when they are needed, or (H, W, 4) pixels.
        cameras: N, around an object at the world's origin, in any unit.
        source: index of the input.
        compared: indices of those that predictions are compared with; None for all but the input.
    """

    photos: tuple[Path | UInt8[np.ndarray, "H W 4"], ...]
    cameras: Cameras
    source: int = 0
    compared: tuple[int, ...] | None = None

    @property
    def references(self) -> tuple[int, ...]:
        """Indices of the photos that predictions are compared with."""
        if self.compared is not None:
            return self.compared
        return tuple(index for index in range(len(self.photos)) if index != self.source)


def read_posed_images(path: Path) -> tuple[PosedImages, str]:
    """The views of a NeRF-style `transforms.json`, and the SHA-256 over it and its images.

    Args:
        path: the file; its images lie in its folder or below.

    Raises:
        InputError: it is not such a file, names fewer than two images, or one that is not there or
            outside the folder.
    """
    cameras = read_cameras(path)
    content = path.read_bytes()
    files = tuple(view_files(path))
    if len(files) < 2:
        raise InputError(
            f"{path}: names one image, expected an input and at least one to compare with"
        )
    digest = hashlib.sha256(content)
    for file in files:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return PosedImages(files, cameras), digest.hexdigest()


def input_picture(images: PosedImages, protocol: Protocol) -> UInt8[np.ndarray, "S S 4"]:
    """The input photo as the protocol's input camera would have taken it.

    Raises:
        InputError: the photo cannot be read, has another shape than its camera, or no alpha.
    """
    given = protocol.input_view
    rgba = _read_cut_out(images.photos[images.source])
    height, width = rgba.shape[:2]
    fx, fy, cx, cy = _matching(images, width, height).intrinsics[images.source].tolist()
    across, down = fx / given.focal, fy / given.focal
    box = (cx - across / 2, cy - down / 2, cx + across / 2, cy + down / 2)
    return resample(rgba, box, (given.size, given.size))


def reference_cameras(images: PosedImages, protocol: Protocol) -> Cameras:
    """The cameras of the reference photos, in the input's frame, at the protocol's size."""
    cameras = normalize_cameras(
        images.cameras, source=images.source, distance=protocol.input_view.radius
    )
    scale = protocol.reference_views.size / max(cameras.width, cameras.height)
    size = [max(1, round(side * scale)) for side in (cameras.width, cameras.height)]
    cameras, chosen = cameras.resized(*size), list(images.references)
    cameras = replace(cameras, c2w=cameras.c2w[chosen], intrinsics=cameras.intrinsics[chosen])
    return cameras.single_precision()


def observe_images(images: PosedImages, cameras: Cameras, protocol: Protocol) -> Observation:
    """The reference photos as an observation: colors and alpha; no depth, no surface.

    Args:
        images: the photos.
        cameras: those of `reference_cameras`.
        protocol: names the background.

    Raises:
        InputError: a photo cannot be read, has another shape than its camera, or no alpha.
    """
    rgb, alpha = [], []
    for index in images.references:
        rgba = _read_cut_out(images.photos[index])
        height, width = rgba.shape[:2]
        _matching(images, width, height)
        view = resample(rgba, (0.0, 0.0, float(width), float(height)),
                         (cameras.width, cameras.height))  # fmt: skip
        opacity = view[..., 3:].astype(np.float32) / 255.0
        background = 255.0 * protocol.reference_views.background
        rgb.append(np.rint(view[..., :3] * opacity + background * (1.0 - opacity)))
        alpha.append(view[..., 3])
    return Observation(
        rgb=np.stack(rgb).astype(np.uint8),
        alpha=np.stack(alpha),
        depth=np.full((len(alpha), cameras.height, cameras.width), np.inf, dtype=np.float32),
        points=np.zeros((0, 3), dtype=np.float32),
        normals=np.zeros((0, 3), dtype=np.float32),
        triangles=np.zeros((0, 3, 3), dtype=np.float32),
    )


def _read_cut_out(file: Path | UInt8[np.ndarray, "H W 4"]) -> UInt8[np.ndarray, "H W 4"]:
    if not isinstance(file, Path):
        return file
    photo = read_image(file)
    if not photo.has_alpha:
        raise InputError(
            f"{file}: shows no transparency, expected the object cut out",
            hint="`lrm preprocess photos` cuts objects out",
        )
    return photo.rgba


def _matching(images: PosedImages, width: int, height: int) -> Cameras:
    """The cameras at the size of an image as read: large ones are scaled down."""
    cameras = images.cameras
    if abs(cameras.width / cameras.height * height / width - 1.0) > 0.01:
        raise InputError(
            f"an image has {width} x {height} pixels, its camera {cameras.width} x {cameras.height}"
        )
    return cameras.resized(width, height)
