"""Camera normalization: every source camera in one place (paper, section 4.2; table 8).

A similarity transform of the world carries the source camera to (0, -d, 0), looking along +y with z
up, and all other cameras of the object with it. Rotations between cameras and the images they took
stay what they were; only the unit of length may change.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from scipy.spatial.transform import Rotation
from torch import Tensor

from lrm_core.config import Normalization
from lrm_core.errors import InputError
from lrm_core.structures.cameras import Cameras, canonical_camera


def normalize_cameras(
    cameras: Cameras,
    source: int = 0,
    *,
    mode: Normalization = "normalized",
    distance: float | None = 2.0,
    generator: torch.Generator | None = None,
) -> Cameras:
    """Express the cameras of one object in the frame that a model is trained in.

    Args:
        cameras: N cameras around the world's origin.
        source: index of the camera whose image is the model's input.
        mode: `normalized` as in the paper; `random` turns the world by a random rotation and `none`
            leaves it alone (the other rows of table 8).
        distance: from the source camera to the origin afterwards, reached by scaling the world (the
            paper's 2 for renders); None keeps each capture's own distance (its videos). Used by
            `normalized` only.
        generator: source of the random rotation.

    Returns:
        the cameras in the new frame; intrinsics and image size are untouched.

    Raises:
        InputError: the source camera sits at the origin, so that its distance cannot be set.
    """
    if mode == "none":
        return cameras
    if mode == "random":
        turn = torch.eye(4, dtype=cameras.c2w.dtype, device=cameras.c2w.device)
        turn[:3, :3] = _random_rotation(generator).to(cameras.c2w)
        return replace(cameras, c2w=turn @ cameras.c2w)
    own = float(cameras.origins[source].norm())
    if own < 1e-8:
        raise InputError(
            "the source camera sits at the world's origin, expected it at a distance",
            hint="center the object at the origin first",
        )
    scale = 1.0 if distance is None else distance / own
    target = canonical_camera(1, distance=own).c2w[0].to(cameras.c2w)
    c2w = target @ torch.linalg.inv(cameras.c2w[source]) @ cameras.c2w
    c2w[source] = target  # exactly, not but for rounding
    c2w[:, :3, 3] *= scale
    return replace(cameras, c2w=c2w)


def _random_rotation(generator: torch.Generator | None) -> Float[Tensor, "3 3"]:
    """Uniform over all rotations: a normalized Gaussian quaternion (Shoemake, 1992)."""
    w, x, y, z = torch.randn(4, generator=generator, dtype=torch.float64).tolist()
    return torch.from_numpy(Rotation.from_quat([x, y, z, w]).as_matrix())
