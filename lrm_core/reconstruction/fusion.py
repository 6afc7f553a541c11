"""Several photos of one object -> one reconstruction in the frame of the first photo.

Each photo is reconstructed alone; `models/fused_field.py` makes one field of theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from lrm_core.geometry.standing import up_seen_from
from lrm_core.models.fused_field import PosedField, fused_field, posed_field
from lrm_core.models.lrm import frustum_of
from lrm_core.reconstruction.grid_query import raw_density_level
from lrm_core.reconstruction.photo_colors import LaidPhotos, SeveralPhotoColors, photo_colors
from lrm_core.reconstruction.reconstruction import Reconstruction
from lrm_core.reconstruction.view_directions import Direction, box_of, from_first, relative_scales
from lrm_core.structures.cameras import Cameras

FUSION_VERSION = 2
"""Raised when fusion gives other answers, so that cached ones of an older one are not taken."""


# How far beyond an outline nothing is carved, in world units: where cameras are known, and where
# photos were cropped, each with a camera that is only assumed.
_EXACT_TOLERANCE = 0.0
_CROP_TOLERANCE = 0.03


@dataclass(frozen=True)
class FusedView:
    """One of several photos.

    Attributes:
        reconstruction: what was made of it alone, in the frame of its own camera.
        direction: from where it was taken.
        to_own_frame: (4, 4) from the world to the frame of its own camera: rotation, uniform scale
            and translation.
        scale: size of the object in its own frame over that in the world.
    """

    reconstruction: Reconstruction
    direction: Direction
    to_own_frame: Float[Tensor, "4 4"]
    scale: float = 1.0

    @property
    def camera(self) -> Cameras:
        """The camera of the photo in the world."""
        own = self.reconstruction.source_camera
        matrix = torch.linalg.inv(self.to_own_frame)
        c2w = matrix @ own.c2w.cpu()
        c2w[:, :3, :3] *= self.scale  # axes of unit length
        return Cameras(c2w, own.intrinsics.cpu(), own.width, own.height)


@dataclass(frozen=True)
class FusedReconstruction(Reconstruction):
    """One object of several photos, in the frame of the first.

    Attributes:
        views: all photos.
        vertical: the object's vertical in the frame of the first.
    """

    views: tuple[FusedView, ...] = ()
    vertical: Float[np.ndarray, "3"] = field(default_factory=lambda: up_seen_from(0.0))

    @property
    def up(self) -> Float[np.ndarray, "3"]:
        """See `Reconstruction.up`."""
        return self.vertical

    @property
    def warning(self) -> str | None:
        """What the user should look at in any of the photos, in one line."""
        return "; ".join(filter(None, (view.reconstruction.warning for view in self.views))) or None

    def lay_photos(
        self, vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
    ) -> LaidPhotos | None:
        """See `Reconstruction.lay_photos`."""
        laid = []
        for view in self.views:
            photo = view.reconstruction.photo
            if photo is None or photo.detail is None:
                return None
            laid.append(photo_colors(photo.detail, view.camera, vertices, faces))
        return SeveralPhotoColors(tuple(laid))


def fuse_photos(
    single: Sequence[Reconstruction],
    directions: Sequence[Direction],
    *,
    same_scale: bool = False,
) -> Reconstruction:
    """One reconstruction of those of single photos, all by the same model.

    Args:
        single: what was made of each photo; the first gives camera and size of the whole.
        directions: from where each was taken; the first counts as the front.
        same_scale: whether all photos were taken from one distance with one lens, the object's
            center in the middle, and not cropped; sizes are then left as they are.

    Raises:
        InputError: a photo shows no object.
    """
    first = single[0]
    if len(single) == 1:
        return first
    turned = from_first(directions)
    scales = [1.0] * len(single)
    if not same_scale:
        scales = relative_scales(turned, [_extent(alone) for alone in single])
    views = []
    for alone, direction, scale in zip(single, turned, scales, strict=True):
        to_own_frame = torch.eye(4)
        to_own_frame[:3, :3] = direction.rotation @ turned[0].rotation.T * scale
        views.append(FusedView(alone, direction, to_own_frame, scale))
    return fuse_views(views, up=up_seen_from(turned[0].elevation), exact=same_scale)


def fuse_views(
    views: Sequence[FusedView], *, up: Float[np.ndarray, "3"], exact: bool
) -> FusedReconstruction:
    """One reconstruction of photos whose frames are known.

    Args:
        views: all photos; the frame of the first is the world.
        up: the object's vertical in that frame, a unit vector.
        exact: whether cameras are known, so that what lies outside an outline is carved at once.
    """
    first = views[0].reconstruction
    tolerance = _EXACT_TOLERANCE if exact else _CROP_TOLERANCE
    parts = tuple(_posed(view, tolerance) for view in views)
    return FusedReconstruction(
        field=fused_field(parts, first.field.triplane, first.field.nerf_mlp),
        config=first.config,
        source_camera=first.source_camera,
        photo=first.photo,
        views=tuple(views),
        vertical=up,
    )


def _extent(alone: Reconstruction) -> tuple[float, float]:
    """Width and height of the object in the photo, at its distance, in the photo's own frame."""
    assert alone.photo is not None
    frustum = frustum_of(alone.source_camera)
    width, height = box_of(alone.photo.rgba[:, 3:])
    side = frustum.distance / frustum.focal
    return width * side, height * side


def _posed(view: FusedView, tolerance: float) -> PosedField:
    alone = view.reconstruction
    photo, nerf = alone.photo, alone.config.nerf
    assert photo is not None
    picture = photo.rgba if photo.detail is None else photo.detail
    return posed_field(
        alone.field,
        frustum_of(alone.source_camera),
        picture[:, 3:].to(alone.triplane.planes.device),
        view.to_own_frame,
        raw_level=raw_density_level(nerf.iso_level, nerf),
        steepness=nerf.ray_steepness,
        tolerance=tolerance * view.scale,
    )
