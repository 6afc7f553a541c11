"""Photos with known cameras -> one reconstruction in the frame of the first photo.

Each photo is turned until its camera looks at the object's center, which a homography does exactly,
and cut to the square that measures there what the model is used to. In the frame of such a camera
the model answers; how the frames lie in one another is known, so that nothing is left to guess.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8

from lrm_core.errors import ConfigError, InputError
from lrm_core.imaging.turned_view import warp
from lrm_core.reconstruction.fusion import FusedReconstruction, FusedView, fuse_views
from lrm_core.reconstruction.pipeline import ReconstructionModel
from lrm_core.reconstruction.stages import StageClock
from lrm_core.reconstruction.view_directions import Direction
from lrm_core.sources.posed_photos import PosedPhoto
from lrm_core.structures.cameras import canonical_camera
from lrm_core.structures.photo import CutOut
from lrm_core.structures.photo_camera import PhotoCamera
from lrm_core.structures.rotations import least_rotation

_LARGEST_PICTURE = 2048
# OpenGL's camera axes from OpenCV's, and back
_FLIP = np.diag([1.0, -1.0, -1.0])


def reconstruct_posed(
    model: ReconstructionModel,
    photos: Sequence[PosedPhoto],
    *,
    clock: StageClock | None = None,
) -> FusedReconstruction:
    """Reconstruct one object from photos with known cameras.

    Args:
        model: must be told the camera.
        photos: from `read_posed_photos`; the first gives the frame.
        clock: see `StageClock`.

    Raises:
        ConfigError: the model assumes one camera for all photos.
        InputError: a camera stands inside the object's cube.
        StoppedError: the clock was stopped.
    """
    if model.config.decoder.camera_feature == "none":
        raise ConfigError(
            f"{model.config.name} assumes one camera for all photos, but these have their own",
            hint="use a model that is told the camera, such as lrm-mini",
        )
    clock = clock or StageClock()
    own = model.config.source_camera
    views, to_first = [], np.eye(4)
    for index, photo in enumerate(photos):
        rotation, distance = look_at_center(photo)
        rgba = centered_picture(photo, rotation, distance * own.focal / own.distance)
        framed = model.frame(
            CutOut(rgba, "posed"), PhotoCamera(framing="as_is", distance=distance), clock=clock
        )
        canonical = canonical_camera(1, distance=distance).c2w[0].double().numpy()
        pose = photo.c2w.copy()
        pose[:3, :3] = rotation
        from_world = canonical @ np.linalg.inv(pose)
        if index == 0:
            to_first = from_world
        views.append(
            FusedView(
                model.reconstruct_framed(framed, clock=clock),
                _direction(photo, photos[0]),
                torch.from_numpy(from_world @ np.linalg.inv(to_first)).float(),
            )
        )
    with clock.stage("fusion"):
        return fuse_views(views, up=to_first[:3, 2], exact=True)


def look_at_center(photo: PosedPhoto) -> tuple[Float[np.ndarray, "3 3"], float]:
    """The photo's camera turned to the world's origin by the least angle: axes, and distance.

    Raises:
        InputError: it stands at the origin, or looks away from it.
    """
    rotation, place = photo.c2w[:3, :3], photo.c2w[:3, 3]
    distance = float(np.linalg.norm(place))
    backward = place / max(distance, 1e-9)
    if distance < 1.2 or backward @ rotation[:, 2] <= 0.0:
        raise InputError(
            f"{photo.file}: its camera stands within the object, or looks away from it",
            hint="the poses or the masks are wrong",
        )
    turned: np.ndarray = least_rotation(rotation[:, 2], backward) @ rotation
    return turned, distance


def centered_picture(
    photo: PosedPhoto, rotation: Float[np.ndarray, "3 3"], focal: float
) -> UInt8[np.ndarray, "S S 4"]:
    """What the photo's camera sees, turned, through a lens of another length.

    Args:
        photo: the photo.
        rotation: (3, 3) axes of the turned camera.
        focal: focal length over the side of the picture.
    """
    fx, fy, cx, cy = photo.intrinsics
    size = int(np.clip(round(np.sqrt(fx * fy) / focal), 64, _LARGEST_PICTURE))
    # whole numbers are the centers of pixels in OpenCV
    lens = np.array([[fx, 0.0, cx - 0.5], [0.0, fy, cy - 0.5], [0.0, 0.0, 1.0]])
    middle = size / 2.0 - 0.5
    new_lens = np.array([[focal * size, 0.0, middle], [0.0, focal * size, middle], [0, 0, 1.0]])
    turn = _FLIP @ rotation.T @ photo.c2w[:3, :3] @ _FLIP
    return warp(photo.rgba, new_lens @ turn @ np.linalg.inv(lens), (size, size))


def _direction(photo: PosedPhoto, first: PosedPhoto) -> Direction:
    """From where a photo was taken, azimuth 0 being that of the first."""
    x, y, z = photo.c2w[:3, 3] / np.linalg.norm(photo.c2w[:3, 3])
    azimuth = np.degrees(np.arctan2(x, -y) - np.arctan2(first.c2w[0, 3], -first.c2w[1, 3]))
    return Direction(float(azimuth % 360.0), float(np.degrees(np.arcsin(np.clip(z, -1, 1)))))
