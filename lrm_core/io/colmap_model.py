"""What a COLMAP sparse model holds: cameras, images with poses, points.

COLMAP's cameras look along +z with y down (OpenCV); `ColmapImage.c2w` converts to the axes of
docs/conventions.md. Its pixel centers lie at +0.5, as ours do.

Source: https://colmap.github.io/format.html and https://colmap.github.io/cameras.html.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8
from scipy.spatial.transform import Rotation

from lrm_core.errors import InputError
from lrm_core.imaging.lens_distortion import LensDistortion

# name -> (id, focal lengths, parameters in all); the lens terms that follow the principal point
# are those of `LensDistortion`, in its order
CAMERA_MODELS = {
    "SIMPLE_PINHOLE": (0, 1, 3),
    "PINHOLE": (1, 2, 4),
    "SIMPLE_RADIAL": (2, 1, 4),
    "RADIAL": (3, 1, 5),
    "OPENCV": (4, 2, 8),
    "OPENCV_FISHEYE": (5, 2, 8),
    "FULL_OPENCV": (6, 2, 12),
    "SIMPLE_RADIAL_FISHEYE": (8, 1, 4),
    "RADIAL_FISHEYE": (9, 1, 5),
    "THIN_PRISM_FISHEYE": (10, 2, 12),
    "SIMPLE_FISHEYE": (14, 1, 3),
    "FISHEYE": (15, 2, 4),
}
"""Camera models that are understood; COLMAP's FOV, RAD_TAN_THIN_PRISM_FISHEYE and the division
models are not."""

_LARGEST_SIDE = 2**17
_LONGEST_NAME = 4096


@dataclass(frozen=True)
class ColmapCamera:
    """One lens and sensor.

    Attributes:
        camera_id: number that images refer to.
        model: one of `CAMERA_MODELS`.
        width: width of its images in pixels.
        height: height of its images in pixels.
        params: focal lengths and principal point in pixels, then the lens terms of the model.

    Raises:
        InputError: the model is not known, or a value makes no camera.
    """

    camera_id: int
    model: str
    width: int
    height: int
    params: tuple[float, ...]

    def __post_init__(self) -> None:
        where = f"COLMAP camera {self.camera_id}"
        if self.model not in CAMERA_MODELS:
            raise InputError(
                f"{where}: camera model {self.model:.40} is not supported",
                hint="undistort the images with COLMAP's image_undistorter",
            )
        _, focal_lengths, count = CAMERA_MODELS[self.model]
        if len(self.params) != count:
            raise InputError(
                f"{where}: {len(self.params)} parameters, {self.model} has {count}",
            )
        if not (
            all(map(math.isfinite, self.params))
            and min(self.params[:focal_lengths]) > 0.0
            and 0 < self.width <= _LARGEST_SIDE
            and 0 < self.height <= _LARGEST_SIDE
        ):
            raise InputError(
                f"{where}: {self.width} x {self.height} pixels with parameters {self.params}, "
                "expected a size and focal lengths above 0, all finite"
            )

    @property
    def intrinsics(self) -> tuple[float, float, float, float]:
        """fx, fy, cx, cy in pixels, centers at +0.5."""
        focal_lengths = CAMERA_MODELS[self.model][1]
        cx, cy = self.params[focal_lengths : focal_lengths + 2]
        return self.params[0], self.params[focal_lengths - 1], cx, cy

    @property
    def distortion(self) -> LensDistortion | None:
        """How the lens bends the image; None for a pinhole."""
        terms = self.params[CAMERA_MODELS[self.model][1] + 2 :]
        fisheye = self.model.endswith("FISHEYE")
        if not fisheye and not any(terms):
            return None
        if self.model == "OPENCV_FISHEYE":
            terms = (*terms[:2], 0.0, 0.0, *terms[2:])  # it has no p1 and p2
        return LensDistortion((*terms, *(0.0,) * (8 - len(terms))), fisheye)


@dataclass(frozen=True)
class ColmapImage:
    """One image with its pose and keypoints.

    Attributes:
        image_id: number that tracks refer to.
        name: path of the file relative to the folder of images.
        camera_id: the camera that took it.
        quaternion: world to camera, w x y z, of length 1.
        translation: world to camera.
        keypoints: (K, 2) in pixels.
        point_ids: (K,) the point that each keypoint shows, -1 for none.

    Raises:
        InputError: the name leads out of the folder, or the pose is not one.
    """

    image_id: int
    name: str
    camera_id: int
    quaternion: tuple[float, float, float, float]
    translation: tuple[float, float, float]
    keypoints: Float[np.ndarray, "K 2"]
    point_ids: Int[np.ndarray, "K"]

    def __post_init__(self) -> None:
        steps = re.split(r"[/\\]", self.name)
        if (
            not {"", ".."}.isdisjoint(steps)
            or ":" in steps[0]
            or "\0" in self.name
            or len(self.name) > _LONGEST_NAME
        ):
            raise InputError(
                f"COLMAP image {self.image_id}: the name {self.name[:80]!r} leads out of the "
                "folder of images",
                hint="image names must be relative paths inside the folder",
            )
        length = math.hypot(*self.quaternion)
        if not all(map(math.isfinite, self.translation)) or not abs(length - 1.0) < 1e-2:
            raise InputError(
                f"COLMAP image {self.image_id} ({self.name[:80]}): quaternion {self.quaternion} "
                f"and translation {self.translation} are not a pose"
            )

    @property
    def c2w(self) -> Float[np.ndarray, "4 4"]:
        """Camera to world with OpenGL axes."""
        w, x, y, z = self.quaternion
        w2c = Rotation.from_quat([x, y, z, w]).as_matrix()
        c2w = np.eye(4)
        c2w[:3, :3] = w2c.T * [1.0, -1.0, -1.0]
        c2w[:3, 3] = -w2c.T @ self.translation
        return c2w


@dataclass(frozen=True)
class ColmapPoints:
    """The sparse point cloud.

    Attributes:
        ids: (P,) numbers that keypoints refer to.
        xyz: (P, 3) in the reconstruction's frame.
        rgb: (P, 3) sRGB.
        errors: (P,) mean reprojection error in pixels.
        tracks: of each point, (L, 2) the images that show it and which of their keypoints does.
    """

    ids: Int[np.ndarray, "P"]
    xyz: Float[np.ndarray, "P 3"]
    rgb: UInt8[np.ndarray, "P 3"]
    errors: Float[np.ndarray, "P"]
    tracks: tuple[Int[np.ndarray, "_ 2"], ...]


@dataclass(frozen=True)
class ColmapModel:
    """A sparse model.

    Attributes:
        cameras: by their ids.
        images: in the order of the file.
        points: None where they were not read.

    Raises:
        InputError: an image names a camera that is not there, or two share one id or name.
    """

    cameras: dict[int, ColmapCamera]
    images: tuple[ColmapImage, ...]
    points: ColmapPoints | None = None

    def __post_init__(self) -> None:
        for image in self.images:
            if image.camera_id not in self.cameras:
                raise InputError(
                    f"COLMAP image {image.image_id} ({image.name[:80]}) was taken by camera "
                    f"{image.camera_id}, which is not listed"
                )
        for values in ([image.image_id for image in self.images], [i.name for i in self.images]):
            if len(set(values)) < len(values):
                raise InputError("two images of the COLMAP model share one id or name")
