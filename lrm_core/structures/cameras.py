"""Pinhole cameras and the conventions that everything obeys (docs/conventions.md).

World: right-handed, z up; the object lives in the cube [-1, 1]^3; the source camera of a
reconstruction sits at (0, -d, 0) and looks along +y (paper, section 4.2). Camera axes are
OpenGL's: +x right, +y up, looking along -z. Pixel centers lie at +0.5.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True)
class Cameras:
    """N pinhole cameras that share one image size.

    Attributes:
        c2w: (N, 4, 4) camera-to-world matrices, OpenGL axes.
        intrinsics: (N, 4) fx, fy, cx, cy in pixels.
        width: image width in pixels.
        height: image height in pixels.
    """

    c2w: Float[Tensor, "N 4 4"]
    intrinsics: Float[Tensor, "N 4"]
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.c2w.ndim != 3 or self.c2w.shape[1:] != (4, 4):
            raise ValueError(f"c2w must be (N, 4, 4), got {tuple(self.c2w.shape)}")
        if self.intrinsics.shape != (self.c2w.shape[0], 4):
            raise ValueError(
                f"intrinsics must be ({self.c2w.shape[0]}, 4), got {tuple(self.intrinsics.shape)}"
            )

    def __len__(self) -> int:
        return self.c2w.shape[0]

    def __getitem__(self, index: int | slice) -> Cameras:
        picked = slice(index, index + 1 or None) if isinstance(index, int) else index
        return Cameras(self.c2w[picked], self.intrinsics[picked], self.width, self.height)

    def to(self, device: torch.device | str) -> Cameras:
        """The same cameras on another device."""
        return Cameras(self.c2w.to(device), self.intrinsics.to(device), self.width, self.height)

    def single_precision(self) -> Cameras:
        """The same cameras in float32."""
        return Cameras(self.c2w.float(), self.intrinsics.float(), self.width, self.height)

    def resized(self, width: int, height: int) -> Cameras:
        """The same views at another image size; intrinsics scale with it."""
        scale = self.intrinsics.new_tensor(
            [width / self.width, height / self.height, width / self.width, height / self.height]
        )
        return Cameras(self.c2w, self.intrinsics * scale, width, height)

    @property
    def origins(self) -> Float[Tensor, "N 3"]:
        """(N, 3) camera centers in the world."""
        return self.c2w[:, :3, 3]

    @property
    def normalized_intrinsics(self) -> Float[Tensor, "N 4"]:
        """(N, 4) fx, fy, cx, cy divided by image width (x) and height (y)."""
        size = self.intrinsics.new_tensor([self.width, self.height, self.width, self.height])
        return self.intrinsics / size

    def is_rigid(self, tolerance: float) -> Bool[Tensor, "N"]:
        """Which poses are rigid: finite, with orthonormal, right-handed axes and no scale.

        Args:
            tolerance: largest error of an entry of R R^T; files often hold six digits.
        """
        c2w = self.c2w.double()
        rotation, last_row = c2w[:, :3, :3], c2w[:, 3]
        error = (rotation @ rotation.mT - torch.eye(3).to(c2w)).abs().amax(dim=(1, 2))
        is_affine = (last_row == c2w.new_tensor([0.0, 0.0, 0.0, 1.0])).all(dim=1)
        # written so that NaN fails too
        fits: Bool[Tensor, "N"] = (error < tolerance) & (torch.linalg.det(rotation) > 0.0)
        return fits & is_affine & c2w.isfinite().flatten(1).all(dim=1)

    def project(
        self, points: Float[Tensor, "P 3"]
    ) -> tuple[Float[Tensor, "N P 2"], Float[Tensor, "N P"]]:
        """World points to pixels.

        Args:
            points: (P, 3) in the world frame.

        Returns:
            (N, P, 2) pixel coordinates (x right, y down, centers at +0.5) and (N, P) depth along
            the viewing axis, positive in front of the camera.
        """
        w2c = torch.linalg.inv(self.c2w)
        local = torch.einsum("nij,pj->npi", w2c[:, :3, :3], points) + w2c[:, None, :3, 3]
        depth = -local[..., 2]
        fx, fy, cx, cy = self.intrinsics[:, None, :].unbind(-1)
        x = fx * local[..., 0] / depth + cx
        y = -fy * local[..., 1] / depth + cy
        return torch.stack([x, y], dim=-1), depth


CANONICAL_DISTANCE = 2.0
"""Distance of the source camera from the origin, in world units, unless a model has its own."""
CANONICAL_FOCAL = 0.75
"""Its focal length over the image width: a 24 mm lens on a 32 mm sensor."""


def look_at(
    origins: Float[Tensor, "N 3"],
    target: tuple[float, float, float] = (0.0, 0.0, 0.0),
    up: tuple[float, float, float] = (0.0, 0.0, 1.0),
) -> Float[Tensor, "N 4 4"]:
    """Camera-to-world matrices of cameras at `origins` that look at `target`.

    Where the viewing direction is parallel to `up`, +y of the world takes its place.

    Args:
        origins: (N, 3) camera centers; none may coincide with the target.
        target: the point looked at.
        up: the world direction that points up in the image.

    Returns:
        (N, 4, 4), OpenGL axes.
    """
    backward = origins - origins.new_tensor(target)
    backward = backward / backward.norm(dim=-1, keepdim=True)
    up_axis = origins.new_tensor(up).expand_as(backward)
    degenerate = torch.linalg.cross(up_axis, backward).norm(dim=-1, keepdim=True) < 1e-6
    up_axis = torch.where(degenerate, origins.new_tensor([0.0, 1.0, 0.0]), up_axis)
    right = torch.linalg.cross(up_axis, backward)
    right = right / right.norm(dim=-1, keepdim=True)
    true_up = torch.linalg.cross(backward, right)
    c2w = torch.eye(4, dtype=origins.dtype, device=origins.device).repeat(len(origins), 1, 1)
    c2w[:, :3, :] = torch.stack([right, true_up, backward, origins], dim=-1)
    return c2w


def canonical_camera(
    size: int,
    *,
    distance: float = CANONICAL_DISTANCE,
    focal: float = CANONICAL_FOCAL,
    num_cameras: int = 1,
) -> Cameras:
    """The source camera of every reconstruction: (0, -distance, 0), looking along +y, z up.

    Source: paper, section 4.2 (camera normalization).

    Args:
        size: width and height of the square image in pixels.
        distance: distance of the camera from the origin in world units.
        focal: focal length divided by the image width.
        num_cameras: how many copies (batch size).
    """
    origin = torch.tensor([[0.0, -distance, 0.0]], dtype=torch.float32)
    c2w = look_at(origin).repeat(num_cameras, 1, 1)
    lens = torch.tensor([[focal, focal, 0.5, 0.5]], dtype=torch.float32)
    intrinsics = lens.repeat(num_cameras, 1) * size
    return Cameras(c2w, intrinsics, size, size)
